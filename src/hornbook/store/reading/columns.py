"""Columns from JSON values, and one schema from many: nothing is lost when types disagree.

Where a column's values do not fit one type it holds text: strings as they are, everything else as JSON.
Whole numbers beside fractions are fractions, as in JSON. That rule holds within a piece, between the pieces
of a file and between files, in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

LEAVES = 256
"""Fields of a struct above which it is kept as JSON: it is a dictionary, not a record. Our choice."""

DEPTH = 16
"""Levels of lists and structs above which a value is kept as JSON. Our choice."""

MISFITS = (pa.ArrowException, OverflowError)
"""What Arrow raises for values that fit no type or not the one wanted."""

_EXACT = 2.0**63


def column(values: Sequence[Any], exact: Callable[[Sequence[Any]], list[Any]] = list) -> pa.Array:
    """Any JSON values (None, bool, int, float, str, list, dict): typed where they agree, else text.

    Args:
        values: one a row.
        exact: gives the values again, with whole numbers that the parser rounded to fractions in full.
    """
    try:
        array = pa.array(values, pa.string())
    except MISFITS:
        try:
            array = pa.array(values)
        except MISFITS:
            return text_of(exact(values))
    if array.null_count == len(array):
        return pa.nulls(len(array))
    if not _plain_enough(array.type) or _hides_booleans(values, array.type):
        return text_of(exact(values))
    if _beyond(array):
        values = exact(values)
        if any(isinstance(value, int) and abs(value) >= 2**63 for value in values):
            return text_of(values)
    return array


def text_of(values: Sequence[Any]) -> pa.Array:
    """Strings as they are, null as null, everything else as JSON."""
    return pa.array([v if v is None or isinstance(v, str) else to_json(v) for v in values], pa.string())


def to_json(value: Any) -> str:
    """A value's JSON; integers of any size, dates and decimals as Python writes them."""
    try:
        return orjson.dumps(value, default=str).decode()
    except (TypeError, orjson.JSONEncodeError, RecursionError):
        return json.dumps(value, default=str, ensure_ascii=False)


def _beyond(array: pa.Array) -> bool:
    """Whether fractions are so big that they may be whole numbers that lost digits."""
    if not pa.types.is_floating(array.type):
        return False
    most = pc.max(pc.abs(array)).as_py()
    return most is not None and most >= _EXACT


def _hides_booleans(values: Sequence[Any], kind: pa.DataType) -> bool:
    """Whether there are booleans where the type has numbers: Arrow takes true beside 2.5 for 1.0."""
    if _is_number(kind):
        return bool in set(map(type, values))
    if pa.types.is_list(kind):
        return _hides_booleans([inner for value in values if value for inner in value], kind.value_type)
    if pa.types.is_struct(kind):
        rows = [value for value in values if value]
        return any(_hides_booleans([row.get(field.name) for row in rows], field.type) for field in kind)
    return False


def _plain_enough(kind: pa.DataType) -> bool:
    """Whether a type can lie in Parquet as columns: not too many, not too deep, no struct without fields."""
    leaves, todo = 0, [(kind, 0)]
    while todo:
        one, depth = todo.pop()
        inner = [one.field(at).type for at in range(one.num_fields)]
        if (pa.types.is_struct(one) and not inner) or depth > DEPTH:
            return False
        leaves += not inner
        if leaves > LEAVES:
            return False
        todo += [(each, depth + 1) for each in inner]
    return True


def unify(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The one schema that documents with all these schemas fit: all columns in order of first appearance."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            old = types.get(field.name)
            types[field.name] = field.type if old is None else _wider(old, field.type) or pa.string()
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with the columns and types of `schema`, which is from `unify`; absent columns are null."""
    if table.schema.equals(schema):
        return table
    have = dict(zip(table.column_names, table.columns, strict=True))
    absent = pa.chunked_array([pa.nulls(table.num_rows)])
    columns = [_widened(have.get(field.name, absent), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _wider(one: pa.DataType, two: pa.DataType) -> pa.DataType | None:
    """The type that holds both without loss, or None: then text does."""
    wider: pa.DataType | None = None
    if one.equals(two) or pa.types.is_null(two):
        wider = one
    elif pa.types.is_null(one):
        wider = two
    elif _is_number(one) and _is_number(two):
        wider = _wider_number(one, two)
    elif pa.types.is_list(one) and pa.types.is_list(two):
        inner = _wider(one.value_type, two.value_type)
        wider = None if inner is None else pa.list_(inner)
    elif pa.types.is_struct(one) and pa.types.is_struct(two):
        wider = _wider_struct(one, two)
    return wider


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _wider_number(one: pa.DataType, two: pa.DataType) -> pa.DataType | None:
    if pa.types.is_floating(one) or pa.types.is_floating(two):
        return pa.float64()
    return None if pa.uint64() in (one, two) else pa.int64()


def _wider_struct(one: pa.StructType, two: pa.StructType) -> pa.DataType | None:
    fields: dict[str, pa.DataType] = {}
    for kind in (one, two):
        for field in kind:
            inner = _wider(fields.get(field.name, pa.null()), field.type)
            if inner is None:
                return None
            fields[field.name] = inner
    both = pa.struct([pa.field(name, kind) for name, kind in fields.items()])
    return both if _plain_enough(both) else None


def _widened(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if values.type.equals(kind):
        return values
    if pa.types.is_string(kind):
        return as_text(values)
    try:
        return values.cast(kind, safe=False)
    except MISFITS:
        return pa.chunked_array([pa.array(values.to_pylist(), kind)], kind)


def as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of any type as strings; see the module's rule."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return as_text(values.cast(kind.value_type))
    if pa.types.is_string(kind):
        return values
    if pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values.cast(pa.string())
    return pa.chunked_array([text_of(_readable(values.to_pylist()))], pa.string())


def _readable(values: list[Any]) -> list[Any]:
    return [v.decode("utf-8", "backslashreplace") if isinstance(v, bytes) else v for v in values]
