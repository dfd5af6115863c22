import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from moagraph.evals.dataset import Item
from moagraph.evals.sets.open import open_set
from moagraph.nodes.errors import UsageError
from tests.recorded import recorded


def written(folder: Path, *rows: Any, name: str = "rows.jsonl") -> str:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n")
    return str(folder / name)


def mt_bench(folder: Path) -> str:
    """Two questions in FastChat's layout."""
    written(
        folder,
        {"question_id": 81, "category": "writing", "turns": ["a", "b"]},
        {"question_id": 111, "category": "math", "turns": ["1+1?", "and 2+2?"]},
        name="question.jsonl",
    )
    reference = {"question_id": 111, "choices": [{"turns": ["2", "4"]}]}
    written(folder, reference, name="reference_answer_gpt-4.jsonl")
    prompt = {"name": "single-v1", "system_prompt": "s", "prompt_template": "{question}|{answer}"}
    written(folder, prompt, name="judge_prompts.jsonl")
    return str(folder)


def test_a_prompt_stands_under_any_of_its_usual_names(tmp_path: Path) -> None:
    rows = [{"prompt": "a"}, {"question": "b", "answer": "c"}, {"instruction": "d", "id": 7}]
    found = open_set(written(tmp_path, *rows))
    assert [item.turns for item in found.items] == [("a",), ("b",), ("d",)]
    assert [item.references for item in found.items] == [(), ("c",), ()]
    assert (found.name, found.items[2].id) == ("rows", 7)


