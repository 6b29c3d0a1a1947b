"""The C++ compiler of this machine, which serving is faster with."""

import shutil


def find_compiler() -> str | None:
    """Its path, if there is one."""
    return next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
