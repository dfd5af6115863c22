"""Other models' text as data: behind a boundary that they cannot know, with nothing hidden in it.

The boundary and the order come from the turn's salt and the reader's own node, so that what was
sent can be shown again; a reader may repeat its own boundary, and nobody else's.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from moagraph.prompts import fill

FENCE = "fence"  # the prompt that says so
UNNAMED = "[a model]"
HIDDEN = "\N{REPLACEMENT CHARACTER}"

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Control codes, and what Unicode says to show as nothing: joiners, selectors, bidi, fillers, tags.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_JOINERS = {"\u200c", "\u200d", "\ufe0f\u200d"}
_STYLES = {"\ufe0e", "\ufe0f"}
_SHORTEST_NAME = 4


class Reading(BaseModel):
    """How a model is shown what others have answered; left open, it is the paper's way."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fence: bool | None = Field(None, description="Delimit the answers and say that they are data.")
    anonymise: bool | None = Field(None, description="Take the recipe's model names out of them.")
    shuffle: bool | None = Field(None, description="Number them in an order of chance.")
    alone: bool | None = Field(
        None, description="Put the question beside them, in one message: to judge, not to answer."
    )


def boundary(salt: str, node: str) -> str:
    """What delimits the answers for this reader in this turn."""
    key = bytes.fromhex(salt)
    return hashlib.blake2b(node.encode(), key=key, digest_size=16).hexdigest()


def shuffled(seats: Iterable[str], salt: str, node: str) -> list[str]:
    """The seats in an order of chance, the same one whenever it is asked for again."""
    order = list(seats)
    random.Random(f"{salt} {node}").shuffle(order)
    return order


def plain(text: str, boundary: str) -> str:
    """The text with its line ends made one kind, what is hidden made visible, and no boundary."""
    seen = _UNSEEN.sub(_shown, _LINE_ENDS.sub("\n", text))
    return re.sub(boundary, "[boundary]", seen, flags=re.IGNORECASE).strip()


def unnamed(text: str, models: Iterable[str]) -> str:
    """The text without the names of these models; a name without a digit may be a plain word."""
    names = {name for model in models for name in _names(model)}
    known = [name for name in names if len(name) >= _SHORTEST_NAME and re.search(r"\d", name)]
    if not known:
        return text
    longest_first = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", UNNAMED, text, flags=re.IGNORECASE)


def fenced(texts: Sequence[str], boundary: str, prompt: str) -> str:
    """The numbered texts, each between its two lines, and what the reader is told of them."""
    references = "".join(
        f"\n{number}.\n[begin {boundary}]\n{text}\n[end {boundary}]"
        for number, text in enumerate(texts, 1)
    )
    return "\n\n" + fill(prompt, FENCE, boundary=boundary, references=references)


def _shown(unseen: re.Match[str]) -> str:
    """A mark, unless it is what emoji and some scripts are written with."""
    run, text = unseen[0], unseen.string
    before, after = text[: unseen.start()][-1:], text[unseen.end() :][:1]
    if run in _JOINERS and not (before + after).isascii() and before and after:
        return run if not before.isascii() and not after.isascii() else HIDDEN
    if run in _STYLES and before and not before.isalpha() and not before.isspace():
        return run
    return HIDDEN


def _names(model: str) -> set[str]:
    """A model's name as people write it: in full, without its maker, without its tag."""
    name = model.partition(":")[2]
    last = name.rsplit("/", 1)[-1]
    return {name, last, last.partition(":")[0]}
