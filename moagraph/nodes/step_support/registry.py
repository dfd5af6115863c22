"""The table of step types: the only place that maps the name of a step to its class."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import Any

from moagraph.nodes.errors import ExtensionError, UnknownStep
from moagraph.nodes.extensions import STEPS, Extension, Extensions
from moagraph.nodes.step_support.base import Step

_MODULES = "moagraph.nodes.steps"

# The core steps. Optional modules and other packages add theirs as entry points.
STEP_TYPES = Extensions(
    STEPS,
    {
        "concat": f"{_MODULES}.concat:Concat",
        "gate": f"{_MODULES}.gate:Gate",
        "judge": f"{_MODULES}.judge:Panel",
        "rank": f"{_MODULES}.rank:Rank",
        "route": f"{_MODULES}.route:Route",
        "synthesize": f"{_MODULES}.synthesize:Synthesize",
        "vote": f"{_MODULES}.vote:Vote",
    },
)


def register_step(step: type[Step], package: str = "this session") -> type[Step]:
    """Make a step usable in recipes of this process; also works as a class decorator.

    Args:
        step: A subclass of `Step` whose `step` field has its name as default.
        package: Who provides it, for listings.

    Returns:
        The class itself.
    """
    STEP_TYPES.register(step_name(step), step, package)
    _load.cache_clear()
    return step


def step_class(name: str) -> type[Step]:
    """Return the class of a step, importing its module; an unknown name is refused."""
    extension = STEP_TYPES.find(name)
    if extension is None:
        raise UnknownStep(name, suggestion(name, STEP_TYPES.names()))
    return _load(extension)


def step_classes() -> dict[str, type[Step]]:
    """Return every step that can be imported, by name."""
    classes = {}
    for name in STEP_TYPES.names():
        try:
            classes[name] = step_class(name)
        except ExtensionError:  # reported where the step is used, and by `moa steps`
            continue
    return classes


def step_name(step: type[Step]) -> str:
    """Return the name by which recipes use a step class."""
    name = step.model_fields["step"].default
    if not isinstance(name, str):
        raise ExtensionError(
            f"{step.__module__}.{step.__qualname__} has no name: declare "
            '`step: Literal["name"] = "name"`'
        )
    return name


def parse_step(settings: Any, context: Any = None) -> Step:
    """Make a step of its settings in a recipe; its name alone stands for default settings."""
    if isinstance(settings, Step):
        return settings
    if isinstance(settings, str):
        settings = {"step": settings}
    return step_class(str(settings["step"])).model_validate(settings, context=context)


def has_property(settings: Any, name: str) -> bool:
    """Tell whether the step of these settings has a class property, such as `writes_answer`."""
    return bool(getattr(step_class(settings["step"]), name))


def suggestion(word: str, names: Iterable[str]) -> str:
    """Return a hint after an unknown name: the nearest one, or all of them."""
    names = sorted(names)
    near = get_close_matches(word, names, 1)
    return f"did you mean `{near[0]}`?" if near else f"unknown here; there are {', '.join(names)}"


@cache
def _load(extension: Extension) -> type[Step]:
    step = extension.load()
    if not (isinstance(step, type) and issubclass(step, Step)):
        raise ExtensionError(
            f"{extension.label} of the package {extension.package!r} is not a subclass of "
            f"moagraph.Step: {step!r}"
        )
    if step_name(step) != extension.name:
        raise ExtensionError(
            f"{extension.label} of the package {extension.package!r} calls itself "
            f"{step_name(step)!r}: both names must be the same"
        )
    return step
