"""cluster.select: documents of those clusters that are worth it, by score and by list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import with_columns
from hornbook.core.knobs import knob
from hornbook.core.rules import with_reason
from hornbook.core.stage import Dropped, Inputs, Makes, Source
from hornbook.stages.cluster._labels import ID, SCORE, TOPIC, Name, apart, listed, parted

_WHO = "cluster.select"
REASONS = ("unassigned", "unlabelled", "excluded", "not_included", "low_score")


class Select(Source):
    """Joins documents with the names of their clusters, and drops those of clusters that are not wanted.

    Reads two steps, `from: [GROUP, LABEL]`: documents with `cluster.id` (cluster.group) and clusters with
    `cluster.topic` (cluster.label). A list names clusters by topic, whatever the case, or by number. A cluster in
    `include` is kept whatever its score.

    Rows: the documents with all their columns, `cluster.topic` (string) and `cluster.score` (int32).

    Drops: `unassigned` (in no cluster), `unlabelled` (the teacher gave its cluster no name), `excluded`,
    `not_included` (there is a list `include`, and its cluster is not in it), `low_score` (below `min_score`).

    Raises:
        UserError: a listed topic is no cluster, or stands in both lists; one of the two steps is missing.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    min_score: float = knob(
        4.0,
        help="clusters with a lower educational value are dropped",
        unit="score, 1 to 10",
        source="ours: Cosmopedia dropped 38 of 145 clusters, by hand",
        threshold=True,
        ge=0,
        le=10,
    )
    exclude: list[int | str] = knob(
        default_factory=list, help="topics or numbers of clusters that are dropped", threshold=True
    )
    include: list[int | str] = knob(
        default_factory=list, help="where given, only these are kept, whatever their score", threshold=True
    )

    def shards(self, inputs: Inputs) -> list[Any]:
        """The row groups of the documents. The lists are looked at here, before anything is read."""
        from hornbook.store.parts import group_sizes

        documents, names = parted(inputs, _WHO)
        self._lists(names)
        return [[str(path), group] for path in documents for group in range(len(group_sizes(path)))]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """One row group's documents."""
        from pathlib import Path

        from hornbook.store.parts import pieces

        path, group = item
        _, names = parted(inputs, _WHO)
        verdicts = self._verdicts(names)
        for piece in pieces(Path(path), only=group):
            yield from _judged(piece, names, verdicts)

    def _lists(self, names: dict[int, Name]) -> tuple[set[int], set[int]]:
        include = listed(self.include, names, "include", _WHO)
        exclude = listed(self.exclude, names, "exclude", _WHO)
        apart(include, exclude, names, _WHO)
        return include, exclude

    def _verdicts(self, names: dict[int, Name]) -> dict[int, tuple[str, str]]:
        """Cluster → (reason, evidence) of those that are dropped."""
        include, exclude = self._lists(names)
        found = {}
        for number, name in names.items():
            said = f"{ID} = {number}: {name.topic}"
            if name.topic is None or name.score is None:
                found[number] = ("unlabelled", f"{ID} = {number} has no topic")
            elif number in exclude:
                found[number] = ("excluded", f"{said}; in exclude")
            elif include and number not in include:
                found[number] = ("not_included", f"{said}; not in include")
            elif not include and name.score < self.min_score:
                found[number] = ("low_score", f"{SCORE} = {name.score} < {self.min_score:g}; {said}")
        return found


def _judged(
    piece: pa.Table, names: dict[int, Name], verdicts: dict[int, tuple[str, str]]
) -> Iterator[pa.Table | Dropped]:
    """The documents that stay, then those that leave."""
    column = piece.column(ID)
    known = pa.array(sorted(names), pa.int32())
    at = pc.index_in(column, known)
    marked = with_columns(
        piece,
        pa.table(
            {
                TOPIC: pa.array([names[n].topic for n in known.to_pylist()], pa.string()).take(_one(at)),
                SCORE: pa.array([names[n].score for n in known.to_pylist()], pa.int32()).take(_one(at)),
            }
        ),
    )
    unnamed = {int(n): ("unlabelled", f"{ID} = {n} is no cluster of the label step") for n in _others(column, names)}
    reasons = verdicts | unnamed
    gone = _one(pc.or_(pc.is_null(column), pc.is_in(column, pa.array(list(reasons), pa.int32()))))
    kept, dropped = marked.filter(pc.invert(gone)), marked.filter(gone)
    if kept.num_rows:
        yield kept
    if dropped.num_rows:
        nowhere = ("unassigned", f"{ID} is null: like no cluster")
        why = [nowhere if n is None else reasons[n] for n in dropped.column(ID).to_pylist()]
        told = [pa.array(list(column), pa.string()) for column in zip(*why, strict=True)]
        yield Dropped(with_reason(dropped, *told))


def _others(column: pa.ChunkedArray, names: dict[int, Name]) -> NDArray[np.int32]:
    """Clusters of documents that have no row of their own."""
    there: NDArray[np.int32] = pc.drop_null(pc.unique(column)).to_numpy(zero_copy_only=False)
    return np.setdiff1d(there, np.array(sorted(names), np.int32))


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
