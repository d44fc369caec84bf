"""What is made from files, made once in a process and kept while the files stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TypeVar

from hornbook.store.reading import File, expand

Loaded = TypeVar("Loaded")


def remembered(load: Callable[..., Loaded]) -> Callable[..., Loaded]:
    """Keep what `load(paths, …)` gives in the process, for all its threads, while the files stay as they are."""
    one_at_a_time = Lock()

    @lru_cache(maxsize=4)
    def keep(stamps: tuple[tuple[File, int], ...], paths: tuple[str, ...], *rest: object) -> Loaded:
        return load(paths, *rest)

    def get(paths: Sequence[str], *rest: object) -> Loaded:
        with one_at_a_time:
            return keep(tuple((file, _changed(file)) for file in expand(paths)), tuple(paths), *rest)

    return get


def _changed(file: File) -> int:
    return 0 if file.remote or file.fault else Path(file.path).stat().st_mtime_ns
