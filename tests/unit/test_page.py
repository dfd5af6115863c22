from html.parser import HTMLParser
from typing import Any

import pytest

from moagraph.cli.render.html import render_page
from moagraph.graphs.compile.thread_trust import ThreadTrust
from moagraph.threads.diff import mark_changes
from moagraph.threads.result import Result
from moagraph.threads.turn_view import TurnView

HOSTILE = "</div><script>alert(1)</script><img src=x onerror=\"a('b')\">\u202egnp.exe\x1b[2J&amp;"
VOID = {"meta"}
TAGS = set(
    "html head meta title style body header main section footer article div p h1 h2 h3 span "
    "bdi time details summary dl dt dd".split()
)


class Seen(HTMLParser):
    """Every tag and every text of a page, and whether all that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def record(**said: Any) -> dict[str, Any]:
    usual = {
        "model": "openai:m",
        "ok": True,
        "kind": "ok",
        "text": "fine",
        "error": None,
        "input_tokens": 3,
        "output_tokens": None,
        "seconds": 0.25,
        "attempts": 1,
        "cost_usd": None,
        "edited": False,
    }
    return usual | said


def turn(*proposals: dict[str, Any], **said: Any) -> TurnView:
    seats = [
        {"seat": f"{number:02}", "node": f"L1_{number:02}_m", **proposal}
        for number, proposal in enumerate(proposals, 1)
    ]
    usual: dict[str, Any] = {
        "thread_id": "t",
        "recipe": "r",
        "status": "done",
        "answer": "the answer",
        "layers": [{"layer": 1, "proposals": seats}],
        "steps": [
            {"node": "L1_join", "kept": ["01"]},
            {"node": "L1_synthesize", **record(text="the answer")},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 2, "calls": 3},
    }
    sent = [{"role": "user", "content": said.pop("question", "why?")}]
    return TurnView(
        run_result=Result(**usual | said),
        question=sent[0]["content"],
        turn=1,
        turns=1,
        fork=1,
        forks=1,
        at="2026-01-02T03:04:05+00:00",
        last="L1_synthesize",
        sent={seat["node"]: sent for seat in seats},
        trust=ThreadTrust(),
    )


def test_nothing_that_a_model_or_a_person_says_is_markup() -> None:
    said = record(text=HOSTILE, model=HOSTILE, kind=HOSTILE, error=HOSTILE, ok=False, edited=True)
    steps = [
        {"node": HOSTILE, "kept": [HOSTILE]},
        {"node": "L1_synthesize", **record(text=HOSTILE)},
    ]
    found = turn(said, record(text=HOSTILE), question=HOSTILE, recipe=HOSTILE, thread_id=HOSTILE)
    found.run_result.steps[:] = [
        {**step, "node": "L1_x"} if "kept" in step else step for step in steps
    ]
    seen = Seen(render_page(found))
    assert set(seen.tags) <= TAGS
    assert not {name for name, _ in seen.attributes} & {"src", "href", "onerror", "onclick"}
    assert seen.open == []
    text = "".join(seen.texts)
    assert text.count("<script>alert(1)</script>") >= 8
    assert not {"\u202e", "\x1b"} & set(render_page(found))


def test_a_page_needs_nothing_else() -> None:
    text = render_page(turn(record()))
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert policy in text
    for loads in ("http:", "https:", "url(", "@import", "<script", "<link", "<img"):
        assert loads not in text


def test_a_seat_shows_how_it_went_and_what_it_was_sent() -> None:
    failed = record(ok=False, kind="timeout", text="", error="no answer within 2 s", attempts=2)
    seen = Seen(render_page(turn(record(edited=True, cost_usd=0.5), failed)))
    text = " ".join(" ".join(seen.texts).split())
    assert "done edited 0.2 s, 3 + ? tokens, $0.5000 fine" in text
    assert "timeout no answer within 2 s (2 attempts)" in text
    assert text.count("sent 1 message") == 2
    assert "hands on 01" in text
    assert text.count("the answer") == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [("failed", "it broke"), ("paused", "paused before L1_join"), ("stopped", "stopped before")],
)
def test_without_an_answer_a_page_says_why(status: str, told: str) -> None:
    text = render_page(turn(record(), status=status, error="it broke", next=["L1_join"], steps=[]))
    assert "No answer yet" in text
    assert told in text


def test_a_turn_without_a_layer_is_a_page_too() -> None:
    assert "No answer yet" in render_page(
        turn(status="failed", layers=[], steps=[], error="refused")
    )


LONG = " ".join(f"word{number}" for number in range(60))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("a b c d", "a b x d", "a b [-c -]{+x +}d"),
        ("", "new", "{+new+}"),
        ("old", "", "[-old-]"),
        ("one two", "three four", "[-one two-]{+three four+}"),
        ("p q a r s t u v", "p q b r c t u v", "p q [-a r s -]{+b r c +}t u v"),
        (f"{LONG} end", f"{LONG} stop", "… " + LONG[-55:] + " [-end-]{+stop+}"),
    ],
)
def test_a_change_is_marked_word_by_word(old: str, new: str, told: str) -> None:
    assert mark_changes(old, new) == told


def test_long_texts_are_compared_line_by_line() -> None:
    lines = [f"{number} " * 100 + "\n" for number in range(50)]
    changed = [*lines[:20], "new line\n", *lines[21:]]
    assert mark_changes("".join(lines), "".join(changed)).count("[-") == 1
