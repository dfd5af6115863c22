"""The list of system calls that sandboxed code may make, enforced by the kernel (seccomp).

Two filters are installed. The first asks the supervisor before a thread, a file or a folder is
made, so that their number has a limit. The second refuses every call that is not listed. Values
are compared only where they are numbers: what a pointer leads to can change after the check.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from moagraph.nodes.checks.sandbox.guest.kernel import system_call
from moagraph.nodes.checks.sandbox.guest.syscall_numbers import architecture, numbers

_WORD = 0xFFFFFFFF
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06  # BPF: load a word, mask it, end
_EQUAL, _AT_LEAST = 0x15, 0x35
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_OTHER_ABI = 0x40000000  # the calls of x32 on x86-64

ALLOW, NOTIFY, KILL, _ERROR = 0x7FFF0000, 0x7FC00000, 0x80000000, 0x00050000
_SET_FILTER, _NEW_LISTENER = 1, 1 << 3

_CREATES_FILE = os.O_CREAT | 0o20000000  # the second is the kernel's own part of O_TMPFILE
_THREAD = 0x00010000 | 0x00000100 | 0x00000800  # CLONE_THREAD, CLONE_VM, CLONE_SIGHAND
_NAMESPACES = 0x7E020080  # every CLONE_NEW…

# Calls that always make a file, a folder or a link; `open` does with some flags.
_MAKES_FILE = ("creat", "mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat")

_FREE = """
read write readv writev pread64 pwrite64 preadv pwritev close close_range lseek fstat newfstatat
stat lstat statx access faccessat faccessat2 readlink readlinkat statfs fstatfs getcwd chdir fchdir
getdents getdents64 flock open openat creat mkdir mkdirat symlink symlinkat link linkat unlink
unlinkat rename renameat renameat2 rmdir truncate ftruncate fsync fdatasync copy_file_range sendfile
umask mmap munmap mprotect mremap madvise brk msync rt_sigaction rt_sigprocmask rt_sigreturn
rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause alarm getitimer setitimer futex
futex_waitv set_robust_list get_robust_list rseq membarrier sched_yield sched_getaffinity getcpu
set_tid_address restart_syscall gettid getpid getppid getuid geteuid getgid getegid getresuid
getresgid getgroups getpgrp getpgid getsid exit exit_group wait4 waitid nanosleep clock_nanosleep
clock_gettime clock_getres gettimeofday time times getrusage getrlimit getpriority uname sysinfo
getrandom pipe pipe2 dup dup2 dup3 eventfd eventfd2 epoll_create epoll_create1 epoll_ctl epoll_wait
epoll_pwait epoll_pwait2 poll ppoll select pselect6 recvfrom recvmsg shutdown getsockname
getpeername getsockopt setsockopt
""".split()

_FORBIDDEN = """
fork vfork execve execveat socket connect bind listen accept accept4 sendmsg sendmmsg memfd_create
mknod mknodat ptrace seccomp chown fchown lchown fchownat mount unshare setns
""".split()

# Landlock does not look at these; where a file system is the machine's own, they do nothing.
_ATTRIBUTES = """
chmod fchmod fchmodat fchmodat2 utime utimes futimesat utimensat
""".split()
_EXTENDED_ATTRIBUTES = """
setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
removexattr lremovexattr fremovexattr
""".split()

_FCNTL_REFUSED = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to other processes
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_IOCTL_ALLOWED = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_STREAM = 1  # SOCK_STREAM: such a pair leads nowhere else
_PRCTL_ALLOWED = (15, 16)  # PR_SET_NAME, PR_GET_NAME: of a thread


class Comparison(NamedTuple):
    """A test whether an argument, after masking, is one of the values.

    The kernel gives an argument as two words of 32 bits; `upper` selects the upper one.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = _WORD
    upper: bool = False

    def instructions(self, otherwise: int) -> list[bytes]:
        """Continue if it is; otherwise skip a number of instructions."""
        offset = _ARGUMENTS + 8 * self.argument + (4 if self.upper else 0)
        mask = [] if self.mask == _WORD else [_instruction(_AND, self.mask)]
        rest = len(self.values) - 1
        jumps = [_jump(_EQUAL, value, rest - n, 0) for n, value in enumerate(self.values[:-1])]
        last = _jump(_EQUAL, self.values[-1], 0, otherwise)
        return [_instruction(_LOAD, offset), *mask, *jumps, last]


