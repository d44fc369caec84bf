"""dedup.index: an index of documents, for finding out whether new ones are like them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.stages.dedup._shingling import Shingling, Unit


class Index(Job):
    """Writes what `dedup.minhash` needs to hold new documents against these: bands, sets of n-grams, ids.

    Memory does not grow with the corpus: the index is written in segments of some 16.8 million n-grams. It takes
    about 8 bytes a word and 12 bytes a document and band.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)
    makes: ClassVar[Makes] = "index"

    unit: Unit = knob("words", help="of what the n-grams are", source="dedup.minhash")
    n: int = knob(
        5, help="units in an n-gram; shorter texts are one", unit="units", source="dedup.minhash", ge=1, le=64
    )
    tokenizer: InputPath | None = knob(None, help="a tokenizer.json, for unit: tokens")
    threshold: float = knob(
        0.7,
        help="the similarity that is to be found; the step that uses the index may want more, not less",
        source="dedup.minhash",
        gt=0.0,
        le=1.0,
    )
    recall: float = knob(
        0.9, help="bands and rows are chosen so that pairs at the threshold are found this often, at least", gt=0, lt=1
    )
    permutations: int = knob(128, help="places of a signature at most", source="dedup.minhash", ge=1, le=4096)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError("unit: tokens needs a tokenizer, and a tokenizer needs unit: tokens")
        return self

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        from hornbook.kernels.near import banding
        from hornbook.stages.dedup._index import ABOUT, SEGMENT_VALUES, about, write_segment
        from hornbook.store.files import write_json

        shingling = Shingling(self.unit, self.n, self.tokenizer or "")
        bands, rows = banding(self.threshold, self.recall, self.permutations)
        for old in folder.glob("segment-*"):
            shutil.rmtree(old)
        waiting: list[tuple[Any, Any, pa.LargeListArray, pa.Array]] = []
        segments = documents = held = 0

        def flush() -> None:
            nonlocal segments, held
            if waiting:
                keys, some, sets, ids = zip(*waiting, strict=True)
                write_segment(
                    folder / f"segment-{segments:05d}",
                    np.concatenate(keys),
                    np.concatenate(some),
                    pa.concat_arrays(sets),
                    pa.concat_arrays(ids),
                )
                segments, held = segments + 1, 0
                waiting.clear()

        for piece in inputs.documents([ID, TEXT]):
            text = piece.column(TEXT)
            sets = shingling.sets(text)
            waiting.append(
                (*shingling.keys(text, bands, rows), sets, piece.column(ID).combine_chunks().cast(pa.string()))
            )
            documents += piece.num_rows
            held += len(sets.values)
            if held >= SEGMENT_VALUES:
                flush()
            tick(documents / max(1, inputs.rows()), f"{documents:,} documents")
        flush()
        said = about(shingling, bands, rows, segments, documents)
        write_json(folder / ABOUT, said)
        return {"documents": documents, "bands": bands, "rows": rows, "segments": segments}
