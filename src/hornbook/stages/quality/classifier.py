"""quality.classifier: what a teacher said of a sample, learned by a small model and said of every document."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import field_validator

from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import HornbookError, UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Across, Round
from hornbook.kernels.embedders import NAMES, embedder, possible
from hornbook.stages.quality._judged import in_words, learning_curve, quality_of, ranked, reliability, rounded
from hornbook.stages.quality._models import Method, Model, fit, matrix_of, ngram_features

SCORE, HELD = "quality.score", "quality.held_out"
FEWEST = 20
"""Annotated documents without which nothing is fitted: our choice; FineWeb-Edu took 410,000, phi-1 about 100,000."""
EDGES = 512
DIGITS = 4
"""Of a score: what follows differs between processors, and means nothing."""
_REPORT, _FIRST = b"hornbook.fit", b"hornbook.first"
_PHI, _EDU, _DCLM = "phi-1, arXiv:2306.11644", "FineWeb-Edu, arXiv:2406.17557", "DCLM, arXiv:2406.11794"

Numbers = NDArray[np.float64]


class Classifier(Across):
    """Fits a small model on the annotated documents and scores every document with it.

    The model is fitted on the annotated documents that are not held out, and what the manifest says of it was
    measured on those that are. Which are held out depends on `id` and `seed` alone.

    Marks: `quality.score` (float64, on the teacher's scale, not cut off at its ends,
    to four decimals), `quality.held_out` (bool,
    null where a document has no annotation, false where the model was fitted on it).

    Facts: AUROC, rank correlation, calibration and precision-recall on the held-out documents; the teacher's
    reliability; a learning curve; the distribution of scores; against a column known to be good, AUROC.

    Drops nothing: `quality.threshold` does.

    Raises:
        UserError: fewer than 20 documents are annotated, or none are held out.
    """

    method: Method = knob(
        "ngrams",
        help="forest: random forest on embeddings; linear: ridge regression on embeddings; ngrams: ridge regression "
        "on hashed word n-grams",
        source=f"forest: {_PHI}; linear: {_EDU}; ngrams: {_DCLM}, which uses fastText",
    )
    annotation: str = knob("quality.annotation", help="column with the scores to learn; null where there is none")
    second: str = knob("quality.annotation_2", help="column with the same of a second look; may be missing")
    proxy: str = knob("", help="column that is known to say what is good (above 0) for some documents; for the facts")
    good: float | Literal["median"] = knob(
        3.0,
        help="score from which a document counts as good, for the facts; median: that of the annotations, for a "
        "teacher that uses a part of its scale",
        unit="score",
        source=f"{_EDU}: 3 of 5",
    )
    held_out: float = knob(
        0.2, help="share of the annotated documents that is kept for measuring", unit="share", gt=0.0, lt=1.0
    )
    embedding: str = knob(
        "wordllama",
        help=NAMES,
    )
    trees: int = knob(100, help="forest: trees", ge=1, le=1000, source="scikit-learn's default")
    n: int = knob(2, help="ngrams: longest n-gram", unit="words", ge=1, le=5, source=f"{_DCLM}: 2")
    buckets: int = knob(2**18, help="ngrams: weights that n-grams are hashed to", ge=2**8, le=2**24)
    seed: int = knob(0, help="which documents are held out, and the forest's draws")

    reads: ClassVar[tuple[str, ...] | None] = None

    _possible = field_validator("embedding")(possible)

    def rounds(self) -> tuple[Round, ...]:
        reads = tuple(dict.fromkeys((ID, TEXT, self.annotation, self.second)))
        return (Round(reads, lambda piece, row, _: self.map(piece, row), self.reduce),)

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """The annotated documents' features, and one row for the piece itself: all to one place, to be fitted on."""
        labels = _numbers(piece, self.annotation)
        some = np.flatnonzero(~np.isnan(labels))
        text = piece.column(TEXT).take(pa.array(some))
        keys = piece.column(ID).take(pa.array(some)).to_pylist()
        columns: dict[str, Any] = {
            "row": row + some,
            "piece": np.zeros(some.size, bool),
            "draw": np.array([self._draw(key) for key in keys], np.uint64),
            "label": labels[some],
            "second": _numbers(piece, self.second)[some],
        }
        if self.method == "ngrams":
            columns["which"], columns["counts"] = ngram_features(text, self.n, self.buckets)
        else:
            vectors = embedder(self.embedding)(text) if some.size else np.zeros((0, 1), np.float32)
            columns["which"] = pa.array(list(vectors), pa.list_(pa.float32()))
            columns["counts"] = pa.array([[]] * some.size, pa.list_(pa.int32()))
        table = pa.table({"partition": np.zeros(some.size, np.int32)} | columns)
        own = pa.table({"partition": pa.array([0], pa.int32()), "row": pa.array([row]), "piece": pa.array([True])})
        return pa.concat_tables([own, table], promote_options="default").select(table.column_names)

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """Fit; the model and what is to be said of it go to every piece."""
        pieces = rows.filter(rows.column("piece"))
        if not pieces.num_rows:
            return _model_to(pieces.column("row"), b"", b"")
        model, report = self._fitted(rows.filter(pc.invert(rows.column("piece"))).sort_by("draw"), total)
        report = {"in_words": in_words(report)} | report
        return _model_to(pieces.column("row"), model.pack(), orjson.dumps(report))

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        if not facts.num_rows:
            raise HornbookError("quality.classifier: the model did not reach this piece", where=f"row {row}")
        model = Model.unpack(facts.column("model")[0].as_py())
        if self.method == "ngrams":
            scores = model.of_words(piece.column(TEXT), self.n)
        else:
            scores = model.of_features(embedder(self.embedding)(piece.column(TEXT)))
        annotated = ~np.isnan(_numbers(piece, self.annotation))
        held = np.zeros(piece.num_rows, bool)
        keys = piece.column(ID)
        for at in np.flatnonzero(annotated).tolist():
            held[at] = self._held(self._draw(keys[at].as_py()))
        marks = {SCORE: pa.array(np.round(scores, DIGITS)), HELD: pa.array(held, mask=~annotated)}
        if self.proxy in piece.column_names:
            marks[self.proxy] = piece.column(self.proxy)
        # What is said of the fit travels with the marks, since facts are made of marks alone.
        said = {_REPORT: facts.column("report")[0].as_py(), _FIRST: b"1" if row == 0 else b""}
        return pa.table(marks).replace_schema_metadata(said)

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        report = orjson.loads((marks.schema.metadata or {}).get(_REPORT, b"{}"))
        edges = report.pop("edges", [])
        at = np.searchsorted(edges, marks.column(SCORE).to_numpy(), side="right")
        found: dict[str, Any] = {"scores": np.bincount(at, minlength=len(edges) + 1).tolist()}
        if self.proxy in marks.column_names:
            truth = _numbers(marks, self.proxy)
            for name, rows in (("known_good", truth > 0), ("known_bad", truth <= 0)):
                found[name] = np.bincount(at[rows], minlength=len(edges) + 1).tolist()
        if (marks.schema.metadata or {}).get(_FIRST):
            found["fit"], found["edges"] = report, edges
        return found

    def facts(self, sums: Any) -> dict[str, Any]:
        found = dict(sums.get("fit", {}))
        counts, edges = np.array(sums.get("scores", [0])), sums.get("edges", [])
        if edges:
            reached = np.searchsorted(np.cumsum(counts), np.arange(1, 10) / 10 * counts.sum())
            found["score_deciles"] = [edges[min(int(at), len(edges) - 1)] for at in reached]
        if "known_good" in sums:
            good, bad = np.array(sums["known_good"]), np.array(sums["known_bad"])
            below = np.cumsum(bad) - bad + bad / 2
            pairs = int(good.sum()) * int(bad.sum())
            found["proxy"] = {
                "column": self.proxy,
                "good": int(good.sum()),
                "bad": int(bad.sum()),
                "auroc": rounded(float((good * below).sum() / pairs)) if pairs else None,
            }
        return found

    def _fitted(self, rows: pa.Table, total: int) -> tuple[Model, dict[str, Any]]:
        """The model, and what is to be said of it. `rows` are in an order drawn by chance."""
        held = np.array([self._held(draw) for draw in rows.column("draw").to_pylist()], bool)
        labels, second = rows.column("label").to_numpy(), rows.column("second").to_numpy()
        if held.size < FEWEST or held.all() or not held.any():
            raise UserError(
                f"{held.size} of {total} documents are annotated, {int(held.sum())} of them held out: too few to learn "
                f"from (at least {FEWEST}, some of them held out)",
                where=f"quality.classifier, column {self.annotation}",
                fix="put quality.annotate above it, with a larger `share`; or name the column: annotation: NAME",
            )
        if self.method == "ngrams":
            features = matrix_of(rows.column("which"), rows.column("counts"), self.buckets)
        else:
            features = np.stack(rows.column("which").to_pylist()).astype(np.float32)
        train = np.flatnonzero(~held)
        good = float(np.median(labels)) if self.good == "median" else self.good
        learn = partial(self._learn, features, labels)
        model = learn(train)
        scores = model.of_features(features)
        teacher = reliability(labels, np.where(np.isnan(second), np.nan, second), good)
        curve = learning_curve(lambda some: learn(some).of_features(features[held]), train, labels[held], good)
        return model, {
            "method": self.method,
            "good_from": good,
            "annotated": int(held.size),
            "fitted_on": int(train.size),
            "annotations": _spread(labels),
            "held_out": quality_of(scores[held], labels[held], good),
            "on_its_own_labels": quality_of(scores[train], labels[train], good)
            | {"calibration": None, "at_good": None, "thresholds": None},
            "teacher": teacher,
            "learning_curve": curve,
            "edges": np.unique(np.quantile(scores, np.arange(1, EDGES) / EDGES)).tolist(),
        }

    def _learn(self, features: Any, labels: Numbers, rows: NDArray[np.int64]) -> Model:
        return fit(self.method, features[rows], labels[rows], self.trees, self.seed)

    def _draw(self, key: str) -> int:
        from xxhash import xxh3_64_intdigest

        return xxh3_64_intdigest(f"held out\0{key}".encode(), seed=self.seed % 2**64)

    def _held(self, draw: int) -> bool:
        return draw / 2.0**64 < self.held_out