class CallRule(NamedTuple):
    """What to do with a call: `action` if all comparisons hold, else `otherwise`."""

    call: str
    action: int
    comparisons: Sequence[Comparison] = ()
    otherwise: int = 0

    def instructions(self, number: int) -> list[bytes]:
        """Return the rule as a block that returns, preceded by a jump over it for other calls."""
        body = [_instruction(_RETURN, self.action)]
        if self.comparisons:
            body.append(_instruction(_RETURN, self.otherwise))
        for comparison in reversed(self.comparisons):
            body = comparison.instructions(otherwise=len(body) - 1) + body
        return [_jump(_EQUAL, number, 0, len(body)), *body]


_IS_THREAD = Comparison(0, (_THREAD,), _THREAD | _NAMESPACES)


def refuse(number: int) -> int:
    """Return the action that fails a call with an error number."""
    return _ERROR | number


def counted_calls() -> dict[int, str]:
    """Return the names of the calls that the supervisor counts, by number."""
    table = numbers()
    names = ("clone", "open", "openat", *_MAKES_FILE)
    return {table[name]: name for name in names if name in table}


def notifying_filter() -> bytes:
    """Return the filter that asks the supervisor about each new thread, file and folder."""
    rules = [CallRule("clone", NOTIFY, [_IS_THREAD], ALLOW)]
    for call, flags in (("open", 1), ("openat", 2)):
        rules.append(CallRule(call, ALLOW, [Comparison(flags, (0,), _CREATES_FILE)], NOTIFY))
    rules += [CallRule(call, NOTIFY) for call in _MAKES_FILE]
    return _program(rules, ALLOW)


def refusing_filter(own_files: bool) -> bytes:
    """Return the filter that allows what Python needs, without network and other processes.

    Args:
        own_files: Whether the file system belongs to the sandbox; if not, changes of modes and
            times do nothing.
    """
    return _program(_rules(own_files), refuse(errno.ENOSYS))


def install(program: bytes, listen: bool = False) -> int:
    """Install a filter for this process; with `listen`, return the supervisor's descriptor."""
    code = ctypes.create_string_buffer(program, len(program))

    class Header(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    header = Header(len(program) // 8, ctypes.addressof(code))
    flags = _NEW_LISTENER if listen else 0
    arguments = (ctypes.c_uint(_SET_FILTER), ctypes.c_uint(flags), ctypes.byref(header))
    return system_call(numbers()["seccomp"], "seccomp", *arguments)


def _rules(own_files: bool) -> Iterator[CallRule]:
    denied = refuse(errno.EPERM)
    yield from (CallRule(call, ALLOW) for call in _FREE)
    yield from (CallRule(call, denied) for call in _FORBIDDEN)
    yield from (CallRule(call, refuse(errno.EOPNOTSUPP)) for call in _EXTENDED_ATTRIBUTES)
    yield from (CallRule(call, ALLOW if own_files else refuse(0)) for call in _ATTRIBUTES)
    yield CallRule("clone", ALLOW, [_IS_THREAD], denied)
    itself = [Comparison(0, (os.getpid(),))]
    yield from (CallRule(call, ALLOW, itself, denied) for call in ("kill", "tgkill"))
    yield CallRule("socketpair", ALLOW, [Comparison(1, (_STREAM,), 0xF)], denied)
    yield CallRule("sendto", ALLOW, _is_zero(4), denied)
    yield CallRule("prlimit64", ALLOW, _is_zero(2), denied)
    yield CallRule("prctl", ALLOW, [Comparison(0, _PRCTL_ALLOWED)], denied)
    yield CallRule("ioctl", ALLOW, [Comparison(1, _IOCTL_ALLOWED)], refuse(errno.ENOTTY))
    yield CallRule("fcntl", denied, [Comparison(1, _FCNTL_REFUSED)], ALLOW)


def _is_zero(argument: int) -> list[Comparison]:
    return [Comparison(argument, (0,)), Comparison(argument, (0,), upper=True)]


def _program(rules: Iterable[CallRule], otherwise: int) -> bytes:
    """Return the rules as one program; calls without a rule get the default action."""
    table = numbers()
    head = [
        _instruction(_LOAD, _ARCHITECTURE),
        _jump(_EQUAL, architecture(), 1, 0),
        _instruction(_RETURN, KILL),
        _instruction(_LOAD, _NUMBER),
        _jump(_AT_LEAST, _OTHER_ABI, 0, 1),
        _instruction(_RETURN, refuse(errno.ENOSYS)),
    ]
    blocks = [rule.instructions(table[rule.call]) for rule in rules if rule.call in table]
    return b"".join([*head, *chain(*blocks), _instruction(_RETURN, otherwise)])


def _instruction(code: int, value: int) -> bytes:
    return _jump(code, value, 0, 0)


def _jump(code: int, value: int, then: int, otherwise: int) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
