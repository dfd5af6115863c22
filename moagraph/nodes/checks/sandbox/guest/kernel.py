"""Kernel interfaces that Python's library does not offer."""

import ctypes
import os
from typing import Any

_SET_PARENT_DEATH_SIGNAL, _DROP_BOUNDING, _NO_NEW_PRIVILEGES, _AMBIENT = 1, 24, 38, 47
_CLEAR_ALL_AMBIENT = 4
_CAPABILITIES_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    """Return the result of a call, or raise an error if it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def system_call(number: int, what: str, *arguments: Any) -> int:
    """Make a system call by its number."""
    return check(_libc.syscall(ctypes.c_long(number), *arguments), what)


def process_control(option: int, value: int, what: str) -> None:
    """Call `prctl` with one argument."""
    zero = ctypes.c_ulong(0)
    result = _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero)
    check(result, what)


def die_with_parent(signal: int) -> None:
    """Have the kernel send this process a signal when its parent ends."""
    process_control(_SET_PARENT_DEATH_SIGNAL, signal, "parent death signal")


def forbid_new_privileges() -> None:
    """Set no_new_privs, which seccomp and Landlock require."""
    process_control(_NO_NEW_PRIVILEGES, 1, "no_new_privs")


def drop_capabilities() -> None:
    """Drop all capabilities for good."""
    try:
        for capability in range(64):
            process_control(_DROP_BOUNDING, capability, "bounding set")
    except OSError:  # behind the last capability, or not root
        pass
    process_control(_AMBIENT, _CLEAR_ALL_AMBIENT, "ambient capabilities")
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    check(_libc.capset(header, none), "capset")
