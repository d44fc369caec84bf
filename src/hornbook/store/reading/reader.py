"""Files, whatever they are, as documents and drops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from hornbook.core.documents import PIECE_BYTES, PIECE_ROWS, TEXT, split
from hornbook.core.stage import Dropped
from hornbook.store.reading.columns import conform, unify
from hornbook.store.reading.csvs import read_csv
from hornbook.store.reading.json_values import read_values
from hornbook.store.reading.jsons import read_lines
from hornbook.store.reading.layout import Batch, Fault, Found, How, documents, drops, places, shown
from hornbook.store.reading.parquets import read_parquet
from hornbook.store.reading.places import File, Kind
from hornbook.store.reading.streams import Broken
from hornbook.store.reading.texts import is_whole, read_text, read_whole, table_of

_READERS: dict[Kind, Callable[[File, How], Iterator[Found]]] = {
    "jsonl": read_lines,
    "json": read_values,
    "parquet": read_parquet,
    "csv": read_csv,
    "tsv": read_csv,
    "text": read_text,
}


def read_file(
    file: File, text_column: str = TEXT, need: Sequence[str] = (TEXT,), **options: Any
) -> Iterator[pa.Table | Dropped]:
    """`read_files` of one file."""
    return read_files([file], text_column, need, **options)


def read_files(
    files: Iterable[File], text_column: str = TEXT, need: Sequence[str] = (TEXT,), **options: Any
) -> Iterator[pa.Table | Dropped]:
    """The documents of files (or shares of files), in order, in pieces; what is none, as drops.

    Tables have `id` (the row's own, or `NAME:NUMBER`), `text` where the file has it, `origin`
    (`NAME:NUMBER`, or what the row says), then the file's other columns with their types. NUMBER is the line
    (JSON Lines, CSV, text cut at lines or blank lines) or the row (all else), from 1. The columns of one file
    only grow from piece to piece; `unify` and `conform` bring pieces and files together. Lines or rows in =
    documents + drops.

    Args:
        files: from `expand` or `cut`.
        text_column: the files' name for `text`.
        need: a row needs one of these, see `How`. The text of a text file fills the first of them where
            `text` is not among them.
        options: the other fields of `How`.

    Raises:
        HornbookError: a remote file cannot be reached.
    """
    how = How(text_column=text_column, need=tuple(need), **options)
    for whole, some in groupby(files, lambda file: is_whole(file, how) and not file.fault):
        if whole:
            yield from _read_whole(some, how)
        else:
            for file in some:
                yield from _read_one(file, how)


def _read_one(file: File, how: How) -> Iterator[pa.Table | Dropped]:
    schema: pa.Schema | None = None
    for found in _guarded(file, how):
        faults = found.faults
        if found.batch is not None and found.batch.table.num_rows:
            table, long = documents(found.batch, places(file, found.batch.numbers), how)
            faults = faults + long
            schema = table.schema if schema is None else unify([schema, table.schema])
            table = conform(table, schema)
            yield from split(table) if table.nbytes > PIECE_BYTES else [table] if table.num_rows else []
        if faults:
            yield Dropped(drops(sorted(faults), file))


def _guarded(file: File, how: How) -> Iterator[Found]:
    """What the format's reader gives; the place where a file breaks becomes a fault."""
    if file.fault:
        yield Found(faults=[Fault(0, "unreadable", file.fault)])
        return
    try:
        yield from _READERS[file.kind](file, how)
    except Broken as error:
        yield Found(faults=[_broken(error, file)])


def _broken(error: Broken, file: File) -> Fault:
    number = error.number if error.rest or error.number > file.before + 1 else 0
    return Fault(number, error.reason, error.detail, shown(error.rest))


def _read_whole(files: Iterable[File], how: How) -> Iterator[pa.Table | Dropped]:
    """Files that are one document each: a folder of small ones costs no table a file."""
    texts, names, faults, size = list[str](), list[str](), list[pa.Table](), 0
    for file in files:
        try:
            text = read_whole(file, how)
        except Broken as error:
            text = _broken(error, file)
        if isinstance(text, Fault):
            faults.append(drops([text], file))
        else:
            texts.append(text)
            names.append(file.name)
            size += len(text)
        if len(texts) + len(faults) >= PIECE_ROWS or size > PIECE_BYTES // 8:
            yield from _wholes(texts, names, faults, how)
            texts, names, faults, size = [], [], [], 0
    yield from _wholes(texts, names, faults, how)


def _wholes(texts: list[str], names: list[str], faults: list[pa.Table], how: How) -> Iterator[pa.Table | Dropped]:
    if texts:
        place = pa.array([f"{name}:1" for name in names], pa.string())
        batch = Batch(table_of(texts, names, how), np.ones(len(texts), np.int64))
        yield from split(documents(batch, place, how)[0])
    if faults:
        yield Dropped(pa.concat_tables(faults))
