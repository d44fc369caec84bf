"""CSV and TSV after RFC 4180: a header, quotes that may hold newlines. All values are strings."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from hornbook.core.documents import PIECE_BYTES, PIECE_ROWS
from hornbook.store.reading.layout import Batch, Fault, Found, How, sound
from hornbook.store.reading.places import File
from hornbook.store.reading.streams import BLOCK, Broken, Long, blocks, records


class _TooLong(Exception):
    pass


class _Feed:
    """Lines for csv.reader; `line` counts those given, `size` the bytes since a record began."""

    def __init__(self, file: File) -> None:
        self.lines = (line for group in records(blocks(file), b"\n", PIECE_BYTES) for line in group)
        self.line = 0
        self.size = 0
        self.head = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.line += 1
        size = line.size if isinstance(line, Long) else len(line)
        self.size += size + 1
        text = (line.head if isinstance(line, Long) else line).decode("utf-8", "surrogateescape")
        if self.line == 1:
            text = text.removeprefix("\ufeff")
        if len(self.head) < 2_000:
            self.head += text[:2_000] + "\n"
        if self.size > PIECE_BYTES:
            raise _TooLong
        return text + "\n"

    def begin(self) -> int:
        """Start a record; the line it begins on."""
        self.size, self.head = 0, ""
        return self.line + 1


def read_csv(file: File, how: How) -> Iterator[Found]:
    """Rows, numbered by the line each begins on (the header is line 1)."""
    csv.field_size_limit(max(csv.field_size_limit(), min(PIECE_BYTES, sys.maxsize)))
    feed = _Feed(file)
    header: list[str] | None = None
    rows: list[list[str]] = []
    numbers: list[int] = []
    faults: list[Fault] = []
    size = 0
    try:
        for number, found in _rows(feed, "\t" if file.kind == "tsv" else ","):
            if header is None and isinstance(found, list):
                header = _names(found)
                continue
            row = found if isinstance(found, Fault) else _row(found, number, header or [], how, feed)
            if isinstance(row, Fault):
                faults.append(row)
            else:
                rows.append(row)
                numbers.append(number)
            size += feed.size
            if size > BLOCK or len(rows) + len(faults) >= PIECE_ROWS:
                yield _found(header or [], rows, numbers, faults, how)
                rows, numbers, faults, size = [], [], [], 0
    except Broken as error:
        yield _found(header or [], rows, numbers, faults, how)
        error.number = feed.line + 1
        raise
    yield _found(header or [], rows, numbers, faults, how)


def _rows(feed: _Feed, delimiter: str) -> Iterator[tuple[int, list[str] | Fault]]:
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        start = feed.begin()
        try:
            yield start, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, Fault(start, "csv", f"{error}, lines {start} to {feed.line}", sound(feed.head))
        except _TooLong:
            said = f"lines {start} to {feed.line} are more than {PIECE_BYTES:,} bytes: a quote is not closed"
            yield start, Fault(start, "too_long", said, sound(feed.head))
            reader = csv.reader(feed, delimiter=delimiter, strict=True)


def _names(header: list[str]) -> list[str]:
    """Column names, each once and none empty."""
    names: list[str] = []
    for at, given in enumerate(header, 1):
        name = sound(given).strip() or f"column_{at}"
        while name in names:
            name = f"{name}.{at}"
        names.append(name)
    return names


def _row(row: list[str], number: int, header: list[str], how: How, feed: _Feed) -> list[str] | Fault:
    if not row:
        return Fault(number, "blank", "blank")
    if len(row) != len(header):
        return Fault(number, "columns", f"{len(row)} values for {len(header)} columns", sound(feed.head))
    try:
        feed.head.encode()
        "".join(row).encode()
    except UnicodeEncodeError:
        if how.errors == "drop":
            return Fault(number, "utf8", "bytes that are not UTF-8", sound(feed.head))
        return [_replaced(value) for value in row]
    return row


def _replaced(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _found(header: list[str], rows: list[list[str]], numbers: list[int], faults: list[Fault], how: How) -> Found:
    if not rows:
        return Found(faults=faults)
    if how.need and not any(how.source(need) in header for need in how.need):
        said = how.lacks(header)
        lost = [Fault(n, "no_text", said, ",".join(row)) for n, row in zip(numbers, rows, strict=True)]
        return Found(faults=faults + lost)
    wanted = how.wanted()
    columns = {
        name: pa.array(values, pa.string())
        for name, values in zip(header, zip(*rows, strict=True), strict=True)
        if wanted is None or name in wanted
    }
    return Found(Batch(pa.table(columns), np.array(numbers, np.int64)), faults)
