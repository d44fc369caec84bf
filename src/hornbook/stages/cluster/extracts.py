"""cluster.extracts: a row for each cluster, with the beginnings of some of its documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import ID, ORIGIN, PIECE_ROWS, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Makes, Source
from hornbook.stages.cluster._keywords import keywords

_PUBLISHED = "text-clustering"
READ, SHOWN_OF = 600, 50
"""Documents of a cluster that keywords come from, and characters of each. Our choice: 30 kB a cluster in memory."""


class Extracts(Source):
    """Draws documents of each cluster and shows their beginnings, for a teacher or a person to name the cluster.

    Rows, by cluster: `id` (`cluster-00017`), `text` (the extracts, numbered, with blank lines between them), `origin`
    (the documents' ids, the first three), `cluster.id` (int32), `cluster.size` (int64, documents), `cluster.share`
    (float64, of all documents), `cluster.keywords` (list of strings, best first), `cluster.x`, `cluster.y` (float32,
    the middle of the cluster on the map).

    Raises:
        UserError: the documents have no `cluster.id`, or none is in a cluster.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    count: int = knob(10, help="documents shown of each cluster", unit="documents", ge=1, le=50, source=_PUBLISHED)
    characters: int = knob(
        420, help="so much of each one's beginning", unit="characters", ge=20, le=5000, source=_PUBLISHED
    )
    keywords: int = knob(8, help="words that tell the cluster from others", unit="words", ge=0, le=50)
    seed: int = knob(0, help="which documents are drawn")

    def shards(self, inputs: Inputs) -> list[Any]:
        """One: it reads ids of clusters, then only the texts drawn."""
        return [0]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The clusters, in order of their number."""
        sizes, total, middle = _counted(inputs)
        most = max(self.count, SHOWN_OF if self.keywords else 0)
        drawn = self._drawn(inputs, most)
        texts = self._texts(inputs, drawn)
        order = np.lexsort((texts["rank"].to_numpy(), texts["cluster"].to_numpy()))
        texts = texts.take(pa.array(order))
        of = texts["cluster"].to_numpy().astype(np.int64)
        told = keywords(texts["text"].combine_chunks(), of, self.keywords) if self.keywords else {}
        edges = np.searchsorted(of, [*sizes, max(sizes) + 1])
        rows = []
        for number, first, last in zip(sizes, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            some = texts.slice(first, min(last - first, self.count)).to_pylist()
            shown = [f"{at}. {' '.join(row['text'][: self.characters].split())}" for at, row in enumerate(some, 1)]
            rows.append(
                {
                    ID: f"cluster-{number:05d}",
                    TEXT: "\n\n".join(shown),
                    ORIGIN: "documents " + ", ".join(row[ID] for row in some[:3]),
                    "cluster.id": number,
                    "cluster.size": sizes[number],
                    "cluster.share": round(sizes[number] / total, 6),
                    "cluster.keywords": told.get(number, []),
                    "cluster.x": middle[number][0],
                    "cluster.y": middle[number][1],
                }
            )
        for at in range(0, len(rows), PIECE_ROWS):
            yield pa.Table.from_pylist(rows[at : at + PIECE_ROWS], schema=_SCHEMA)

    def _drawn(self, inputs: Inputs, most: int) -> dict[int, tuple[int, int]]:
        """Row → (cluster, rank): the documents whose number, mixed with the seed, is least in their cluster."""
        best = np.zeros((0, 3), np.uint64)
        row = 0
        for piece in inputs.documents(["cluster.id"]):
            ids = piece.column("cluster.id")
            mine = np.flatnonzero(ids.is_valid().to_numpy())
            label = pc.drop_null(ids).to_numpy().astype(np.uint64)
            number = (row + mine).astype(np.uint64)
            best = _least(np.concatenate([best, np.stack([label, _mixed(number, self.seed), number], axis=1)]), most)
            row += piece.num_rows
        ranks = np.arange(len(best)) - np.searchsorted(best[:, 0], best[:, 0])
        return {int(n): (int(c), int(r)) for (c, _, n), r in zip(best.tolist(), ranks.tolist(), strict=True)}

    def _texts(self, inputs: Inputs, drawn: dict[int, tuple[int, int]]) -> pa.Table:
        """The beginnings of the documents drawn."""
        wanted, row = np.array(sorted(drawn)), 0
        found = []
        cut = max(self.characters, READ)
        for piece in inputs.documents([ID, TEXT]):
            first, last = np.searchsorted(wanted, [row, row + piece.num_rows])
            if first < last:
                some = piece.take(pa.array(wanted[first:last] - row))
                text = pc.utf8_slice_codeunits(pc.fill_null(some.column(TEXT), ""), 0, cut).cast(pa.string())
                cluster, rank = zip(*(drawn[n] for n in wanted[first:last].tolist()), strict=True)
                columns = {ID: some.column(ID).cast(pa.string()), "text": text, "cluster": cluster, "rank": rank}
                found.append(
                    pa.table(
                        {name: pa.chunked_array([c]) if isinstance(c, tuple) else c for name, c in columns.items()}
                    )
                )
            row += piece.num_rows
        return pa.concat_tables(found)


_SCHEMA = pa.schema(
    [
        (ID, pa.string()),
        (TEXT, pa.string()),
        (ORIGIN, pa.string()),
        ("cluster.id", pa.int32()),
        ("cluster.size", pa.int64()),
        ("cluster.share", pa.float64()),
        ("cluster.keywords", pa.list_(pa.string())),
        ("cluster.x", pa.float32()),
        ("cluster.y", pa.float32()),
    ]
)


def _counted(inputs: Inputs) -> tuple[dict[int, int], int, dict[int, tuple[float, float]]]:
    """(cluster → documents, all documents, cluster → its middle on the map)."""
    sizes, sums = np.zeros(0, np.int64), np.zeros((2, 0))
    total = 0
    for piece in inputs.documents(["cluster.id", "cluster.x", "cluster.y"]):
        if "cluster.id" not in piece.column_names:
            raise UserError(
                "cluster.extracts needs documents with `cluster.id`, and there is none",
                where="the step above",
                fix="put `use: cluster.group` above it",
            )
        total += piece.num_rows
        inside = piece.filter(piece.column("cluster.id").is_valid())
        label = inside.column("cluster.id").to_numpy()
        room = max(sizes.size, int(label.max(initial=-1)) + 1)
        sizes = np.pad(sizes, (0, room - sizes.size)) + np.bincount(label, minlength=room)
        sums = np.pad(sums, ((0, 0), (0, room - sums.shape[1])))
        for at, name in enumerate(("cluster.x", "cluster.y")):
            if name in inside.column_names:
                sums[at] += np.bincount(label, weights=inside.column(name).to_numpy(), minlength=room)
    if not sizes.sum():
        raise UserError(
            f"cluster.extracts: none of {total:,} documents is in a cluster",
            where="the step above",
            fix="cluster.group: lower min_size or min_samples, raise max_distance, or method: kmeans",
        )
    some = np.flatnonzero(sizes).tolist()
    return (
        {n: int(sizes[n]) for n in some},
        total,
        {n: (float(sums[0, n] / sizes[n]), float(sums[1, n] / sizes[n])) for n in some},
    )


def _mixed(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Numbers in disorder, by the seed: SplitMix64."""
    with np.errstate(over="ignore"):
        x = numbers + np.uint64(seed % 2**64) * np.uint64(0xD1342543DE82EF95) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))


def _least(rows: NDArray[np.uint64], most: int) -> NDArray[np.uint64]:
    """Of each cluster the `most` rows with the least second column, sorted."""
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    rank = np.arange(len(rows)) - np.searchsorted(rows[:, 0], rows[:, 0])
    return rows[rank < most]
