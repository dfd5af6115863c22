"""What can go wrong, as one tree; every message is one line that says what to do.

MoaError
├── UsageError            cannot be done as asked; nothing was called            exit 2
│   ├── RecipeError       a recipe is refused, with its file and line
│   ├── MissingKey        a provider's key is not in the environment
│   ├── NotTrusted        nobody on this machine has approved the thread, or a key's address
│   ├── MissingExtra      an optional package is not installed
│   ├── ExtensionError    an installed package adds something that cannot be used
│   ├── OverBudget        not even one call fits the budget
│   ├── StorageError      the data folder or a database cannot be used
│   └── UnknownName       no such thread, layer, seat, recipe or provider
│       └── UnknownStep   no such step
└── RunError              a run began and could not finish; what it has is kept  exit 1
    ├── EngineError       the embedded engine or its weights are not to be had
    ├── QuorumFailed      too few usable answers in a layer
    ├── StepFailed        a step that has no substitute got no answer
    └── Stopped           a person stopped the run between two layers
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class MoaError(Exception):
    """Anything moagraph refuses or fails at, in one line."""

    exit_code: ClassVar[int] = 1


class UsageError(MoaError):
    """It cannot be done as asked; no model was called."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe is refused."""


class MissingKey(UsageError):
    """A provider's key is not in the environment."""


class NotTrusted(UsageError):
    """Nobody on this machine has approved the thread, or the address of a key."""


class MissingExtra(UsageError):
    """An optional package is not installed."""


class ExtensionError(UsageError):
    """An installed package adds a step, provider or command that cannot be used."""


class OverBudget(UsageError):
    """Not even one call fits the budget."""


class StorageError(UsageError):
    """The data folder or a database cannot be used."""


class UnknownName(UsageError):
    """There is no thread, layer, seat, recipe or provider of that name."""


class UnknownStep(UnknownName):
    """There is no step of that name, or the package that provides it is not installed."""

    def __init__(self, name: str, hint: str) -> None:
        """Keep the name beside the message."""
        super().__init__(f"there is no step {name!r}; {hint}")
        self.name = name


class RunError(MoaError):
    """A run began and could not finish; what it has is kept."""


class EngineError(RunError):
    """The embedded engine cannot start, or its weights are not to be had."""


class QuorumFailed(RunError):
    """A layer has fewer usable answers than its quorum."""


class StepFailed(RunError):
    """A step got no answer; `record` is what its calls left behind, `node` where it stands."""

    def __init__(self, message: str, record: Mapping[str, Any] | None = None) -> None:
        """Keep the record beside the message."""
        super().__init__(message)
        self.record = record
        self.node = ""


class Stopped(RunError):
    """A person stopped the run between two layers."""
