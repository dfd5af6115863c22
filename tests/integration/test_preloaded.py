"""`moa` as a fork: what a test sees is what it would see of a process that was started."""

from pathlib import Path

import pytest

from tests.faults import Hang
from tests.preloaded import Preloaded
from tests.provider import Provider
from tests.terminal import MIX, environment, preloaded, saved, until

LIMIT = 90


@pytest.fixture
def forks() -> Preloaded:
    return preloaded()


def test_a_fork_has_the_exit_code_and_both_outputs_of_its_own(
    forks: Preloaded, tmp_path: Path
) -> None:
    done = forks.run(["ask", "--recipe", saved(tmp_path), "-"], b"hi\n", environment(), LIMIT)
    assert (done.returncode, done.stdout) == (0, b"the answer of all\n")
    assert b"3 calls" in done.stderr
    wrong = forks.run(["nothing"], b"", environment(), LIMIT)
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"'nothing'" in wrong.stderr


def test_a_fork_has_the_folder_and_environment_of_the_test(
    forks: Preloaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path)
    monkeypatch.chdir(tmp_path)
    home = environment(MOA_HOME=str(tmp_path / "other"))
    done = forks.run(["ask", "--recipe", "mix.toml", "hi"], b"", home, LIMIT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other" / "threads.sqlite").exists()
    listed = forks.run(["threads"], b"", environment(), LIMIT)
    assert b"mix" not in listed.stdout


def test_a_fork_that_takes_too_long_is_killed(
    forks: Preloaded, provider: Provider, tmp_path: Path
) -> None:
    provider.script("a", Hang())
    recipe = saved(tmp_path, MIX.replace("scripted:one", "openai:a"))
    with pytest.raises(TimeoutError):
        forks.run(["ask", "--recipe", recipe, "hi"], b"", environment(), 3)
    until(lambda: all(call.aborted for call in provider.calls))


def test_what_python_reads_at_its_start_cannot_be_had_from_a_fork(forks: Preloaded) -> None:
    assert forks.can_run(environment(MOA_HOME="/elsewhere", OPENAI_API_KEY="other"))
    assert not forks.can_run(environment(PYTHONIOENCODING="latin-1"))
    assert not forks.can_run(environment(LC_ALL="C"))


def test_a_process_that_has_ended_runs_nothing_more() -> None:
    forks = Preloaded(environment())
    assert forks.can_run(environment())
    forks.stop()
    assert not forks.can_run(environment())
