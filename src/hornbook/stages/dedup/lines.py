"""dedup.lines: lines that stand in many documents: licences, menus, notices."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across
from hornbook.kernels.lines import Lines as Found

_CCNET = "CCNet, arXiv:1911.00359, section 3.1"
_HOMES = np.uint64(2**20)
_SHIFT = np.uint64(40)


class Lines(Across):
    """Finds lines that stand in several documents; marks how much of a document they are, and may cut them out.

    Two lines are the same where their words are, after case folding; white space, punctuation and indentation do
    not matter. Lines of fewer than `min_words` words are left alone.

    Marks: `dedup.lines_repeated` (int64, lines that stand in other documents too, except in the first of these),
    `dedup.lines_share` (float64, their bytes / the document's), `dedup.lines_of` (string, id of the document where the
    first of them stands first; null where there is none), and with `cut` `text` without them.

    Drops: `repeated_lines`, where `max_share` is set.
    """

    version: ClassVar[str] = "2"
    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)
    in_threads: ClassVar[bool] = True

    min_words: int = knob(5, help="lines with fewer words are left alone", unit="words", ge=1)
    documents: int = knob(
        2, help="a line is repeated where it stands in so many documents", unit="documents", ge=2, source=_CCNET
    )
    keep_first: bool = knob(True, help="in the first document that has it, a line is not counted as repeated")
    cut: bool = knob(False, help="take repeated lines out of the text", source=f"{_CCNET}: yes")
    max_share: float | None = knob(
        None,
        help="drop documents of which a larger share is repeated lines",
        unit="share of bytes",
        ge=0.0,
        le=1.0,
        threshold=True,
    )

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        found, _, _ = self._lines(piece)
        sizes = np.diff(found.offsets)
        document = np.repeat(np.arange(piece.num_rows), sizes)
        return pa.table(
            {
                "partition": ((found.hashes >> _SHIFT) % _HOMES).astype(np.int32),
                "row": row + document,
                "line": np.arange(found.hashes.size) - np.repeat(found.offsets[:-1], sizes),
                "hash": found.hashes,
                ID: piece.column(ID).take(pa.array(document)).cast(pa.string()),
            }
        )

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        row, line, key = (rows.column(name).to_numpy() for name in ("row", "line", "hash"))
        by = np.lexsort((line, row, key))
        row, line, key = row[by], line[by], key[by]
        fresh = np.ones(key.size, bool)
        fresh[1:] = key[1:] != key[:-1]
        other = fresh.copy()
        other[1:] |= row[1:] != row[:-1]
        group = np.cumsum(fresh) - 1
        documents = np.bincount(group, weights=other, minlength=1)[group] if key.size else np.zeros(0)
        first = row[fresh][group] == row if key.size else np.zeros(0, bool)
        some = (documents >= self.documents) & ~(first & self.keep_first)
        ends = np.append(np.flatnonzero(fresh)[1:], key.size)[: group.max(initial=-1) + 1] - 1
        # Where a document is itself the first that has a line, the last that has it is another.
        of = np.where(first, by[ends][group], by[fresh][group])[some]
        order = np.lexsort((line[some], row[some]))
        ids = rows.column(ID).combine_chunks().take(pa.array(of[order]))
        return pa.table({"row": row[some][order], "line": line[some][order], "of": ids})

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        found, data, offsets = self._lines(piece)
        cut = np.zeros(found.hashes.size, bool)
        if facts.num_rows:
            at = facts.column("row").to_numpy() - row
            cut[found.offsets[at] + facts.column("line").to_numpy()] = True
        from hornbook.kernels.lines import without

        texts, lost = without(data, offsets, found, cut)
        repeated = np.bincount(
            np.repeat(np.arange(piece.num_rows), np.diff(found.offsets))[cut], minlength=piece.num_rows
        )
        where = np.full(piece.num_rows, -1, np.int64)
        if facts.num_rows:
            order = np.lexsort((facts.column("line").to_numpy(), at))
            documents, heads = np.unique(at[order], return_index=True)
            where[documents] = order[heads]
        of = facts.column("of").combine_chunks().cast(pa.string()).take(pa.array(where, mask=where < 0))
        marks = {
            "dedup.lines_repeated": pa.array(repeated.astype(np.int64)),
            "dedup.lines_share": pa.array(lost / np.maximum(1, np.diff(offsets))),
            "dedup.lines_of": of,
        }
        if self.cut:
            column = piece.column(TEXT)
            marks[TEXT] = pc.if_else(pc.is_valid(column.combine_chunks()), texts.cast(column.type), None)
        return pa.table(marks)

    def drops(self) -> dict[str, Rule]:
        if self.max_share is None:
            return {}
        return {"repeated_lines": Rule("dedup.lines_share", ">", self.max_share, evidence="dedup.lines_of")}

    def _lines(self, piece: pa.Table) -> tuple[Found, NDArray[np.uint8], NDArray[np.int64]]:
        """The lines of a piece, its bytes and where each document begins in them."""
        from hornbook.kernels.lines import lines
        from hornbook.kernels.words import texts, words

        data, offsets = texts(piece.column(TEXT))
        return lines(data, offsets, words(data, offsets), self.min_words), data, offsets
