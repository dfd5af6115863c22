import os
import signal
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from moagraph.nodes.errors import UsageError
from moagraph.server.api_keys import is_loopback, read_api_keys
from tests.serving import HI, Served, save, serving

MOA = [sys.executable, "-c", "from moagraph.cli import main; main()"]


def moa(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MOA, *words], capture_output=True, text=True, timeout=60, env={**os.environ, **env}
    )


@pytest.mark.parametrize("key", ["wrong", "alic", "alicee", "alice,bob", "ALICE"])
def test_a_wrong_key_is_refused(key: str) -> None:
    save("mix", ["scripted:one"], aggregator="scripted:echo")
    with serving("alice", "bob") as served:
        for answer in (
            served.post(
                {"model": "mix", "messages": HI}, headers={"Authorization": f"Bearer {key}"}
            ),
            served.get("/v1/models", headers={"Authorization": f"Bearer {key}"}),
            served.get("/v1/models/mix"),
            served.get("/v1/models", headers={"Authorization": key}),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert "alice" not in answer.text
        with pytest.raises(openai.AuthenticationError):
            Served(served.port, "wrong").ask()
        for right in ("alice", "bob"):
            assert Served(served.port, right).ask().choices[0].message.content == "hi"


def test_keys_come_from_the_environment_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys"
    file.write_text("# people\n one \n\ntwo\n", encoding="utf-8")
    assert len(read_api_keys(file)._digests) == 2
    monkeypatch.setenv("MOA_API_KEYS", "three, four,")
    assert len(read_api_keys(file)._digests) == 4
    assert not any(name in repr(vars(read_api_keys(file))) for name in ("one", "two", "three"))
    monkeypatch.delenv("MOA_API_KEYS")
    assert not read_api_keys()


@pytest.mark.parametrize("text", ["", "# none\n", "two words\n", "ü\n"])
def test_a_file_without_a_usable_key_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="API key"):
        read_api_keys(file)


def test_what_is_this_machine() -> None:
    assert all(
        map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "LOCALHOST"))
    )
    others = ("0.0.0.0", "::", "", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil", "1270")
    assert not any(map(is_loopback, others))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])
def test_other_machines_are_let_in_only_with_keys(host: str) -> None:
    ended = moa("serve", "--host", host, "--port", "0")
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"moa: {host!r} lets other machines in, which needs API keys: set MOA_API_KEYS, "
        "or name a file with --api-keys"
    ]


def test_a_port_that_is_taken_is_one_line() -> None:
    with serving() as served:
        ended = moa("serve", "--port", str(served.port))
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "choose another --port" in ended.stderr


def test_keys_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    ended = moa("serve", "--port", "0", "--api-keys", str(tmp_path / "none"))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0].startswith("moa: cannot read the API keys in")


def test_a_missing_extra_is_one_line(tmp_path: Path) -> None:
    hide = tmp_path / "sitecustomize.py"
    hide.write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'uvicorn' else find(name, *a)\n",
        encoding="utf-8",
    )
    ended = moa("serve", PYTHONPATH=str(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["moa: `moa serve` needs `pip install 'moagraph[serve]'`"]


@pytest.mark.parametrize(("host", "keys"), [("127.0.0.1", ""), ("0.0.0.0", "secret")])
def test_moa_serve_serves_until_it_is_told_to_stop(host: str, keys: str) -> None:
    save("mix", ["scripted:one"], aggregator="scripted:echo")
    command = [*MOA, "serve", "--host", host, "--port", "0"]
    env = {**os.environ, "MOA_API_KEYS": keys}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith(f"moa: serving http://{host}:")
        served = Served(int(line.split(":")[3].split("/")[0]), keys or "any")
        assert served.ask().choices[0].message.content == "hi"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) in (0, 130)
        assert "Traceback" not in process.stderr.read()
