"""Ask a person what a paused layer is to hand on."""

import sys
from typing import Any

from moagraph.cli.render.output import say
from moagraph.nodes.policies.review import Review
from moagraph.nodes.texts.printable import clean

HELP = "enter goes on; e SEAT TEXT edits, d SEAT drops, p SEAT pins, a TEXT adds, q stops the run"

HELP_ANSWER = "enter accepts it; e TEXT puts yours in its place, q stops the run"
ANSWER = "answer"  # how an answer that failed its checks is named, where a seat would be


def decide(paused: dict[str, Any]) -> Review:
    """Show the layer's answers and read what to do; without a terminal, all are kept."""
    if not sys.stdin.isatty():
        return Review()
    if "step" in paused:
        return _decide_answer(paused)
    for seat, answer in paused["answers"].items():
        say(f"── {paused['layer']}.{seat} {answer['model']}")
        say(clean(answer["text"]))
    say(HELP)
    review = Review()
    while line := input_line():
        problem = _take(review, line, list(paused["answers"]))
        if problem:
            say(problem)
        if review.abort:
            break
    return review


def _decide_answer(paused: dict[str, Any]) -> Review:
    """Show an answer and what it failed at; one line decides."""
    say(f"── {paused['step']}: the answer")
    say(clean(paused["answer"]))
    for complaint in paused["complaints"]:
        say(clean(f"── {complaint}"))
    say(HELP_ANSWER)
    while True:
        verb, _, rest = input_line().partition(" ")
        if not verb:
            return Review()
        if verb == "q":
            return Review(abort=True)
        if verb == "e" and rest.strip():
            return Review(edit={ANSWER: rest.strip()})
        say(HELP_ANSWER)


def input_line() -> str:
    """One line of the person's; empty at its end."""
    sys.stderr.write("review> ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _take(review: Review, line: str, seats: list[str]) -> str | None:
    """Do what the line says, or say why it cannot be done."""
    verb, _, rest = line.partition(" ")
    if verb == "q":
        review.abort = True
        return None
    if verb == "a":
        review.add.append(rest)
        return f"added: {len(review.add)} of your own"
    name, _, text = rest.strip().partition(" ")
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
