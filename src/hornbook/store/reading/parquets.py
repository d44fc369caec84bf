"""Parquet: row group by row group, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hornbook.core.documents import MESSAGES, PIECE_BYTES, PIECE_ROWS
from hornbook.store.reading.columns import MISFITS, text_of
from hornbook.store.reading.layout import Batch, Fault, Found, How, has_need
from hornbook.store.reading.places import File
from hornbook.store.reading.streams import BLOCK, Broken, bomb, open_file

FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError)


def read_parquet(file: File, how: How) -> Iterator[Found]:
    """Rows, numbered from 1 through the whole file. A row group that cannot be decoded is one drop."""
    with open_file(file) as handle:
        if file.size == 0:
            raise Broken("empty_file", "the file is empty")
        try:
            parquet = pq.ParquetFile(handle, buffer_size=BLOCK, page_checksum_verification=True)
            names = parquet.schema_arrow.names
        except FAULTS as error:
            raise Broken("corrupt", _said(error)) from error
        number = file.before + 1
        stop = parquet.num_row_groups if file.stop < 0 else file.stop
        for group in range(file.start, stop):
            rows = parquet.metadata.row_group(group).num_rows
            yield from _read_group(parquet, group, names, number, how)
            number += rows


def _read_group(parquet: pq.ParquetFile, group: int, names: list[str], number: int, how: How) -> Iterator[Found]:
    about = parquet.metadata.row_group(group)
    wanted = how.wanted()
    columns = names if wanted is None else [name for name in wanted if name in names]
    end = number + about.num_rows
    rows = max(1, min(PIECE_ROWS, PIECE_BYTES * about.num_rows // max(1, about.total_byte_size)))
    if how.need and not any(how.source(need) in names for need in how.need):
        said = how.lacks(names)
        for start in range(number, end, PIECE_ROWS):
            some = range(start, min(start + PIECE_ROWS, end))
            yield Found(faults=[Fault(row, "no_text", said) for row in some])
        return
    if said := _bomb(about, columns):
        yield Found(faults=[Fault(number, "bomb", f"rows {number} to {end - 1} (row group {group}): {said}")])
        return
    try:
        for batch in parquet.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False):
            yield _checked(batch, number, how)
            number += batch.num_rows
    except FAULTS as error:
        said = f"rows {number} to {end - 1} (row group {group}): {_said(error)}"
        yield Found(faults=[Fault(number, "corrupt", said)])


def _bomb(about: pq.RowGroupMetaData, columns: list[str]) -> str:
    """What is wrong with a row group that holds a bomb: a page is unpacked as a whole, and may be all of a column."""
    for at in range(about.num_columns):
        chunk = about.column(at)
        said = bomb(chunk.total_uncompressed_size, chunk.total_compressed_size)
        if said and any(f"{chunk.path_in_schema}.".startswith(f"{name}.") for name in columns):
            return said
    return ""


def _said(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:300]


def _checked(batch: pa.RecordBatch, first: int, how: How) -> Found:
    """The rows of a batch that are sound and have what is needed."""
    numbers = np.arange(first, first + batch.num_rows, dtype=np.int64)
    faults: list[Fault] = []
    columns: dict[str, Any] = {}
    for at, given in enumerate(batch.schema.names):
        name = given
        while name in columns:
            name = f"{name}.input"
        columns[name] = _ordinary(batch.column(at), how.errors == "replace")
    try:
        for values in columns.values():
            values.validate(full=True)
    except pa.ArrowInvalid:
        sound = np.ones(len(numbers), bool)
        for name, values in columns.items():
            for at in _unsound(values):
                if sound[at]:
                    faults.append(Fault(first + at, "utf8", f"`{name}` is not UTF-8"))
                sound[at] = False
        keep = pa.array(sound)
        columns = {name: values.filter(keep) for name, values in columns.items()}
        numbers = numbers[sound]
    table, lacking = _needed(pa.table(columns), numbers, how)
    if lacking is not None:
        faults += [_lack(int(number), table.column_names, how) for number in numbers[lacking]]
        table, numbers = table.filter(pa.array(~lacking)), numbers[~lacking]
    return Found(Batch(table, numbers), faults)


def _ordinary(values: pa.Array, replace: bool) -> pa.Array:
    """Strings as the one kind of string that stages know; bytes are left as they are."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _ordinary(values.cast(kind.value_type), replace)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        values = values.cast(pa.string())
    if replace and pa.types.is_string(values.type):
        try:
            values.validate(full=True)
        except pa.ArrowInvalid:
            raw = values.cast(pa.binary()).to_pylist()
            return pa.array([None if v is None else v.decode("utf-8", "replace") for v in raw], pa.string())
    return values


def _unsound(values: pa.Array) -> list[int]:
    """Rows that do not hold what their type says."""
    bad, todo = [], [(0, len(values))]
    while todo:
        start, rows = todo.pop()
        try:
            values.slice(start, rows).validate(full=True)
        except pa.ArrowInvalid:
            half = rows // 2
            if rows == 1:
                bad.append(start)
            else:
                todo += [(start + half, rows - half), (start, half)]
    return bad


def _needed(table: pa.Table, numbers: np.ndarray, how: How) -> tuple[pa.Table, np.ndarray | None]:
    """The needed columns as text, and which rows have none of them (None: all have)."""
    have = np.full(len(numbers), not how.need)
    for need in how.need:
        name = how.source(need)
        at = table.schema.get_field_index(name)
        if at < 0:
            continue
        values = _as_needed(table.column(at), need == MESSAGES)
        table = table.set_column(at, name, values)
        have |= pc.is_valid(values).to_numpy()
    return table, None if have.all() else ~have


def _as_needed(values: pa.ChunkedArray, listed: bool) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_string(kind):
        return values
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            return values.cast(pa.string())
        except MISFITS:
            raw = [_decoded(v) for v in values.to_pylist()]
            return pa.chunked_array([pa.array(raw, pa.string())])
    if listed and pa.types.is_list(kind):
        rows = [None if v is None else [_without_null(turn) for turn in v] for v in values.to_pylist()]
        return pa.chunked_array([text_of(rows)], pa.string())
    return pa.chunked_array([pa.nulls(len(values), pa.string())])


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _without_null(turn: Any) -> Any:
    """A struct's null fields are keys that the turn did not have."""
    if not isinstance(turn, dict):
        return turn
    return {key: value for key, value in turn.items() if value is not None}


def _lack(number: int, names: list[str], how: How) -> Fault:
    have = [need for need in how.need if how.source(need) in names]
    said = "; ".join(f"`{how.source(need)}` is null or not {has_need(need)}" for need in have)
    return Fault(number, "no_text", said)
