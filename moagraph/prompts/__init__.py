"""What we say to models: one Markdown file a prompt, `$name` where a value goes."""

from difflib import get_close_matches
from pathlib import Path
from string import Template

__all__ = ["PromptError", "fill", "is_path", "names", "numbered", "read", "render"]

HERE = Path(__file__).parent


class PromptError(ValueError):
    """There is no such prompt, or a value that it needs was forgotten."""


def render(name: str, **values: str) -> str:
    """Fill the prompt of that name, path or text with the values."""
    return fill(read(name), name, **values)


def read(name: str) -> str:
    """The text behind a shipped name, a path to a file, or the text itself."""
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
    """Whether it names a file, and neither a prompt that ships nor the text itself."""
    if len(name.split()) > 1 or name in names():
        return False
    return "/" in name or name.endswith((".md", ".txt"))


def fill(text: str, name: str = "prompt", **values: str) -> str:
    """Put the values where their `$names` stand; a forgotten one is an error by name."""
    template = Template(text)
    for variable in template.get_identifiers():
        if variable not in values:
            shown = name if len(name.split()) == 1 else "given as text"
            raise PromptError(f"the prompt `{shown}` needs `${variable}`, which was not given")
    return template.safe_substitute(values)


def numbered(answers: list[str]) -> str:
    """The paper's list of references: a new line, a number from 1, the stripped answer."""
    return "".join(f"\n{number}. {text.strip()}" for number, text in enumerate(answers, 1))


def names() -> list[str]:
    """The prompts that ship."""
    return sorted(file.stem for file in HERE.glob("*.md"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"cannot read the prompt {str(path)!r}: {_reason(error)}") from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "it is not UTF-8"
