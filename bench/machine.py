"""What a figure was measured on."""

import os
import platform
import time
from pathlib import Path
from typing import Any

BUSY_PERCENT = 15
LOOK_S, MOST_LOOKS = 0.2, 25


def wait_until_quiet() -> None:
    """Wait while the processors are busy, 5 seconds at most: threads of a server measured before may wait awake."""
    import psutil

    psutil.cpu_percent()
    for _ in range(MOST_LOOKS):
        time.sleep(LOOK_S)
        if psutil.cpu_percent() < BUSY_PERCENT:
            return


def describe_machine() -> dict[str, Any]:
    """Cores that this process may use, the processor, its load now, memory in GiB, and the versions that matter."""
    import psutil
    import torch
    import transformers

    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "amx": torch.cpu._is_amx_tile_supported() if hasattr(torch.cpu, "_is_amx_tile_supported") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
