"""Parse the values of `--edit`, `--drop`, `--add`, `--pin`, `--set` and `--pause-after`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moagraph.cli.running.review import ANSWER
from moagraph.nodes.errors import UsageError
from moagraph.nodes.policies.review import Review
from moagraph.threads.forks import seat_of
from moagraph.threads.history import Thread


@dataclass(frozen=True)
class ReviewOptions:
    """The options of `moa resume` that decide a review, as they are typed."""

    edit: Sequence[str] = ()
    drop: Sequence[str] = ()
    add: Sequence[str] = ()
    pin: Sequence[str] = ()
    abort: bool = False

    def __bool__(self) -> bool:
        """Whether any of them is set."""
        return bool(self.edit or self.drop or self.add or self.pin or self.abort)


def parse_review(thread: Thread, options: ReviewOptions) -> Review:
    """The review that the options describe; they must name seats of the paused layer."""
    interrupt = thread.state.interrupts[0].value if thread.state.interrupts else {}
    if "step" in interrupt:
        return _parse_answer_review(interrupt["step"], options)
    edits = [(seat_of(name), text) for name, text in map(_parse_edit, options.edit)]
    drops = [seat_of(name) for name in options.drop]
    pins = [seat_of(name) for name in options.pin]
    _check_layer(interrupt.get("layer"), [*(seat for seat, _ in edits), *drops, *pins])
    return Review(
        edit={seat: text for (_, seat), text in edits},
        drop=[seat for _, seat in drops],
        add=[read_text(text) for text in options.add],
        pin=[seat for _, seat in pins],
        abort=options.abort,
    )


def parse_edits(values: Iterable[str]) -> dict[str, str]:
    """`L.S=TEXT|@FILE` of each `--edit`, as the new text by `L.S`."""
    return dict(map(_parse_edit, values))


def parse_settings(values: Iterable[str]) -> dict[str, str]:
    """`PATH=VALUE` of each `--set`, as the value by its path in the recipe."""
    return dict(_split_pair(value, "--set PATH=VALUE") for value in values)


def parse_pauses(values: Sequence[str], layer_count: int) -> list[int]:
    """The layers after which the run pauses; `all` names every one."""
    if "all" in values:
        return list(range(1, layer_count + 1))
    for value in values:
        if not value.isdecimal():
            raise UsageError(f"--pause-after {value!r}: it takes a layer's number, or `all`")
    return [int(value) for value in values]


def read_text(value: str) -> str:
    """The value itself, or the content of the file that `@FILE` names."""
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {value[1:]!r}: {reason}") from error


def _parse_answer_review(step: str, options: ReviewOptions) -> Review:
    """The review of an answer that failed its checks: it can be edited or the run aborted."""
    edits = parse_edits(options.edit)
    if options.drop or options.add or options.pin or edits.keys() - {ANSWER}:
        raise UsageError(
            f"the thread is paused at `{step}`, where the answer is accepted as it is, "
            f"edited (`--edit {ANSWER}=TEXT`) or the run stopped (`--abort`)"
        )
    return Review(edit=edits, abort=options.abort)


def _check_layer(paused_layer: int | None, seats: Iterable[tuple[int, str]]) -> None:
    for layer, seat in seats:
        if layer != paused_layer:
            position = f"layer {paused_layer}" if paused_layer else "no layer"
            raise UsageError(
                f"{layer}.{seat} cannot be changed: the thread is paused at {position}"
            )


def _parse_edit(value: str) -> tuple[str, str]:
    name, text = _split_pair(value, "--edit L.S=TEXT")
    return name, read_text(text)


def _split_pair(value: str, form: str) -> tuple[str, str]:
    name, separator, text = value.partition("=")
    if not separator:
        raise UsageError(f"{value!r} is not {form}")
    return name, text
