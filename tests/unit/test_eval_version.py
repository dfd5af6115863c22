import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moagraph.evals.dataset import Item
from moagraph.evals.judge import JudgeCase, Trial
from moagraph.evals.judges.model_judge import ModelJudge, build_call
from moagraph.evals.run.answer_fingerprint import fingerprint_recipe
from moagraph.evals.run.answers import AnswerJob, SampledSystem
from moagraph.evals.run.systems import ModelSystem
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.graphs.studio_form import SHIPPED
from moagraph.nodes.errors import UsageError
from moagraph.nodes.step_support.learned_route import Router, keep

SEATS = '[[layers]]\nproposers = ["scripted:a", "scripted:b"]\n'
LAST = 'aggregate = { step = "synthesize", model = "scripted:z" }\n'


def recipe(folder: Path, text: str, name: str = "mine") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(f'name = "{name}"\n{text}')
    return file


def of(file: Path) -> str:
    return fingerprint_recipe(load_recipe(file).resolved())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_has_a_version(name: str) -> None:
    said = load_recipe(name).resolved()
    assert fingerprint_recipe(said) == fingerprint_recipe(Recipe.model_validate(said).resolved())


def notes(folder: Path) -> tuple[str, Callable[[], object]]:
    (folder / "notes.md").write_text("one")
    step = '[[before]]\nstep = "retrieve"\nsource = "*.md"\n'
    return step + SEATS + LAST, lambda: (folder / "notes.md").write_text("two")


def more_notes(folder: Path) -> tuple[str, Callable[[], object]]:
    text, _ = notes(folder)
    return text, lambda: (folder / "more.md").write_text("more")


def database(folder: Path) -> tuple[str, Callable[[], object]]:
    def said(rows: int) -> None:
        with sqlite3.connect(folder / "all.db") as connection:
            connection.execute("create table if not exists t (x)")
            connection.executemany("insert into t values (?)", [(1,)] * rows)
        connection.close()

    said(1)
    return f'{SEATS}aggregate = {{ step = "sql", source = "all.db" }}\n', lambda: said(2)


def prompt(folder: Path) -> tuple[str, Callable[[], object]]:
    (folder / "ask.md").write_text("Read:$references")
    last = LAST.replace(" }", ', prompt = "ask.md" }')
    return SEATS + last, lambda: (folder / "ask.md").write_text("Look:$references")


def passages(folder: Path) -> tuple[str, Callable[[], object]]:
    text, _ = notes(folder)
    (folder / "found.md").write_text("Found:$passages")
    told = text.replace('"*.md"', '"notes.md"\nprompt = "found.md"')
    return told, lambda: (folder / "found.md").write_text("Came:$passages")


def nested(folder: Path) -> tuple[str, Callable[[], object]]:
    inner = recipe(folder, SEATS + LAST, "inner")
    text = SEATS.replace("scripted:a", f"moa:{inner}") + LAST
    return text, lambda: recipe(folder, SEATS + LAST.replace(":z", ":y"), "inner")


def recorded(folder: Path) -> tuple[str, Callable[[], object]]:
    def said(text: str) -> None:
        row = {"instruction": "q", "outputs": {"one": text}}
        (folder / "replay.jsonl").write_text(json.dumps(row))

    said("a")
    seat = f"recorded:one@{folder / 'replay.jsonl'}"
    return SEATS.replace("scripted:a", seat) + LAST, lambda: said("b")


def function(folder: Path) -> tuple[str, Callable[[], object]]:
    (folder / "rules.py").write_text("def fine(answer): return True")
    check = '{ by = "python", function = "rules:fine" }'
    step = f'[[after]]\nstep = "verify"\nmodel = "scripted:c"\nchecks = [{check}]\n'
    text = SEATS + LAST + step
    return text, lambda: (folder / "rules.py").write_text("def fine(answer): return False")


