"""Where `moa` finds its commands: its own, those of optional modules, those of other packages."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import moagraph
from moagraph.cli.app import BUILT_IN
from tests.terminal import MIX, Done, environment, moa, preloaded, saved, shell

LOADED = """
import sys
from moagraph.cli import main
try:
    main()
finally:
    print(*(name for name in sys.modules if name.startswith("moagraph.")), file=sys.stderr)
"""
OPTIONAL = {"batch", "eval", "route", "serve"}
SHOUT = """
import typer

def shout(text: str, times: int = 1) -> None:
    '''Print a text in capitals.'''
    typer.echo(text.upper() * times)

def ask_name() -> None:
    '''Ask for a name.'''
    typer.prompt("name")

letters = typer.Typer(help="Count letters.")

@letters.command()
def count(text: str) -> None:
    '''Count the letters of a text.'''
    typer.echo(len(text))

not_a_command = 7
"""


def install(site: Path, package: str, module: str, commands: dict[str, str]) -> None:
    """Put what pip leaves of a package into a folder: its module and its metadata."""
    name = package.replace("-", "_")
    (site / f"{name}.py").write_text(module)
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{command} = {target}" for command, target in commands.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[moagraph.commands]", *lines]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages that `moa` finds too."""
    preloaded()  # starts with the path of other tests, which is theirs again after this one
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    return folder


def commands_of(help: Done) -> list[str]:
    """The commands that a help text lists."""
    listing = help.out.partition("Commands:\n")[2]
    return [line.split()[0] for line in listing.splitlines()]


def test_the_help_lists_the_core_s_commands_first_and_then_those_of_entry_points() -> None:
    listed = commands_of(moa("--help"))
    assert listed[: len(BUILT_IN)] == list(BUILT_IN)
    assert OPTIONAL <= set(listed[len(BUILT_IN) :])


