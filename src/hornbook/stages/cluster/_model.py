"""What a sample has taught, small enough to go to every piece; documents placed by their neighbours in it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.embedders import unit
from hornbook.kernels.neighbours import neighbours, rotated
from hornbook.stages.cluster._fitting import Found

Matrix = NDArray[np.float32]
_LEAST = 1e-3
"""Added to distances before they are turned into weights, so that equal vectors weigh much, but not all."""


@dataclass(frozen=True)
class Placed:
    """Where documents belong: cluster (-1 for none), distance to the nearest of the sample, place on the map."""

    labels: NDArray[np.int32]
    distance: Matrix
    places: Matrix


@dataclass(frozen=True)
class Model:
    """A sample, by which others are placed.

    Args:
        mean, basis: the rotation to the main directions; empty for none.
        vectors: unit vectors of the sample, float16.
        labels: their clusters, -1 for none.
        places: on the map.
    """

    mean: Matrix
    basis: Matrix
    vectors: NDArray[np.float16]
    labels: NDArray[np.int32]
    places: Matrix

    @classmethod
    def of(cls, found: Found, *, rescue: bool) -> Model:
        """From what was found in a sample; with `rescue` only those in clusters take part, if there are any."""
        some = found.labels >= 0 if rescue and (found.labels >= 0).any() else np.ones(found.labels.size, bool)
        vectors, labels, places = found.vectors[some], found.labels[some], found.places[some]
        return cls(found.mean, found.basis, vectors.astype(np.float16), labels, places)

    def packed(self) -> bytes:
        """Bytes: 2 a dimension and 12 for each of the sample, and the rotation."""
        file = io.BytesIO()
        names = ("mean", "basis", "vectors", "labels", "places")
        np.savez(file, **{name: getattr(self, name) for name in names})
        return file.getvalue()

    @classmethod
    def unpacked(cls, data: bytes) -> Model:
        """The other end of `packed`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return cls(*(file[name] for name in ("mean", "basis", "vectors", "labels", "places")))

    def place(self, vectors: Matrix, count: int, farthest: float) -> Placed:
        """Each document goes where most of its nearest neighbours in the sample are, by weight of nearness.

        Args:
            vectors: unit vectors as the embedding gives them, none of them zero.
            count: neighbours that have a say.
            farthest: the distance (1 - cosine) from which on a document belongs to no cluster.
        """
        turned = unit(rotated(vectors, self.mean, self.basis)) if self.basis.size else vectors
        which, near = neighbours(turned, unit(self.vectors.astype(np.float32)), count)
        apart = np.maximum(np.round(1.0 - near.astype(np.float64), 4), 0.0)
        weight = 1.0 / (apart + _LEAST)
        voted = self.labels[which]
        votes = np.where(voted[:, :, None] == voted[:, None, :], weight[:, None, :], 0.0).sum(axis=2)
        best = votes.argmax(axis=1)
        labels = np.take_along_axis(voted, best[:, None], 1)[:, 0]
        labels = np.where(apart[:, 0] < farthest, labels, -1).astype(np.int32)
        mine = np.where(voted == np.take_along_axis(voted, best[:, None], 1), weight, 0.0)
        places = (self.places[which] * mine[:, :, None]).sum(axis=1) / mine.sum(axis=1, keepdims=True)
        return Placed(labels, apart[:, 0].astype(np.float32), np.round(places, 4).astype(np.float32))
