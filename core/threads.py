"""Cores and threads: how many cores a thread computes with."""

import ctypes
from importlib.util import find_spec
from pathlib import Path


def compute_with(cores: int = 1) -> None:
    """Let this thread compute with so many cores from now on.

    Each thread that computes with several has helpers of its own. As soon as those of all threads are more than there
    are cores, OpenMP lets none of them wait awake, and every short product of the model waits for a wake-up. Torch's
    own setting is the whole process's; these are the thread's.
    """
    for file in Path(find_spec("torch").origin).parent.glob("lib/libtorch_cpu.*"):
        library = ctypes.CDLL(str(file))
        for name in ("omp_set_num_threads", "MKL_Set_Num_Threads_Local"):
            if hasattr(library, name):
                getattr(library, name)(cores)
