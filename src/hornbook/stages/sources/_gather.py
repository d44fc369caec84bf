"""Documents and faults gathered one by one into tables and drops; the first so many; missing packages."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, PIECE_BYTES, PIECE_ROWS, REASON, TEXT
from hornbook.core.errors import UserError
from hornbook.core.stage import Dropped
from hornbook.store.reading import File
from hornbook.store.reading.layout import SHOWN, sound
from hornbook.store.reading.places import CODECS

_DROPS = pa.schema([(name, pa.string()) for name in (ID, TEXT, ORIGIN, REASON, EVIDENCE)])
_FULL = PIECE_BYTES // 4
"""Characters gathered before a table is made: at most 4 bytes each."""


class Gather:
    """Rows of one schema, and faults, until there are enough for a table.

    Args:
        columns: the columns besides `id`, `text` and `origin`, with their types.
    """

    def __init__(self, columns: Mapping[str, pa.DataType]) -> None:
        head = [(name, pa.string()) for name in (ID, TEXT, ORIGIN)]
        self.schema = pa.schema([*head, *columns.items()])
        self._rows: list[tuple[Any, ...]] = []
        self._faults: list[tuple[str, ...]] = []
        self._size = 0

    def add(self, place: str, text: str, *rest: Any) -> None:
        """A document; `rest` are the other columns in their order."""
        self._rows.append((place, whole(text), place, *rest))
        self._size += len(text)

    def fault(self, place: str, reason: str, detail: str, text: str = "") -> None:
        """A record that is no document: its place, why, and what was there."""
        said = (place, text[:SHOWN], place, reason, f"{place}: {detail}")
        self._faults.append(tuple(whole(value) for value in said))

    def flow(self, *, end: bool = False) -> Iterator[pa.Table | Dropped]:
        """What has come together, once it is a piece or `end` is said."""
        if not end and self._size < _FULL and len(self._rows) + len(self._faults) < PIECE_ROWS:
            return
        rows, faults = self._rows, self._faults
        self._rows, self._faults, self._size = [], [], 0
        if rows:
            columns = zip(*rows, strict=True)
            arrays = [pa.array(values, kind) for values, kind in zip(columns, self.schema.types, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=self.schema)
        if faults:
            columns = zip(*faults, strict=True)
            yield Dropped(pa.Table.from_arrays([pa.array(v, pa.string()) for v in columns], schema=_DROPS))


def whole(text: str) -> str:
    """Text that Arrow can hold: a lone surrogate is U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return sound(text)
    return text


def first(flow: Iterable[pa.Table | Dropped], limit: int | None) -> Iterator[pa.Table | Dropped]:
    """The first so many documents, and what was dropped up to there; all where there is no limit."""
    left = limit
    for found in flow:
        if left is None or isinstance(found, Dropped):
            yield found
            continue
        yield found.slice(0, left)
        left -= min(left, found.num_rows)
        if left == 0:
            return


def need(stage: str, extra: str, *packages: str) -> None:
    """See that packages of an extra are there.

    Raises:
        UserError: one is not, with the command that brings it.
    """
    for package in packages:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package.partition(".")[0]:
                raise
            raise UserError(
                f"{stage} needs the package {package}, which is not installed",
                where=stage,
                fix=f"pip install 'hornbook[{extra}]'",
            ) from error


def with_suffix(files: Sequence[File], paths: Sequence[str], suffixes: Collection[str]) -> list[File]:
    """Those files whose names end in one of the suffixes (looking through .gz and .zst), or that were named.

    Raises:
        UserError: there are none.
    """
    named = {path if "://" in path else str(Path(path).expanduser().absolute()) for path in paths}
    found = [file for file in files if file.path in named or suffix(file.name) in suffixes]
    if not found:
        wanted = ", ".join(sorted(suffixes))
        raise UserError(f"no {wanted} among {len(files):,} files", where=", ".join(paths), fix="name the files")
    return found


def suffix(name: str) -> str:
    """How a file's name ends, without .gz and .zst, in lower case."""
    path = PurePosixPath(name)
    return (path.with_suffix("") if path.suffix.lower() in CODECS else path).suffix.lower()
