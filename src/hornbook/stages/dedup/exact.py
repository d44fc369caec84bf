"""dedup.exact: documents that are equal, after what does not matter is taken away."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across
from hornbook.stages.dedup._copies import found, marks


class Exact(Across):
    """Keeps the first of equal documents, in document order.

    Two documents are equal where the 128-bit XXH3 of their normalised texts is equal. The texts
    themselves are not compared: among 10^9 documents the chance of one false pair is 10^-21.

    Marks: `dedup.exact_of` (string, id of the document that is kept in place of this one; null where this
    one is kept), `dedup.exact_copies` (int64, how many documents are equal to it, itself included).
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)

    normalise: Literal["none", "space", "case", "words"] = knob(
        "none",
        help="what does not matter: none; space (runs of white space are one space); case (and letter case); "
        "words (only letters and digits count)",
    )

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        high, low = self._hashes(piece)
        return pa.table(
            {
                "partition": high,
                "row": np.arange(row, row + piece.num_rows),
                "high": high,
                "low": low,
                ID: piece.column(ID),
            }
        )

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        return found(rows, ["high", "low"])

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        return marks(facts, row, piece.num_rows, "dedup.exact_of", "dedup.exact_copies")

    def drops(self) -> dict[str, Rule]:
        return {"duplicate": Rule("dedup.exact_of", "is set")}

    def _hashes(self, piece: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """The two halves of each text's XXH3-128, uint64 (rows,)."""
        from xxhash import xxh3_128_digest

        from hornbook.kernels.words import normalise, texts

        column = piece.column(TEXT)
        data, offsets = texts(column if self.normalise == "none" else normalise(column, self.normalise))
        view, ends = memoryview(data), offsets.tolist()
        digests = b"".join(xxh3_128_digest(view[a:b]) for a, b in pairwise(ends))
        halves = np.frombuffer(digests, ">u8").astype(np.uint64)
        return halves[0::2], halves[1::2]
