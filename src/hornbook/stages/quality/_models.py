"""Small models that give a document a score: fitted on annotated documents, kept as bytes, run over columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.errors import UserError

Method = Literal["forest", "linear", "ngrams"]
Features = Any
"""float32 (rows, dimensions) of embeddings, or a scipy CSR matrix of n-grams."""

LEAVES = 1024
"""Most leaves of a tree, which keeps the forest under 4 MB; our choice."""
PENALTIES = tuple(10.0**k for k in range(-3, 4))
"""Of which ridge regression takes the one that predicts best; scikit-learn's own choice is 0.1, 1 and 10."""
FEW = 2000
"""Rows whose products with each other are worked out (32 MB); of more, the penalty is found on so many."""


@dataclass(frozen=True, slots=True)
class Model:
    """What was fitted.

    Args:
        method: forest, linear or ngrams.
        arrays: its numbers; `kernels.scoring` says what a forest's are. Of linear models `weights`, float32, and
            `bias`, float64 (1,).
    """

    method: Method
    arrays: Mapping[str, NDArray[Any]]

    def pack(self) -> bytes:
        """The same model, the same bytes."""
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        head = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
        described = orjson.dumps({"method": self.method, "arrays": head})
        return b"".join([len(described).to_bytes(8, "little"), described, *(a.tobytes() for a in arrays.values())])

    @classmethod
    def unpack(cls, data: bytes) -> Model:
        """The other end of `pack`."""
        at = 8 + int.from_bytes(data[:8], "little")
        head = orjson.loads(data[8:at])
        arrays = {}
        for name, (kind, shape) in head["arrays"].items():
            many = int(np.prod(shape))
            arrays[name] = np.frombuffer(data, np.dtype(kind), many, at).reshape(shape)
            at += arrays[name].nbytes
        return cls(head["method"], arrays)

    def of_features(self, features: Features) -> NDArray[np.float64]:
        """Scores of rows of features, float64 (rows,)."""
        if self.method == "forest":
            from hornbook.kernels.scoring import Trees, says

            return says(Trees(**self.arrays), features)  # type: ignore[arg-type]
        weights, bias = self.arrays["weights"], float(self.arrays["bias"][0])
        if self.method == "ngrams":
            return np.asarray(features @ weights.astype(np.float64)) + bias
        return (features.astype(np.float64) * weights).sum(axis=1) + bias

    def of_words(self, column: Any, n: int) -> NDArray[np.float64]:
        """Scores of texts under weights of n-grams, float64 (rows,)."""
        from hornbook.kernels.scoring import weigh
        from hornbook.kernels.words import blocks, texts, words

        data, offsets = texts(column)
        weights = np.ascontiguousarray(self.arrays["weights"])
        parts = [weigh(words(data, offsets[a : b + 1]), n, weights) for a, b in blocks(offsets)]
        return np.concatenate([np.zeros(0), *parts]) + float(self.arrays["bias"][0])


def ngram_features(column: Any, n: int, buckets: int) -> tuple[pa.ListArray, NDArray[np.int32]]:
    """Each text's n-grams as (its distinct buckets, how often each came), lists of int32."""
    from hornbook.kernels.scoring import grams
    from hornbook.kernels.words import blocks, texts, words

    data, offsets = texts(column)
    found: list[Any] = []
    counts: list[Any] = []
    for a, b in blocks(offsets):
        flat, ends = grams(words(data, offsets[a : b + 1]), n, buckets)
        for start, end in pairwise(ends.tolist()):
            which, many = np.unique(flat[start:end], return_counts=True)
            found.append(which.astype(np.int32))
            counts.append(many.astype(np.int32))
    kind = pa.list_(pa.int32())
    return pa.array(found, kind), pa.array(counts, kind)


def matrix_of(which: Any, counts: Any, buckets: int) -> Features:
    """N-gram features as a sparse matrix: counts over the root of their sum, as `kernels.scoring.weigh` has it."""
    from scipy.sparse import csr_matrix

    which, counts = which.combine_chunks(), counts.combine_chunks()
    sizes = np.diff(which.offsets.to_numpy())
    ends = np.concatenate([[0], np.cumsum(sizes)])
    values = counts.flatten().to_numpy().astype(np.float64)
    sums = np.add.reduceat(np.append(values, 0.0), ends[:-1]) * (sizes > 0)
    values /= np.sqrt(np.maximum(1.0, np.repeat(sums, sizes)))
    return csr_matrix((values, which.flatten().to_numpy(), ends), shape=(sizes.size, buckets))


