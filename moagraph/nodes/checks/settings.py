"""What a recipe may say of each verifier; `by` names the file beside this one that does it."""

import glob
import importlib.util
import json
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from moagraph.nodes.errors import MissingExtra
from moagraph.nodes.resources import CODE, DATABASE, Names


class Check(BaseModel):
    """What all verifiers may say."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True
    )

    trusted: ClassVar[bool] = False  # whether it runs the user's own code, and nobody else's
    blames: ClassVar[bool] = False  # whether the answer is at fault where there is no verdict
    needs: ClassVar[str] = ""  # the optional package without which it cannot run

    by: str = ""
    why: str | None = Field(None, description="What the writer is told where it fails.")
    timeout: float = Field(10, gt=0, le=600, description="Seconds for its verdict.")
    memory_mb: int = Field(1024, ge=64, description="The most memory that it may take.")

    @property
    def files(self) -> list[str]:
        """The files, as patterns, that its verdict hangs on."""
        return []

    def check_usable(self) -> None:
        """Refuse a verifier that cannot run; its package may not be here."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            raise MissingExtra(
                f"`by = \"{self.by}\"` needs {self.needs}: `pip install 'moagraph[checks]'`"
            )


def _schema(said: Any) -> Any:
    """A schema as a text, whether it was written as a table or as JSON."""
    text = said if isinstance(said, str) else json.dumps(said, default=str)
    try:
        read = json.loads(text)
    except ValueError as error:
        raise ValueError(f"`schema` is not JSON: {error}") from error
    if not isinstance(read, dict | bool):
        raise ValueError(f"`schema` {text!r}: a JSON schema is a table")
    return text


def _pattern(said: str) -> str:
    try:
        re.compile(said)
    except (re.error, RecursionError) as error:
        raise ValueError(f"`pattern` {said!r} is no regular expression: {error}") from error
    return said


def _function(said: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", said):
        raise ValueError(f"`function` {said!r} is not `package.module:function`")
    return said


def _code(said: str) -> str:
    try:
        compile(said, "tests", "exec")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"`tests` are not Python: {error}") from error
    return said


class ByJson(Check):
    """The answer is JSON, of this schema where one is given."""

    needs = "jsonschema"
    by: Literal["json"] = "json"
    schema_: Annotated[str, BeforeValidator(_schema)] = Field(
        "{}", alias="schema", description="A table, or JSON in a string."
    )

    def check_usable(self) -> None:
        """Refuse also what is JSON, and no schema."""
        super().check_usable()
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for

        schema = json.loads(self.schema_)
        try:
            validator_for(schema).check_schema(schema)
        except SchemaError as error:
            where = error.json_path
            raise ValueError(f"`schema` is no JSON schema: {where}: {error.message}") from error


class ByRegex(Check):
    """A regular expression is found in the answer, or is not."""

    by: Literal["regex"] = "regex"
    pattern: Annotated[str, AfterValidator(_pattern)] = Field(description="Searched for anywhere.")
    absent: bool = Field(False, description="It must not be found.")


class ByPython(Check):
    """A function of the user's: it returns True, or says what is wrong, or raises that."""

    trusted = True
    by: Literal["python"] = "python"
    function: Annotated[str, AfterValidator(_function), Names(CODE)] = Field(
        description="As package.module:function, called with the answer and, if it takes two "
        "values, the question."
    )

    @property
    def files(self) -> list[str]:
        """The module's, where it can be found; nothing is imported for that."""
        *packages, module = self.function.partition(":")[0].split(".")
        folders = [str(Path(entry, *packages)) for entry in (*sys.path, "")]
        found = PathFinder.find_spec(module, folders)
        return [glob.escape(found.origin)] if found and found.has_location and found.origin else []


class ByTests(Check):
    """Tests that the answer's Python code passes."""

    blames = True
    by: Literal["tests"] = "tests"
    tests: Annotated[str, AfterValidator(_code), Names(CODE)] = Field(
        description="Python that is run behind the answer's code, and its functions `test_…`."
    )


class BySympy(Check):
    """An expression that the answer's last one equals."""

    needs = "sympy"
    by: Literal["sympy"] = "sympy"
    expected: str = Field(description="Such as 2*x + 2, or 1/3.")


class BySql(Check):
    """The answer's SQL runs on a database, which it can only read."""

    blames = True
    by: Literal["sql"] = "sql"
    source: Annotated[str, Names(DATABASE)] = Field(description="An SQLite file.")
    rows: bool = Field(False, description="It must find something.")

    @property
    def files(self) -> list[str]:
        """The database."""
        return [self.source]


CHECKS: dict[str, type[Check]] = {
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


def parse_checks(settings: Any) -> list[Check]:
    """Parse the `checks` of a step."""
    return list(_PARSER.validate_python(settings))
