"""Files that are whole or absent: temporary name, fsync, rename."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRAFT = ".tmp"
"""How the name of a file ends that is not whole yet; it begins with a dot."""


@contextmanager
def whole(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; put it in place when the block ends well.

    Args:
        path: the file to be.
        durable: sync it to disk; False for scratch, which outlives a killed process but not a power cut.

    Raises:
        OSError: no space, no permission; `path` is then as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}{DRAFT}")
    try:
        yield draft
        if durable:
            with draft.open("rb") as file:
                os.fsync(file.fileno())
        draft.replace(path)
        if durable:
            sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write a JSON file, whole or not at all."""
    with whole(path, durable=durable) as draft:
        draft.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file, or None where there is none or it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
