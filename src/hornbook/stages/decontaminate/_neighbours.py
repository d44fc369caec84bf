"""The rung of meaning: paragraphs whose vectors lie near a benchmark text's."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.kernels.embedding import wordllama
from hornbook.stages.decontaminate._items import Item
from hornbook.stages.decontaminate._pairs import column, read_items
from hornbook.store.remembered import remembered

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
_LEAST = 40
"""Characters of the shortest paragraph and text that are compared: a vector of a few words lies near many."""
_ROWS = 512


@dataclass(frozen=True, slots=True)
class Near:
    """Benchmark texts as vectors.

    Args:
        items: the item of each text.
        vectors: float32 (texts, dimensions), of unit length.
    """

    items: list[Item]
    vectors: NDArray[np.float32]


def _load(against: tuple[str, ...]) -> Near:
    parts = [(part, item) for item in read_items(against) for part in item.parts if len(part) >= _LEAST]
    return Near([item for _, item in parts], wordllama().embed(column([part for part, _ in parts])))


load = remembered(_load)


def nearest(piece: pa.Array, bench: Near) -> tuple[list[str | None], NDArray[np.float64]]:
    """Of each document the item that one of its paragraphs lies nearest to, and the cosine of the two.

    Args:
        piece: strings.

    Returns:
        items, None where no paragraph is long enough; float64 (documents,), NaN there.
    """
    homes, said = [], []
    for home, text in enumerate(piece.to_pylist()):
        for part in _PARAGRAPH.split(text or ""):
            if len(part) >= _LEAST:
                homes.append(home)
                said.append(part)
    best = np.full(len(piece), np.nan)
    items: list[str | None] = [None] * len(piece)
    if not said or not bench.items:
        return items, best
    vectors = wordllama().embed(column(said))
    for first in range(0, len(said), _ROWS):
        likeness = vectors[first : first + _ROWS] @ bench.vectors.T
        which = likeness.argmax(axis=1)
        for home, at, value in zip(
            homes[first : first + _ROWS], which.tolist(), likeness.max(axis=1).tolist(), strict=True
        ):
            if not best[home] >= value:
                best[home], items[home] = round(value, 6), bench.items[at].key
    return items, best
