"""JSON Lines, and how lines of JSON become columns.

Parsed with orjson a line at a time. pyarrow.json is half as fast again on plain records but is not exact: it
takes strings that look like dates for dates, and two records on one line for two lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from hornbook.core.documents import MESSAGES, PIECE_BYTES, PIECE_ROWS
from hornbook.store.reading.columns import MISFITS, column, to_json
from hornbook.store.reading.layout import Batch, Fault, Found, How, has_need, shown, sound
from hornbook.store.reading.places import File
from hornbook.store.reading.streams import Broken, Long, blocks, records

COLUMNS = 1_000
"""Different keys in one group of rows; rows with more are dropped. Our choice: a table is no dictionary."""

BOM = b"\xef\xbb\xbf"


def read_lines(file: File, how: How, source: Iterator[bytes] | None = None) -> Iterator[Found]:
    """JSON Lines: a line is a row, numbered by its line."""
    number = file.before + 1
    try:
        for group in records(source or blocks(file), b"\n", PIECE_BYTES):
            if number == 1 and isinstance(group[0], bytes):
                group[0] = group[0].removeprefix(BOM)
            for start in range(0, len(group), PIECE_ROWS):
                some = group[start : start + PIECE_ROWS]
                yield parse(some, number, how)
                number += len(some)
    except Broken as error:
        error.number = number
        raise


def parse(lines: Sequence[bytes | Long], first: int, how: How) -> Found:
    """Lines of JSON as columns; line `first` is the first of them."""
    try:
        if len(how.need) != 1 or how.need[0] == MESSAGES:
            raise ValueError("several columns may hold what is needed")
        rows = [orjson.loads(line) for line in lines]  # type: ignore[arg-type]
        table = _table(rows, lines, how, check=True)
        numbers = np.arange(first, first + len(rows), dtype=np.int64)
        faults: list[Fault] = []
    except (ValueError, TypeError, KeyError, RecursionError, *MISFITS):
        rows, lines, numbers, faults = _one_by_one(lines, first, how)
        if not rows:
            return Found(faults=faults)
        table = _table(rows, lines, how, check=False)
    return Found(Batch(table, numbers), faults)


def _table(rows: list[dict[str, Any]], lines: Sequence[bytes | Long], how: How, *, check: bool) -> pa.Table:
    """Columns of rows.

    Args:
        lines: what the rows were read from.
        check: raise (KeyError, TypeError, ValueError …) unless every row is an object that has the one column
            needed and only a bounded number of keys: the quick way, for rows nobody has looked at.
    """
    columns = {}
    if check:
        name = how.source(how.need[0])
        columns[name] = pa.array([row[name] for row in rows], pa.string())
        if columns[name].null_count:
            raise ValueError("null")
    keys: dict[str, None] = dict.fromkeys(chain.from_iterable(rows))
    if check and len(keys) > COLUMNS:
        raise ValueError("too many columns")
    wanted = how.wanted()
    for key in keys if wanted is None else [key for key in wanted if key in keys]:
        if key not in columns:
            columns[key] = column([row.get(key) for row in rows], partial(_exact, lines=lines, key=key))
    return pa.table({key: columns[key] for key in keys if key in columns})


def _one_by_one(
    lines: Sequence[bytes | Long], first: int, how: How
) -> tuple[list[dict[str, Any]], list[bytes], np.ndarray, list[Fault]]:
    """The rows that are documents, their lines and numbers; and what is wrong with the others."""
    rows: list[dict[str, Any]] = []
    kept: list[bytes] = []
    numbers: list[int] = []
    faults: list[Fault] = []
    keys: dict[str, None] = {}
    for number, line in enumerate(lines, first):
        row = _row(line, number, how)
        if isinstance(row, dict):
            row = _needed(row, number, how)
        if isinstance(row, dict):
            fresh = [key for key in row if key not in keys]
            if len(keys) + len(fresh) > COLUMNS:
                row = Fault(number, "columns", f"more than {COLUMNS:,} different keys with the lines before it")
            else:
                keys |= dict.fromkeys(fresh)
        if isinstance(row, Fault):
            text = line.head if isinstance(line, Long) else line
            faults.append(row._replace(text=shown(text)))
        else:
            rows.append(row)
            kept.append(line)  # type: ignore[arg-type]
            numbers.append(number)
    return rows, kept, np.array(numbers, np.int64), faults


def _row(line: bytes | Long, number: int, how: How) -> dict[str, Any] | Fault:
    if isinstance(line, Long):
        return Fault(number, "too_long", f"{line.size:,} bytes, more than the {PIECE_BYTES:,} that are read")
    if not line.strip():
        return Fault(number, "blank", "blank")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        reason, detail = _why(line, error)
        if reason == "json" or how.errors == "drop":
            return Fault(number, reason, detail)
        try:
            value = _mended(line)
        except (ValueError, RecursionError) as second:
            return Fault(number, "json", str(second))
    return value if isinstance(value, dict) else Fault(number, "not_object", f"a {_word(value)}, not an object")


def _why(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """Whether it is the bytes, half of a surrogate pair, or the JSON that is broken."""
    try:
        line.decode()
    except UnicodeDecodeError as bad:
        return "utf8", f"byte {bad.start + 1} (0x{line[bad.start]:02x}) is not UTF-8"
    if "surrogate" in error.msg:
        return "surrogate", f"half a surrogate pair at column {error.colno}: no character"
    return "json", f"{error.msg} at column {error.colno}"


def _mended(line: bytes) -> Any:
    """The value with U+FFFD for what is no character."""
    value = json.loads(line.decode("utf-8", "replace"), parse_constant=_refuse)
    return orjson.loads(sound(json.dumps(value, ensure_ascii=False)))


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _word(value: Any) -> str:
    words = {str: "string", int: "number", float: "number", bool: "boolean", list: "list", dict: "object"}
    return words.get(type(value), "null")


def _needed(row: dict[str, Any], number: int, how: How) -> dict[str, Any] | Fault:
    """The row with what it must have as text, or what is missing. Wrong values there become null."""
    have, said = not how.need, list[str]()
    for need in how.need:
        name = how.source(need)
        value = row.get(name)
        if isinstance(value, list) and need == MESSAGES:
            value = row[name] = to_json(value)
        if isinstance(value, str):
            have = True
        elif name in row:
            said.append(f"`{name}` is {_word(value)}, not {has_need(need)}")
            row[name] = None
        elif not have:
            said.append(f"no `{name}` among {', '.join(list(row)[:8]) or 'no keys'}")
    return row if have else Fault(number, "no_text", "; ".join(said))


def _exact(values: Sequence[Any], lines: Sequence[bytes | Long], key: str) -> list[Any]:
    """The values, with every digit of whole numbers beyond 64 bits, which orjson takes for fractions."""
    found = list(values)
    for at, value in enumerate(found):
        if isinstance(value, float) and abs(value) >= 2.0**63:
            with suppress(ValueError, RecursionError):
                found[at] = json.loads(lines[at])[key]  # type: ignore[arg-type]
    return found
