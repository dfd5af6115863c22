"""A parent for the sandboxed process: it limits how many threads and files that process makes.

The kernel stops each such call and asks here. Only the number of the call is looked at, which the
process cannot change afterwards; where a file may lie is for the file system to decide.
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
    """How many of each may be made in all."""

    threads: int
    files: int


def supervised(allowance: Allowance, confine: Callable[[], None], inherited: Sequence[int]) -> None:
    """Go on in a child that is confined and counted; the parent waits, and ends as it ends.

    Args:
        allowance: What the child may make.
        confine: The rest of its limits, set behind the filter that counts.
        inherited: Descriptors that only the child is to hold.
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
    """Answer until the child has ended; its exit code, or the signal's number and 128."""
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