def test_a_row_may_be_a_conversation(tmp_path: Path) -> None:
    said = [("system", "be brief"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    messages = [{"role": role, "content": text} for role, text in said]
    [item] = open_set(written(tmp_path, {"messages": messages})).items
    assert item.messages([]) == said


def test_rows_without_an_id_are_known_by_what_they_say_in_any_order(tmp_path: Path) -> None:
    one = open_set(written(tmp_path, {"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}))
    other = open_set(written(tmp_path, {"prompt": "a"}, {"prompt": "a"}, {"prompt": "b"}))
    assert {item.id for item in one.items} == {item.id for item in other.items}
    assert len(one.items) == 3


def test_plain_text_is_a_question_a_line(tmp_path: Path) -> None:
    lines = "why?", "", "  who? ", "one\u2028question\r"
    found = open_set(written(tmp_path, *lines, name="asked.txt"))
    assert [item.turns for item in found.items] == [("why?",), ("who?",), ("one\u2028question",)]


def test_a_row_that_stands_there_twice_is_asked_once_and_told(tmp_path: Path) -> None:
    row = {"id": 1, "prompt": "a"}
    found = open_set(written(tmp_path, row, row, {"id": 2, "prompt": "b"}))
    assert [item.id for item in found.items] == [1, 2]
    assert found.notes == ("1 of 3 rows are duplicates: each row is asked once",)


BAD: dict[str, tuple[list[Any], str]] = {
    "no row": (["", ""], "has no rows"),
    "one id, two rows": (
        [{"id": 1, "prompt": "a"}, {"id": 1, "prompt": "b"}],
        "two different rows have the id 1",
    ),
    "no prompt": ([{"prompt": "a"}, {"id": 3}], "rows.jsonl:2: there is no prompt"),
    "NaN": (['{"prompt": "a", "temperature": NaN}'], "rows.jsonl:1: not JSON: NaN is no JSON"),
    "cut": (['{"prompt": "a"}', '{"prom'], "rows.jsonl:2: not JSON"),
    "no object": (['{"prompt": "a"}', "3"], "rows.jsonl:2: a row is a JSON object"),
    "odd messages": ([{"messages": ["a"]}], "rows.jsonl:1: `messages` is a list such as"),
    "no user": (
        [{"messages": [{"role": "assistant", "content": "a"}]}],
        "rows.jsonl:1: the conversation must end with a user's message",
    ),
    "odd temperature": ([{"prompt": "a", "temperature": "hot"}], "`temperature` 'hot'"),
    "unknown skill": (
        [{"question_id": 1, "text": "a", "metrics": ["Beauty"]}],
        "FLASK has no skill 'Beauty'",
    ),
    "skill that is a number": (
        [{"question_id": 1, "text": "a", "metrics": [1]}],
        "FLASK has no skill 1",
    ),
    "no turns": (
        [{"question_id": 1, "turns": ["a"]}, {"question_id": 2}],
        "rows.jsonl:2: `turns` is a list of texts",
    ),
    "odd id": ([{"question_id": [], "turns": ["a"]}], "`question_id` is a number or a text"),
    "odd required temperature": (
        [{"question_id": 1, "turns": ["a"], "required_temperature": 3}],
        "rows.jsonl:1: `required_temperature` 3: it is a number from 0 to 2",
    ),
    "odd turns": ([{"question_id": 1, "turns": "a"}], "rows.jsonl:1: `turns` is a list of texts"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_data_set_is_one_line(tmp_path: Path, name: str) -> None:
    rows, told = BAD[name]
    with pytest.raises(UsageError) as refused:
        open_set(written(tmp_path, *rows))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        ("reference_answer_gpt-4.jsonl", {"question_id": 81, "choices": []}, ":1: `choices`"),
        ("reference_answer_gpt-4.jsonl", {"choices": []}, ":1: `question_id` is a number"),
        ("judge_prompts.jsonl", {"system_prompt": "s"}, ":1: `name` is missing"),
        ("judge_prompts.jsonl", {"name": "n", "system_prompt": 1}, ":1: `system_prompt` is"),
    ],
)
def test_what_is_wrong_beside_mt_benchs_questions_is_one_line(
    tmp_path: Path, name: str, row: Any, told: str
) -> None:
    folder = mt_bench(tmp_path)
    written(tmp_path, row, name=name)
    with pytest.raises(UsageError) as refused:
        open_set(folder)
    assert f"{name}{told}" in str(refused.value)


def test_a_path_that_is_no_data_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no data set '/nowhere'"):
        open_set("/nowhere")
    with pytest.raises(UsageError, match="is a folder without question"):
        open_set(str(tmp_path))
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b'{"prompt": "a"}')[:-12])
    with pytest.raises(UsageError, match="is packed and damaged"):
        open_set(str(tmp_path / "x.jsonl.gz"))


def test_alpaca_evals_outputs_are_no_references(tmp_path: Path) -> None:
    row = {"dataset": "koala", "instruction": "a", "output": "b", "generator": "g"}
    file = tmp_path / "alpaca_eval.json"
    file.write_text(json.dumps([row]))
    found = open_set(str(file))
    assert (found.name, found.max_tokens) == ("alpaca_eval", 2048)
    assert [(item.turns, item.category, item.references) for item in found.items] == [
        (("a",), "koala", ())
    ]


def test_mt_bench_has_two_turns_and_its_categories_temperatures(tmp_path: Path) -> None:
    found = open_set(mt_bench(tmp_path))
    writing, maths = found.items
    assert (writing.temperature, maths.temperature) == (0.7, 0.0)
    assert (writing.references, maths.references) == ((), ("2", "4"))
    assert maths.messages(["two"])[-2:] == [("assistant", "two"), ("user", "and 2+2?")]
    assert list(found.prompts) == ["single-v1"]


def test_one_skill_of_a_flask_row_may_stand_alone(tmp_path: Path) -> None:
    row = {"question_id": 1, "text": "why?", "metrics": "Factuality"}
    [item] = open_set(written(tmp_path, row)).items
    assert item.skills == ("Factuality",)


def test_flask_rows_name_their_skills(tmp_path: Path) -> None:
    row = {
        "question_id": 1,
        "text": "why?",
        "answer": "because",
        "domain_labeled": ["Language"],
        "metrics": ["Factuality", "readability"],
    }
    assert open_set(written(tmp_path, row)).items == (
        Item(
            1,
            ("why?",),
            category="Language",
            references=("because",),
            skills=("Factuality", "Readability"),
        ),
    )


def test_the_recorded_sets_are_read() -> None:
    alpaca = open_set(str(recorded("alpaca_replay_40.jsonl.gz")))
    questions = open_set(str(recorded("mt_bench")))
    assert (alpaca.name, len(alpaca.items)) == ("alpaca_eval", 40)
    assert (questions.name, len(questions.items)) == ("mt_bench", 80)
    assert {len(item.turns) for item in questions.items} == {2}
    assert sum(bool(item.references) for item in questions.items) == 30
    assert len(questions.prompts) == 8
