"""dedup.minhash: documents that are almost equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import model_validator

from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across, Round
from hornbook.stages.dedup._keeping import preference
from hornbook.stages.dedup._shingling import Shingling, Unit

_DATATROVE = "datatrove MinhashConfig, text-dedup's default"
BINS = 50
"""Of the histogram of similarities, from 0 to 1."""


class MinHash(Across):
    """Finds near duplicates by MinHash and bands, checks each by exact Jaccard similarity, keeps the best.

    Marks, null where a document is like no other: `dedup.minhash_cluster` (string, id of the best document of its
    cluster), `dedup.minhash_size` (int64, documents in the cluster), `dedup.minhash_of` (string, id of the document
    kept in place of this one; null where this one is kept), `dedup.minhash_row` (int64, its row number),
    `dedup.minhash_similarity` (float64, exact Jaccard similarity to it). With `seen`: `dedup.minhash_seen` (string,
    id of the most similar document of the indexes), `dedup.minhash_seen_similarity` (float64).
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)
    in_threads: ClassVar[bool] = True

    threshold: float = knob(
        0.7,
        help="documents at least this similar (Jaccard, of their sets of n-grams) are duplicates",
        source="text-dedup's default; FineWeb (arXiv:2406.17557) aims at 0.75",
        gt=0.0,
        le=1.0,
    )
    min_similarity: float | None = knob(
        None,
        help="drop only documents at least this similar to the one kept; unset: threshold. Below it, it drops no more",
        threshold=True,
        ge=0.0,
        le=1.0,
    )
    unit: Unit = knob("words", help="of what the n-grams are", source=_DATATROVE)
    n: int = knob(5, help="units in an n-gram; shorter texts are one", unit="units", source=_DATATROVE, ge=1, le=64)
    tokenizer: InputPath | None = knob(None, help="a tokenizer.json, for unit: tokens")
    permutations: int = knob(
        128, help="places of a signature at most", source="the tools compared in docs/bench.md use 128", ge=1, le=4096
    )
    recall: float = knob(
        0.9, help="bands and rows are chosen so that pairs at the threshold are found this often, at least", gt=0, lt=1
    )
    bands: int | None = knob(None, help="bands of a signature, instead of choosing; needs rows", ge=1, le=1024)
    rows: int | None = knob(None, help="places in a band, instead of choosing; needs bands", ge=1, le=1024)
    verify: bool = knob(
        True, help="check every pair exactly; false keeps one document of all that bands connect, as most tools do"
    )
    keep: str = knob("first", help="which of a cluster: first, longest, or the best by a column (a mark's name)")
    prefer: Literal["high", "low"] = knob("high", help="which values of that column are better")
    seen: list[InputPath] = knob(
        default_factory=list,
        help="indexes (made by dedup.index) of documents that are there already: drop what is like them",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("bands and rows go together: give both or neither")
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError("unit: tokens needs a tokenizer, and a tokenizer needs unit: tokens")
        return self

    def banding(self) -> tuple[int, int]:
        """(bands, rows): as given, or chosen for the threshold."""
        from hornbook.kernels.near import banding

        if self.bands is not None and self.rows is not None:
            return self.bands, self.rows
        return banding(self.threshold, self.recall, self.permutations)

    def rounds(self) -> tuple[Round, ...]:
        """Bands to links; links to components; documents of a component together, compared."""
        wanted = () if self.keep in ("first", "longest", ID, TEXT) else (self.keep,)
        return (
            Round((TEXT,), lambda piece, row, _: self.map(piece, row), self.reduce),
            Round((), lambda _, __, links: _to_one(links), _connect),
            Round((ID, TEXT, *wanted), self._gather, self._compare),
        )

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """A row for every band of every document."""
        bands, rows = self.banding()
        keys, some = self._shingling().keys(piece.column(TEXT), bands, rows)
        numbers = np.arange(row, row + piece.num_rows)
        known = self._known(piece.column(TEXT)) if self.seen else None
        if known is None:
            return pa.table({"partition": keys[some].reshape(-1), "row": np.repeat(numbers[some], bands)})
        like, ids, similarity = known
        some &= ~like
        free = int(some.sum()) * bands
        return pa.table(
            {
                "partition": np.concatenate([keys[some].reshape(-1), numbers[like].astype(np.uint64)]),
                "row": np.concatenate([np.repeat(numbers[some], bands), numbers[like]]),
                "seen": pa.chunked_array([pa.nulls(free, pa.string()), ids]).combine_chunks(),
                "similarity": np.concatenate([np.zeros(free), similarity]),
            }
        )

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """Links between documents that share a band."""
        from hornbook.kernels.near import pairs

        known = None
        if self.seen:
            gone = pc.is_valid(rows.column("seen"))
            known, rows = rows.filter(gone), rows.filter(pc.invert(gone))
        least, other = pairs(rows.column("partition").to_numpy(), rows.column("row").to_numpy())
        links = pa.table({"row": least, "other": other})
        if known is None:
            return links
        mine = pa.table({"row": known.column("row"), "other": np.full(known.num_rows, -1)})
        mine = mine.append_column("seen", known.column("seen")).append_column("similarity", known.column("similarity"))
        return pa.concat_tables([links, mine], promote_options="default")

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        where = np.full(piece.num_rows, -1, np.int64)
        where[facts.column("row").to_numpy() - row] = np.arange(facts.num_rows)
        at = pa.array(where, mask=where < 0)
        kinds = {"cluster": pa.string(), "size": pa.int64(), "of": pa.string(), "row": pa.int64()}
        kinds["similarity"] = pa.float64()
        if self.seen:
            kinds |= {"seen": pa.string(), "seen_similarity": pa.float64()}
        names = {"row": "kept"}
        marks = {}
        for name, kind in kinds.items():
            column = names.get(name, name)
            have = column in facts.column_names
            marks[f"dedup.minhash_{name}"] = (
                facts.column(column).combine_chunks().cast(kind).take(at) if have else pa.nulls(piece.num_rows, kind)
            )
        return pa.table(marks)

    def drops(self) -> dict[str, Rule]:
        limit = (self.threshold if self.verify else 0.0) if self.min_similarity is None else self.min_similarity
        rules = {"near_duplicate": Rule("dedup.minhash_similarity", ">=", limit, evidence="dedup.minhash_of")}
        if self.seen:
            rules["seen"] = Rule("dedup.minhash_seen_similarity", ">=", limit, evidence="dedup.minhash_seen")
        return rules

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Sizes of clusters, and the histogram of similarities to what is kept."""
        found: dict[str, Any] = {}
        for name in ("similarity", "seen_similarity") if self.seen else ("similarity",):
            values = marks.column(f"dedup.minhash_{name}").drop_null().to_numpy()
            found[name] = np.bincount(np.minimum(values * BINS + 1e-9, BINS - 1).astype(int), minlength=BINS).tolist()
        sizes = marks.column("dedup.minhash_size").drop_null().to_numpy()
        return found | {"documents": sizes.size, "clusters": float((1.0 / sizes).sum())}

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Bands and rows, the S-curve, clusters, and how similar what was found is to what is kept."""
        from hornbook.kernels.near import meeting

        bands, rows = self.banding()
        found: dict[str, Any] = {
            "bands": bands,
            "rows": rows,
            "curve": {f"{s / 20:.2f}": round(meeting(s / 20, bands, rows), 4) for s in range(4, 20)},
            "clusters": round(sums.get("clusters", 0)),
            "documents_in_clusters": sums.get("documents", 0),
        }
        for name in ("similarity", "seen_similarity"):
            if name in sums:
                found[name] = {
                    f"{at / BINS:.2f}-{(at + 1) / BINS:.2f}": many for at, many in enumerate(sums[name]) if many
                }
        return found

    def _shingling(self) -> Shingling:
        return Shingling(self.unit, self.n, self.tokenizer or "")

    def _known(self, column: Any) -> tuple[NDArray[np.bool_], pa.Array, NDArray[np.float64]]:
        from hornbook.stages.dedup._index import Indexes

        return Indexes(tuple(self.seen), self._shingling()).like(column, self.threshold)

    def _gather(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """The documents that are in a component, with their sets."""
        component = _numbers(facts, "component")
        known = component < 0
        some = facts.filter(pa.array(~known))
        at = some.column("row").to_numpy() - row
        documents = piece.take(pa.array(at))
        text = documents.column(TEXT)
        bands, rows = self.banding()
        keys, _ = self._shingling().keys(text, bands, rows)
        gathered = pa.table(
            {
                "partition": component[~known],
                "row": some.column("row"),
                ID: documents.column(ID).cast(pa.string()),
                "prefer": preference(documents, self.keep, self.prefer, "dedup.minhash"),
                "bands": pa.FixedSizeListArray.from_arrays(keys.reshape(-1), bands),
                "shingles": self._shingling().sets(text),
            }
        )
        if not self.seen:
            return gathered
        return pa.concat_tables(
            [
                gathered.append_column("seen", pa.nulls(gathered.num_rows, pa.string())).append_column(
                    "seen_similarity", pa.nulls(gathered.num_rows, pa.float64())
                ),
                _through(facts.filter(pa.array(known)), gathered.schema),
            ]
        )

    def _compare(self, rows: pa.Table, total: int) -> pa.Table:
        """Clusters, and what is kept of each."""
        from hornbook.kernels.near import verify

        known = None
        if self.seen:
            gone = pc.is_valid(rows.column("seen"))
            known, rows = rows.filter(gone), rows.filter(pc.invert(gone))
        order = np.lexsort((_numbers(rows, "row"), -rows.column("prefer").to_numpy(), _numbers(rows, "partition")))
        rows = rows.take(pa.array(order))
        shingles, bands = rows.column("shingles").combine_chunks(), rows.column("bands").combine_chunks()
        width = max(1, self.banding()[0])
        found = verify(
            _numbers(rows, "partition"),
            bands.flatten().to_numpy().reshape(-1, width),
            shingles.values.to_numpy(),
            shingles.offsets.to_numpy(),
            self.threshold,
            exact=self.verify,
        )
        some = found.size > 1
        ids, kept = rows.column(ID).combine_chunks(), found.kept[some]
        row = _numbers(rows, "row")
        none = kept < 0
        facts = pa.table(
            {
                "row": row[some],
                "cluster": ids.take(pa.array(found.cluster[some])),
                "size": found.size[some],
                "of": ids.take(pa.array(kept, mask=none)),
                "kept": pa.array(row[kept], mask=none),
                "similarity": pa.array(found.similarity[some], mask=none),
            }
        )
        if known is None:
            return facts
        return pa.concat_tables([facts, known.select(["row", "seen", "seen_similarity"])], promote_options="default")


def _numbers(table: pa.Table, name: str) -> NDArray[np.int64]:
    found: NDArray[np.int64] = table.column(name).to_numpy().astype(np.int64, copy=False)
    return found


def _to_one(links: pa.Table) -> pa.Table:
    """All links to one partition: components need them all. What is in an index already passes through."""
    other = _numbers(links, "other")
    return links.append_column("partition", pa.array(np.where(other < 0, _numbers(links, "row"), 0)))


def _connect(rows: pa.Table, total: int) -> pa.Table:
    """Links to components: 16 bytes of memory for each document that has one."""
    from hornbook.kernels.near import components

    other = _numbers(rows, "other")
    link = other >= 0
    numbers, labels = components(_numbers(rows, "row")[link], other[link])
    found = pa.table({"row": numbers, "component": labels})
    if "seen" not in rows.column_names:
        return found
    known = rows.filter(pa.array(~link)).select(["row", "seen", "similarity"])
    known = known.append_column("component", pa.array(np.full(known.num_rows, -1)))
    return pa.concat_tables([found, known], promote_options="default")


def _through(known: pa.Table, like: pa.Schema) -> pa.Table:
    """Documents that are in an index already, as rows of the last round."""
    columns = {"partition": known.column("row"), "row": known.column("row")}
    table = pa.table(columns)
    for field in like:
        if field.name not in columns:
            table = table.append_column(field.name, pa.nulls(known.num_rows, field.type))
    return table.append_column("seen", known.column("seen")).append_column(
        "seen_similarity", known.column("similarity")
    )
