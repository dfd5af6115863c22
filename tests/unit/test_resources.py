"""Whatever settings name outside of a recipe is declared beside its field, also by new steps."""

import typing
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from moagraph.graphs.recipe.resources import resources_of
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.checks.settings import CHECKS
from moagraph.nodes.hooks import parse_checks
from moagraph.nodes.resources import Names
from moagraph.nodes.step_support.registry import step_classes

URL = "http://127.0.0.1:9/v1"
# Texts that name nothing outside of the recipe; a new one is put here once somebody has looked.
PLAIN = {
    "about",
    "choices",
    "deny",
    "expected",
    "extra_body",
    "grace",
    "has",
    "heading",
    "matches",
    "name",
    "otherwise",
    "pattern",
    "patterns",
    "people",
    "query",
    "reasoning_effort",
    "response_format",
    "schema_",
    "stop",
    "text",
    "to",
    "tool_choice",
    "why",
}
# Told apart by a literal in the classes that are listed below.
TAGS = {"step", "by"}


def models_within(annotation: Any) -> set[type[BaseModel]]:
    """The settings that a type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for inner in typing.get_args(annotation) for model in models_within(inner)}


def models_of_field(field: FieldInfo) -> set[type[BaseModel]]:
    """The settings that a field holds; its type does not mention what a hook parses."""
    validators = [mark.func for mark in field.metadata if isinstance(mark, BeforeValidator)]
    if parse_checks in validators:
        return set(CHECKS.values())
    return models_within(field.annotation)


def every_model() -> set[type[BaseModel]]:
    """All settings that a recipe can hold."""
    todo: set[type[BaseModel]] = {Recipe, *step_classes().values(), *CHECKS.values()}
    found: set[type[BaseModel]] = set()
    while todo:
        model = todo.pop()
        found.add(model)
        for field in model.model_fields.values():
            todo |= models_of_field(field) - found
    return found


def holds_text(annotation: Any) -> bool:
    """Whether a value of the type may be, or hold, a text that the author chooses."""
    if annotation in (str, Any):
        return True
    if typing.get_origin(annotation) is Literal:
        return False
    return any(holds_text(inner) for inner in typing.get_args(annotation))


def is_declared(field: FieldInfo) -> bool:
    return any(isinstance(mark, Names) for mark in field.metadata)


def undeclared() -> set[tuple[str, str]]:
    return {
        (model.__name__, key)
        for model in every_model()
        for key, field in model.model_fields.items()
        if holds_text(field.annotation) and not is_declared(field) and key not in PLAIN | TAGS
        if not models_of_field(field)
    }


def test_every_text_of_the_settings_is_declared_or_known_to_be_plain() -> None:
    assert undeclared() == set()


def test_a_key_that_names_a_file_and_does_not_say_so_is_found() -> None:
    class Careless(BaseModel):
        log_file: str = ""
        many: list[str | None] = []
        anything: list[Any] = []

    fields = Careless.model_fields
    assert all(
        holds_text(field.annotation) and not is_declared(field) and not models_of_field(field)
        for field in fields.values()
    )


def names(**said: Any) -> set[tuple[str, str]]:
    return {(one.kind, one.name) for one in resources_of(recipe(**said))}


def recipe(**said: Any) -> Recipe:
    layer = {"proposers": ["scripted:a", "scripted:b"], "aggregate": said.pop("aggregate", [])}
    layer["proposers"] = said.pop("proposers", layer["proposers"])
    layer["aggregate"] = [*layer["aggregate"], {"step": "synthesize", "model": "scripted:c"}]
    return Recipe.model_validate({"name": "r", "layers": [*said.pop("earlier", []), layer], **said})


def gated(check: dict[str, Any]) -> dict[str, Any]:
    """A layer with a gate, which another layer has to follow."""
    gate = {"step": "gate", "by": "verify", "checks": [check]}
    return {"earlier": [{"proposers": ["scripted:a"], "aggregate": [gate]}]}


CHECK = {"by": "tests", "tests": "assert add(1, 2) == 3"}
TOOL = {"type": "function", "function": {"name": "shell", "parameters": {}}}
CASES: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "nothing": ({}, set()),
    "an address": ({"proposers": [{"model": "x:a", "base_url": URL}]}, {("address", URL)}),
    "an address of all": (
        {"defaults": {"base_url": URL, "api_key_env": "HOME"}},
        {("address", URL), ("key variable", "HOME")},
    ),
    "a provider's own": (
        {"proposers": ["together:a"]},
        {("address", "https://api.together.xyz"), ("key variable", "TOGETHER_API_KEY")},
    ),
    "a package": (
        {"proposers": ["anthropic:a"]},
        {("key variable", "what langchain-anthropic reads")},
    ),
    "a provider that nobody knows": ({"proposers": ["zzz:a"]}, {("model", "zzz:a")}),
    "a substitute": (
        {"proposers": [{"model": "scripted:a", "fallbacks": [{"model": "x:b", "base_url": URL}]}]},
        {("address", URL)},
    ),
    "a judge": (
        {"aggregate": [{"step": "judge", "judges": [{"model": "x:j", "base_url": URL}]}]},
        {("address", URL)},
    ),
    "files": ({"before": [{"step": "retrieve", "source": "/a/*"}]}, {("files", "/a/*")}),
    "a database": (
        {"before": [{"step": "retrieve", "source": ["/a.db"], "by": "sql"}]},
        {("database", "/a.db")},
    ),
    "a graph": (
        {"before": [{"step": "retrieve", "source": "/g", "by": "graph"}]},
        {("graph", "/g")},
    ),
    "another database": ({"aggregate": [{"step": "sql", "source": "/s"}]}, {("database", "/s")}),
    "a database to check by": (
        {"after": [{"step": "verify", "model": "scripted:v", "checks": [
            {"by": "sql", "source": "/c.db"}]}]},
        {("database", "/c.db")},
    ),
    "a database that a gate checks by": (
        gated({"by": "sql", "source": "/c.db"}),
        {("database", "/c.db")},
    ),
    "tests of a gate": (gated(CHECK), {("code", "assert add(1, 2) == 3")}),
    "a function of a gate": (
        gated({"by": "python", "function": "os:getcwd"}),
        {("code", "os:getcwd")},
    ),
    "tests": (
        {"after": [{"step": "verify", "model": "scripted:v", "checks": [CHECK]}]},
        {("code", "assert add(1, 2) == 3")},
    ),
    "a function": (
        {"after": [{"step": "verify", "model": "scripted:v", "checks": [
            {"by": "python", "function": "os:getcwd"}]}]},
        {("code", "os:getcwd")},
    ),
    "tools": ({"proposers": [{"model": "scripted:a", "tools": [TOOL]}]}, {("tool", "shell")}),
    "weights": (
        {"proposers": ["local:/w.gguf", "local:hf/o/r/f.gguf"]},
        {("model file", "/w.gguf"), ("model file", "hf/o/r/f.gguf")},
    ),
    "recorded answers": (
        {"proposers": ["recorded:m@/r.jsonl", "recorded:n"]},
        {("files", "/r.jsonl"), ("files", "what MOA_RECORDED names")},
    ),
    "a recipe that is not there": ({"proposers": ["moa:/no.toml"]}, {("recipe", "/no.toml")}),
    "the cache": ({"cache": True}, {("files", "answers in the cache")}),
    "what was learned": (
        {
            "before": [{"step": "route", "by": "learned", "otherwise": "a"}],
            "proposers": [{"model": f"scripted:{n}", "name": n} for n in "ab"],
        },
        {("files", "what `moa route fit` learned for a recipe of this name")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_recipe_names_is_listed(case: str) -> None:
    said, expected = CASES[case]
    assert names(**said) == expected


def test_a_prompt_is_listed_where_it_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    file.write_text("Answer $question by $references")
    judges = [{"model": "scripted:j", "prompt": prompt} for prompt in (str(file), "judge")]
    judges.append({"model": "scripted:j", "prompt": "Judge what is written: $references"})
    verify = {"step": "verify", "model": "scripted:v", "judges": judges}
    assert names(after=[verify]) == {("prompt", str(file))}
    assert names(defaults={"prompt": str(file)}) == {("prompt", str(file))}


def test_a_recipe_in_a_seat_is_looked_into_once_however_often_it_is_named(tmp_path: Path) -> None:
    inner, other = tmp_path / "inner.toml", tmp_path / "other.toml"
    text = '[[layers]]\nproposers = ["moa:{}", "x:a"]\n'
    text += f'aggregate = {{{{ step = "synthesize", model = "x:b", base_url = "{URL}" }}}}\n'
    inner.write_text(text.format(other))
    other.write_text(text.format(inner) + '[[before]]\nstep = "retrieve"\nsource = "notes/*"\n')
    found = resources_of(recipe(proposers=[f"moa:{inner}", f"moa:{inner}"]))
    listed = {(one.kind, one.name): one.where for one in found}
    assert set(listed) == {
        ("address", URL),
        ("files", f"{tmp_path}/notes/*"),
        ("recipe", str(inner)),
        ("recipe", str(other)),
        ("model", "x:a"),
    }
    assert listed["files", f"{tmp_path}/notes/*"] == f"moa:{inner}: moa:{other}: before.1.source"


def test_a_resource_says_which_settings_name_it() -> None:
    seat = {"model": "x:a", "base_url": URL}
    found = resources_of(recipe(proposers=["scripted:a", seat]))
    assert [(one.name, one.where) for one in found] == [(URL, "layers.1.proposers.2.base_url")]