def fit(method: Method, features: Features, labels: NDArray[np.float64], trees: int, seed: int) -> Model:
    """Fit on annotated rows; the same bytes for the same rows and seed, on one thread.

    Args:
        method: forest: scikit-learn's random forest; linear, ngrams: ridge regression.
        features: of the rows.
        labels: float64 (rows,), the teacher's scores.
        trees: of a forest.
        seed: of a forest.

    Raises:
        UserError: scikit-learn is not there.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UserError(
            f"quality.classifier needs scikit-learn: {error}", fix="pip install 'hornbook[classify]'"
        ) from error
    with threadpool_limits(1):
        if method == "forest":
            return _forest(features, labels, trees, seed)
        return _ridge(method, features, labels)


def _forest(features: Features, labels: NDArray[np.float64], trees: int, seed: int) -> Model:
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        n_estimators=trees, max_features="sqrt", min_samples_leaf=2, max_leaf_nodes=LEAVES, random_state=seed % 2**32
    )
    forest.fit(features, labels)
    grown = [one.tree_ for one in forest.estimators_]
    starts = np.concatenate([[0], np.cumsum([tree.node_count for tree in grown])]).astype(np.int32)

    def joined(name: str, shift: bool = False) -> NDArray[Any]:
        return np.concatenate([getattr(t, name) + (s if shift else 0) for t, s in zip(grown, starts, strict=False)])

    leaf = joined("children_left") < 0
    return Model(
        "forest",
        {
            "features": np.where(leaf, -1, joined("feature")).astype(np.int32),
            "limits": joined("threshold").astype(np.float32),
            "left": joined("children_left", shift=True).astype(np.int32),
            "right": joined("children_right", shift=True).astype(np.int32),
            "values": np.concatenate([t.value[:, 0, 0] for t in grown]).astype(np.float32),
            "roots": starts[:-1],
        },
    )


def _ridge(method: Method, features: Features, labels: NDArray[np.float64]) -> Model:
    """Ridge regression with the penalty whose leave-one-out error is least, found on `FEW` of the rows at most."""
    some = min(labels.size, FEW)
    penalty, dual = _penalty(features[:some], labels[:some])
    if some == labels.size:
        mean = np.asarray(features.mean(axis=0)).ravel()
        coefficients = np.asarray(features.T @ dual).ravel()
        bias = float(labels.mean() - mean @ coefficients)
    else:
        from sklearn.linear_model import Ridge

        how = {"solver": "sparse_cg", "tol": 1e-6} if method == "ngrams" else {"solver": "cholesky"}
        ridge = Ridge(alpha=penalty, **how).fit(features, labels)
        coefficients, bias = ridge.coef_, float(ridge.intercept_)
    return Model(method, {"weights": coefficients.astype(np.float32), "bias": np.array([bias])})


def _penalty(features: Features, labels: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(the best penalty, the dual coefficients under it: how much each row weighs), from one eigendecomposition.

    With G = (K + penalty)⁻¹ and K the rows' centred products, the error on row i of a model fitted without it is
    (G y)ᵢ / Gᵢᵢ. The intercept is not penalised: the constant direction, made the largest here, has no part in G.
    """
    features = features.astype(np.float64)
    products = features @ features.T
    products = np.asarray(products.todense() if hasattr(products, "todense") else products, np.float64)
    across = products.mean(axis=0)
    centred = products - across - across[:, None] + products.mean()
    values, vectors = np.linalg.eigh(centred + (1.0 + np.trace(centred)) / labels.size)
    values, vectors = np.maximum(values[:-1], 0.0), vectors[:, :-1]
    turned = vectors.T @ labels

    def dual(penalty: float) -> NDArray[np.float64]:
        return np.asarray(vectors @ (turned / (values + penalty)))

    def loss(penalty: float) -> float:
        weights = np.square(vectors) @ (1.0 / (values + penalty))
        return float(np.square(dual(penalty) / np.maximum(weights, 1e-300)).sum())

    best = min(reversed(PENALTIES), key=loss)
    return best, dual(best)
