"""An index of documents that are there already: bands and sets in segments of bounded size, mapped into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.core.keys import digest
from hornbook.core.knobs import local_path
from hornbook.stages.dedup._shingling import Shingling

ABOUT = "index.json"
SEGMENT_VALUES = 2**24
"""Shingles of a segment, about: 128 MB while it is being made."""


def about(shingling: Shingling, bands: int, rows: int, segments: int, documents: int) -> dict[str, Any]:
    """What is written beside the segments."""
    return {**_kind(shingling), "bands": bands, "rows": rows, "segments": segments, "documents": documents}


def write_segment(
    folder: Path, keys: NDArray[np.uint64], some: NDArray[np.bool_], sets: pa.LargeListArray, ids: pa.Array
) -> None:
    """Write one segment: band keys in order with whose they are, the sets, the ids."""
    folder.mkdir(parents=True, exist_ok=True)
    flat, texts = keys[some].reshape(-1), np.repeat(np.flatnonzero(some), keys.shape[1]).astype(np.int32)
    order = np.lexsort((texts, flat))
    for name, array in (
        ("keys", flat[order]),
        ("texts", texts[order]),
        ("values", sets.values.to_numpy()),
        ("offsets", sets.offsets.to_numpy()),
    ):
        np.save(folder / f"{name}.npy", array)
    table = pa.table({"id": ids})
    with pa.OSFile(str(folder / "ids.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
        out.write_table(table)


@dataclass(frozen=True, slots=True)
class Indexes:
    """Indexes that documents are held against.

    Args:
        paths: folders made by `dedup.index`.
        shingling: how the documents are read; the indexes must have been read likewise.
    """

    paths: tuple[str, ...]
    shingling: Shingling

    def like(self, column: Any, threshold: float) -> tuple[NDArray[np.bool_], pa.Array, NDArray[np.float64]]:
        """Which texts are like one in an index, and for those its id and the similarity; the first of equals.

        Raises:
            UserError: a path is no index, or one of other runs.
        """
        from hornbook.kernels.near import nearest

        rows = len(column)
        similarity, ids = np.zeros(rows), np.full(rows, None, object)
        sets = self.shingling.sets(column)
        values, offsets = sets.values.to_numpy(), sets.offsets.to_numpy()
        for path in self.paths:
            said = self._read(path)
            keys, _ = self.shingling.keys(column, said["bands"], said["rows"])
            for segment in _segments(path, said):
                parts = [segment[name] for name in ("keys", "texts", "values", "offsets")]
                which, found = nearest(keys, values, offsets, *parts, threshold)
                better = (which >= 0) & (found > similarity)
                similarity[better] = found[better]
                ids[better] = segment["ids"].take(pa.array(which[better])).to_pylist()
        like = similarity > 0
        return like, pa.array(ids[like].tolist(), pa.string()), similarity[like]

    def _read(self, path: str) -> dict[str, Any]:
        from hornbook.store.files import read_json

        said = read_json(Path(local_path(path)) / ABOUT)
        if not isinstance(said, dict):
            raise UserError(
                f"{path} is no index of documents",
                where=path,
                fix=f"hornbook step dedup.index {path} --out INDEX, and seen: INDEX",
            )
        mine = _kind(self.shingling)
        for name, value in mine.items():
            if said.get(name) != value:
                raise UserError(
                    f"the index was made with {name} = {said.get(name)}, this step has {value}",
                    where=path,
                    fix="give both the same unit, n and tokenizer",
                )
        return said


def _kind(shingling: Shingling) -> dict[str, Any]:
    path = shingling.tokenizer
    content = digest(Path(local_path(path)).read_bytes()) if path else ""
    return {"unit": shingling.unit, "n": shingling.n, "tokenizer": content}


def _segments(path: str, said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number in range(said["segments"]):
        yield _segment(Path(local_path(path)) / f"segment-{number:05d}")


@lru_cache(maxsize=256)
def _segment(folder: Path) -> dict[str, Any]:
    """A segment's arrays, mapped."""
    found: dict[str, Any] = {
        name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
        for name in ("keys", "texts", "values", "offsets")
    }
    with pa.memory_map(str(folder / "ids.arrow")) as source, pa.ipc.open_file(source) as file:
        found["ids"] = file.read_all().column("id").combine_chunks()
    return found
