"""The shipped prompts: one Markdown file each, with `$name` variables."""

from difflib import get_close_matches
from pathlib import Path
from string import Template

__all__ = ["PromptError", "fill", "is_path", "names", "numbered", "read", "render"]

HERE = Path(__file__).parent


class PromptError(ValueError):
    """The prompt does not exist, or a variable has no value."""


def render(name: str, **values: str) -> str:
    """Fill a prompt with values.

    Args:
        name: A shipped name, a path to a file, or the text itself.
        values: The value of each variable.
    """
    return fill(read(name), name, **values)


def read(name: str) -> str:
    """Return the text of a prompt, given by a shipped name, a path or the text itself."""
    if len(name.split()) > 1:
        return name
    if name in names():
        return _text(HERE / f"{name}.md")
    if is_path(name):
        return _text(Path(name).expanduser())
    near = get_close_matches(name, names(), 1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names())}"
    raise PromptError(f"no prompt is called {name!r}; {hint} (or give a path, or the text)")


def is_path(name: str) -> bool:
    """Return whether the name is a path, and neither a shipped name nor a text."""
    if len(name.split()) > 1 or name in names():
        return False
    return "/" in name or name.endswith((".md", ".txt"))


def fill(text: str, name: str = "prompt", **values: str) -> str:
    """Replace the variables of a text.

    Raises:
        PromptError: A variable has no value.
    """
    template = Template(text)
    for variable in template.get_identifiers():
        if variable not in values:
            label = name if len(name.split()) == 1 else "given as text"
            raise PromptError(f"the prompt `{label}` needs `${variable}`, which was not given")
    # Not `substitute`: it raises on a lone `$`, which a prompt may well contain.
    return template.safe_substitute(values)


def numbered(answers: list[str]) -> str:
    """Number the answers as in the paper: a new line, a number from 1, the stripped text."""
    return "".join(f"\n{number}. {text.strip()}" for number, text in enumerate(answers, 1))


def names() -> list[str]:
    """Return the names of the shipped prompts."""
    return sorted(file.stem for file in HERE.glob("*.md"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"cannot read the prompt {str(path)!r}: {_reason(error)}") from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "it is not UTF-8"
