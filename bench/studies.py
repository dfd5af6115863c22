"""The papers' studies on recorded answers: `python -m bench.studies FILE|FOLDER`.

Picking one of several answers instead of blending them, and whether likeness to an answer tells
how good a proposal is: for answers that saw none of the proposals, and beside length alone.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from moagraph.evals.report.blocks import format_interval, format_number
from moagraph.evals.studies import choosers, spearman
from moagraph.evals.studies.recorded_questions import Question, read_questions

MIXTURES = ("Together-MoA", "Together-MoA-Lite", "SelfMoA_gemma-2-9b-it-SimPO")
NO_MIXTURES = ("gpt-4o-2024-05-13", "gpt4_1106_preview", "Meta-Llama-3-70B-Instruct")


def chosen(
    asked: Sequence[Question], more: Mapping[str, choosers.Chooser] | None = None
) -> Iterator[str]:
    """What each way to choose wins."""
    yield "| way to choose | questions | win rate % | 95 % interval |"
    yield "|---|---|---|---|"
    for one in choosers.compare_choosers(asked, more):
        rate, interval = format_number(one.win_rate, 1), format_interval(one.interval)
        yield f"| {one.name} | {one.n} | {rate} | {interval} |"


def correlated(asked: Sequence[Question]) -> Iterator[str]:
    """How likeness ranks the judged answers, target by target."""
    yield (
        "| likeness | to | a mixture | spearman | 95 % interval | kendall "
        "| length held | 95 % interval |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for one in spearman.correlate_with_preference(asked, [*MIXTURES, *NO_MIXTURES]):
        mixed = {True: "yes", False: "no"}[one.target in MIXTURES]
        mixed = "-" if one.partial is None else mixed
        yield (
            f"| {one.measure} | {one.target} | {mixed} | {format_number(one.value)} "
            f"| {format_interval(one.interval, 2)} | {format_number(one.tau)} "
            f"| {format_number(one.partial)} | {format_interval(one.partial_interval, 2)} |"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    asked = read_questions(parser.parse_args().data)
    judged = len(asked[0].judged)
    print(f"{len(asked)} questions, {judged} judged answers each; no target saw any of them\n")
    voting = {"the step vote, by chrF": choosers.choose_by_vote}  # slow: every fifth question
    print(*chosen(asked), "", *chosen(asked[::5], voting), "", *correlated(asked), sep="\n")


if __name__ == "__main__":
    main()
