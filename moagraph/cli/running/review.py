"""Ask a person at the terminal what a paused run hands on."""

import sys
from typing import Any

from moagraph.cli.render.output import say
from moagraph.nodes.policies.review import Review
from moagraph.nodes.texts.printable import clean

HELP = "enter goes on; e SEAT TEXT edits, d SEAT drops, p SEAT pins, a TEXT adds, q stops the run"

HELP_ANSWER = "enter accepts it; e TEXT puts yours in its place, q stops the run"
ANSWER = "answer"  # in a review, the name of an answer that failed its checks


def ask_for_review(interrupt: dict[str, Any]) -> Review:
    """Show what a paused run holds and read the decision; without a terminal, keep everything."""
    if not sys.stdin.isatty():
        return Review()
    if "step" in interrupt:
        return _review_answer(interrupt)
    for seat, answer in interrupt["answers"].items():
        say(f"── {interrupt['layer']}.{seat} {answer['model']}")
        say(clean(answer["text"]))
    say(HELP)
    review = Review()
    while line := _read_line():
        message = _apply(review, line, list(interrupt["answers"]))
        if message:
            say(message)
        if review.abort:
            break
    return review


def _review_answer(interrupt: dict[str, Any]) -> Review:
    """Show an answer and the checks that it failed; one line decides."""
    say(f"── {interrupt['step']}: the answer")
    say(clean(interrupt["answer"]))
    for complaint in interrupt["complaints"]:
        say(clean(f"── {complaint}"))
    say(HELP_ANSWER)
    while True:
        verb, _, text = _read_line().partition(" ")
        if not verb:
            return Review()
        if verb == "q":
            return Review(abort=True)
        if verb == "e" and text.strip():
            return Review(edit={ANSWER: text.strip()})
        say(HELP_ANSWER)


def _read_line() -> str:
    """One line of input; empty at its end."""
    sys.stderr.write("review> ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _apply(review: Review, line: str, seats: list[str]) -> str | None:
    """Add the line's decision to the review; return what to print."""
    verb, _, arguments = line.partition(" ")
    if verb == "q":
        review.abort = True
        return None
    if verb == "a":
        review.add.append(arguments)
        return f"added: {len(review.add)} of your own"
    name, _, text = arguments.strip().partition(" ")
    seat = name.split(".")[-1].zfill(2)
    if verb not in ("e", "d", "p"):
        return HELP
    if seat not in seats:
        return f"there is no seat {name!r}: there are {', '.join(seats)}"
    if verb == "e":
        review.edit[seat] = text
    else:
        (review.drop if verb == "d" else review.pin).append(seat)
    return f"{seat} is {dict(e='edited', d='dropped', p='pinned')[verb]}"
