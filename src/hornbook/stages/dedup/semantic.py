"""dedup.semantic: documents that say almost the same, in other words too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import field_validator

from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import HornbookError, UserError
from hornbook.core.keys import random_for
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across, Round
from hornbook.kernels.embedders import NAMES, embedder, possible
from hornbook.stages.dedup._keeping import preference

_ABBAS = "SemDeDup, Abbas et al. 2023, arXiv:2303.09540"
BLOCK = 1000
"""Documents of a block, about, where `blocks` is not given."""
MOST = 4096
"""Blocks at most, where their number is not given: more would take longer to find than to compare."""
SAMPLE = 64
"""Documents a block that k-means is fitted on."""
BINS = 200
"""Of the histogram of similarities, from 0 to 1."""
_CENTROIDS = pa.dictionary(pa.int32(), pa.binary())


class Semantic(Across):
    """Embeds documents, groups them by k-means, and in each block drops what is too like a document that is kept.

    Marks: `dedup.semantic_block` (int64, its block), and null where a document is kept: `dedup.semantic_of` (string,
    id of the most similar document kept), `dedup.semantic_row` (int64, that one's row number),
    `dedup.semantic_similarity` (float64, cosine of the two). A document whose vector is zero (no words) has no block.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)

    epsilon: float = knob(
        0.03,
        help="documents with a cosine of 1 - epsilon or more are duplicates",
        source=f"{_ABBAS}: epsilon; the value is ours, for the default vectors",
        ge=0.0,
        lt=1.0,
    )
    embedding: str = knob(
        "wordllama",
        help=NAMES,
        source="quality.classifier",
    )
    blocks: int | None = knob(
        None, help=f"blocks of k-means; unset: one for {BLOCK:,} documents, {MOST:,} at most", ge=1, le=65536
    )
    keep: str = knob(
        "farthest",
        help="which of two: farthest or nearest (from the middle of the block), first, longest, or the best by a "
        "column (a mark's name)",
        source=f"{_ABBAS}: the farthest",
    )
    prefer: Literal["high", "low"] = knob("high", help="which values of that column are better")
    seed: int = knob(0, help="which documents k-means is fitted on, and where it begins")

    _possible = field_validator("embedding")(possible)

    def rounds(self) -> tuple[Round, ...]:
        """Which documents to fit on; the fit, which goes to every piece; the documents of a block together."""
        wanted = () if self.keep in ("farthest", "nearest", "first", "longest", ID, TEXT) else (self.keep,)
        return (
            Round((), lambda piece, row, _: self.map(piece, row), self._draw),
            Round((TEXT,), self._sample, self._fit),
            Round((ID, TEXT, *wanted), self._gather, self.reduce),
        )

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """A row that stands for the piece."""
        return pa.table({"partition": pa.array([0], pa.int64()), "row": pa.array([row], pa.int64())})

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """One block at a time: what is too like a document that is kept."""
        from hornbook.kernels.apart import apart

        block, row = rows.column("partition").to_numpy(), rows.column("row").to_numpy()
        order = np.lexsort((row, -rows.column("prefer").to_numpy(), block))
        edges = np.flatnonzero(np.diff(block[order], prepend=-1, append=-1))
        of, near = np.full(order.size, -1, np.int64), np.zeros(order.size)
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            mine = order[first:last]
            found, near[mine] = apart(_matrix(rows.column("vector").take(pa.array(mine))), 1.0 - self.epsilon)
            of[mine] = np.where(found < 0, -1, mine[found])
        none = of < 0
        return pa.table(
            {
                "row": row,
                "block": block,
                "of": rows.column(ID).combine_chunks().take(pa.array(of, mask=none)),
                "kept": pa.array(row[of] if row.size else row, mask=none),
                "similarity": pa.array(near, mask=none),
            }
        )

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        where = np.full(piece.num_rows, -1, np.int64)
        where[facts.column("row").to_numpy() - row] = np.arange(facts.num_rows)
        at = pa.array(where, mask=where < 0)
        kinds = {"block": pa.int64(), "of": pa.string(), "kept": pa.int64(), "similarity": pa.float64()}
        columns = {name: facts.column(name).combine_chunks().cast(kind).take(at) for name, kind in kinds.items()}
        columns["row"] = columns.pop("kept")
        return pa.table({f"dedup.semantic_{name}": column for name, column in columns.items()})

    def drops(self) -> dict[str, Rule]:
        return {"semantic_duplicate": Rule("dedup.semantic_similarity", "is set", evidence="dedup.semantic_of")}

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Documents with vectors, and the histogram of similarities to what is kept."""
        values = marks.column("dedup.semantic_similarity").drop_null().to_numpy()
        bins = np.bincount(np.minimum(values * BINS + 1e-9, BINS - 1).astype(int), minlength=BINS).tolist()
        return {"documents": marks.num_rows - marks.column("dedup.semantic_block").null_count, "similarity": bins}

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """How similar what was dropped is to what is kept in its place."""
        bins = sums.get("similarity", [])
        shown = {f"{at / BINS:.3f}-{(at + 1) / BINS:.3f}": many for at, many in enumerate(bins) if many}
        return {"documents": sums.get("documents", 0), "duplicates": sum(bins), "similarity": shown}

    def _blocks(self, total: int) -> int:
        return self.blocks or min(MOST, max(1, total // BLOCK))

    def _draw(self, rows: pa.Table, total: int) -> pa.Table:
        """Which documents k-means is fitted on."""
        if not rows.num_rows:
            return pa.table({"row": pa.array([], pa.int64())})
        drawn = random_for(self.seed, "semantic").sample(range(total), min(total, SAMPLE * self._blocks(total)))
        return pa.table({"row": pa.array(sorted(drawn), pa.int64())})

    def _sample(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """The vectors of the documents drawn, and a row for the piece itself: all to one place."""
        at = facts.column("row").to_numpy() - row
        vectors = self._vectors(piece.column(TEXT).take(pa.array(at)))
        drawn = pa.table({"partition": np.zeros(at.size, np.int64), "row": row + at, "vector": _lists(vectors)})
        return pa.concat_tables([drawn, self.map(piece, row)], promote_options="default")

    def _fit(self, rows: pa.Table, total: int) -> pa.Table:
        """The centroids, to every piece."""
        drawn = rows.column("vector").is_valid()
        own = rows.filter(pc.invert(drawn)).column("row")
        centroids = b""
        if rows.num_rows:
            centroids = _kmeans(_matrix(rows.filter(drawn).column("vector")), self._blocks(total), self.seed).tobytes()
        shared = pa.DictionaryArray.from_arrays(np.zeros(len(own), np.int32), pa.array([centroids], pa.binary()))
        return pa.table({"row": own, "centroids": shared.cast(_CENTROIDS)})

    def _gather(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """The documents with their vectors, to their blocks."""
        from hornbook.kernels.apart import nearest

        if not facts.num_rows:
            raise HornbookError("dedup.semantic: the blocks did not reach this piece", where=f"row {row}")
        vectors = self._vectors(piece.column(TEXT))
        some = np.flatnonzero(vectors.any(axis=1))
        vectors, documents = vectors[some], piece.take(pa.array(some))
        centroids = np.frombuffer(facts.column("centroids")[0].as_py(), np.float32)
        block, near = nearest(vectors, centroids.reshape(-1, vectors.shape[1]))
        if self.keep in ("farthest", "nearest"):
            prefer = -near if self.keep == "farthest" else near
        else:
            prefer = preference(documents, self.keep, self.prefer, "dedup.semantic")
        return pa.table(
            {
                "partition": block,
                "row": row + some,
                ID: documents.column(ID).cast(pa.string()),
                "prefer": prefer,
                "vector": _lists(vectors),
            }
        )

    def _vectors(self, column: Any) -> NDArray[np.float32]:
        return embedder(self.embedding)(column) if len(column) else np.zeros((0, 1), np.float32)


def _lists(vectors: NDArray[np.float32]) -> pa.LargeListArray:
    rows, size = vectors.shape
    return pa.LargeListArray.from_arrays(np.arange(rows + 1) * size, vectors.reshape(-1))


def _matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = pc.list_flatten(column).to_numpy()
    return flat.reshape(len(column), -1) if len(column) else flat.reshape(0, 1)


def _kmeans(vectors: NDArray[np.float32], blocks: int, seed: int) -> NDArray[np.float32]:
    """Unit centroids; as many as there are different vectors, where these are fewer.

    Raises:
        UserError: scikit-learn is not there.
    """
    try:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UserError(
            f"dedup.semantic needs scikit-learn: {error}", fix="pip install 'hornbook[classify]'"
        ) from error
    different = np.unique(vectors[vectors.any(axis=1)], axis=0)
    if not len(different):
        return np.eye(1, vectors.shape[1], dtype=np.float32)
    if len(different) <= blocks:
        return different
    with threadpool_limits(1):
        fit = KMeans(blocks, init="random", n_init=1, max_iter=20, random_state=seed % 2**32).fit(different)
    centroids = fit.cluster_centers_
    unit: NDArray[np.float32] = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    return unit
