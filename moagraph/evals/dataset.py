"""A data set: the conversations that a system answers."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from moagraph.nodes.state import Json

Id = int | str


@dataclass(frozen=True)
class Item:
    """One row: the messages before the first turn, the user's turns, and the row's metadata."""

    id: Id
    turns: tuple[str, ...]
    history: tuple[tuple[str, str], ...] = ()  # role and text: a system message, earlier turns
    category: str | None = None
    temperature: float | None = None  # None: the data set sets none
    references: tuple[str, ...] = ()  # reference answers by turn
    skills: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def messages(self, answers: Sequence[str]) -> list[tuple[str, str]]:
        """Return the messages up to the first turn that has no answer yet.

        Args:
            answers: The system's answers to the turns before it.
        """
        messages = list(self.history)
        for question, answer in zip(self.turns, answers, strict=False):
            messages += [("user", question), ("assistant", answer)]
        return [*messages, ("user", self.turns[len(answers)])]


@dataclass(frozen=True)
class DataSet:
    """Rows, with the settings that apply to all of them."""

    name: str
    items: tuple[Item, ...]
    source: str
    max_tokens: int | None = None
    prompts: Mapping[str, Json] = field(default_factory=dict)  # judge prompts from the data set
    notes: tuple[str, ...] = ()

    def first(self, limit: int | None) -> "DataSet":
        """Return the data set with its first `limit` rows; None keeps all."""
        return self if limit is None else replace(self, items=self.items[:limit])


def digest_answers(answers: Sequence[str], baseline_answers: Sequence[str] | None = None) -> str:
    """Hash the answers that a verdict is about.

    Args:
        answers: The system's answers up to the judged turn.
        baseline_answers: The baseline's, for a verdict that compares two systems.
    """
    return digest([list(answers), None if baseline_answers is None else list(baseline_answers)])


def digest(value: Any) -> str:
    """Return a short hash of a JSON value; the order of object keys does not matter."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
