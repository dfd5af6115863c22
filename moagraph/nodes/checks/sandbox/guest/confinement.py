"""The limits that a sandboxed process puts on itself before it runs code that a model wrote."""

import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

_DESCRIPTORS = 128
NAMESPACES, LANDLOCK, NONE = "namespaces", "landlock", "none"


def enter(limits: dict[str, Any], inherited: list[int]) -> None:
    """Put this process under its limits; it goes on as a child where the kernel can count.

    Args:
        limits: `mode` says who isolates: bubblewrap's namespaces, Landlock, or nobody; the rest is
            `memory_mb`, `seconds`, `file_bytes`, `files`, `threads`, `folder`, and for Landlock
            `readable` and `library`, for all but namespaces `parent`.
        inherited: Descriptors that only the confined process is to hold.
    """
    if limits["mode"] == NONE:
        _end_with(limits["parent"])
        _limit(limits)
        os.chdir(limits["folder"])
        return
    from moagraph.nodes.checks.sandbox.guest.kernel import forbid_new_privileges
    from moagraph.nodes.checks.sandbox.guest.supervisor import Allowance, supervised

    if limits["mode"] == LANDLOCK:
        _end_with(limits["parent"])
        _give_up_root()
    forbid_new_privileges()
    allowance = Allowance(limits["threads"], limits["files"])
    supervised(allowance, lambda: _confine(limits), inherited)


def _confine(limits: dict[str, Any]) -> None:
    from moagraph.nodes.checks.sandbox.guest.seccomp_filter import install, refusing_filter

    _limit(limits)
    os.chdir(limits["folder"])
    if limits["mode"] == LANDLOCK:
        from moagraph.nodes.checks.sandbox.guest.landlock_rules import restrict

        restrict(limits["readable"], limits["folder"], limits["library"])
    install(refusing_filter(own_files=limits["mode"] == NAMESPACES))


def _limit(limits: dict[str, Any]) -> None:
    seconds = int(limits["seconds"]) + 1
    for resource_kind, limit in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, limits["memory_mb"] * 2**20),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # already lower, or unknown to this system
            resource.setrlimit(resource_kind, (limit, limit))


def _end_with(parent: int) -> None:
    """Be killed when the process that wants the result ends; only Linux can promise that."""
    if not sys.platform.startswith("linux"):
        return
    from moagraph.nodes.checks.sandbox.guest.kernel import die_with_parent

    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _give_up_root() -> None:
    """Without a user namespace root would stay root, whom few rules of a file system bind."""
    from moagraph.nodes.checks.sandbox.guest.kernel import drop_capabilities

    with suppress(PermissionError):
        os.setgroups([])
    drop_capabilities()