def _numbers(piece: pa.Table, name: str) -> Numbers:
    """A column of numbers or truth values, NaN where it is missing or has none.

    Raises:
        UserError: it holds something else.
    """
    if name not in piece.column_names:
        return np.full(piece.num_rows, np.nan)
    column = piece.column(name)
    kind = column.type
    if not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    ):
        raise UserError(f"the column {name} holds {kind}, not numbers", where="quality.classifier")
    numbers: Numbers = np.array(column.cast(pa.float64()).to_numpy(), np.float64)
    return numbers


def _spread(labels: Numbers) -> dict[str, Any]:
    """What the annotations are like."""
    quantiles = np.quantile(labels, [0.0, 0.25, 0.5, 0.75, 1.0])
    names = ("least", "quarter", "median", "three_quarters", "most")
    return {name: rounded(float(q)) for name, q in zip(names, quantiles, strict=True)} | {
        "distinct": int(np.unique(ranked(labels)).size)
    }


def _model_to(rows: Any, model: bytes, report: bytes) -> pa.Table:
    """The same model for every row, kept once."""
    where = pa.array(np.zeros(len(rows), np.int32))
    kept = {
        name: pa.DictionaryArray.from_arrays(where, pa.array([value], pa.large_binary()))
        for name, value in (("model", model), ("report", report))
    }
    return pa.table({"row": rows, **kept})
