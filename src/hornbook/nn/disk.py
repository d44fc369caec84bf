"""Files that are either whole or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write to the path this gives; it takes the name `path` when the block ends well.

    Temporary file, fsync, rename, fsync of the folder: a `kill -9` leaves the old file or the new one.
    """
    fresh = path.with_name(f".{path.name}.tmp")
    yield fresh
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
