"""quality.openings: how many documents begin with the same words, and a cap on it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across

_LONGEST = 256


class Openings(Across):
    """Counts how many documents begin with the same first words; drops those above a cap.

    Marks: `quality.opening` (string, the first words, case folded; null where there is none),
    `quality.opening_share` (float64, documents that begin so / all documents), `quality.opening_rank`
    (int64, from 0, place among them in an order drawn from the seed and the document's id), and
    `quality.opening_place` (float64, rank / all documents).

    A document is dropped where its place is `max_share` or more, so of all documents that come in at
    most a share of `max_share` (rounded up to a whole document, so at least one) is kept of any opening.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)

    words: int = knob(3, help="how many first words make an opening", unit="words", ge=1, le=20)
    seed: int = knob(0, help="which documents of a frequent opening come first")
    max_share: float = knob(
        1.0,
        help="largest share of all documents that may begin with the same words; 1 drops none",
        unit="share of documents",
        threshold=True,
        gt=0.0,
        le=1.0,
    )

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        from xxhash import xxh3_64_intdigest

        opening = self._openings(piece).dictionary_encode()
        homes = [xxh3_64_intdigest(text.encode()) for text in opening.dictionary.to_pylist()]
        orders = [xxh3_64_intdigest(key.encode(), seed=self.seed % 2**64) for key in piece.column(ID).to_pylist()]
        table = pa.table(
            {
                "partition": pc.take(pa.array(homes, pa.uint64()), opening.indices),
                "row": pa.array(np.arange(row, row + piece.num_rows)),
                "opening": opening.cast(pa.string()),
                "order": pa.array(orders, pa.uint64()),
            }
        )
        return table.filter(pc.is_valid(table.column("opening")))

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        encoded = rows.column("opening").combine_chunks().dictionary_encode()
        group = encoded.indices.to_numpy(zero_copy_only=False)
        row, order = rows.column("row").to_numpy(), rows.column("order").to_numpy()
        by = np.lexsort((row, order, group))
        sizes = np.bincount(group, minlength=len(encoded.dictionary))
        starts = np.cumsum(sizes) - sizes
        rank = np.empty(row.size, np.int64)
        rank[by] = np.arange(row.size) - starts[group[by]]
        return pa.table(
            {"row": row, "rank": rank, "share": sizes[group] / max(1, total), "place": rank / max(1, total)}
        )

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        at = facts.column("row").to_numpy() - row
        where = np.full(piece.num_rows, -1, np.int64)
        where[at] = np.arange(at.size)
        index = pa.array(where, mask=where < 0)
        return pa.table(
            {
                "quality.opening": self._openings(piece),
                "quality.opening_share": facts.column("share").combine_chunks().take(index),
                "quality.opening_rank": facts.column("rank").combine_chunks().take(index),
                "quality.opening_place": facts.column("place").combine_chunks().take(index),
            }
        )

    def drops(self) -> dict[str, Rule]:
        return {"opening": Rule("quality.opening_place", ">=", self.max_share, evidence="quality.opening")}

    def _openings(self, piece: pa.Table) -> pa.StringArray:
        """The first words of each document, at most 256 bytes of them, null where there is no word."""
        from hornbook.kernels.words import normalise

        first = normalise(piece.column(TEXT), "words", most_words=self.words, most_bytes=_LONGEST)
        first = first.cast(pa.string())
        return pc.if_else(pc.equal(first, ""), pa.scalar(None, pa.string()), first)
