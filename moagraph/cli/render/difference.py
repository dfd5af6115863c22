"""The difference between two stored runs as lines for a terminal."""

import textwrap
from collections.abc import Iterator

from moagraph.cli.render.text import cost_text, indent, position_text
from moagraph.threads.diff import ChangedAnswer, Difference


def difference_lines(difference: Difference) -> Iterator[str]:
    """Both runs, which answers are the same, and what changed in the others."""
    for side, mark in zip(difference.sides, "-+", strict=True):
        result = side.run_result
        cost = cost_text(result.usage, result.cost_usd, result.seconds)
        yield f"{mark} {result.thread_id}, {position_text(side)}: {result.status}, {cost}"
        yield f"    {textwrap.shorten(side.question, 90, placeholder=' …')}"
    yield _cost_difference_line(difference)
    same = [answer.name for answer in difference.answers if answer.same]
    yield f"\nthe same: {', '.join(same) or 'nothing'}"
    for answer in difference.answers:
        if not answer.same:
            yield from _changed_lines(answer)


def _changed_lines(answer: ChangedAnswer) -> Iterator[str]:
    before, after = answer.models
    if before == after or None in answer.models:
        heading = str(before or after or "")
    else:
        heading = f"{before} -> {after}"
    if None in answer.texts:
        heading += f", only in {'+' if answer.texts[0] is None else '-'}"
    elif answer.kinds[0] != answer.kinds[1]:
        heading += f", {answer.kinds[0]} -> {answer.kinds[1]}"
    yield f"\n{answer.name} {heading}".replace(" , only", ", only").rstrip()
    yield indent(answer.changes, 4)


def _cost_difference_line(difference: Difference) -> str:
    """How much more or less the second run took than the first."""
    before, after = (side.run_result for side in difference.sides)
    calls, tokens_in, tokens_out = (
        after.usage[key] - before.usage[key] for key in ("calls", "input_tokens", "output_tokens")
    )
    if before.cost_usd is None or after.cost_usd is None:
        price = "price unknown"
    else:
        price = f"${after.cost_usd - before.cost_usd:+.4f}"
    seconds = after.seconds - before.seconds
    tokens = f"{tokens_in:+} {tokens_out:+} tokens"
    return f"difference: {calls:+} calls, {tokens}, {price}, {seconds:+.1f} s"
