"""Mark other models' texts as data, between boundaries that those models cannot know.

The boundary and the order are derived from the turn's salt and the name of the reading node, so
that what was sent can be shown again. A node can repeat its own boundary, but no other node's.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from moagraph.prompts import fill

FENCE = "fence"  # the prompt that tells the reader
ANONYMOUS_NAME = "[a model]"
HIDDEN = "\N{REPLACEMENT CHARACTER}"

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Control codes, and what Unicode shows as nothing: joiners, selectors, bidi, fillers, tags.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_JOINERS = {"\u200c", "\u200d", "\ufe0f\u200d"}
_STYLES = {"\ufe0e", "\ufe0f"}
_SHORTEST_NAME = 4


class Reading(BaseModel):
    """How the answers of others are shown to a model; the defaults are those of the paper."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fence: bool | None = Field(None, description="Delimit the answers and say that they are data.")
    anonymise: bool | None = Field(None, description="Take the recipe's model names out of them.")
    shuffle: bool | None = Field(None, description="Number them in an order of chance.")
    alone: bool | None = Field(
        None, description="Put the question beside them, in one message: to judge, not to answer."
    )


def boundary(salt: str, node: str) -> str:
    """Return what delimits the answers for this node in this turn."""
    key = bytes.fromhex(salt)
    return hashlib.blake2b(node.encode(), key=key, digest_size=16).hexdigest()


def shuffle_seats(seats: Iterable[str], salt: str, node: str) -> list[str]:
    """Return the seats in a random order that is the same at each call."""
    order = list(seats)
    random.Random(f"{salt} {node}").shuffle(order)
    return order


def clean_for_fence(text: str, boundary: str) -> str:
    """Normalise line ends, make invisible characters visible, and remove the boundary."""
    visible = _INVISIBLE.sub(_make_visible, _LINE_ENDS.sub("\n", text))
    return re.sub(boundary, "[boundary]", visible, flags=re.IGNORECASE).strip()


def hide_model_names(text: str, models: Iterable[str]) -> str:
    """Remove the names of these models; a name without a digit may be an ordinary word."""
    names = {name for model in models for name in _names(model)}
    specific = [name for name in names if len(name) >= _SHORTEST_NAME and re.search(r"\d", name)]
    if not specific:
        return text
    longest_first = "|".join(re.escape(name) for name in sorted(specific, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", ANONYMOUS_NAME, text, flags=re.IGNORECASE)


def fence_texts(texts: Sequence[str], boundary: str, prompt: str) -> str:
    """Return the numbered texts, each between two boundary lines, with the prompt around them."""
    references = "".join(
        f"\n{number}.\n[begin {boundary}]\n{text}\n[end {boundary}]"
        for number, text in enumerate(texts, 1)
    )
    return "\n\n" + fill(prompt, FENCE, boundary=boundary, references=references)


def _make_visible(invisible: re.Match[str]) -> str:
    """Return a visible mark, unless emoji or a script needs the character."""
    run, text = invisible[0], invisible.string
    before, after = text[: invisible.start()][-1:], text[invisible.end() :][:1]
    if run in _JOINERS and not (before + after).isascii() and before and after:
        return run if not before.isascii() and not after.isascii() else HIDDEN
    if run in _STYLES and before and not before.isalpha() and not before.isspace():
        return run
    return HIDDEN


def _names(model: str) -> set[str]:
    """Return the forms of a model's name: in full, without its vendor, without its tag."""
    name = model.partition(":")[2]
    last = name.rsplit("/", 1)[-1]
    return {name, last, last.partition(":")[0]}
