"""What a verifier comes to: passed, failed with a complaint, or broken with a reason."""

from typing import Literal, TypedDict


class Verdict(TypedDict):
    """One verifier's word on one answer; only a failed one is something to write anew for."""

    by: str
    verdict: Literal["passed", "failed", "broken"]
    why: str
