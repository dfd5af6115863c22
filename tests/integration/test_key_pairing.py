"""A key goes to its provider, or to an address that this machine pairs with it: nowhere else."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from moagraph import NotTrusted, ask
from moagraph.nodes.models.key_addresses import FILE
from tests.provider import Provider
from tests.terminal import Terminal, moa, saved

SECRET = "sk-of-this-machine"
RECIPE = """
[[layers]]
proposers = ["scripted:a", {seat}]
aggregate = {{ step = "synthesize", model = "scripted:the answer" }}
"""


def seat(capture: Provider, variable: str, model: str = "x:a") -> str:
    return f'{{ model = "{model}", base_url = "{capture.base_url}", api_key_env = "{variable}" }}'


def stranger(folder: Path, capture: Provider, variable: str) -> str:
    return saved(folder, RECIPE.format(seat=seat(capture, variable)), "stranger.toml")


def keys(capture: Provider) -> list[str | None]:
    return [call.headers.get("authorization") for call in capture.calls]


KNOWN = ["OPENAI_API_KEY", "TOGETHER_API_KEY", "MISTRAL_API_KEY"]
UNKNOWN = ["HOME", "AWS_SECRET_ACCESS_KEY", "ACME_API_KEY"]


@pytest.mark.parametrize("variable", [*KNOWN, *UNKNOWN])
def test_a_strangers_recipe_gets_no_key_and_one_line_says_how_to_allow_it(
    capture: Provider, tmp_path: Path, variable: str
) -> None:
    more: Any = {variable: SECRET}
    done = moa("ask", "-r", stranger(tmp_path, capture, variable), "hi", **more)
    assert (done.code, done.out, len(done.lines)) == (2, "", 1)
    address = capture.base_url.removesuffix("/v1")
    assert f"the key in {variable} is not sent to '{capture.base_url}'" in done.err
    assert done.err.endswith(f"set MOA_KEY_ADDRESSES={variable}={address}\n")
    assert SECRET not in done.err
    assert capture.calls == []


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "ACME_API_KEY"])
def test_what_the_refusal_says_lets_the_key_go(
    capture: Provider, tmp_path: Path, variable: str
) -> None:
    pair = f"{variable}={capture.base_url.removesuffix('/v1')}"
    more: Any = {variable: SECRET, "MOA_KEY_ADDRESSES": pair}
    done = moa("ask", "-r", stranger(tmp_path, capture, variable), "hi", **more)
    assert done.code == 0, done.err
    assert keys(capture) == [f"Bearer {SECRET}"]


def test_a_providers_own_variable_lets_its_key_go_to_that_address(
    capture: Provider, tmp_path: Path
) -> None:
    recipe = stranger(tmp_path, capture, "OPENAI_API_KEY")
    more: Any = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": capture.base_url}
    assert moa("ask", "-r", recipe, "hi", **more).code == 0
    assert keys(capture) == [f"Bearer {SECRET}"]


PLACES = {
    "a substitute": '{{ model = "scripted:fail", fallbacks = [{seat}] }}',
    "a recipe inside": '"moa:{inner}"',
}


@pytest.mark.parametrize("place", PLACES)
def test_no_place_in_a_recipe_gets_around_it(
    capture: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    own = seat(capture, "OPENAI_API_KEY")
    inner = saved(tmp_path, RECIPE.format(seat=own), "inner.toml")
    outer = RECIPE.format(seat=PLACES[place].format(seat=own, inner=inner))
    recipe = saved(tmp_path, outer, "outer.toml")
    with pytest.raises(NotTrusted, match="the key in OPENAI_API_KEY is not sent to"):
        ask("hi", recipe)
    assert capture.calls == []


def test_the_defaults_of_a_recipe_do_not_get_around_it_either(
    capture: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    said = f'base_url = "{capture.base_url}"\napi_key_env = "OPENAI_API_KEY"'
    recipe = saved(tmp_path, f"[defaults]\n{said}\n" + RECIPE.format(seat='"x:b"'))
    with pytest.raises(NotTrusted, match="the key in OPENAI_API_KEY is not sent to"):
        ask("hi", recipe)
    assert capture.calls == []


def test_doctor_does_not_show_a_server_the_key_either(capture: Provider, tmp_path: Path) -> None:
    recipe = stranger(tmp_path, capture, "OPENAI_API_KEY")
    done = moa("doctor", "-r", recipe, OPENAI_API_KEY=SECRET)
    assert done.code == 1
    assert "FAIL x:a: the key in OPENAI_API_KEY is not sent to" in done.out
    assert capture.calls == []


def test_a_person_is_asked_once_and_the_answer_is_remembered(
    capture: Provider, tmp_path: Path
) -> None:
    recipe = stranger(tmp_path, capture, "ACME_API_KEY")
    address = capture.base_url.removesuffix("/v1")
    with Terminal("ask", "-r", recipe, "hi", ACME_API_KEY=SECRET) as shown:
        shown.read(f"may the key in ACME_API_KEY be sent to {address}? [y/N]")
        assert capture.calls == []
        shown.type("y\n")
        assert shown.end() == 0
    assert keys(capture) == [f"Bearer {SECRET}"]
    file = tmp_path / "home" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"ACME_API_KEY": [address]}
    with Terminal("ask", "-r", recipe, "hi", ACME_API_KEY=SECRET) as shown:
        assert shown.end() == 0
        assert "may the key" not in shown.text
    assert moa("ask", "-r", recipe, "hi", ACME_API_KEY=SECRET).code == 0
    assert keys(capture) == [f"Bearer {SECRET}"] * 3


@pytest.mark.parametrize("answer", ["n\n", "\n", "yes please\n", "\x04"])
def test_anything_but_yes_sends_nothing_and_remembers_nothing(
    capture: Provider, tmp_path: Path, answer: str
) -> None:
    recipe = stranger(tmp_path, capture, "ACME_API_KEY")
    with Terminal("ask", "-r", recipe, "hi", ACME_API_KEY=SECRET) as shown:
        shown.read("[y/N]")
        shown.type(answer)
        assert shown.end() == 2
        assert "the key in ACME_API_KEY is not sent to" in shown.text
    assert capture.calls == []
    assert not (tmp_path / "home" / FILE).exists()


def test_nobody_is_asked_about_a_known_providers_key(capture: Provider, tmp_path: Path) -> None:
    recipe = stranger(tmp_path, capture, "OPENAI_API_KEY")
    with Terminal("ask", "-r", recipe, "hi", OPENAI_API_KEY=SECRET) as shown:
        assert shown.end() == 2
        assert "[y/N]" not in shown.text
    assert capture.calls == []


def test_a_question_that_is_piped_in_is_no_consent(capture: Provider, tmp_path: Path) -> None:
    recipe = stranger(tmp_path, capture, "ACME_API_KEY")
    done = moa("ask", "-r", recipe, "-", given=b"y\n", ACME_API_KEY=SECRET)
    assert (done.code, len(done.lines)) == (2, 1)
    assert capture.calls == []


def test_a_seat_without_a_key_may_live_anywhere_and_hears_no_name_of_the_owner(
    capture: Provider, tmp_path: Path
) -> None:
    own = f'{{ model = "openai:a", base_url = "{capture.base_url}" }}'
    recipe = saved(tmp_path, RECIPE.format(seat=own))
    more: Any = {
        "OPENAI_API_KEY": SECRET,
        "OPENAI_ORG_ID": "org-mine",
        "OPENAI_PROJECT_ID": "p-mine",
    }
    assert moa("ask", "-r", recipe, "hi", **more).code == 0
    sent = capture.calls[0].headers
    assert SECRET not in str(sent)
    assert "mine" not in str(sent)
