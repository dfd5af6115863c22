"""Download a wheel from the package index that the user's pip is configured for."""

import asyncio
import importlib.util
import json
import os
import shutil
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from moagraph.nodes.errors import EngineError

_MARKS = ("ERROR:", "\N{MULTIPLICATION SIGN}")  # how pip begins what went wrong


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


async def wheel(requirement: str, whole: int, part: Path, show: Callable[[], None]) -> None:
    """Download the wheel directly, which can be resumed; use pip if that is refused."""
    url = await _url(requirement)
    had = size(part)
    try:
        await _stream(url, part, show)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if size(part) > had:
            at = f"{size(part) / 1e6:.1f} of {whole / 1e6:.1f} MB"
            raise EngineError(f"broken off at {at}, ask again to go on from there") from error
        await _download(requirement, part)


async def _url(requirement: str) -> str:
    """Return the URL from which pip would download the wheel."""
    dry_run = ("install", "--dry-run", "--no-deps", "--ignore-installed", "--only-binary", ":all:")
    arguments = (*dry_run, "--report", "-", requirement)
    try:
        # Else pip reads the whole wheel to report on it, where an index has no metadata files.
        report = await _pip(*arguments, "--use-feature=fast-deps")
    except EngineError as error:
        if "fast-deps" not in str(error):
            raise
        report = await _pip(*arguments)
    try:
        return str(json.loads(report)["install"][0]["download_info"]["url"])
    except (ValueError, LookupError, TypeError) as error:
        raise EngineError("pip's report is not understood; update pip") from error


async def _client() -> httpx.AsyncClient:
    """Return a client with pip's certificates and proxies."""
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
    """Download the missing bytes; resume after each interruption that made progress."""
    async with await _client() as client:
        best = size(part)
        while True:
            try:
                return await _continue(client, url, part, show)
            except httpx.TransportError:
                # No progress since the last interruption: another attempt would not help.
                if size(part) <= best:
                    raise
                best = size(part)


async def _continue(
    client: httpx.AsyncClient, url: str, part: Path, show: Callable[[], None]
) -> None:
    # A range counts the bytes of the encoded body, so the body must not be compressed.
    headers = {"Accept-Encoding": "identity"}
    if had := size(part):
        headers["Range"] = f"bytes={had}-"
    async with client.stream("GET", url, headers=headers) as reply:
        if reply.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is missing, or the hash will tell
        reply.raise_for_status()
        # A server that ignores the range sends the whole file again.
        with part.open("ab" if reply.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as sink:
            async for block in reply.aiter_raw():
                sink.write(block)
                sink.flush()
                show()


async def _download(requirement: str, part: Path) -> None:
    """Download the wheel with pip, which knows the index's credentials."""
    folder = part.with_suffix(".pip")
    shutil.rmtree(folder, ignore_errors=True)
    plain = ("download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    try:
        await _pip(*plain, requirement)
        os.replace(next(folder.glob("*.whl")), part)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def size(path: Path) -> int:
    """Return the size of the file; 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0
