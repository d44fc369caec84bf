"""What all rules of decontamination share: benchmark texts read once, and what they find in a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.stages.decontaminate._items import Item, items
from hornbook.store.reading import expand

SHOWN = 300
SPANS = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """A benchmark text that a document holds, or a part of it.

    Args:
        text: number of the benchmark text.
        ratio: how much of it.
        rung: the rung that decided: `whole`, `aligned`, `ngrams`.
        spans: where in the document, as character ranges `120-340 380-500`, the longest eight.
        span: the longest of them as it stands in the document, at most 300 characters.
        seeds: numbers of the seeds or n-grams that they share; empty where they do not matter.
    """

    text: int
    ratio: float
    rung: str
    spans: str
    span: str
    seeds: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What a document holds.

    Args:
        pairs: best first.
        seeds: the seeds or n-grams it holds of any text → part of a whole copy.
        places: n-gram → where in the document, as character ranges; for a rule that cuts them out.
    """

    pairs: list[Pair]
    seeds: dict[int, bool]
    places: dict[int, str] = field(default_factory=dict)


def read_items(against: Sequence[str]) -> list[Item]:
    """All benchmark items of some files.

    Raises:
        UserError: a path names no file, or a file holds something that is no item.
    """
    return [item for file in expand(against) for item in items(file)]


def column(texts: Sequence[str]) -> pa.Array:
    """Texts as Arrow has them."""
    return pa.array(texts, pa.large_string())


def shown(raw: NDArray[np.uint8], ranges: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """(`spans`, `span`) of a pair.

    Args:
        raw: uint8, the document's UTF-8.
        ranges: byte ranges in it, in any order.
    """
    if not ranges:
        return "", ""
    most = sorted(ranges, key=lambda r: (r[0] - r[1], r))[:SPANS]
    first, last = most[0]
    return in_characters(raw, sorted(most)), raw[first:last].tobytes().decode(errors="ignore")[:SHOWN]


def in_characters(raw: NDArray[np.uint8], ranges: Sequence[tuple[int, int]]) -> str:
    """Byte ranges of a document as character ranges `120-340 380-500`."""
    begins = np.flatnonzero((raw & 0xC0) != 0x80)
    return " ".join("{}-{}".format(*np.searchsorted(begins, span)) for span in ranges)


def places(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each element among its equals, from 0, where equals stand together: int64 (n,)."""
    at = np.arange(groups.size)
    begins = np.ones(groups.size, bool)
    begins[1:] = groups[1:] != groups[:-1]
    return at - np.maximum.accumulate(np.where(begins, at, 0)) if groups.size else at


def joined(ranges: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Ranges in order, those put together that are not more than `gap` apart."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + gap:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out