def learned(folder: Path) -> tuple[str, Callable[[], object]]:
    step = '[[before]]\nstep = "route"\nby = "learned"\notherwise = "near"\n'
    seats = '{ name = "near", model = "scripted:a" }, { name = "far", model = "scripted:b" }'
    text = f"{step}[[layers]]\nproposers = [{seats}]\n{LAST}"
    return text, lambda: keep("mine", Router(["near", "far"], {"near": {}, "far": {}}))


@pytest.mark.parametrize(
    "changes",
    [notes, more_notes, database, prompt, passages, nested, recorded, function, learned],
)
def test_whatever_an_answer_hangs_on_is_in_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOA_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    text, change = changes(tmp_path)
    file = recipe(tmp_path, text)
    before = of(file)
    assert of(file) == before
    change()
    assert of(file) != before


def test_a_name_and_what_a_recipe_is_about_change_nothing(tmp_path: Path) -> None:
    one = of(recipe(tmp_path, SEATS + LAST))
    assert of(recipe(tmp_path, f'about = "x"\n{SEATS}{LAST}', "other")) == one


@pytest.mark.parametrize(
    "more",
    [
        "one_at_a_time = true\n",
        "limits = { scripted = { max_concurrency = 2 } }\n",
        "defaults = { price = { input = 1.0, output = 2.0 } }\n",
    ],
)
def test_what_is_asked_at_once_and_its_price_change_nothing(tmp_path: Path, more: str) -> None:
    assert of(recipe(tmp_path, more + SEATS + LAST)) == of(recipe(tmp_path, SEATS + LAST))


def test_what_a_turn_may_cost_and_how_a_seat_is_called_change_it(tmp_path: Path) -> None:
    plain = of(recipe(tmp_path, SEATS + LAST))
    assert of(recipe(tmp_path, f"budget = {{ max_calls = 2 }}\n{SEATS}{LAST}")) != plain
    named = SEATS.replace('"scripted:a"', '{ model = "scripted:a", name = "x" }')
    assert of(recipe(tmp_path, named + LAST)) != plain


def test_files_that_are_not_there_are_named_before_anything_is_asked(tmp_path: Path) -> None:
    file = recipe(tmp_path, f'[[before]]\nstep = "retrieve"\nsource = "none/*"\n{SEATS}{LAST}')
    with pytest.raises(UsageError, match=r"no file matches `.*none/\*`"):
        of(file)


def test_a_judge_that_is_a_recipe_is_another_once_that_recipe_changes(tmp_path: Path) -> None:
    file = recipe(tmp_path, SEATS + LAST, "council")

    def said() -> Any:
        return ModelJudge("judge", build_call(f"moa:{file}", 9)).inputs([("user", "x")])

    before = said()
    assert said() == before
    recipe(tmp_path, SEATS + LAST.replace(":z", ":y"), "council")
    assert said() != before


def test_results_of_the_previous_version_are_found_by_their_keys() -> None:
    """The keys are those that it computed; another key would ask and pay for the result again."""
    item = Item(7, ("why?", "and then?"), history=(("system", "be brief"),))
    system = ModelSystem("mix.toml", build_call("scripted:a", 9))
    job = AnswerJob(SampledSystem(system, "s", {}), "v", item)
    assert job.key(["because"]) == "65bb439e97ea165349f989f6"
    case = JudgeCase(item, "mix.toml", ("because", "so"), "base", ("no", "idea"))
    pair = Trial(case, {"messages": [("user", "x")]}, "p", "ab")
    assert pair.keys("pairwise:scripted:j") == ["b10ebc26f901b497a29edce3"]
    assert pair.answers_digest == "8e0bae28e170b2bc7fc79c08"
    skills = Trial(case, {"answer": "so"}, skills=("Factuality",))
    assert skills.keys("flask:scripted:j") == ["a849288a3577e59ae3b95f4d:Factuality"]
    assert skills.answers_digest == "6923004bb499ada67c7725c6"
