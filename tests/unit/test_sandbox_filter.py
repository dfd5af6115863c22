import os
import re
import struct
from pathlib import Path

import pytest

from moagraph.nodes.checks.sandbox.guest import seccomp_filter, syscall_numbers
from moagraph.nodes.checks.sandbox.guest.seccomp_filter import ALLOW, KILL, NOTIFY, refuse

HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), {}),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"), {"fstatat": "newfstatat"}),
}
LATER = {"close_range", "faccessat2", "epoll_pwait2", "futex_waitv", "fchmodat2"}
EPERM, ENOSYS, ENOTTY = refuse(1), refuse(38), refuse(25)


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernels_headers(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, renamed = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} is not installed")
    lines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    there = {renamed.get(name, name): int(number) for name, number in lines}
    monkeypatch.setattr(os, "uname", lambda: type("Uname", (), {"machine": machine}))
    ours = syscall_numbers.numbers()
    assert {name for name in ours if name not in there} <= LATER
    assert {name: ours[name] for name in ours if name in there} == {
        name: there[name] for name in ours if name in there
    }


def decision(program: bytes, number: int, *arguments: int, machine: int | None = None) -> int:
    """What the kernel makes of a call, as it runs the program."""
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    machine = syscall_numbers.architecture() if machine is None else machine
    data = struct.pack("=iIQ6Q", number, machine, 0, *values)
    accumulator = at = 0
    while True:
        code, then, otherwise, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x06:
            return int(value)
        else:
            holds = accumulator == value if code == 0x15 else accumulator >= value
            at += then if holds else otherwise


CALLS = {
    "reading": ("read", (0, 0, 1), ALLOW),
    "a process": ("clone", (17,), EPERM),
    "a thread": ("clone", (0x3D0F00,), ALLOW),
    "a thread in a namespace": ("clone", (0x3D0F00 | 0x20000000,), EPERM),
    "a program": ("execve", (), EPERM),
    "a socket": ("socket", (2, 1, 0), EPERM),
    "a pair of streams": ("socketpair", (1, 1 | 0o2000000, 0), ALLOW),
    "a pair of datagrams": ("socketpair", (1, 2, 0), EPERM),
    "sending to its partner": ("sendto", (3, 1, 1, 0, 0, 0), ALLOW),
    "sending to an address": ("sendto", (3, 1, 1, 0, 0x7F0000000000, 16), EPERM),
    "its own limits": ("prlimit64", (0, 7, 0, 1), ALLOW),
    "other limits": ("prlimit64", (0, 7, 2**40, 0), EPERM),
    "a signal to itself": ("kill", (os.getpid(), 6), ALLOW),
    "a signal to another": ("kill", (1, 9), EPERM),
    "a signal to all": ("kill", (2**32 - 1, 9), EPERM),
    "its flags": ("fcntl", (3, 4, 0o4000), ALLOW),
    "its owner": ("fcntl", (3, 8, 1), EPERM),
    "whether it is a terminal": ("ioctl", (0, 0x5401), ALLOW),
    "typing": ("ioctl", (0, 0x5412), ENOTTY),
    "a name of a thread": ("prctl", (15,), ALLOW),
    "its parent's death": ("prctl", (1,), EPERM),
}


@pytest.mark.parametrize(("call", "arguments", "outcome"), CALLS.values(), ids=CALLS)
def test_the_filter_allows_what_reaches_nobody_else(
    call: str, arguments: tuple[int, ...], outcome: int
) -> None:
    program = seccomp_filter.refusing_filter(own_files=True)
    assert decision(program, syscall_numbers.numbers()[call], *arguments) == outcome


def test_what_it_does_not_name_and_what_another_machine_calls_is_refused() -> None:
    program = seccomp_filter.refusing_filter(own_files=True)
    for number in (425, 434, 435, 446, 9999, 0x40000000, 0x40000001):
        assert decision(program, number) == ENOSYS
    assert decision(program, 0, machine=0x40000003) == KILL


def test_where_files_are_the_machines_their_modes_and_times_stay() -> None:
    for own, outcome in ((True, ALLOW), (False, refuse(0))):
        program = seccomp_filter.refusing_filter(own)
        for call in ("fchmod", "fchmodat", "utimensat"):
            assert decision(program, syscall_numbers.numbers()[call]) == outcome


def test_each_thread_and_each_file_is_counted_and_nothing_else() -> None:
    program, numbers = seccomp_filter.notifying_filter(), syscall_numbers.numbers()
    counted = {
        ("clone", (0x3D0F00,)): NOTIFY,
        ("clone", (17,)): ALLOW,
        ("openat", (0, 0, os.O_RDONLY)): ALLOW,
        ("openat", (0, 0, os.O_WRONLY | os.O_CREAT)): NOTIFY,
        ("openat", (0, 0, os.O_RDWR | os.O_TMPFILE)): NOTIFY,
        ("mkdirat", ()): NOTIFY,
        ("symlinkat", ()): NOTIFY,
        ("write", ()): ALLOW,
    }
    for (call, arguments), outcome in counted.items():
        assert decision(program, numbers[call], *arguments) == outcome, call
    assert {numbers["clone"], numbers["openat"], numbers["mkdirat"]} <= {
        *seccomp_filter.counted_calls()
    }
