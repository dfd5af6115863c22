"""A small made-up evaluation as it lies on disk: a mixture and a model, and three judges."""

import json
from pathlib import Path
from typing import Any

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e&amp;\x1b[2J"
QUESTIONS = ("writing", "math", "writing", "coding")
Row = dict[str, Any]


def proposal(seat: str, text: str) -> Row:
    return {
        "seat": seat, "node": f"L1_{seat}_m", "model": f"scripted:m{seat}", "ok": True,
        "kind": "ok", "text": text, "error": None, "input_tokens": 3, "output_tokens": 4,
        "seconds": 0.1, "attempts": 1, "cost_usd": 0.001, "edited": False,
    }  # fmt: skip


def answer(system: str, number: int, turn: int = 1, **said: Any) -> Row:
    text = f"{system} answers {number}, turn {turn}"
    seats = [proposal("01", f"draft of {text}"), proposal("02", HOSTILE)]
    return {
        "key": f"{system}-{number}-{turn}",
        "system": system,
        "kind": "recipe" if system == "mix" else "model",
        "dataset": "made-up",
        "id": number,
        "turn": turn,
        "category": QUESTIONS[number],
        "question": f"Question {number}, turn {turn}?",
        "answer": text,
        "status": "done",
        "error": None,
        "layers": [{"layer": 1, "proposals": seats}] if system == "mix" else [],
        "usage": {"input_tokens": 30, "output_tokens": 20, "calls": 3 if system == "mix" else 1},
        "cost_usd": 0.004 if system == "mix" else 0.001,
        "tflops": {"decode": 1.0, "total": 3.0, "latency": 2.0},
        "seconds": 1.5,
        **said,
    }


def verdict(system: str, number: int, method: str, turn: int = 1, **said: Any) -> Row:
    order = said.get("order")
    return {
        "key": f"{system}-{number}-{method}-{turn}-{order}-{said.get('skill')}",
        "judge": f"judge of {method}",
        "method": method,
        "prompt": "p",
        "order": order,
        "system": system,
        "baseline": None,
        "id": number,
        "turn": turn,
        "category": QUESTIONS[number],
        "preference": None,
        "score": None,
        "skill": None,
        "parsed": True,
        "text": "because",
        "cost_usd": 0.0,
        "usage": {},
        **said,
    }  # fmt: skip


def verdicts() -> list[Row]:
    """Both orders against the model, grades of two turns, and skills; one is not in form."""
    rows = []
    for number in range(len(QUESTIONS)):
        for order, said in (("ab", 2.0), ("ba", 2.0 if number else 1.0)):
            pair: Row = {"order": order, "baseline": "solo", "preference": said}
            rows.append(verdict("mix", number, "pairwise", **pair))
        for system, better in (("mix", 1), ("solo", 0)):
            for turn in (1, 2):
                score = 5.0 + better + number / 2 - turn
                rows.append(verdict(system, number, "grade", turn, score=score))
            rows.append(verdict(system, number, "flask", skill="Readability", score=4.0 + better))
            rows.append(verdict(system, number, "flask", skill="Factuality", score=3.0))
    rows[2] = rows[2] | {"parsed": False, "score": None, "text": HOSTILE}
    return rows


def folder_of(place: Path, systems: tuple[str, ...] = ("mix", "solo"), **run: Any) -> Path:
    """The folder."""
    place.mkdir(parents=True, exist_ok=True)
    said = {
        "dataset": "made-up", "systems": list(systems), "baseline": "solo",
        "judges": ["judge of pairwise"], "smoke": False, "created": "2026-11-21T07:00:00+00:00",
        **run,
    }  # fmt: skip
    (place / "run.json").write_text(json.dumps(said))
    answers = [
        answer(system, number, turn)
        for system in systems
        for number in range(len(QUESTIONS))
        for turn in (1, 2)
    ]
    write(place / "answers.jsonl", answers)
    write(place / "verdicts.jsonl", [row for row in verdicts() if row["system"] in systems])
    return place


def write(file: Path, rows: list[Row]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
