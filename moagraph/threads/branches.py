"""The forks of a thread, in the order in which they began, and the turns of each."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from moagraph.nodes.errors import UnknownName
from moagraph.threads.archive import parent_id, read_checkpoints
from moagraph.threads.history import config_of

Saver = BaseCheckpointSaver[Any]


@dataclass(frozen=True)
class Fork:
    """One way that a thread went: its last checkpoint, and the fork that it left."""

    number: int
    tip: str
    origin: int | None


@dataclass(frozen=True)
class Branches:
    """A thread's checkpoints as a tree."""

    thread_id: str
    tuples: dict[str, CheckpointTuple]
    forks: list[Fork]

    @property
    def newest(self) -> Fork:
        """The fork that the thread goes on with."""
        return max(self.forks, key=lambda fork: fork.tip)

    def fork(self, number: int | None) -> Fork:
        """The fork of that number, counted from 1; the newest where none is named."""
        if number is None:
            return self.newest
        if not 1 <= number <= len(self.forks):
            raise UnknownName(
                f"thread {self.thread_id!r} has no fork @{number}: "
                f"`moa show {self.thread_id} --forks` lists what there is"
            )
        return self.forks[number - 1]

    def turns(self, fork: Fork) -> list[str]:
        """The last checkpoint of each turn, oldest first; pruning may have left a turn's end."""
        ends: list[str] = []
        last: str | None = None
        for id_ in self._back(fork.tip):
            last = last or id_
            if self.tuples[id_].metadata.get("source") == "input":
                ends.append(last)
                last = None
        return [*([last] if last else []), *ends[::-1]]

    def turn(self, fork: Fork, number: int | None) -> tuple[int, str]:
        """A turn's number, counted from 1, and its last checkpoint; the newest where none is."""
        ends = self.turns(fork)
        number = len(ends) if number is None else number
        if not 1 <= number <= len(ends):
            count = "1 turn" if len(ends) == 1 else f"{len(ends)} turns"
            raise UnknownName(f"thread {self.thread_id!r} has {count}, so there is no {number}")
        return number, ends[number - 1]

    def _back(self, tip: str) -> Iterator[str]:
        current: str | None = tip
        while current in self.tuples:
            yield current
            current = parent_id(self.tuples[current])


async def read_branches(threads: Saver, thread_id: str) -> Branches:
    """Read the thread's tree; a checkpoint that is not the first to follow another forks it."""
    tuples = await asyncio.to_thread(read_checkpoints, threads, thread_id)
    tips: list[str] = []
    owners: dict[str, int] = {}
    origins: list[int | None] = []
    for id_ in sorted(tuples):
        previous = parent_id(tuples[id_])
        if previous in tips:
            owners[id_] = tips.index(previous) + 1
            tips[owners[id_] - 1] = id_
        else:
            tips.append(id_)
            origins.append(owners.get(previous or ""))
            owners[id_] = len(tips)
    forks = [Fork(number, tip, origins[number - 1]) for number, tip in enumerate(tips, 1)]
    return Branches(thread_id, tuples, forks)


async def parse_thread_name(threads: Saver, name: str) -> tuple[str, int | None]:
    """`THREAD@2` is the second fork of a thread, unless a thread is called just so."""
    split = re.fullmatch(r"(.+)@(\d{1,6})", name, re.DOTALL)
    if not split or await threads.aget_tuple(config_of(name)):
        return name, None
    return split[1], int(split[2])
