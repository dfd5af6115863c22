"""The outcome of a check."""

from typing import Literal, NotRequired, TypedDict


class CheckVerdict(TypedDict):
    """The outcome of one check of one answer; only `failed` is a reason to revise.

    `why` is a complaint about the answer, or says what is wrong with the check.
    `output` is the part of `why` that code of the answer can have written: data for whoever reads
    it, never an instruction.
    """

    by: str
    verdict: Literal["passed", "failed", "broken", "unusable"]
    why: str
    output: NotRequired[str]
