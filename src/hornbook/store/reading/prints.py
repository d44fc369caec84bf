"""Fingerprints: what a step's key knows about the files it reads."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from hornbook.store.files import read_json, whole
from hornbook.store.reading.places import File, expand
from hornbook.store.reading.remote import identity
from hornbook.store.reading.streams import Broken, open_file

SETTLED_NS = 2_000_000_000
"""A file changed less than this before it was read may change again within the clock's tick: not remembered.
Git's rule for racily clean entries, with room for file systems that keep 2 s (FAT)."""

_BLOCK = 4 * 2**20


def fingerprint(paths: str | Sequence[str], cache: Path | None = None) -> list[list[Any]]:
    """`[name, size, digest]` of every file that `expand(paths)` gives, in its order.

    The digest (XXH3-128 of all bytes; for remote files what the store says, where it says something) changes
    with any byte; a file added to, taken from or renamed in a folder changes the list. A file that cannot be
    read has a digest of its own.

    Args:
        paths: as for `expand`.
        cache: a JSON file remembering digests by path, size, times of change and inode. Both times are
            compared, so a file whose modification time was set back is still seen as changed.

    Raises:
        UserError: as `expand`.
    """
    known: dict[str, list[Any]] = {} if cache is None else read_json(cache) or {}
    fresh: dict[str, list[Any]] = {}
    prints = []
    for file in expand(paths):
        size, digest = _print(file, known, fresh)
        prints.append([file.name, size, digest])
    if cache is not None and any(known.get(path) != entry for path, entry in fresh.items()):
        with whole(cache) as draft:
            draft.write_text(json.dumps(known | fresh), encoding="utf-8")
    return prints


def _print(file: File, known: dict[str, list[Any]], fresh: dict[str, list[Any]]) -> tuple[int, str]:
    if file.fault:
        return 0, f"unreadable: {file.fault}"
    if file.remote:
        return file.size, identity(file) or _digest(file)
    try:
        before = Path(file.path).stat()
    except OSError as error:
        return 0, f"unreadable: {error.strerror}"
    state = [before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino]
    entry = known.get(file.path)
    if isinstance(entry, list) and entry[:-1] == state:
        return before.st_size, str(entry[-1])
    digest = _digest(file)
    changed = max(before.st_mtime_ns, before.st_ctime_ns)
    if time.time_ns() - changed > SETTLED_NS and not digest.startswith("unreadable"):
        fresh[file.path] = [*state, digest]
    return before.st_size, digest


def _digest(file: File) -> str:
    hasher = xxhash.xxh3_128()
    try:
        with open_file(file) as handle:
            while block := handle.read(_BLOCK):
                hasher.update(block)
    except (Broken, OSError) as error:
        return f"unreadable: {error}"
    return str(hasher.hexdigest())
