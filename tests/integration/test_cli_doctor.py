import json
from pathlib import Path

import pytest

from tests.provider import Provider
from tests.terminal import moa, saved

RECIPE = """
[[layers]]
proposers = [
  "together:a", "openai:b", "scripted:x", "vllm:c", "ollama:llama3",
  { model = "vllm:d", base_url = "http://127.0.0.1:9/v1" },
  { model = "vllm:e", base_url = "http://127.0.0.1:9/v1", api_key_env = "SOME_KEY" },
]
aggregate = { step = "synthesize", model = "local:nothing" }
"""


def test_each_line_says_what_is_well_and_else_what_to_do(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provider.models = ["a", "c"]
    provider.api_key = "together-key"
    for name in ("VLLM_API_KEY",):
        monkeypatch.setenv(name, "together-key")
    monkeypatch.setenv("VLLM_BASE_URL", provider.base_url)
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{provider.port}")
    done = moa("doctor", "--recipe", saved(tmp_path, RECIPE))
    assert done.code == 1
    assert done.lines == ["moa: something above must be mended first"]
    told = dict(line.removeprefix("ok   ").split(": ", 1) for line in done.out.splitlines()[1:])
    url = provider.base_url
    assert told["data folder"].endswith("can be written to")
    assert told["together:a"] == f"served by {url}"
    assert told["vllm:c"] == f"served by {url}"
    assert told["FAIL openai:b"] == f"{url} answers 401: check the key"
    assert told["scripted:x"] == "needs no server"
    assert told["FAIL ollama:llama3"] == f"{url} answers 401: check the key"
    assert told["FAIL vllm:d"].startswith("http://127.0.0.1:9/v1 does not answer")
    assert told["FAIL vllm:d"].endswith("start it, or check the address")
    assert told["FAIL vllm:e"].startswith("SOME_KEY is not set")
    assert "`local:smollm2-135m`" in told["FAIL local:nothing"]
    provider.api_key = None
    again = moa("doctor", "--recipe", saved(tmp_path, RECIPE), "--json")
    checks = {one["what"]: one for one in json.loads(again.out)["checks"]}
    assert not checks["ollama:llama3"]["ok"]
    assert checks["ollama:llama3"]["told"].endswith("`ollama pull llama3`")
    assert checks["openai:b"]["told"].endswith("does not serve it: name another in the recipe")
    assert set(checks["together:a"]) == {"what", "ok", "told"}


def test_a_machine_that_is_well_is_exit_code_0(provider: Provider, tmp_path: Path) -> None:
    provider.models = ["a"]
    recipe = '[[layers]]\nproposers = ["openai:a"]\naggregate = ' \
        '{ step = "synthesize", model = "openai:a" }\n'  # fmt: skip
    done = moa("doctor", "--recipe", saved(tmp_path, recipe))
    assert (done.code, done.err) == (0, "")
    assert all(line.startswith("ok   ") for line in done.out.splitlines()[1:])


def test_models_lists_every_provider_and_no_key(provider: Provider) -> None:
    done = moa("models")
    assert done.code == 0
    told = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert told["together"] == "TOGETHER_API_KEY is set, TOGETHER_API_BASE is set"
    assert told["scripted"] == "needs nothing"
    assert "anthropic:" in done.out
    listed = moa("models", "--json").out
    assert {row["provider"] for row in json.loads(listed)} >= {"together", "openai", "local"}
    assert "together-key" not in done.out + listed
