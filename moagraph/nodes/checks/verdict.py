"""The outcome of a check."""

from typing import Literal, NotRequired, TypedDict


class CheckVerdict(TypedDict):
    """The outcome of one check of one answer; only `failed` is a reason to revise.

    `why` says what is wrong with the answer, or with the check.
    `output` is the part of `why` that the answer's code may have written; it is shown to models
    as data only.
    """

    by: str
    verdict: Literal["passed", "failed", "broken", "unusable"]
    why: str
    output: NotRequired[str]
