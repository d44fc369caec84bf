"""cluster.group: documents in clusters of like ones, and their places on a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import field_validator

from hornbook.core.documents import TEXT
from hornbook.core.errors import HornbookError
from hornbook.core.keys import random_for
from hornbook.core.knobs import knob
from hornbook.core.stage import Across, Round
from hornbook.kernels.embedders import NAMES, embedder, possible
from hornbook.stages.cluster._fitting import Fit, Method, Reduce, found_in
from hornbook.stages.cluster._model import Model

_PUBLISHED = "huggingface/text-clustering"
_BERTOPIC = "BERTopic, arXiv:2203.05794, and its code"
_MODEL = pa.dictionary(pa.int32(), pa.binary())
A_SIZE = 300
"""One cluster's least size where `min_size` is not given: the sample by this, from 5 to 100."""


class Group(Across):
    """Embeds documents, finds clusters in a sample of them, and places all by their neighbours in the sample.

    The sample's vectors are reduced by PCA, then by UMAP over their exact nearest neighbours; HDBSCAN finds the
    clusters, and a second UMAP makes the map. Every document, of the sample or not, then belongs to the cluster that
    most of its `neighbours` nearest ones of the sample are in, weighted by nearness.

    Marks: `cluster.id` (int32, the largest is 0; null where a document is in none), `cluster.distance` (float32,
    1 - cosine to the nearest of the sample, among the main directions), `cluster.x`, `cluster.y` (float32, the map).
    All are null where the vector is zero: a text without words.

    Raises:
        UserError: a library is not there.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    embedding: str = knob("wordllama", help=NAMES, source="dedup.semantic; text-clustering has all-MiniLM-L6-v2")
    sample: int = knob(
        100_000, help="documents that clusters are looked for in", unit="documents", ge=1, le=1_000_000,
        source=_PUBLISHED,
    )  # fmt: skip
    dimensions: int = knob(
        32,
        help="main directions of the vectors (PCA) in which neighbours are looked for; 0: all, as they are",
        source="ours: of 32, 64, 96 and none the best on half of the labelled sets of bench/clusters.py",
        ge=0,
        le=1024,
    )
    space: Reduce = knob(
        "umap", help="what clusters are looked for in: UMAP's dimensions, or the main directions themselves (pca)",
        source=_PUBLISHED,
    )  # fmt: skip
    components: int = knob(5, help="UMAP's dimensions; with 2 the map is the same", ge=2, le=32, source=_BERTOPIC)
    near: int = knob(15, help="neighbours that UMAP looks at", ge=2, le=200, source="umap-learn's n_neighbors")
    min_dist: float = knob(0.0, help="how near UMAP may put documents", ge=0, lt=1, source=_BERTOPIC)
    epochs: int = knob(200, help="rounds of UMAP", ge=10, le=2000, source="umap-learn's, for more than 10,000 rows")
    method: Method = knob(
        "hdbscan", help="what finds clusters; dbscan is what text-clustering has", source=f"{_BERTOPIC}: HDBSCAN"
    )
    min_size: int | None = knob(
        None,
        help=f"hdbscan: fewest documents of the sample in a cluster; unset: one in {A_SIZE}, from 5 to 100",
        unit="documents",
        source="ours, on the same half",
        ge=2,
    )
    min_samples: int = knob(
        15,
        help="hdbscan, dbscan: neighbours that make a place dense",
        source="ours; text-clustering's DBSCAN: 50",
        ge=1,
    )
    clusters: int = knob(
        150, help="kmeans: how many", unit="clusters", ge=1, le=65536, source=f"{_PUBLISHED} found 145 in its sample"
    )
    eps: float = knob(0.08, help="dbscan: how near is near", gt=0, source=_PUBLISHED)
    neighbours: int = knob(
        10, help="documents of the sample that say where one belongs", ge=1, le=100, source="ours; text-clustering: 1"
    )
    rescue: bool = knob(
        True,
        help="documents of the sample that are in no cluster have no say, and go where their neighbours are; else "
        "they and what is nearest to them belong nowhere, as text-clustering has it",
    )
    max_distance: float = knob(
        0.35,
        help="1 - cosine to the nearest of the sample from which on a document belongs to no cluster",
        source="ours: leaves out the 2 to 3 in 100 that are like nothing else, on the same half",
        gt=0,
        le=2,
    )
    seed: int = knob(0, help="which documents the sample is, and where UMAP and k-means begin")

    _possible = field_validator("embedding")(possible)

    def rounds(self) -> tuple[Round, ...]:
        """Which documents are the sample; their vectors together, and what they teach to every piece."""
        return (
            Round((), lambda piece, row, _: self.map(piece, row), self._draw),
            Round((TEXT,), self._seen, self.reduce),
        )

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """A row that stands for the piece."""
        return pa.table({"partition": pa.array([0], pa.int64()), "row": pa.array([row], pa.int64())})

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """The last round's: what the sample teaches."""
        return self._fit(rows, total)

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """Those of the sample are placed already; the others by the model."""
        taught = facts.filter(facts.column("model").is_valid())
        if not taught.num_rows:
            raise HornbookError("cluster.group: the sample's model did not reach this piece", where=f"row {row}")
        known = facts.filter(pc.invert(facts.column("model").is_valid()))
        at = known.column("row").to_numpy() - row
        labels, values = np.full(piece.num_rows, -1, np.int32), np.full((piece.num_rows, 3), np.nan, np.float32)
        labels[at] = known.column("id").to_numpy()
        values[at] = np.stack([known.column(name).to_numpy() for name in ("distance", "x", "y")], axis=1)
        others = np.setdiff1d(np.arange(piece.num_rows), at)
        model = taught.column("model")[0].as_py()
        if others.size and model:
            vectors = self._vectors(piece.column(TEXT).take(pa.array(others)))
            some = vectors.any(axis=1)
            labels[others[some]], values[others[some]] = self._placed(Model.unpacked(model), vectors[some])
        marks = {"id": pa.array(labels, pa.int32(), mask=labels < 0)}
        for name, column in zip(("distance", "x", "y"), values.T, strict=True):
            marks[name] = pa.array(column, pa.float32(), mask=np.isnan(column))
        return pa.table({f"cluster.{name}": column for name, column in marks.items()})

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Documents, those in no cluster, those without a vector, and how many are in each cluster."""
        counts = marks.column("cluster.id").drop_null().value_counts().to_pylist()
        return {
            "documents": marks.num_rows,
            "unassigned": marks.column("cluster.id").null_count,
            "empty": marks.column("cluster.x").null_count,
            "sizes": {str(entry["values"]): entry["counts"] for entry in counts},
        }

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """How many clusters there are, how large, and what share of the documents is in none."""
        sizes = dict(sorted(sums.get("sizes", {}).items(), key=lambda entry: int(entry[0])))
        documents, unassigned = sums.get("documents", 0), sums.get("unassigned", 0)
        share = round(unassigned / documents, 4) if documents else 0.0
        counts = {"documents": documents, "clusters": len(sizes), "unassigned": unassigned, "share_unassigned": share}
        return counts | {"empty": sums.get("empty", 0), "sizes": sizes}

    def _draw(self, rows: pa.Table, total: int) -> pa.Table:
        """The rows of the sample."""
        if not rows.num_rows:
            return pa.table({"row": pa.array([], pa.int64())})
        drawn = random_for(self.seed, "cluster").sample(range(total), min(total, self.sample))
        return pa.table({"row": pa.array(sorted(drawn), pa.int64())})

    def _seen(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """The vectors of the documents drawn, and a row for the piece itself: all to one place."""
        at = facts.column("row").to_numpy() - row
        vectors = self._vectors(piece.column(TEXT).take(pa.array(at)))
        lists = pa.LargeListArray.from_arrays(np.arange(at.size + 1) * vectors.shape[1], vectors.reshape(-1))
        drawn = pa.table({"partition": np.zeros(at.size, np.int64), "row": row + at, "vector": lists})
        return pa.concat_tables([drawn, self.map(piece, row)], promote_options="default")

    def _fit(self, rows: pa.Table, total: int) -> pa.Table:
        """The model, to every piece, and where the documents of the sample belong."""
        drawn = rows.column("vector").is_valid()
        pieces = rows.filter(pc.invert(drawn)).column("row").to_numpy()
        sample = rows.filter(drawn)
        flat = pc.list_flatten(sample.column("vector")).to_numpy()
        vectors = flat.reshape(sample.num_rows, -1) if flat.size else np.zeros((0, 1), np.float32)
        some = vectors.any(axis=1)
        model, labels, values = b"", np.full(len(vectors), -1, np.int32), np.full((len(vectors), 3), np.nan, np.float32)
        if some.any():
            found = found_in(vectors[some], self._how(int(some.sum())))
            learned = Model.of(found, rescue=self.rescue)
            labels[some], values[some] = self._placed(learned, vectors[some])
            values[some, 1:] = found.places
            model = learned.packed()
        shared = pa.DictionaryArray.from_arrays(
            pa.array([0] * len(pieces) + [None] * len(labels), pa.int32()), pa.array([model], pa.binary())
        )
        ends = np.full((len(pieces), 3), np.nan, np.float32)
        columns = zip(("distance", "x", "y"), np.concatenate([ends, values]).T, strict=True)
        return pa.table(
            {
                "row": np.concatenate([pieces, sample.column("row").to_numpy()]),
                "model": shared.cast(_MODEL),
                "id": np.concatenate([np.full(len(pieces), -1, np.int32), labels]),
                **{name: np.ascontiguousarray(column) for name, column in columns},
            }
        )

    def _placed(self, model: Model, vectors: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        found = model.place(vectors, self.neighbours, self.max_distance)
        return found.labels, np.column_stack([found.distance, found.places])

    def _how(self, sample: int) -> Fit:
        given = {name: getattr(self, name) for name in Fit.__dataclass_fields__ if name != "min_size"}
        return Fit(**given, min_size=self.min_size or min(100, max(5, sample // A_SIZE)))

    def _vectors(self, column: Any) -> NDArray[np.float32]:
        return embedder(self.embedding)(column) if len(column) else np.zeros((0, 1), np.float32)
