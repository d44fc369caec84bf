"""quality.best: of documents that belong together, the ones with the best value of a mark."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import ID, PROMPT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across, Round


class Best(Across):
    """Keeps of each group of documents the one (or the few) with the best value of a column.

    Documents whose column `by` is equal are a group: the replies to one prompt, the texts of one seed. Those
    without a value there are in no group and stay. Of equal values the earlier document is better; a missing
    value, or one that is no number, is the worst.

    Marks, null for documents in no group: `quality.best_rank` (int64, 1 for the best of the group),
    `quality.best_among` (int64, documents in the group), `quality.best_of` (string, id of the group's best; null
    for that one itself).

    Drops: `not_best`, with the id of the best as evidence.

    Raises:
        UserError: a column is not there, or `column` holds no numbers.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID,)

    column: str = knob(help="what is compared, a column of numbers: a judge's score, a length …")
    by: str = knob(PROMPT, help="documents with the same value of this column are a group: prompt, prompts.seed …")
    prefer: Literal["high", "low"] = knob("high", help="which values are better")
    keep: int = knob(1, help="documents kept of a group", unit="documents", ge=1, threshold=True)

    def rounds(self) -> tuple[Round, ...]:
        """One, which looks at the two columns that the knobs name."""
        reads = tuple(dict.fromkeys((ID, self.by, self.column)))
        return (Round(reads, lambda piece, row, _: self.map(piece, row), self.reduce),)

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """Documents that are in a group."""
        groups, values = self._groups(piece), self._values(piece)
        inside = np.flatnonzero(pc.is_valid(groups).to_numpy(zero_copy_only=False))
        high, low = _hashes([text for text in groups.to_pylist() if text is not None])
        return pa.table(
            {
                "partition": high,
                "row": inside + row,
                "high": high,
                "low": low,
                "value": values[inside],
                ID: piece.column(ID).take(pa.array(inside)),
            }
        )

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """Each document's place in its group."""
        if not rows.num_rows:
            kinds = {"row": pa.int64(), "rank": pa.int64(), "among": pa.int64(), "of": pa.string()}
            return pa.table({name: pa.array([], kind) for name, kind in kinds.items()})
        high, low = rows.column("high").to_numpy(), rows.column("low").to_numpy()
        row = rows.column("row").to_numpy()
        by = np.lexsort((row, -rows.column("value").to_numpy(), low, high))
        fresh = np.ones(row.size, bool)
        fresh[1:] = (high[by][1:] != high[by][:-1]) | (low[by][1:] != low[by][:-1])
        group = np.cumsum(fresh) - 1
        starts = np.flatnonzero(fresh)
        rank = np.arange(row.size) - starts[group] + 1
        among = np.bincount(group, minlength=1)[group]
        of = rows.column(ID).combine_chunks().take(pa.array(by[fresh][group], mask=fresh))
        return pa.table({"row": row[by], "rank": rank, "among": among, "of": of})

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """Places as marks."""
        if "rank" not in facts.column_names:  # no document is in a group
            facts = self.reduce(facts, 0)
        where = np.full(piece.num_rows, -1, np.int64)
        where[facts.column("row").to_numpy() - row] = np.arange(facts.num_rows)
        at = pa.array(where, mask=where < 0)
        return pa.table(
            {
                "quality.best_rank": facts.column("rank").cast(pa.int64()).take(at),
                "quality.best_among": facts.column("among").cast(pa.int64()).take(at),
                "quality.best_of": facts.column("of").cast(pa.string()).take(at),
            }
        )

    def drops(self) -> dict[str, Rule]:
        """Those behind the first `keep`."""
        return {"not_best": Rule("quality.best_rank", ">", self.keep, evidence="quality.best_of")}

    def _groups(self, piece: pa.Table) -> pa.ChunkedArray:
        """Each document's group as text, null for none."""
        column = self._column(piece, self.by, "by")
        try:
            return column.cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(
                f"quality.best: `{self.by}` cannot name a group: {error}", fix="by: a column of texts or numbers"
            ) from error

    def _values(self, piece: pa.Table) -> NDArray[np.float64]:
        """Each document's value, the higher the better; the lowest there is where it has none."""
        column = self._column(piece, self.column, "column")
        try:
            values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(
                f"quality.best: `{self.column}` is no number: {error}", fix="column: a column of numbers"
            ) from error
        return np.nan_to_num(values if self.prefer == "high" else -values, nan=-np.inf, posinf=np.inf, neginf=-np.inf)

    def _column(self, piece: pa.Table, name: str, knob_: str) -> pa.ChunkedArray:
        if name not in piece.column_names:
            raise UserError(f"quality.best: no column `{name}`", fix=f"{knob_}: a column that a step above makes")
        return piece.column(name)


def _hashes(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The two halves of each text's XXH3-128."""
    from xxhash import xxh3_128_digest

    halves = np.frombuffer(b"".join(xxh3_128_digest(text.encode()) for text in texts), ">u8").astype(np.uint64)
    return halves[0::2], halves[1::2]
