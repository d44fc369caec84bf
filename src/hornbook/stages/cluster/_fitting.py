"""Finding clusters in a sample: vectors → fewer dimensions → groups, and a map in two dimensions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.kernels.embedders import unit
from hornbook.kernels.neighbours import neighbours, rotated, single

Matrix = NDArray[np.float32]
Labels = NDArray[np.int32]
Reduce = Literal["umap", "pca"]
Method = Literal["hdbscan", "kmeans", "dbscan"]
FEWEST = 100
"""Documents below which UMAP has no neighbourhoods to work with, and PCA alone reduces. Our choice."""
_NOISE = 1e-4
"""Of the places that UMAP begins from, in their own unit; umap-learn's, so that equal vectors can part."""
_BEGIN = 10.0
"""How far apart these places are, about: umap-learn's."""
_MAP_EPOCHS, _MAP_DISTANCE = 100, 0.1
"""The map is for the eye: half the epochs, and umap-learn's min_dist, which leaves room between documents."""


@dataclass(frozen=True)
class Fit:
    """How a sample is reduced and grouped: knobs of `cluster.group`."""

    dimensions: int
    space: Reduce
    components: int
    near: int
    min_dist: float
    epochs: int
    method: Method
    min_size: int
    min_samples: int
    clusters: int
    eps: float
    seed: int


@dataclass(frozen=True)
class Found:
    """What was found in a sample of n documents.

    Args:
        mean, basis: the rotation to the main directions, (d,) and (d, k); both empty where there is none.
        vectors: unit vectors in the space of the main directions, (n, k).
        labels: cluster of each, -1 for none; the largest is 0.
        places: on the map, (n, 2).
    """

    mean: Matrix
    basis: Matrix
    vectors: Matrix
    labels: Labels
    places: Matrix


def found_in(vectors: Matrix, how: Fit) -> Found:
    """The clusters of a sample of unit vectors, none of them zero.

    Raises:
        UserError: scikit-learn or umap-learn is not there.
    """
    mean, basis = main_directions(vectors, how.dimensions)
    turned = unit(rotated(vectors, mean, basis)) if basis.size else vectors
    if how.space == "pca" or len(turned) < FEWEST:
        places = np.zeros((len(turned), 2), np.float32)
        flat = rotated(vectors, *main_directions(vectors, 2))
        places[:, : flat.shape[1]] = flat
        return Found(mean, basis, turned, by_size(_grouped(turned, how)), np.round(places, 4))
    which, near = neighbours(turned, turned, how.near)
    links = (which, np.maximum(np.float32(0), 1 - near))
    reduced = _umap(turned, links, turned, how.components, how.min_dist, how.epochs, how.seed)
    places = reduced
    if how.components != 2:
        begin = rotated(reduced, *main_directions(reduced, 2))
        places = _umap(turned, links, begin, 2, _MAP_DISTANCE, _MAP_EPOCHS, how.seed)
    return Found(mean, basis, turned, by_size(_grouped(reduced, how)), np.round(places, 4))


def main_directions(vectors: Matrix, many: int) -> tuple[Matrix, Matrix]:
    """(mean, the directions in which vectors differ most, as columns); empty for none wanted.

    Leaving the mean and the small directions out of vectors of text makes neighbours more alike in topic.
    """
    if not many or not len(vectors):
        return np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
    many = min(many, vectors.shape[1])
    mean = vectors.mean(axis=0, dtype=np.float64)
    with single():
        apart = vectors.T.astype(np.float64) @ vectors.astype(np.float64) / len(vectors) - np.outer(mean, mean)
        _, directions = np.linalg.eigh(apart)
    basis = directions[:, ::-1][:, :many]
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(many)])
    return mean.astype(np.float32), (basis * signs).astype(np.float32)


def by_size(labels: NDArray[Any]) -> Labels:
    """Clusters numbered by their size, the largest 0, of equally large ones the one that begins first; -1 stays."""
    kinds, first, sizes = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    number = np.full(int(kinds.max(initial=-1)) + 2, -1, np.int32)
    number[kinds[order]] = np.arange(kinds.size, dtype=np.int32)
    return np.asarray(number[labels], np.int32)


def _grouped(reduced: Matrix, how: Fit) -> NDArray[Any]:
    """A label for each, -1 for none."""
    points = reduced.astype(np.float64)
    if how.method == "hdbscan":
        return _hdbscan(points, how)
    try:
        from sklearn.cluster import DBSCAN, KMeans
    except ImportError as error:
        raise UserError(f"cluster.group needs scikit-learn: {error}", fix="pip install 'hornbook[cluster]'") from error
    if how.method == "dbscan":
        model: Any = DBSCAN(eps=how.eps, min_samples=how.min_samples, n_jobs=1)
    else:
        many = min(how.clusters, len(np.unique(points, axis=0)))
        model = KMeans(many, n_init=3, random_state=how.seed % 2**32)
    with single():
        labels: NDArray[Any] = model.fit(points).labels_
    return labels


def _hdbscan(points: NDArray[np.float64], how: Fit) -> NDArray[Any]:
    """HDBSCAN in one thread: fast-hdbscan's, for scikit-learn's takes the square (104,754 × 5: 18 s against 120 s)."""
    if len(points) <= max(how.min_size, how.min_samples):
        return np.full(len(points), -1, np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from fast_hdbscan import HDBSCAN
            from numba import get_num_threads, set_num_threads
        except ImportError as error:
            raise UserError(
                f"method: hdbscan needs fast-hdbscan: {error}", fix="pip install 'hornbook[cluster]', or method: kmeans"
            ) from error
        threads = get_num_threads()
        set_num_threads(1)
        try:
            model = HDBSCAN(min_cluster_size=how.min_size, min_samples=how.min_samples)
            with single():
                labels: NDArray[Any] = model.fit(points).labels_
        finally:
            set_num_threads(threads)
    return labels


def _umap(
    vectors: Matrix, links: tuple[NDArray[np.int32], Matrix], begin: Matrix, many: int, min_dist: float, epochs: int,
    seed: int,
) -> Matrix:  # fmt: skip
    """Places in `many` dimensions. With a seed umap-learn works in one thread, and gives the same each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from umap import UMAP
        except ImportError as error:
            raise UserError(
                f"space: umap needs umap-learn: {error}", fix="pip install 'hornbook[cluster]', or space: pca"
            ) from error
        begin = np.pad(begin[:, :many], ((0, 0), (0, max(0, many - begin.shape[1]))))
        spread = begin / np.maximum(begin.std(axis=0), 1e-9) * (_BEGIN / 2)
        noise = np.random.default_rng(seed % 2**32).normal(0, _NOISE, spread.shape)
        model = UMAP(
            n_components=many,
            n_neighbors=links[0].shape[1],
            metric="cosine",
            min_dist=min_dist,
            n_epochs=epochs,
            init=(spread + noise).astype(np.float32),
            random_state=seed % 2**32,
            precomputed_knn=links,
        )
        with single():
            return np.asarray(model.fit_transform(vectors), np.float32)
