from pathlib import Path

import pytest

from moagraph.prompts import PromptError, fill, names, numbered, read, render


def test_the_papers_prompt_ships_in_two_languages() -> None:
    assert {"synthesize", "synthesize.ja"} <= set(names())
    assert read("synthesize").endswith("\n\nResponses from models:")
    assert read("synthesize.ja").endswith("\n\nモデルからの応答:")


def test_references_are_numbered_from_one_and_stripped() -> None:
    assert numbered([" a \n", "b\nc", "\0"]) == "\n1. a\n2. b\nc\n3. \0"
    assert numbered([]) == ""


def test_values_go_where_their_names_stand() -> None:
    assert fill("$who said ${what}s", who="she", what="word") == "she said words"
    assert render("To $who: hello", who="me") == "To me: hello"


def test_a_forgotten_value_is_an_error_by_name() -> None:
    with pytest.raises(PromptError, match=r"^the prompt `letter` needs `\$who`, which was not"):
        fill("Dear $who", "letter")
    with pytest.raises(PromptError, match=r"^the prompt `given as text` needs `\$who`"):
        render("Dear $who, and so on")


@pytest.mark.parametrize("text", ["it costs $5", "100 $", "a $$ b", "${", "$-x"])
def test_a_dollar_that_names_nothing_is_left_alone(text: str) -> None:
    assert fill(text) == text.replace("$$", "$")


def test_a_value_is_not_a_template() -> None:
    assert fill("$a", a="$b ${a} $$") == "$b ${a} $$"


def test_a_prompt_may_be_a_path_and_is_read_when_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text("Hello $who\n\n", encoding="utf-8")
    assert render(str(file), who="you") == "Hello you"
    file.write_text("Bye $who", encoding="utf-8")
    assert render(str(file), who="you") == "Bye you"


def test_a_misspelt_prompt_is_told_what_was_meant() -> None:
    with pytest.raises(PromptError, match=r"^no prompt is called 'synthesise'; did you mean `syn"):
        read("synthesise")
    with pytest.raises(
        PromptError, match=r"^no prompt is called 'zzz'; there are again, .*, synth"
    ):
        read("zzz")
    with pytest.raises(PromptError, match=r"^no prompt is called ''"):
        read("")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"none\.md': No such file or directory$"):
        read(str(tmp_path / "none.md"))
    (tmp_path / "odd.md").write_bytes(b"\xff")
    with pytest.raises(PromptError, match=r"it is not UTF-8$"):
        read(str(tmp_path / "odd.md"))
