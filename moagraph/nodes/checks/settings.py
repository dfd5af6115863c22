"""The settings of each check in a recipe; `by` tells which one it is."""

import glob
import importlib.util
import json
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from moagraph.nodes.checks.sandbox.choice import faults, sandbox
from moagraph.nodes.errors import MissingExtra
from moagraph.nodes.resources import CODE, DATABASE, Names


class CheckSettings(BaseModel):
    """The settings of every check."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True
    )

    blames: ClassVar[bool] = False  # whether the answer is at fault where there is no verdict
    needs: ClassVar[str] = ""  # the optional package without which it cannot run

    by: str = ""
    why: str | None = Field(None, description="What the writer is told where it fails.")
    timeout: float = Field(10, gt=0, le=600, description="Seconds for its verdict.")
    memory_mb: int = Field(1024, ge=64, description="The most memory that it may take.")

    @property
    def files(self) -> list[str]:
        """The files, as patterns, that its verdict depends on."""
        return []

    def runs_unsafe(self, unsafe: bool | None) -> bool:
        """Whether the step or the check allows a model's code to run without a sandbox."""
        return False

    def check_usable(self, unsafe: bool | None = None) -> None:
        """Refuse a check that cannot run here: its package or the sandbox may be missing.

        Args:
            unsafe: Whether the step allows code to run without a sandbox.
        """
        if self.needs and importlib.util.find_spec(self.needs) is None:
            raise MissingExtra(
                f"`by = \"{self.by}\"` needs {self.needs}: `pip install 'moagraph[checks]'`"
            )


def _schema(value: Any) -> Any:
    """Return the schema as JSON text, from a table or from JSON."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise ValueError(f"`schema` is not JSON: {error}") from error
    if not isinstance(schema, dict | bool):
        raise ValueError(f"`schema` {text!r}: a JSON schema is a table")
    return text


def _pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, RecursionError) as error:
        raise ValueError(f"`pattern` {pattern!r} is no regular expression: {error}") from error
    return pattern


def _function(path: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", path):
        raise ValueError(f"`function` {path!r} is not `package.module:function`")
    return path


def _code(tests: str) -> str:
    try:
        compile(tests, "tests", "exec")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"`tests` are not Python: {error}") from error
    return tests


class ByJson(CheckSettings):
    """The answer is JSON and matches the schema, if one is given."""

    needs = "jsonschema"
    by: Literal["json"] = "json"
    schema_: Annotated[str, BeforeValidator(_schema)] = Field(
        "{}", alias="schema", description="A table, or JSON in a string."
    )

    def check_usable(self, unsafe: bool | None = None) -> None:
        """Also refuse JSON that is not a schema."""
        super().check_usable(unsafe)
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for

        schema = json.loads(self.schema_)
        try:
            validator_for(schema).check_schema(schema)
        except SchemaError as error:
            where = error.json_path
            raise ValueError(f"`schema` is no JSON schema: {where}: {error.message}") from error


class ByRegex(CheckSettings):
    """A regular expression matches in the answer, or does not."""

    by: Literal["regex"] = "regex"
    pattern: Annotated[str, AfterValidator(_pattern)] = Field(description="Searched for anywhere.")
    absent: bool = Field(False, description="It must not match.")


class ByPython(CheckSettings):
    """Your function accepts the answer: it returns True, or a complaint, or raises an error."""

    by: Literal["python"] = "python"
    function: Annotated[str, AfterValidator(_function), Names(CODE)] = Field(
        description="As package.module:function, called with the answer and, if it takes two "
        "values, the question."
    )

    @property
    def files(self) -> list[str]:
        """The module's file, found without importing it."""
        *packages, module = self.function.partition(":")[0].split(".")
        folders = [str(Path(entry, *packages)) for entry in (*sys.path, "")]
        spec = PathFinder.find_spec(module, folders)
        return [glob.escape(spec.origin)] if spec and spec.has_location and spec.origin else []


class ByTests(CheckSettings):
    """Tests that the answer's Python code passes."""

    blames = True
    by: Literal["tests"] = "tests"
    tests: Annotated[str, AfterValidator(_code), Names(CODE)] = Field(
        description="Python that runs beside the answer's code, and its functions `test_…`."
    )
    unsafe: bool | None = Field(
        None, description="Run code that a model wrote even where there is no sandbox."
    )

    def runs_unsafe(self, unsafe: bool | None) -> bool:
        """Whether either setting allows it."""
        return bool(unsafe or self.unsafe)

    def check_usable(self, unsafe: bool | None = None) -> None:
        """Refuse a recipe that would run a model's code on a machine without a sandbox."""
        super().check_usable(unsafe)
        if not self.runs_unsafe(unsafe) and sandbox() is None:
            raise MissingExtra(
                '`by = "tests"` runs code that a model wrote, and this machine has no sandbox for '
                f"it ({faults()}): install bubblewrap, or say `unsafe = true` to run it without"
            )


class BySympy(CheckSettings):
    """The answer's last expression equals this one."""

    needs = "sympy"
    by: Literal["sympy"] = "sympy"
    expected: str = Field(description="Such as 2*x + 2, or 1/3.")


class BySql(CheckSettings):
    """The answer's SQL runs on a database, which it can only read."""

    blames = True
    by: Literal["sql"] = "sql"
    source: Annotated[str, Names(DATABASE)] = Field(description="An SQLite file.")
    rows: bool = Field(False, description="It must return rows.")

    @property
    def files(self) -> list[str]:
        """The database."""
        return [self.source]


CHECKS: dict[str, type[CheckSettings]] = {
    "json": ByJson,
    "python": ByPython,
    "regex": ByRegex,
    "sql": BySql,
    "sympy": BySympy,
    "tests": ByTests,
}
AnyCheck = Annotated[
    ByJson | ByRegex | ByPython | ByTests | BySympy | BySql, Field(discriminator="by")
]

_PARSER = TypeAdapter(list[AnyCheck])


def parse_checks(settings: Any) -> list[CheckSettings]:
    """Parse the `checks` of a step."""
    return list(_PARSER.validate_python(settings))
