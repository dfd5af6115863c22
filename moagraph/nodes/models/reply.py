"""The reply of one call, usable or not."""

from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage

from moagraph.nodes.models.attempt import Attempt
from moagraph.nodes.state import Proposal


@dataclass(frozen=True)
class Reply:
    """An answer, or the reason why there is none, according to `kind`."""

    model: str
    kind: str
    text: str = ""
    error: str | None = None
    answered_by: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float = 0.0
    attempts: int = 1
    cost_usd: float | None = None
    cached: bool = False
    logprob: float | None = None  # mean per token
    message: AIMessage | None = None
    notes: dict[str, Any] = field(default_factory=dict)  # about the messages that were sent
    estimated: bool = False  # the provider reported no usage, so tokens are estimated
    warnings: list[str] = field(default_factory=list)  # why a usable answer may not be whole
    attempted: tuple[Attempt, ...] = field(default=(), compare=False, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the answer is usable."""
        return self.error is None

    def record(self) -> Proposal:
        """Return the record of the reply for the state."""
        record = Proposal(
            model=self.model,
            answered_by=self.answered_by,
            ok=self.ok,
            kind=self.kind,
            text=self.text,
            error=self.error,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            seconds=round(self.seconds, 3),
            attempts=self.attempts,
            cost_usd=self.cost_usd,
            cached=self.cached,
            edited=False,
        )
        return cast(Proposal, {**record, **self._remarks(), **self.notes})

    def _remarks(self) -> dict[str, Any]:
        """Return the optional fields of the record."""
        remarks: dict[str, Any] = {} if self.logprob is None else {"logprob": self.logprob}
        if self.estimated:
            remarks["estimated"] = True
        if self.warnings:
            remarks["warnings"] = list(self.warnings)
        return remarks
