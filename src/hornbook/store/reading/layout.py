"""How documents are asked for, and how what a format gave is laid out: id, text, origin, the rest; drops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import EVIDENCE, ID, MESSAGES, ORIGIN, PIECE_BYTES, REASON, TEXT
from hornbook.store.reading.columns import as_text
from hornbook.store.reading.places import File

SHOWN = 2_000
"""Characters kept of what was there, in a drop."""

LINED = {"jsonl", "csv", "tsv"}


@dataclass(frozen=True, slots=True)
class How:
    """What is wanted from a file.

    Args:
        text_column: the file's name for `text`.
        need: a row is a document when it has one of these (`text`, `prompt` as strings; `messages` as a
            string or a list, which becomes JSON); others are drops. None: every row is one.
        id_column: the file's name for `id`.
        columns: other columns to keep; None keeps all.
        split: where a text file is cut into documents: file, blank-line, line, delimiter.
        delimiter: for `split: delimiter`.
        errors: bytes that are not UTF-8 drop the record, or become U+FFFD.
        max_bytes: longest document, bytes of UTF-8.
    """

    text_column: str = TEXT
    need: Sequence[str] = (TEXT,)
    id_column: str = ID
    columns: Sequence[str] | None = None
    split: Literal["file", "blank-line", "line", "delimiter"] = "file"
    delimiter: str = "<|endoftext|>"
    errors: Literal["drop", "replace"] = "drop"
    max_bytes: int = PIECE_BYTES

    def source(self, name: str) -> str:
        """What the file calls a column."""
        return {TEXT: self.text_column, ID: self.id_column}.get(name, name)

    def wanted(self) -> list[str] | None:
        """The file's columns that are read at all; None for all."""
        if self.columns is None:
            return None
        always = [self.source(name) for name in (ID, TEXT, ORIGIN, *self.need)]
        return list(dict.fromkeys([*always, *self.columns]))

    def lacks(self, names: Sequence[str]) -> str:
        """What to say of a file that has none of the columns needed."""
        wanted = " or ".join(f"`{self.source(need)}`" for need in self.need)
        return f"no {wanted} among {', '.join(names[:8]) or 'no columns'}"


class Batch(NamedTuple):
    """Good rows: columns as the file calls them, and each row's line or number (from 1) in the file."""

    table: pa.Table
    numbers: np.ndarray


class Fault(NamedTuple):
    """A record that is no document. `number` 0 is the file as a whole."""

    number: int
    reason: str
    detail: str
    text: str = ""


@dataclass(slots=True)
class Found:
    """What a format gives at a time: good rows, and faults."""

    batch: Batch | None = None
    faults: list[Fault] = field(default_factory=list)


def documents(batch: Batch, place: pa.Array, how: How) -> tuple[pa.Table, list[Fault]]:
    """Rows as documents: `id`, `text` where there is one, `origin`, then the rest as it came.

    An `id` or `origin` that the row brings is kept (as text), else it is the row's `place`. A column that is
    in the way of a renamed one gets `.input` behind its name.
    """
    columns = dict(zip(batch.table.column_names, batch.table.columns, strict=True))
    head = {ID: _given(columns.pop(how.id_column, None), place)}
    text = columns.pop(how.text_column, None)
    if text is not None:
        head[TEXT] = as_text(text)
    head[ORIGIN] = _given(columns.pop(ORIGIN, None), place)
    rest = {f"{name}.input" if name in head else name: values for name, values in columns.items()}
    if how.columns is not None:
        rest = {name: values for name, values in rest.items() if name in {*how.columns, *how.need}}
    table = pa.table(head | rest)
    if text is None:
        return table, []
    sizes = pc.binary_length(table.column(TEXT))
    if (pc.max(sizes).as_py() or 0) <= how.max_bytes:
        return table, []
    long = pc.fill_null(pc.greater(sizes, how.max_bytes), False)
    gone = table.filter(long).column(TEXT).to_pylist()
    where = zip(batch.numbers[long.to_numpy()], sizes.filter(long).to_pylist(), gone, strict=True)
    faults = [too_long(int(number), size, how, value) for number, size, value in where]
    return table.filter(pc.invert(long)), faults


def places(file: File, numbers: np.ndarray) -> pa.Array:
    """`NAME:NUMBER` of rows of one file."""
    return pc.binary_join_element_wise(file.name, pa.array(numbers).cast(pa.string()), ":")


def too_long(number: int, size: int, how: How, text: str) -> Fault:
    """The drop of a document that is longer than wanted."""
    return Fault(number, "too_long", f"{size:,} bytes, more than max_bytes = {how.max_bytes:,}", text)


def _given(values: pa.ChunkedArray | None, made: pa.Array) -> pa.ChunkedArray | pa.Array:
    if values is None:
        return made
    values = as_text(values)
    return pc.if_else(pc.fill_null(pc.not_equal(values, ""), False), values, made)


def has_need(name: str) -> str:
    """What a needed column must hold, in words."""
    return "a string or a list" if name == MESSAGES else "a string"


def drops(faults: Sequence[Fault], file: File) -> pa.Table:
    """Faults as rows: id, text (at most 2,000 characters of what was there), origin, reason, evidence."""
    unit = "line" if file.kind in LINED else "record"
    places = [f"{file.name}:{fault.number}" if fault.number else file.name for fault in faults]
    where = [f"{file.name}, {unit} {fault.number}" if fault.number else file.name for fault in faults]
    said = [f"{place}: {fault.detail}" for place, fault in zip(where, faults, strict=True)]
    return pa.table(
        {
            ID: pa.array(places, pa.string()),
            TEXT: pa.array([sound(fault.text[:SHOWN]) for fault in faults], pa.string()),
            ORIGIN: pa.array(places, pa.string()),
            REASON: pa.array([fault.reason for fault in faults], pa.string()),
            EVIDENCE: pa.array([sound(line) for line in said], pa.string()),
        }
    )


def sound(text: str) -> str:
    """Text that Arrow can hold: a lone surrogate is U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shown(data: bytes) -> str:
    """The beginning of raw bytes as text, whatever they are."""
    return data[: SHOWN * 4].decode("utf-8", "replace")[:SHOWN]
