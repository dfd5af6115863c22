"""The embedded engine: llama.cpp inside this process, a server on loopback with its own key."""

import asyncio
import atexit
import importlib.util
import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from moagraph.nodes.errors import EngineError, MissingExtra, MoaError, UnknownName
from moagraph.nodes.models.local.download import python
from moagraph.nodes.models.local.weights import catalog_entry, fetch

_SLOT_TOKENS = 4096
_MOST_SLOTS = 8
# A stop waits for the batch at hand: larger ones are no faster here and make Ctrl-C take seconds.
_BATCH = 64
_CACHE_MB = 256
_PATIENCE = 60.0  # seconds for its first word
# How long its threads spin for one another before they sleep; libgomp reads it as it is loaded.
_SPIN = ("GOMP_SPINCOUNT", "1000")
_HUB = "import sys, huggingface_hub as hub; print(hub.hf_hub_download(*sys.argv[1:]))"

_engines: dict[tuple[int, Path], tuple[Any, "Endpoint"]] = {}
_starting = threading.Lock()


@dataclass(frozen=True)
class Endpoint:
    """Where a running engine answers, as OpenAI's protocol wants it."""

    base_url: str
    model: str
    api_key: str = field(repr=False)


async def endpoint(
    model: str, slots: int, progress: Callable[[int, int], None] | None = None
) -> Endpoint:
    """Return the engine of a model, started on first use and shared in this process."""
    _installed()
    file = _checked(await _file(model, progress))
    return await asyncio.to_thread(_running, file, Path(model).name.removesuffix(".gguf"), slots)


def available(model: str) -> str | None:
    """Return why the model is unavailable, without loading or downloading it."""
    try:
        _installed()
        if model.startswith("hf/"):
            _hub_name(model)
        elif _is_path(model):
            _checked(_path(model))
        else:
            catalog_entry(model)
    except MoaError as error:
        return str(error)
    return None


def _installed() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra("`local:` models need the engine: `pip install 'moagraph[local]'`")


async def _file(model: str, progress: Callable[[int, int], None] | None) -> Path:
    """Return the GGUF file of a name: on the hub, on disk, or in the catalog."""
    if model.startswith("hf/"):
        return await _from_hub(model)
    if _is_path(model):
        return _path(model)
    return await fetch(model, progress)


async def _from_hub(model: str) -> Path:
    """Ask another process: a download in a thread of this one would outlive Ctrl-C."""
    name = _hub_name(model)
    try:
        return Path((await python("-c", _HUB, *name)).splitlines()[-1])
    except EngineError as error:
        raise EngineError(f"no weights for `local:{model}`: {error}; check the name") from error


def _is_path(model: str) -> bool:
    return model.endswith(".gguf") or Path(model).name != model


def _path(model: str) -> Path:
    return Path(model).expanduser().absolute()


def _hub_name(model: str) -> tuple[str, str]:
    """The repository and the file in it."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtra(f"`local:{model}` needs the hub: `pip install huggingface_hub`")
    _, *repository, file = model.split("/", 3)
    if not repository or not file:
        raise UnknownName(f"`local:{model}` names no file: `local:hf/OWNER/REPO/FILE.gguf`")
    return "/".join(repository), file


def _checked(file: Path) -> Path:
    if not file.is_file():
        raise EngineError(f"there is no file {str(file)!r}")
    try:
        with file.open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        raise EngineError(f"{str(file)!r} cannot be read: {error.strerror}") from error
    if magic != b"GGUF":
        raise EngineError(f"{str(file)!r} is not a GGUF file")
    return file.resolve()


def _running(file: Path, alias: str, slots: int) -> Endpoint:
    key = (os.getpid(), file)
    with _starting:
        if key not in _engines:
            _engines[key] = _start(file, alias, max(1, min(slots, _MOST_SLOTS)))
        return _engines[key][1]


def _start(file: Path, alias: str, slots: int) -> tuple[Any, Endpoint]:
    """Load the model; the first value keeps the engine alive."""
    api_key = secrets.token_urlsafe(32)
    try:
        xllamacpp = _library()
        params = _params(xllamacpp.CommonParams(), file, alias, slots)
        # Other users of this machine can reach the port too.
        params.api_keys = [api_key]
        server = xllamacpp.Server(params)
        address = f"{server.listening_address}/v1"
        _awaken(address, api_key)
    except ImportError as error:
        raise EngineError(f"the engine does not run on this machine: {error}") from error
    except RuntimeError as error:
        raise EngineError(
            f"{str(file)!r} cannot be loaded: cut short, damaged, "
            "of a kind llama.cpp does not know, or too large for the memory"
        ) from error
    except OSError as error:
        raise EngineError(f"the engine has started and does not answer: {error}") from error
    return server, Endpoint(address, alias, api_key)


def _awaken(address: str, api_key: str) -> None:
    """Send a first request: an engine that is stopped before one never exits."""
    body = json.dumps({"prompt": "a", "max_tokens": 1}).encode()
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    # A proxy of the environment cannot reach loopback, and must not see the key.
    direct = build_opener(ProxyHandler({}))
    direct.open(Request(f"{address}/completions", body, headers), timeout=_PATIENCE).close()


def _library() -> Any:
    """The engine's library, told to leave a core to others rather than to spin on it.

    A thread that spins for one that has lost its core makes a busy machine several times slower.
    """
    name, count = _SPIN
    ours = name not in os.environ and "OMP_WAIT_POLICY" not in os.environ
    if ours:
        os.environ[name] = count
    try:
        import xllamacpp
    finally:
        if ours:
            # Only this library is to read it, not the processes that are started later.
            del os.environ[name]
    return xllamacpp


def _params(params: Any, file: Path, alias: str, slots: int) -> Any:
    params.model.path = str(file)
    params.model_alias = {alias}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx = slots, slots * _SLOT_TOKENS
    params.n_batch = params.n_ubatch = _BATCH
    params.cache_ram_mib = _CACHE_MB
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _cores()
    # Threads that wait leave the cores to others: that costs nothing here, and others much less.
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.warmup = params.ui = False
    params.verbosity = 0
    return params


def _cores() -> int:
    """The cores this process may use: its affinity, cut down by a container's quota."""
    affine = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if affine else os.cpu_count() or 1
    try:
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
    except (OSError, ValueError):
        return cores
    return max(1, min(cores, quota // period))


@atexit.register
def _stop() -> None:
    """Stop this process's engines; a fork must not stop those of its parent."""
    for key in [key for key in _engines if key[0] == os.getpid()]:
        del _engines[key]
