"""Rows with the same key, found from hashes of it: the first of each is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from hornbook.core.documents import ID


def found(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Of each key that is there twice or more: its rows, how many there are, and the id of the first.

    Args:
        rows: `row` (int64), `id`, and the columns of the key.
        key: names of integer columns that together say what is the same.

    Returns:
        `row`, `copies` (int64) and `of` (null in the first row of a key), ordered by key and row.
    """
    row, parts = rows.column("row").to_numpy(), [rows.column(name).to_numpy() for name in key]
    by = np.lexsort((row, *reversed(parts)))
    fresh = np.ones(row.size, bool)
    fresh[1:] = np.any([part[by][1:] != part[by][:-1] for part in parts], axis=0)
    cluster = np.cumsum(fresh) - 1
    sizes = np.bincount(cluster, minlength=1)
    copies, first = sizes[cluster], by[fresh][cluster]
    some = copies > 1
    kept = rows.column(ID).combine_chunks().take(pa.array(first[some], mask=fresh[some]))
    return pa.table({"row": row[by][some], "copies": copies[some], "of": kept})


def marks(facts: pa.Table, row: int, rows: int, of: str, copies: str) -> pa.Table:
    """The marks of a piece of so many `rows`, the first of which is `row`, from what `found` says of it.

    Args:
        of: name of the mark that holds the id of the kept document; copies: of the one that holds how many there are.
    """
    at = facts.column("row").to_numpy() - row
    many, where = np.ones(rows, np.int64), np.full(rows, -1, np.int64)
    many[at], where[at] = facts.column("copies").to_numpy(), np.arange(at.size)
    ids = facts.column("of").combine_chunks().cast(pa.string()).take(pa.array(where, mask=where < 0))
    return pa.table({of: ids, copies: many})
