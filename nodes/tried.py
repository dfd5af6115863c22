"""What `nodes.trial` runs in a process of its own: one rule, one answer, one verdict."""

import json
import os
import re
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    """Read the rule and the answer, print the verdict as the last line."""
    told = json.load(sys.stdin)
    verdict = os.dup(1)
    os.dup2(2, 1)  # what the rule prints is not its verdict
    said = _verdict(told["rule"], told["text"], told["question"])
    os.write(verdict, json.dumps(said).encode())
    os._exit(0)


def _verdict(rule: dict[str, Any], text: str, question: str) -> dict[str, Any]:
    for kind, judge in (("pattern", _pattern), ("json_schema", _schema), ("function", _function)):
        if kind in rule:
            found = judge(rule[kind], text, question)
            if not found["holds"]:
                return found
    return {"holds": True}


def _no(why: str, usable: bool = True) -> dict[str, Any]:
    return {"holds": False, "why": " ".join(why.split())[:300], "usable": usable}


def _pattern(pattern: str, text: str, _: str) -> dict[str, Any]:
    return {"holds": True} if re.search(pattern, text) else _no(f"nothing matches {pattern!r}")


def _schema(schema: dict[str, Any], text: str, _: str) -> dict[str, Any]:
    try:
        import jsonschema
    except ImportError:
        return _no("`json_schema` needs jsonschema: `pip install 'moagraph[verify]'`", usable=False)
    fence = re.search(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL)
    try:
        jsonschema.validate(json.loads(fence[1] if fence else text), schema)
    except json.JSONDecodeError as error:
        return _no(f"not JSON: {error}")
    except jsonschema.SchemaError as error:
        return _no(f"`json_schema` is no JSON schema: {error.message}", usable=False)
    except jsonschema.ValidationError as error:
        return _no(f"{error.json_path}: {error.message}")
    return {"holds": True}


def _function(name: str, text: str, question: str) -> dict[str, Any]:
    module, _, attribute = name.partition(":")
    try:
        judge = getattr(import_module(module), attribute)
    except Exception as error:
        return _no(f"`{name}` cannot be imported: {error}", usable=False)
    try:
        said = judge(text, question)
    except Exception as error:
        return _no(f"`{name}` raised {type(error).__name__}: {error}")
    return {"holds": True} if said is True else _no(str(said) if said else f"`{name}` says no")


if __name__ == "__main__":
    main()
