"""Services that the core uses if an optional module provides them."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, cast

from langgraph.checkpoint.base import CheckpointTuple

from moagraph.nodes.errors import MissingExtra
from moagraph.nodes.extensions import HOOKS, Extensions
from moagraph.nodes.state import Json, State

_HOOKS = Extensions(HOOKS)

# Keys in a message's response_metadata: its text is kept in a vault on this machine.
STASH, VAULT = "moa_stash", "moa_vault"


class PrivacyBoundary(Protocol):
    """What keeps private details on this machine; moagraph.nodes.privacy provides it."""

    def enter(self, state: Any, recipe: dict[str, Any]) -> dict[str, Any]:
        """Return what the state stores of a recipe that redacts."""

    def take_in(self, values: Any) -> tuple[Any, str | None]:
        """Replace the texts of an input by handles; return it and the name of their vault."""

    def restore(self, value: Any) -> Any:
        """Return the value with the originals in each of its messages."""

    def guard(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a node's work so that none of its calls sends an original elsewhere."""

    def forget(self, vault: str) -> None:
        """Delete a vault."""


def find_privacy_boundary() -> PrivacyBoundary | None:
    """Return the privacy boundary, or None if that module is not installed."""
    extension = _HOOKS.find("privacy")
    return cast(PrivacyBoundary, extension.load()) if extension else None


def guard_private_details(
    work: Callable[[State], Awaitable[Json]],
) -> Callable[..., Awaitable[Json]]:
    """Wrap a node's work: in a thread that has a vault, no call may send an original elsewhere.

    A thread that has once redacted stays guarded, whatever recipe continues it.
    """

    async def guarded(state: State) -> Json:
        if not state.get("recipe", {}).get("vault"):
            return await work(state)
        boundary: PrivacyBoundary = required_hook("privacy", "a thread with private details")
        return cast(Json, await boundary.guard(work)(state))

    return guarded


def restore_originals(value: Any) -> Any:
    """Put the private details back into messages that leave the graph.

    Args:
        value: A message, or lists and dicts of them.

    Returns:
        The value itself if none of its messages is marked.
    """
    if not any(marked_vaults(value)):
        return value
    boundary = find_privacy_boundary()
    return boundary.restore(value) if boundary else value


def marked_vaults(value: Any) -> Iterator[str]:
    """Return the names of the vaults that messages anywhere in the value are marked with."""
    metadata = getattr(value, "response_metadata", None)
    if metadata is not None:
        yield from (str(metadata[key]) for key in (STASH, VAULT) if key in metadata)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from marked_vaults(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from marked_vaults(item)
    elif hasattr(value, "value"):
        yield from marked_vaults(value.value)


def vaults_of(checkpoints: Iterable[CheckpointTuple]) -> set[str]:
    """Return the vaults of a thread's checkpoints."""
    stored = [[item.checkpoint["channel_values"], item.pending_writes] for item in checkpoints]
    return set(marked_vaults(stored))


def forget_vaults(names: Iterable[str]) -> None:
    """Delete the vaults of threads that are deleted."""
    for name in names:
        if boundary := find_privacy_boundary():
            boundary.forget(name)


def parse_checks(settings: Any) -> Any:
    """Parse the `checks` of a step; an empty list needs no optional module."""
    return required_hook("checks", "`checks`").parse_checks(settings) if settings else []


async def run_check(check: Any, question: str, answer: str, unsafe: bool | None = None) -> Any:
    """Run a check on an answer, and return its verdict.

    Args:
        check: The parsed settings of the check.
        question: What was asked.
        answer: What is checked.
        unsafe: Whether code that a model wrote may run without a sandbox.
    """
    return await required_hook("checks", "`checks`").run_check(check, question, answer, unsafe)


def check_class(by: str) -> Any:
    """Return the settings class of a check, such as `regex`."""
    return required_hook("checks", "`checks`").CHECKS[by]


def required_hook(name: str, feature: str) -> Any:
    """Return a service of an optional module, refused in one line if that is not installed."""
    extension = _HOOKS.find(name)
    if extension is None:
        raise MissingExtra(f"{feature} needs moagraph's module {name!r}, which is not installed")
    return extension.load()
