import json
import re
from pathlib import Path

import pytest

from moagraph.cli.eval.study import WAYS
from moagraph.evals.judges.factory import METHODS
from tests.readme import ROOT, blocks
from tests.terminal import shell

TEXT = (ROOT / "docs" / "evaluate.md").read_text()


def test_the_page_on_evaluations_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = shell("\n".join(["set -e", *blocks(TEXT, "sh")]))
    assert done.code == 0, done.err
    verdicts = [json.loads(line) for line in Path("sums/verdicts.jsonl").read_text().splitlines()]
    assert {
        (row["system"], row["id"]): row["score"] for row in verdicts if row["judge"] == "exact"
    } == {
        ("scripted:4", 1): 1,
        ("scripted:4", 2): 0,
        ("scripted:7", 1): 0,
        ("scripted:7", 2): 1,
    }
    assert len(verdicts) == 4 + 4 + 4
    assert len(Path("answers.jsonl").read_text().splitlines()) == 2
    chosen = done.out.partition("judge exact, ")[2]
    shown = re.findall(r"^(oracle|blends|ranks) +([\d.]+)", chosen, re.M)
    assert shown == [("oracle", "100.0"), ("blends", "0.0"), ("ranks", "50.0")]


def test_the_page_on_evaluations_names_every_judge() -> None:
    table = TEXT.partition("## Who judges")[2].partition("##")[0]
    named = re.findall(r"`([\w-]+)[`:]", table)
    assert set(METHODS) <= set(named)
    links = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_the_page_on_evaluations_names_every_study() -> None:
    table = TEXT.partition("| study | what is compared |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == {*WAYS}
