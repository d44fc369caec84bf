"""Summaries of a stream, in memory that does not grow with it: lengths, frequent values, distinct values, samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import ID
from hornbook.stages.report._show import CUT

_LONGEST = 1 << 16
_DISTINCT = 4096
_COUNTED = 20_000


class Lengths:
    """A distribution of lengths: exact up to 65,535, in 512 KB whatever comes."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(_LONGEST, np.int64)
        self.total = self.longest = self.rows = 0

    def add(self, lengths: NDArray[np.int64]) -> None:
        if not lengths.size:
            return
        self.counts += np.bincount(np.minimum(lengths, _LONGEST - 1), minlength=_LONGEST)
        self.total += int(lengths.sum())
        self.longest = max(self.longest, int(lengths.max()))
        self.rows += lengths.size

    def quantile(self, share: float) -> int:
        """The smallest length that at least this share of the documents does not exceed."""
        if not self.rows:
            return 0
        at = int(np.searchsorted(np.cumsum(self.counts), max(1, np.ceil(share * self.rows))))
        return self.longest if at == _LONGEST - 1 else at

    def bins(self, most: int = 28) -> list[tuple[int, int, int]]:
        """(from, below, documents) in bins of a round width up to the 99.5th percentile; the last holds the rest."""
        if not self.rows:
            return []
        low, high = (min(self.quantile(share), _LONGEST - 1) for share in (0.0, 0.995))
        width = _round_width((high - low + 1) / most)
        start = low // width * width
        edges = list(range(start, high + width, width)) or [start]
        found = [(at, at + width, int(self.counts[at : at + width].sum())) for at in edges]
        rest = int(self.counts[edges[-1] + width :].sum())
        return [*found[:-1], (found[-1][0], self.longest + 1 if rest else found[-1][1], found[-1][2] + rest)]


def _round_width(least: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …"""
    unit = 1
    while True:
        for step in (1, 2, 5):
            if step * unit >= least:
                return step * unit
        unit *= 10


class Frequent:
    """Counts of values, the frequent ones right: Misra-Gries in its mergeable form
    (Agarwal et al., Mergeable Summaries, PODS 2012). Exact up to 20,000 different values."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.rows = self.missed = 0

    def add(self, column: pa.ChunkedArray) -> None:
        for entry in column.value_counts().to_pylist():
            if entry["values"] is not None:
                self.counts[entry["values"]] = self.counts.get(entry["values"], 0) + entry["counts"]
        self.rows += len(column)
        if len(self.counts) > _COUNTED:
            lost = sorted(self.counts.values(), reverse=True)[_COUNTED // 2]
            self.missed += lost
            self.counts = {value: many - lost for value, many in self.counts.items() if many > lost}

    def top(self, most: int) -> list[tuple[str, int]]:
        """The most frequent values; each count is at most `missed` too low."""
        return sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]


class Distinct:
    """How many different values there are: exact below 4,096, else within about 3 % (2 standard errors) by the
    k smallest hashes (Bar-Yossef et al., Counting Distinct Elements in a Data Stream, RANDOM 2002)."""

    def __init__(self) -> None:
        self.smallest: NDArray[np.uint64] = np.empty(0, np.uint64)

    def add(self, column: pa.ChunkedArray) -> None:
        fresh = hashes(column.drop_null().to_pylist())
        self.smallest = np.unique(np.concatenate([self.smallest, fresh]))[:_DISTINCT]

    def count(self) -> int:
        if self.smallest.size < _DISTINCT:
            return int(self.smallest.size)
        return int((_DISTINCT - 1) / (float(self.smallest[-1]) / 2.0**64))


class Sample:
    """The rows whose hashes of the id are smallest: the same whatever the order or the pieces."""

    def __init__(self, many: int) -> None:
        self.many = many
        self._held: list[tuple[Any, str, dict[str, Any]]] = []

    def add(self, table: pa.Table, order: NDArray[Any] | None = None) -> None:
        """Offer rows.

        Args:
            table: the rows.
            order: (rows,) the smallest are held; by default the hash of the id.
        """
        if self.many == 0 or table.num_rows == 0:
            return
        ids = table.column(ID).to_pylist() if ID in table.column_names else [None] * table.num_rows
        by = hashes([str(each) for each in ids]) if order is None else order
        first = np.argsort(by, kind="stable")[: self.many]
        for at, row in zip(first.tolist(), _short(table.take(pa.array(first))), strict=True):
            self._held.append((by[at].item(), str(ids[at]), row))
        self._held = sorted(self._held, key=lambda held: held[:2])[: self.many]

    def rows(self) -> list[dict[str, Any]]:
        return [row for _, _, row in self._held]


def hashes(values: Iterable[str]) -> NDArray[np.uint64]:
    """XXH3 of each string, uint64."""
    from xxhash import xxh3_64_intdigest

    return np.array([xxh3_64_intdigest(value.encode()) for value in values], np.uint64)


def _short(table: pa.Table) -> list[dict[str, Any]]:
    """A few rows with their texts cut to what is shown; `NAME length` says how long each was."""
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            columns[f"{name} length"] = pc.utf8_length(column)
            column = pc.utf8_slice_codeunits(column, 0, CUT + 1)
        columns[name] = column
    return pa.table(columns).to_pylist() if columns else []
