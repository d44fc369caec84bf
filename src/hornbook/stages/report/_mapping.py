"""The points of a map, and the page that shows them."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import UserError
from hornbook.core.keys import random_for
from hornbook.core.stage import Inputs

_HERE = Path(__file__).resolve().parent
_X, _Y, _CLUSTER, _TOPIC, _SCORE, _SIZE = (f"cluster.{name}" for name in ("x", "y", "id", "topic", "score", "size"))
_MARGIN = 0.001
"""Share of points at each end of an axis that do not stretch it: they are drawn at its edge."""
_GRID = 65535
_UNSEEN = "".join(
    chr(c) for c in (*range(32), *range(127, 160), 0x202A, 0x202B, 0x202C, 0x202D, 0x202E, *range(0x2066, 0x206A))
)
_BLANK = str.maketrans(_UNSEEN, " " * len(_UNSEEN))


@dataclass(frozen=True)
class Points:
    """What is drawn.

    Args:
        documents: how many there are, drawn or not. placed: those that have a place.
        places: uint16 (points, 2), from the left and from below.
        of: int32 (points,), number in `clusters`, -1 for none.
        names, texts: ids of the documents, and their beginnings.
        clusters: id, topic, score, size (documents), largest first.
    """

    documents: int
    placed: int
    places: NDArray[np.uint16]
    of: NDArray[np.int32]
    names: list[str]
    texts: list[str]
    clusters: list[dict[str, Any]]


def points_of(inputs: Inputs, most: int, characters: int, seed: int, tick: Callable[[float], None]) -> Points:
    """Draw documents by chance, and count all.

    Raises:
        UserError: none has a place.
    """
    total, row = inputs.rows(), 0
    drawn = np.sort(random_for(seed, "map").sample(range(total), min(total, most)))
    told: dict[int, dict[str, Any]] = {}
    sizes: dict[int, int] = {}
    placed, documents = 0, 0
    kept: list[pa.Table] = []
    for piece in inputs.documents([ID, TEXT, _X, _Y, _CLUSTER, _TOPIC, _SCORE, _SIZE]):
        first, last = np.searchsorted(drawn, [row, row + piece.num_rows])
        here, row = drawn[first:last] - row, row + piece.num_rows
        tick(row / max(1, total))
        _named(piece, told)
        if _SIZE in piece.column_names or _X not in piece.column_names:
            continue
        documents += piece.num_rows
        placed += piece.num_rows - piece.column(_X).null_count
        for entry in pc.value_counts(piece.column(_CLUSTER)).to_pylist():
            if entry["values"] is not None:
                sizes[entry["values"]] = sizes.get(entry["values"], 0) + entry["counts"]
        some = piece.take(pa.array(here)).select([ID, TEXT, _X, _Y, _CLUSTER])
        some = some.filter(some.column(_X).is_valid())
        cut = pc.utf8_slice_codeunits(pc.fill_null(some.column(TEXT), "").cast(pa.string()), 0, characters)
        kept.append(some.set_column(1, TEXT, cut))
    points = pa.concat_tables(kept, promote_options="permissive") if kept else None
    if points is None or not points.num_rows:
        raise UserError(
            "report.map: no document has a place on the map",
            where="the steps above; `cluster.x` and `cluster.y` are missing or null",
            fix="put `use: cluster.group` above it",
        )
    return _ready(points, documents, placed, sizes, told)


def _ready(
    points: pa.Table, documents: int, placed: int, sizes: dict[int, int], told: dict[int, dict[str, Any]]
) -> Points:
    order = sorted(sizes, key=lambda number: (-sizes[number], number))
    clusters = [{"id": n, "topic": None, "score": None} | told.get(n, {}) | {"size": sizes[n]} for n in order]
    number = {n: at for at, n in enumerate(order)}
    of = [-1 if n is None else number[n] for n in points.column(_CLUSTER).to_pylist()]
    places = np.stack([_scaled(points.column(name).to_numpy()) for name in (_X, _Y)], axis=1)
    texts = [" ".join(text.translate(_BLANK).split()) for text in points.column(TEXT).to_pylist()]
    names = [str(name)[:80].translate(_BLANK) for name in points.column(ID).to_pylist()]
    return Points(documents, placed, places, np.array(of, np.int32), names, texts, clusters)


def page(points: Points, title: str) -> str:
    """The whole page: data as JSON in which no tag can begin, and arrays as base64."""
    data = {
        "documents": points.documents,
        "placed": points.placed,
        "places": base64.b64encode(points.places.astype("<u2").tobytes()).decode(),
        "of": base64.b64encode(points.of.astype("<i4").tobytes()).decode(),
        "names": points.names,
        "texts": points.texts,
        "clusters": points.clusters,
    }
    packed = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for mark in "<>&":
        packed = packed.replace(mark, f"\\u{ord(mark):04x}")
    parts = {
        "{{title}}": html.escape(title),
        "{{css}}": (_HERE / "map.css").read_text(encoding="utf-8"),
        "{{script}}": (_HERE / "map.js").read_text(encoding="utf-8"),
        "{{data}}": packed,
    }
    whole = (_HERE / "map.html").read_text(encoding="utf-8")
    before = ""
    for mark, part in parts.items():  # in the order of the page, so that no part is taken for a mark
        head, _, whole = whole.partition(mark)
        before += head + part
    return before + whole


def _named(piece: pa.Table, told: dict[int, dict[str, Any]]) -> None:
    """Remember what clusters are called."""
    if _TOPIC not in piece.column_names or _CLUSTER not in piece.column_names:
        return
    have = [name for name in (_CLUSTER, _TOPIC, _SCORE) if name in piece.column_names]
    for row in piece.select(have).group_by(have).aggregate([]).to_pylist():
        if row[_CLUSTER] is not None and row[_TOPIC] is not None:
            told[row[_CLUSTER]] = {"topic": row[_TOPIC].translate(_BLANK)[:120], "score": row.get(_SCORE)}


def _scaled(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Places from 0 to the largest of 16 bits."""
    low, high = np.quantile(values, [_MARGIN, 1 - _MARGIN])
    share = (values - low) / max(float(high - low), 1e-9)
    return np.asarray(np.round(np.clip(share, 0, 1) * _GRID), np.uint16)
