"""Cores and threads: one thread computes with all cores, the others each with one."""

import ctypes
from pathlib import Path


def compute_alone() -> None:
    """Let this thread compute with one core from now on.

    Each thread that computes with several has helpers of its own. As soon as those of all threads are more than there
    are cores, OpenMP lets none of them wait awake, and every short product of the model waits for a wake-up. Torch's
    own setting is the whole process's; these are the thread's.
    """
    import torch

    for file in Path(torch.__file__).parent.glob("lib/libtorch_cpu.*"):
        library = ctypes.CDLL(str(file))
        for name in ("omp_set_num_threads", "MKL_Set_Num_Threads_Local"):
            if hasattr(library, name):
                getattr(library, name)(1)
