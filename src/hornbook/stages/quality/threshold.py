"""quality.threshold: keep documents by a mark: from a score on, up to one, or the best of all."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across, Round

RANK, SHARE, TOKENS, UNSCORED = (f"quality.best_{name}" for name in ("rank", "share", "tokens", "unscored"))


class Threshold(Across):
    """Drops documents by the number in a column; computes only where each stands among all.

    Marks: `quality.best_rank` (int64, from 1, the highest number first; equal ones in an order drawn from `seed`
    and `id`), `quality.best_share` (float64, rank / all documents), `quality.best_tokens` (int64, tokens of this
    document and of all that rank before it), `quality.best_unscored` (bool, true where the column has no number,
    else null). Documents without a number rank after all others.

    Drops: `below` and `above` (min, max), `over_tokens`, `over_documents`, `over_share` (best_…), `unscored`.
    Every limit is a threshold: to change one ranks nothing again.

    Raises:
        UserError: the column is not there, or holds no numbers.
    """

    column: str = knob("quality.score", help="column with the number")
    min: float | None = knob(None, help="least number that is kept", threshold=True, source="FineWeb-Edu: 3 of 5")
    max: float | None = knob(None, help="greatest number that is kept", threshold=True)
    best_tokens: int | None = knob(
        None, help="keep the best documents, so many tokens of them at most", unit="tokens", ge=1, threshold=True
    )
    best_documents: int | None = knob(
        None, help="keep so many documents, the best", unit="documents", ge=1, threshold=True
    )
    best_share: float | None = knob(
        None,
        help="keep this share of the documents, the best",
        unit="share of documents",
        gt=0.0,
        le=1.0,
        threshold=True,
    )
    drop_unscored: bool = knob(False, help="drop documents without a number", threshold=True)
    tokens: str = knob("", help="column with each document's tokens; unset: estimated from its bytes")
    bytes_per_token: float = knob(
        4.0,
        help="for the estimate; Python code under GPT-2's vocabulary has 2.3",
        unit="bytes per token",
        gt=0.0,
        source="help.openai.com: 4 characters of English a token",
    )
    seed: int = knob(0, help="the order of documents with the same number")

    reads: ClassVar[tuple[str, ...] | None] = None

    def rounds(self) -> tuple[Round, ...]:
        reads = tuple(dict.fromkeys((ID, self.column, self.tokens or TEXT)))
        return (Round(reads, lambda piece, row, _: self.map(piece, row), self.reduce),)

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """The number, the size and the draw of every document: 36 bytes each."""
        from xxhash import xxh3_64_intdigest

        numbers = _numbers(piece, self.column)
        draws = [xxh3_64_intdigest(key.encode(), seed=self.seed % 2**64) for key in piece.column(ID).to_pylist()]
        return pa.table(
            {
                "partition": np.zeros(piece.num_rows, np.int32),
                "row": np.arange(row, row + piece.num_rows),
                "number": numbers,
                "size": self._sizes(piece),
                "draw": np.array(draws, np.uint64),
            }
        )

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        number, size, draw = (rows.column(name).to_numpy() for name in ("number", "size", "draw"))
        row = rows.column("row").to_numpy()
        best = np.lexsort((row, draw, -number))  # NaN sorts last
        rank, tokens = np.empty(row.size, np.int64), np.empty(row.size, np.int64)
        rank[best] = np.arange(1, row.size + 1)
        tokens[best] = np.cumsum(size[best])
        return pa.table({"row": row, "rank": rank, "share": rank / max(1, total), "tokens": tokens})

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        missing = np.isnan(_numbers(piece, self.column))
        return pa.table(
            {
                RANK: facts.column("rank").combine_chunks(),
                SHARE: facts.column("share").combine_chunks(),
                TOKENS: facts.column("tokens").combine_chunks(),
                UNSCORED: pa.array(np.ones(missing.size, bool), mask=~missing),
            }
        )

    def drops(self) -> dict[str, Rule]:
        rules: dict[str, Rule] = {}
        if self.drop_unscored:
            rules["unscored"] = Rule(UNSCORED, "is set")
        if self.min is not None:
            rules["below"] = Rule(self.column, "<", self.min)
        if self.max is not None:
            rules["above"] = Rule(self.column, ">", self.max)
        limits = ((TOKENS, self.best_tokens), (RANK, self.best_documents), (SHARE, self.best_share))
        names = ("over_tokens", "over_documents", "over_share")
        rules |= {n: Rule(m, ">", lim) for n, (m, lim) in zip(names, limits, strict=True) if lim is not None}
        return rules

    def _sizes(self, piece: pa.Table) -> Any:
        if self.tokens:
            sizes = _numbers(piece, self.tokens)
            return np.nan_to_num(sizes, nan=0.0, posinf=0.0, neginf=0.0).clip(0).astype(np.int64)
        lengths = pc.fill_null(pc.binary_length(piece.column(TEXT)), 0).to_numpy()
        return np.ceil(lengths / self.bytes_per_token).astype(np.int64)


def _numbers(piece: pa.Table, name: str) -> Any:
    """A column as float64, NaN where it has none.

    Raises:
        UserError: it is not there, or holds no numbers.
    """
    if name not in piece.column_names:
        raise UserError(
            f"quality.threshold needs the column {name}, which is not there",
            where="the step above quality.threshold",
            fix="put quality.classifier above it, or name another: column: NAME",
        )
    column = piece.column(name)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise UserError(f"the column {name} holds {kind}, not numbers", where="quality.threshold")
    return np.array(column.cast(pa.float64()).to_numpy(), np.float64)
