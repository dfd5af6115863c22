"""The papers' studies on recorded answers: `python -m bench.studies FILE|FOLDER`.

The win rates of choosing one of several answers, and the correlation of an answer's similarity to
a target with the judge's preference: for targets that saw none of the answers, and for the length.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from moagraph.evals.report.blocks import format_interval, format_number
from moagraph.evals.studies import choosers, spearman
from moagraph.evals.studies.recorded_questions import Question, read_questions

MIXTURES = ("Together-MoA", "Together-MoA-Lite", "SelfMoA_gemma-2-9b-it-SimPO")
NO_MIXTURES = ("gpt-4o-2024-05-13", "gpt4_1106_preview", "Meta-Llama-3-70B-Instruct")


def chooser_rows(
    questions: Sequence[Question], additional: Mapping[str, choosers.Chooser] | None = None
) -> Iterator[str]:
    """Return the rows of the choosers' win rates."""
    yield "| way to choose | questions | win rate % | 95 % interval |"
    yield "|---|---|---|---|"
    for row in choosers.compare_choosers(questions, additional):
        rate, interval = format_number(row.win_rate, 1), format_interval(row.interval)
        yield f"| {row.name} | {row.n} | {rate} | {interval} |"


def correlation_rows(questions: Sequence[Question]) -> Iterator[str]:
    """Return the rows of the correlations by measure and target."""
    yield (
        "| likeness | to | a mixture | spearman | 95 % interval | kendall "
        "| length held | 95 % interval |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for row in spearman.correlate_with_preference(questions, [*MIXTURES, *NO_MIXTURES]):
        mixed = {True: "yes", False: "no"}[row.target in MIXTURES]
        mixed = "-" if row.partial is None else mixed
        yield (
            f"| {row.measure} | {row.target} | {mixed} | {format_number(row.value)} "
            f"| {format_interval(row.interval, 2)} | {format_number(row.tau)} "
            f"| {format_number(row.partial)} | {format_interval(row.partial_interval, 2)} |"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    questions = read_questions(parser.parse_args().data)
    judged = len(questions[0].judged)
    print(f"{len(questions)} questions, {judged} judged answers each; no target saw any of them\n")
    voting = {"the step vote, by chrF": choosers.choose_by_vote}  # slow: every fifth question
    print(
        *chooser_rows(questions),
        "",
        *chooser_rows(questions[::5], voting),
        "",
        *correlation_rows(questions),
        sep="\n",
    )


if __name__ == "__main__":
    main()