@pytest.mark.parametrize("command", ["cache", "serve"])
def test_a_command_s_module_is_imported_only_when_it_is_invoked(command: str) -> None:
    words = [sys.executable, "-c", LOADED, command, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
    names = [*BUILT_IN, *OPTIONAL]
    imported = {name for name in names if f"moagraph.cli.{name}" in done.stderr.split()}
    assert imported == {command}


def test_a_package_adds_a_function_or_a_typer_as_a_command(site: Path) -> None:
    targets = {"shout": "loud_words:shout", "letters": "loud_words:letters"}
    install(site, "loud-words", SHOUT, targets)
    help = moa("--help")
    assert (help.code, help.lines) == (0, [])
    assert "  letters  Count letters." in help.out
    assert "  shout    Print a text in capitals." in help.out
    assert moa("shout", "hello", "--times", "2").out == "HELLOHELLO\n"
    assert moa("letters", "count", "four").out == "4\n"
    wrong = moa("shout", "hello", "--times", "x")
    assert (wrong.code, len(wrong.lines)) == (2, 1)
    assert moa("leters", "x").lines == [
        "moa: No such command 'leters'. Did you mean 'letters'?; see `moa --help`"
    ]


BROKEN = {
    "raise ValueError('two\\nlines')": "two lines",
    "import a_module_that_is_not_there": "No module named 'a_module_that_is_not_there'",
    "raise SystemExit(3)": "3",
    "shout = 7": "'loud_words:shout' is neither",
    "def shout(value: 'NoSuchType'): ...": "'loud_words:shout' is neither",
    "": "has no attribute 'shout'",
}


@pytest.mark.parametrize("module", BROKEN)
def test_a_broken_package_is_one_line_and_every_other_command_works(
    site: Path, tmp_path: Path, module: str
) -> None:
    whole = commands_of(moa("--help"))
    install(site, "loud-words", module, {"shout": "loud_words:shout"})
    help = moa("--help")
    assert (help.code, commands_of(help)) == (0, whole)
    [line] = help.lines
    assert line.startswith("moa: the command 'shout' of the package 'loud-words' ")
    assert BROKEN[module] in line
    refused = moa("shout")
    assert (refused.code, refused.out, refused.lines) == (2, "", [line])
    asked = moa("ask", "--recipe", saved(tmp_path, MIX), "--json", "hi")
    assert (asked.code, json.loads(asked.out)["status"]) == (0, "done")
    assert "loud-words" not in asked.err


@pytest.mark.parametrize(
    ("command", "first", "second"),
    [
        ("shout", "loud-words", "other-words"),
        ("graph", "moagraph", "other-words"),
        ("serve", "moagraph", "other-words"),
    ],
)
def test_a_command_of_two_packages_is_refused_with_both_names(
    site: Path, command: str, first: str, second: str
) -> None:
    if first != "moagraph":
        install(site, first, SHOUT, {command: "loud_words:shout"})
    install(site, second, SHOUT, {command: "other_words:shout"})
    refused = moa(command, "hello")
    assert (refused.code, refused.out) == (2, "")
    [line] = refused.lines
    assert line.startswith(f"moa: the command {command!r} is provided by two packages, ")
    assert {f"'{first}'", f"'{second}'"} <= set(line.replace(",", " ").replace(":", " ").split())
    help = moa("--help")
    assert (help.code, help.lines) == (0, [line])
    assert command not in commands_of(help)
    assert moa("models").code == 0


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package without four of its optional modules, which `moa` runs."""
    preloaded()
    package = tmp_path / "core" / "moagraph"
    shutil.copytree(Path(moagraph.__file__).parent, package)
    for name in ("evals", "routing", "server", "cli/eval"):
        shutil.rmtree(package / name)
    for name in ("threads/diff.py", "cli/batch.py", "cli/route.py", "cli/serve.py"):
        (package / name).unlink()
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=":")
    return package


@pytest.mark.usefixtures("core")
def test_without_optional_modules_their_commands_are_refused_and_the_core_s_work(
    tmp_path: Path,
) -> None:
    help = moa("--help")
    assert (help.code, commands_of(help)) == (0, list(BUILT_IN))
    assert len(help.lines) == len(OPTIONAL)
    for command, line in zip(sorted(OPTIONAL), help.lines, strict=True):
        refused = moa(command)
        assert (refused.code, refused.out, refused.lines) == (2, "", [line])
        assert f"the command {command!r} of the package 'moagraph' cannot be imported" in line
    recipe = saved(tmp_path, MIX)
    assert moa("ask", "--recipe", recipe, "--thread", "t", "hi").code == 0
    assert moa("show", "t").code == 0
    difference = moa("show", "--diff", "t", "t")
    assert (difference.code, difference.out) == (2, "")
    assert difference.lines == [
        "moa: this needs 'moagraph.threads.diff', an optional module that is not installed here"
    ]


def test_a_prompt_without_an_answer_ends_in_one_line(site: Path) -> None:
    install(site, "loud-words", SHOUT, {"name": "loud_words:ask_name"})
    done = moa("name")
    assert done.code == 1
    assert done.lines[-1] == "moa: aborted: standard input has ended"


def test_the_version_is_printed() -> None:
    done = moa("--version")
    assert (done.code, done.out, done.err) == (0, f"moagraph {version('moagraph')}\n", "")


def test_python_m_moagraph_is_moa() -> None:
    def run(*words: str) -> Done:
        command = [sys.executable, "-m", "moagraph", *words]
        done = subprocess.run(command, capture_output=True, env=environment())
        return Done(done.returncode, done.stdout, done.stderr)

    assert run("--help").out == moa("--help").out
    wrong = run("nope")
    assert (wrong.code, wrong.lines) == (2, ["moa: No such command 'nope'; see `moa --help`"])


def test_the_shell_completes_commands_also_of_packages_and_says_nothing_of_broken_ones(
    site: Path,
) -> None:
    install(site, "loud-words", SHOUT, {"threaten": "loud_words:shout"})
    install(site, "broken-words", "raise ValueError", {"thrash": "broken_words:thrash"})

    def complete(line: str) -> Done:
        count = str(line.count(" "))
        return moa(_MOA_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=count)

    assert complete("moa thr").out.split() == ["threads", "threaten"]
    assert complete("moa thr").err == ""
    assert complete("moa threads pr").out.split() == ["prune"]
    assert complete("moa eval re").out.split() == ["report"]
    assert "--recipe" in complete("moa ask --re").out.split()
    assert complete("moa thrash --x").err == ""


def test_the_completion_script_for_the_present_shell_is_shown_and_works(tmp_path: Path) -> None:
    shown = shell("moa --show-completion; exit $?")
    assert shown.code == 0
    file = tmp_path / "completion.sh"
    file.write_text(shown.out)
    words = "COMP_WORDS=(moa rep) COMP_CWORD=1"
    done = shell(f'. {file}; {words}; _moa_completion moa; echo "${{COMPREPLY[@]}}"')
    assert (done.code, done.out) == (0, "replay\n")
