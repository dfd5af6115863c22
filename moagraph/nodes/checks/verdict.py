"""What a verifier comes to; why it is not passed is a complaint, or what ails the verifier."""

from typing import Literal, TypedDict


class Verdict(TypedDict):
    """One verifier's word on one answer; only a failed one is something to write anew for."""

    by: str
    verdict: Literal["passed", "failed", "broken", "unusable"]
    why: str
