"""Limits that a sandboxed process sets on itself before it runs a model's code."""

import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

_DESCRIPTORS = 128
NAMESPACES, LANDLOCK, NONE = "namespaces", "landlock", "none"


def enter(limits: dict[str, Any], inherited: list[int]) -> None:
    """Apply the limits; with isolation, the process continues as a supervised child.

    Args:
        limits: `mode` (`namespaces`, `landlock` or `none`), `memory_mb`, `seconds`, `file_bytes`,
            `files`, `threads` and `folder`; for Landlock also `readable` and `library`; for all
            modes but `namespaces` also `parent`.
        inherited: Descriptors that the supervisor closes.
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
    """Have the kernel kill this process when its parent ends (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    from moagraph.nodes.checks.sandbox.guest.kernel import die_with_parent

    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _give_up_root() -> None:
    """Drop all capabilities and groups, which a user namespace would otherwise do."""
    from moagraph.nodes.checks.sandbox.guest.kernel import drop_capabilities

    with suppress(PermissionError):
        os.setgroups([])
    drop_capabilities()
