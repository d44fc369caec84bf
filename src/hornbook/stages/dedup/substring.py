"""dedup.substring: spans of text that stand in several places of the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import model_validator

from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across, Round
from hornbook.stages.dedup._shingling import Unit, unit_ranges

_LEE = "Lee et al. 2022, arXiv:2107.06499"
BLOCK = 2**21
"""Bytes of text looked at together."""
MOST = 2**19
"""Windows compared at once: some 60 MB, however much of the corpus is repeated."""
_HIGH = np.uint64(32)
_SPAN = pa.struct({"start": pa.int64(), "end": pa.int64(), "of": pa.string(), "at": pa.int64()})


class Substring(Across):
    """Finds spans of at least `n` units that stand elsewhere too, byte for byte; marks them and may cut them out.

    Every span found is compared, byte for byte, with the one it repeats.

    Marks: `dedup.substring_spans` (list of {start, end: bytes of the text; of: id of the document in which the same
    stands first; at: the byte where it begins there}; they may overlap), `dedup.substring_bytes` (int64, bytes in
    any of them), `dedup.substring_share` (float64, of the document's bytes), `dedup.substring_longest` (string, the
    longest span in words, null where there is none), and with `cut` `text` without the spans.

    Drops: `repeated_spans`, where `max_share` is set.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)
    in_threads: ClassVar[bool] = True

    n: int = knob(50, help="shorter spans are left alone", unit="units", ge=2, le=4096, source=f"{_LEE}: 50 tokens")
    unit: Unit = knob("words", help="what spans are counted in and cut at")
    tokenizer: InputPath | None = knob(None, help="a tokenizer.json, for unit: tokens")
    keep_first: bool = knob(
        True, help="a span stays where it stands first", source=f"our choice; false is what the code of {_LEE}, does"
    )
    cut: bool = knob(False, help="take the spans out of the text", source=f"{_LEE}: yes")
    max_share: float | None = knob(
        None,
        help="drop documents of which a larger share is in such spans",
        unit="share of bytes",
        ge=0.0,
        le=1.0,
        threshold=True,
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError("unit: tokens needs a tokenizer, and a tokenizer needs unit: tokens")
        return self

    def rounds(self) -> tuple[Round, ...]:
        """Which anchors come more than once; the windows of those, compared."""
        return (
            Round((TEXT,), lambda piece, row, _: self.map(piece, row), self.reduce),
            Round((ID, TEXT), self._gather, self._compare),
        )

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """A row for every anchor."""
        tables = [
            pa.table(
                {
                    "partition": found.keys[found.fresh],
                    "row": row + first + found.document[found.fresh],
                    "anchor": found.anchors[found.fresh].astype(np.int32),
                    "tied": found.tied[found.fresh],
                }
            )
            for first, found, _, _ in self._windows(piece)
        ]
        return pa.concat_tables(tables)

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """Anchors that come more than once, or may serve equal windows."""
        return pa.concat_tables([_repeated(share) for share in _shares(rows, rows.num_rows, 8 * MOST)])

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        from hornbook.kernels.spans import without
        from hornbook.kernels.words import texts

        spans = _joined(facts)
        data, offsets = texts(piece.column(TEXT))
        document = spans.column("row").to_numpy() - row
        starts, ends = (spans.column(name).to_numpy() for name in ("start", "end"))
        text, lost = without(data, offsets, offsets[document] + starts, offsets[document] + ends)
        which = np.searchsorted(document, np.arange(piece.num_rows + 1))
        values = [spans.column(field.name).combine_chunks().cast(field.type) for field in _SPAN]
        marks = {
            "dedup.substring_spans": pa.ListArray.from_arrays(
                pa.array(which, pa.int32()), pa.StructArray.from_arrays(values, fields=list(_SPAN))
            ),
            "dedup.substring_bytes": pa.array(lost),
            "dedup.substring_share": pa.array(lost / np.maximum(1, np.diff(offsets))),
            "dedup.substring_longest": _longest(spans, which),
        }
        if self.cut:
            column = piece.column(TEXT)
            marks[TEXT] = pc.if_else(pc.is_valid(column.combine_chunks()), text.cast(column.type), None)
        return pa.table(marks)

    def drops(self) -> dict[str, Rule]:
        if self.max_share is None:
            return {}
        return {
            "repeated_spans": Rule("dedup.substring_share", ">", self.max_share, evidence="dedup.substring_longest")
        }

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Documents with such spans, the spans, and the bytes in them."""
        lost = marks.column("dedup.substring_bytes").to_numpy()
        spans = pc.sum(pc.list_value_length(marks.column("dedup.substring_spans"))).as_py() or 0
        return {"documents": int((lost > 0).sum()), "spans": spans, "bytes": int(lost.sum())}

    def _windows(self, piece: pa.Table) -> Iterator[tuple[int, Any, NDArray[np.uint8], NDArray[np.int64]]]:
        """(first row, its windows, the bytes, where documents begin in them), some rows at a time."""
        from hornbook.kernels.spans import windows

        for first, data, offsets, starts, ends, units in unit_ranges(
            piece.column(TEXT), self.unit, self.tokenizer or "", BLOCK
        ):
            yield first, windows(data, starts, ends, units, self.n), data, offsets

    def _gather(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """For every anchor that comes more than once its windows, with the bytes they are made of."""
        from hornbook.kernels.spans import slices

        tables = []
        known = _numbers(facts, "row") - row, _numbers(facts, "anchor") if facts.num_rows else np.zeros(0, np.int64)
        ids = piece.column(ID).cast(pa.string()).combine_chunks()
        for first, found, data, offsets in self._windows(piece):
            begin, end = np.searchsorted(known[0], [first, first + offsets.size - 1])
            wanted = _pairs(known[0][begin:end] - first, known[1][begin:end])
            some = np.isin(_pairs(found.document, found.anchors), wanted)
            fresh = np.flatnonzero(found.fresh[some])
            each = np.diff([*fresh, int(some.sum())])
            document, starts, ends = found.document[some], found.starts[some], found.ends[some]
            base = starts[fresh]
            lists = np.append(fresh, starts.size)
            from_base = np.repeat(base, each)
            tables.append(
                pa.table(
                    {
                        "partition": found.keys[some][fresh],
                        "row": row + first + document[fresh],
                        ID: ids.take(pa.array(first + document[fresh])),
                        "base": base - offsets[document[fresh]],
                        "bytes": slices(data, base, ends[lists[1:] - 1]),
                        "hash": pa.LargeListArray.from_arrays(lists, found.hashes[some]),
                        "start": pa.LargeListArray.from_arrays(lists, (starts - from_base).astype(np.int32)),
                        "end": pa.LargeListArray.from_arrays(lists, (ends - from_base).astype(np.int32)),
                    }
                )
            )
        return pa.concat_tables(tables)

    def _compare(self, rows: pa.Table, total: int) -> pa.Table:
        """Spans whose bytes stand elsewhere, and where."""
        many = pc.sum(pc.list_value_length(rows.column("hash"))).as_py() or 0
        return pa.concat_tables([_verified(share, self.keep_first) for share in _shares(rows, many, MOST)])


def _shares(rows: pa.Table, many: int, most: int) -> Iterator[pa.Table]:
    """The rows in as many shares as hold `most` of `many` each; a partition's stay together."""
    shares = np.uint64(-(-max(1, many) // most))
    if shares == 1:
        yield rows
        return
    of = (rows.column("partition").to_numpy() >> _HIGH) % shares
    for share in range(int(shares)):
        yield rows.filter(pa.array(of == share))


def _repeated(rows: pa.Table) -> pa.Table:
    keys = rows.column("partition").to_numpy()
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    some = rows.column("tied").to_numpy().copy()
    some[order[1:]] |= same
    some[order[:-1]] |= same
    return rows.filter(pa.array(some)).select(["row", "anchor"])


def _verified(rows: pa.Table, keep_first: bool) -> pa.Table:
    """Windows that are equal to the first of their hash, joined to runs, and these compared byte for byte."""
    from hornbook.kernels.spans import equal

    rows = rows.combine_chunks()
    hashes, starts, ends = (_flat(rows.column(name)) for name in ("hash", "start", "end"))
    each = pc.list_value_length(rows.column("hash")).to_numpy()
    home = np.repeat(np.arange(rows.num_rows), each)
    row, base = _numbers(rows, "row"), _numbers(rows, "base")
    order = np.lexsort((base[home] + starts, row[home], hashes))
    window, of = _equals(hashes[order], order, keep_first)
    run = np.ones(window.size, np.bool_)
    run[1:] = (np.diff(window) != 1) | (np.diff(of) != 1) | (np.diff(home[window]) != 0) | (np.diff(home[of]) != 0)
    first, last = _edges(run)
    data, offsets = _bytes(rows.column("bytes"))
    here, there = offsets[home[window[first]]], offsets[home[of[first]]]
    begin, end = starts[window[first]], ends[window[last]]
    there_begin, there_end = starts[of[first]], ends[of[last]]
    same = equal(data, (here + begin, here + end), (there + there_begin, there + there_end))
    mine, theirs = home[window[first]], home[of[first]]
    return pa.table(
        {
            "row": row[mine],
            "start": base[mine] + begin,
            "end": base[mine] + end,
            "of": rows.column(ID).combine_chunks().take(pa.array(theirs)),
            "of_row": row[theirs],
            "at": base[theirs] + there_begin,
        }
    ).filter(pa.array(same))


def _equals(
    hashes: NDArray[np.uint64], order: NDArray[np.int64], keep_first: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(windows that have an equal, in their order; that equal: the first, or for the first the second)."""
    fresh = np.ones(hashes.size, np.bool_)
    fresh[1:] = hashes[1:] != hashes[:-1]
    at = np.flatnonzero(fresh)
    group = np.cumsum(fresh) - 1
    of = at[group]
    some = ~fresh
    if not keep_first:
        several = at[np.diff(np.append(at, hashes.size)) > 1]
        of[several] = several + 1
        some[several] = True
    window, equal_to = order[some], order[of[some]]
    back = np.argsort(window)
    return window[back], equal_to[back]


def _joined(facts: pa.Table) -> pa.Table:
    """Spans of one document that overlap and repeat one place, joined; by row and start."""
    row, start, end, of, at = (_numbers(facts, name) for name in ("row", "start", "end", "of_row", "at"))
    order = np.lexsort((start, start - at, of, row))
    row, start, end, of, at = (column[order] for column in (row, start, end, of, at))
    new = np.ones(row.size, np.bool_)
    new[1:] = (np.diff(row) != 0) | (np.diff(of) != 0) | (np.diff(start - at) != 0) | (start[1:] > end[:-1])
    first, last = _edges(new)
    ids = facts.column("of").combine_chunks().take(pa.array(order[first]))
    found = pa.table({"row": row[first], "start": start[first], "end": end[last], "of": ids, "at": at[first]})
    return found.take(pa.array(np.lexsort((at[first], -end[last], start[first], row[first]))))


def _longest(spans: pa.Table, which: NDArray[np.int64]) -> pa.Array:
    """The first of each document's longest spans, in words."""
    start, end, at = (spans.column(name).to_numpy() for name in ("start", "end", "at"))
    of = spans.column("of")
    said: list[str | None] = []
    for a, b in pairwise(which.tolist()):
        k = a + int(np.argmax(end[a:b] - start[a:b])) if b > a else -1
        there = "" if k < 0 else f"{at[k]}-{at[k] + end[k] - start[k]} of {of[k]}"
        said.append(None if k < 0 else f"bytes {start[k]}-{end[k]} are bytes {there}")
    return pa.array(said, pa.string())


def _edges(new: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last of each run, by what begins one."""
    first = np.flatnonzero(new)
    return first, np.append(first[1:], new.size)[: first.size] - 1


def _pairs(document: NDArray[np.int64], anchor: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for a unit of a document of a block, which has fewer than 2^32 units."""
    pairs: NDArray[np.int64] = (document << 32) | anchor
    return pairs


def _flat(lists: pa.ChunkedArray) -> NDArray[Any]:
    found: NDArray[Any] = pc.list_flatten(lists).to_numpy()
    return found


def _bytes(column: pa.ChunkedArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all values one after the other, and where each begins."""
    values = column.combine_chunks()
    _, index, data = values.buffers()
    offsets = np.frombuffer(index, np.int64)[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), offsets


def _numbers(table: pa.Table, name: str) -> NDArray[np.int64]:
    found: NDArray[np.int64] = table.column(name).to_numpy().astype(np.int64, copy=False)
    return found
