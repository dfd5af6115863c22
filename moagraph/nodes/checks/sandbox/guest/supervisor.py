"""The parent of the sandboxed process, which limits the number of its threads and files.

The kernel suspends each such call and asks here. Only the number of the call is used, which the
process cannot change meanwhile; where a file may be is decided by the file system's rules.
"""

import _socket
import errno
import fcntl
import os
import select
import signal
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from moagraph.nodes.checks.sandbox.guest.kernel import die_with_parent
from moagraph.nodes.checks.sandbox.guest.seccomp_filter import (
    counted_calls,
    install,
    notifying_filter,
)

_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND
_NOTICE = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_REPLY = struct.Struct("=QqiI")  # struct seccomp_notif_resp
_CONTINUE = 1
_SIGNALLED = 128  # a shell's way to say which signal ended a process


class Allowance(NamedTuple):
    """How many threads and files may be created in total."""

    threads: int
    files: int


def supervised(allowance: Allowance, confine: Callable[[], None], inherited: Sequence[int]) -> None:
    """Continue in a confined child; the parent counts, waits, and exits with its status.

    Args:
        allowance: What the child may create.
        confine: Applies the other limits, after the counting filter.
        inherited: Descriptors that the parent closes.
    """
    ours, theirs = _socket.socketpair()
    child = os.fork()
    if child:
        theirs.close()
        for descriptor in inherited:
            os.close(descriptor)
        os._exit(_watch(child, ours, allowance))
    ours.close()
    parent = os.getppid()
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that
        os._exit(1)
    listener = install(notifying_filter(), listen=True)
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("=i", listener))
    theirs.sendmsg([b"."], [rights])
    theirs.close()
    os.close(listener)
    confine()


def _watch(child: int, ours: "_socket.socket", allowance: Allowance) -> int:
    """Serve notifications until the child ends; return its exit code, or 128 plus its signal."""
    _, rights, _, _ = ours.recvmsg(1, _socket.CMSG_LEN(4))
    if rights:
        listener = struct.unpack("=i", rights[0][2])[0]
        _answer(listener, allowance)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _SIGNALLED - code


def _answer(listener: int, allowance: Allowance) -> None:
    remaining = {"threads": allowance.threads, "files": allowance.files}
    calls = counted_calls()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while poll.poll()[0][1] & select.POLLIN:  # without, every process under the filter has ended
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
            ticket, call = _NOTICE.unpack(notice)[0], _NOTICE.unpack(notice)[3]
            kind = "threads" if calls.get(call) == "clone" else "files"
            remaining[kind] -= 1
            fcntl.ioctl(listener, _ANSWER, _reply(ticket, kind, remaining[kind] >= 0))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR):  # it was killed while it waited
                raise


def _reply(ticket: int, kind: str, allowed: bool) -> bytes:
    if allowed:
        return _REPLY.pack(ticket, 0, 0, _CONTINUE)
    refused = errno.EAGAIN if kind == "threads" else errno.ENOSPC
    return _REPLY.pack(ticket, 0, -refused, 0)
