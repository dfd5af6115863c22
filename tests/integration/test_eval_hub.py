import hashlib
import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from moagraph.evals.length_control import hub
from moagraph.evals.length_control.constants import read_constants
from moagraph.evals.length_control.hub import fetch_constants
from moagraph.nodes.errors import RunError
from tests.judged import constants_file


class Quiet(SimpleHTTPRequestHandler):
    """Tells nobody what was asked of it."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub on this machine that has the made-up constants as the real one has them."""
    folder = tmp_path / "hub" / hub.URL_PATH
    folder.mkdir(parents=True)
    said = json.loads(constants_file(tmp_path).read_text())
    answers = [
        {"instruction": text, "output": "b" * length}
        for text, length in zip(said["instructions"], said["len_base"], strict=True)
    ]
    (folder / "alpaca_eval_gpt4_baseline.json").write_text(json.dumps(answers))
    size, lines = len(answers), ["model,index,std_delta_len,preference,instruction_difficulty"]
    gamed = zip(said["gamed_std_delta_len"], said["gamed_preference_standin"], strict=True)
    for number, (length, preference) in enumerate(gamed):
        hard = said["instruction_difficulty"][number % size]
        lines.append(f"m,{number % size},{length!r},{preference!r},{hard!r}")
    (folder / "df_gamed.csv").write_text("\n".join(lines))
    hashes = {name: hashlib.sha256((folder / name).read_bytes()) for name in hub.HASHES}
    monkeypatch.setattr(hub, "HASHES", {name: one.hexdigest() for name, one in hashes.items()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "hub"))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    yield folder
    server.shutdown()
    server.server_close()


def test_the_constants_come_from_the_hub_once(published: Path, tmp_path: Path) -> None:
    found, same = fetch_constants(), read_constants(tmp_path / "constants.json")
    assert np.allclose(found.regulariser, same.regulariser)
    assert np.allclose(found.regulariser_target, same.regulariser_target)
    assert (found.baseline, found.instruction_hashes) == (same.baseline, same.instruction_hashes)
    assert (found.lengths == same.lengths).all()
    assert (found.difficulty == same.difficulty).all()
    for file in published.iterdir():
        file.unlink()
    assert fetch_constants().instruction_hashes == same.instruction_hashes


def test_another_file_of_that_name_is_refused(published: Path) -> None:
    (published / "df_gamed.csv").write_text("something else")
    with pytest.raises(RunError, match="does not have the expected SHA-256"):
        fetch_constants()


def test_without_a_hub_it_says_what_to_do(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("http://127.0.0.1:9", "http://127.0.0.1:99999", "nonsense"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(RunError, match=r"cannot fetch .*; give --constants FILE"):
            fetch_constants()
    monkeypatch.delenv("HF_ENDPOINT")
    assert hub.HOST.startswith("https://")
