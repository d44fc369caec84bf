"""A stage of three rounds: every text walks three documents down, one a round."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from hornbook.core.stage import Across, Round


class Hops(Across):
    """Marks: `hops.text` (string, the text of the document three above), null in the first three."""

    reads: ClassVar[tuple[str, ...] | None] = ("text",)
    in_threads: ClassVar[bool] = True

    def rounds(self) -> tuple[Round, ...]:
        again = Round((), lambda piece, row, facts: _down(facts.column("row"), facts), self.reduce)
        return (Round(("text",), lambda piece, row, _: self.map(piece, row), self.reduce), again, again)

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        numbers = np.arange(row, row + piece.num_rows)
        return _down(numbers, pa.table({"value": piece.column("text")}))

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        return rows.filter(pa.array(rows.column("row").to_numpy() < total)).select(["row", "value"])

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        where = np.full(piece.num_rows, -1, np.int64)
        where[facts.column("row").to_numpy() - row] = np.arange(facts.num_rows)
        return pa.table({"hops.text": facts.column("value").take(pa.array(where, mask=where < 0))})

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        return {"moved": marks.num_rows - marks.column("hops.text").null_count, "of": [marks.num_rows, 1]}


def _down(rows: Any, table: pa.Table) -> pa.Table:
    below = np.asarray(rows).astype(np.int64) + 1
    return pa.table(
        {"partition": below.astype(np.uint64) * np.uint64(2**50 + 7), "row": below, "value": table.column("value")}
    )
