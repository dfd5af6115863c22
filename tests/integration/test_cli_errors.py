import json
import os
from pathlib import Path

import pytest

from tests.provider import Provider
from tests.terminal import ANSWER, MIX, moa, saved, shell

GOOD = '[[layers]]\nproposers = ["scripted:one"]\n'
BAD_RECIPES = {
    'colour = "red"\n' + MIX: "`colour`: ",
    "[defaults]\ntemprature = 1\n" + MIX: "2: `temprature`: did you mean `temperature`?",
    MIX.replace('"synthesize"', '"synthesise"'): "there is no step 'synthesise'; did you mean",
    GOOD.replace("scripted:one", "opneai:gpt") + 'aggregate = { step = "synthesize", '
    'model = "scripted:x" }\n': "`opneai:gpt`: no provider is called 'opneai'; did you mean",
    MIX.replace('["scripted:one", "scripted:two"]', "[]"): "`proposers`",
    "[defaults]\nmax_tokens = -5\n" + MIX: "2: `max_tokens` -5: ",
    "[[layers]\n": "1: not TOML: ",
    GOOD: "model",
}
WRONG_WORDS = {
    ("ask",): "missing argument",
    ("ask", "hi", "--nope"): "no such option: --nope",
    ("nope",): "no such command 'nope'",
    ("ask", "--recipe", "togther", "hi"): "no recipe is called 'togther'; did you mean `together`?",
    ("ask", "--recipe", "absent.toml", "hi"): "cannot read the recipe 'absent.toml': no such file",
    ("ask", "--recipe", "single-proposer", " \n"): "the question is empty",
    ("ask", "--recipe", "together", "hi"): "together_api_key is not set",
    ("resume", "absent"): "no thread is called 'absent'",
    ("replay", "absent", "--edit", "1.01"): "'1.01' is not --edit l.s=text",
    ("replay", "absent", "--set", "x"): "'x' is not --set path=value",
    ("graph", "--recipe", "local", "--format", "svg"): "there are mermaid and png",
}


def test_each_bad_recipe_is_refused_in_one_line(tmp_path: Path) -> None:
    for number, (text, wanted) in enumerate(BAD_RECIPES.items()):
        file = saved(tmp_path, text, f"bad{number}.toml")
        done = moa("ask", "--recipe", file, "hi")
        assert (done.code, done.out, len(done.lines)) == (2, "", 1), (text, done.err)
        assert wanted in done.err


@pytest.mark.parametrize("words", WRONG_WORDS, ids=" ".join)
def test_each_wrong_word_is_one_line_and_exit_code_2(words: tuple[str, ...]) -> None:
    done = moa(*words)
    assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
    assert done.err.startswith("moa: ")
    assert WRONG_WORDS[words] in done.err.lower()


def test_layers_that_are_not_there_are_refused_before_any_call(tmp_path: Path) -> None:
    recipe = saved(tmp_path)
    for number, wanted in (("x", "a layer's number"), ("9", "has 1"), ("0", "no layer 0")):
        done = moa("ask", "--recipe", recipe, "--pause-after", number, "hi")
        assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
        assert wanted in done.err


def test_what_is_no_question_is_refused(tmp_path: Path) -> None:
    recipe = saved(tmp_path)
    given = {b"": "empty", b" \n\t": "empty", b"caf\xe9": "not UTF-8 (byte 3)"}
    for text, wanted in {**given, b"a" * 5_000_000: "5,000,000 characters"}.items():
        done = moa("ask", "--recipe", recipe, "-", given=text)
        assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
        assert wanted in done.err
    done = moa("ask", "--recipe", recipe, b"caf\xe9")
    assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err


def test_a_long_question_that_fits_is_asked(tmp_path: Path) -> None:
    done = moa("ask", "--recipe", saved(tmp_path), "-", given="ä".encode() * 900_000)
    assert (done.code, done.out) == (0, ANSWER + "\n")


def test_a_data_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    recipe = saved(tmp_path)
    for folder in (file, file / "below"):
        done = moa("ask", "--recipe", recipe, "hi", MOA_HOME=str(folder))
        assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
        assert "set MOA_HOME to a folder that can be written to" in done.err


def test_a_damaged_file_of_threads_is_one_line_and_stays_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "threads.sqlite").write_bytes(b"no database " * 1000)
    done = moa("ask", "--recipe", saved(tmp_path), "hi")
    assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
    assert (home / "threads.sqlite").read_bytes() == b"no database " * 1000


def test_weights_that_cannot_be_loaded_are_one_line(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    files = {"absent": None, "notes": b"hello", "short": b"GGUF\x03\x00\x00\x00", "void": b""}
    for name, held in files.items():
        file = tmp_path / f"{name}.gguf"
        if held is not None:
            file.write_bytes(held)
        recipe = saved(tmp_path, MIX.replace("scripted:one", f"local:{file}"))
        done = moa("ask", "--recipe", recipe, "hi")
        assert (done.code, done.out, len(done.lines)) == (1, "", 1), done.err
        assert f"{name}.gguf" in done.err


def test_a_reader_who_leaves_ends_it_quietly(tmp_path: Path) -> None:
    recipe = saved(tmp_path)
    told = shell(f"moa ask --recipe {recipe} hi | head -c1; echo; moa recipes | head -c1")
    assert told.out == f"{ANSWER[0]}\nb"
    assert all(line.startswith(("moa: ", "  ")) for line in told.lines)


def test_streams_that_are_closed_or_full_end_it_in_a_line(tmp_path: Path) -> None:
    recipe = saved(tmp_path)
    assert shell(f"moa ask --recipe {recipe} hi >&-").code == 0
    assert shell(f"moa ask --recipe {recipe} hi 2>&-").out == ANSWER + "\n"
    none = shell(f"moa ask --recipe {recipe} - <&-")
    assert (none.code, len(none.lines)) == (2, 1)
    if os.path.exists("/dev/full"):
        full = shell(f"moa ask --recipe {recipe} --thread t hi >/dev/full")
        assert full.code == 1
        assert "cannot write to standard output: No space left on device" in full.lines[-1]


def test_a_failure_in_json_is_still_one_object(provider: Provider, tmp_path: Path) -> None:
    recipe = saved(tmp_path, MIX.replace("scripted:the answer of all", "scripted:fail"))
    done = moa("ask", "--recipe", recipe, "--json", "hi")
    assert (done.code, json.loads(done.out)["status"]) == (1, "failed")
    assert done.lines[-1].count("moa:") == 1
