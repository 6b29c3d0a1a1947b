"""System calls that code in the sandbox may not make, as a seccomp filter for bubblewrap.

Written out as classic BPF (linux/filter.h, linux/seccomp.h), so that no library is needed for it.
"""

import errno
import platform
import struct
from dataclasses import dataclass

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, AT_LEAST, HAS_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
CLONE_THREAD = 0x00010000
X32 = 0x40000000
"""From here on the numbers are those of a second set of calls that x86-64 has."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """One processor's name for itself (linux/audit.h), and its numbers of system calls."""

    audit: int
    numbers: dict[str, int]


_ALIKE = {
    **{"clone3": 435, "io_uring_setup": 425, "pidfd_getfd": 438, "open_tree": 428, "move_mount": 429, "fsopen": 430},
    **{"memfd_secret": 447, "setxattrat": 463},
}
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        _ALIKE
        | {"fork": 57, "vfork": 58, "clone": 56, "socket": 41, "memfd_create": 319}
        | {"shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "ptrace": 101, "process_vm_readv": 310}
        | {"process_vm_writev": 311, "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155}
        | {"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "add_key": 248, "request_key": 249, "keyctl": 250}
        | {"kexec_load": 246, "init_module": 175, "finit_module": 313, "open_by_handle_at": 304, "kcmp": 312}
        | {"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setsid": 112},
    ),
    "aarch64": _Machine(
        0xC00000B7,
        _ALIKE
        | {"clone": 220, "socket": 198, "memfd_create": 279}
        | {"shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180, "ptrace": 117, "process_vm_readv": 270}
        | {"process_vm_writev": 271, "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41}
        | {"bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "add_key": 217, "request_key": 218, "keyctl": 219}
        | {"kexec_load": 104, "init_module": 105, "finit_module": 273, "open_by_handle_at": 265, "kcmp": 272}
        | {"setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "setsid": 157},
    ),
}
_ANSWERS = {
    # Memory that is no process's own would escape the limit on one process's memory; so would a second process.
    **dict.fromkeys(("socket", "memfd_create", "memfd_secret", "shmget", "semget", "msgget", "mq_open"), errno.EPERM),
    # In a session of its own it would no longer be last in line for the processor.
    "setsid": errno.EPERM,
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr", "setxattrat"), errno.EOPNOTSUPP),
    **dict.fromkeys(("fork", "vfork"), errno.EAGAIN),
    # The C library then falls back to calls that the filter can look into.
    **dict.fromkeys(("clone3", "io_uring_setup"), errno.ENOSYS),
}


def is_known() -> bool:
    """Whether there is a filter for this machine's processor."""
    return platform.machine() in _MACHINES


def make_filter() -> bytes:
    """The filter for this machine: no second process, no socket, and death to whoever reaches for other processes."""
    machine = _MACHINES[platform.machine()]
    program = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(EQUAL, machine.audit, if_not=1 - 1, if_so=1),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_AT),
        _step(AT_LEAST, X32, if_not=1),
        _step(RETURN, KILL),
    ]
    for name, number in machine.numbers.items():
        if name != "clone":
            verdict = ERRNO | _ANSWERS[name] if name in _ANSWERS else KILL
            program += [_step(EQUAL, number, if_not=1), _step(RETURN, verdict)]
    program += [
        _step(EQUAL, machine.numbers["clone"], if_not=3),
        _step(LOAD, FIRST_ARGUMENT_AT),
        _step(HAS_BITS, CLONE_THREAD, if_so=1),
        _step(RETURN, ERRNO | errno.EAGAIN),
        _step(RETURN, ALLOW),
    ]
    return b"".join(program)


def _step(code: int, operand: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """One instruction (struct sock_filter); a comparison skips so many of the next ones."""
    return struct.pack("=HBBI", code, if_so, if_not, operand)
