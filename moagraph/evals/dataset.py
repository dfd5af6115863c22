"""What is asked: one row of a data set, and the set."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from moagraph.nodes.state import Json

Id = int | str


@dataclass(frozen=True)
class Item:
    """A conversation to hold: what stands before it, its turns, and what is known about it."""

    id: Id
    turns: tuple[str, ...]
    before: tuple[tuple[str, str], ...] = ()  # role and text: a system message, earlier turns
    category: str | None = None
    temperature: float | None = None  # where the data set says it
    references: tuple[str, ...] = ()  # what a good answer is, by turn
    skills: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def messages(self, answers: Sequence[str]) -> list[tuple[str, str]]:
        """The conversation up to the turn behind these answers."""
        said = list(self.before)
        for question, answer in zip(self.turns, answers, strict=False):
            said += [("user", question), ("assistant", answer)]
        return [*said, ("user", self.turns[len(answers)])]


@dataclass(frozen=True)
class DataSet:
    """Rows to ask, with what their makers fixed for all of them."""

    name: str
    items: tuple[Item, ...]
    source: str
    max_tokens: int | None = None
    prompts: Mapping[str, Json] = field(default_factory=dict)  # judge prompts that come with it
    notes: tuple[str, ...] = ()

    def first(self, limit: int | None) -> "DataSet":
        """The set cut down to so many rows."""
        return self if limit is None else replace(self, items=self.items[:limit])


def heard(answers: Sequence[str], against: Sequence[str] | None = None) -> str:
    """By which a verdict knows the answers that it is about."""
    return digest([list(answers), None if against is None else list(against)])


def digest(said: Any) -> str:
    """A short hash of plain JSON, whatever the order of its keys."""
    text = json.dumps(said, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
