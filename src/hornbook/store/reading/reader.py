"""One file, whatever it is, as documents and drops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from hornbook.core.documents import PIECE_BYTES, TEXT, split
from hornbook.core.stage import Dropped
from hornbook.store.reading.columns import conform, unify
from hornbook.store.reading.csvs import read_csv
from hornbook.store.reading.json_values import read_values
from hornbook.store.reading.jsons import read_lines
from hornbook.store.reading.layout import Fault, Found, How, documents, drops, shown
from hornbook.store.reading.parquets import read_parquet
from hornbook.store.reading.places import File, Kind
from hornbook.store.reading.streams import Broken
from hornbook.store.reading.texts import read_text

_READERS: dict[Kind, Callable[[File, How], Iterator[Found]]] = {
    "jsonl": read_lines,
    "json": read_values,
    "parquet": read_parquet,
    "csv": read_csv,
    "tsv": read_csv,
    "text": read_text,
    "code": read_text,
}


def read_file(
    file: File, text_column: str = TEXT, need: Sequence[str] = (TEXT,), **options: Any
) -> Iterator[pa.Table | Dropped]:
    """The documents of a file (or of its share), in order, in pieces; what is none, as drops.

    Tables have `id` (the row's own, or `NAME:NUMBER`), `text` where the file has it, `origin`
    (`NAME:NUMBER`, or what the row says), then the file's other columns with their types. NUMBER is the line
    (JSON Lines, CSV, text cut at lines or blank lines) or the row (all else), from 1. The columns of one file
    only grow from piece to piece; `unify` and `conform` bring pieces and files together. Lines or rows in =
    documents + drops.

    Args:
        file: from `expand` or `cut`.
        text_column: the file's name for `text`.
        need: a row needs one of these, see `How`.
        options: the other fields of `How`.

    Raises:
        HornbookError: a remote file cannot be reached.
    """
    how = How(text_column=text_column, need=tuple(need), **options)
    schema: pa.Schema | None = None
    for found in _guarded(file, how):
        faults = found.faults
        if found.batch is not None and found.batch.table.num_rows:
            table, long = documents(found.batch, file, how)
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
        number = error.number if error.rest or error.number > file.before + 1 else 0
        yield Found(faults=[Fault(number, error.reason, error.detail, shown(error.rest))])
