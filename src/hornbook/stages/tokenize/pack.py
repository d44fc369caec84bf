"""Documents packed into rows of one length, so that few are cut: best-fit packing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Job, Makes

if TYPE_CHECKING:
    import numpy as np

    from hornbook.nn.tokens import Split

_BLOCK = 1 << 24
"""Tokens packed at once, so that memory does not grow with the corpus; a document is never in two blocks."""

_KEPT = ("tokenizer.json", "train.bin", "train.offsets.bin", "val.bin", "val.offsets.bin", "val.parquet")


class Pack(Job):
    """Packs the training documents above into rows of `context` + 1 tokens, cutting only those that are longer.

    Best-fit decreasing (Ding et al. 2024, arXiv:2404.10830): a document longer than a row is cut into whole rows
    and a rest; then the longest piece first goes into the row with the least room that holds it. What is left
    of a row is filled with the end-of-text token; an end after an end is no target in training. Without this
    step documents are concatenated and windows are cut from them wherever they fall.

    Writes `train.rows.bin`, and beside it the files of the tokens above, unchanged.
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "tokens"
    needs: ClassVar[tuple[Makes, ...]] = ("tokens",)

    context: int = knob(
        256,
        ge=2,
        le=1 << 16,
        help="tokens a row predicts; the same as in train.student",
        unit="tokens",
        source="TinyStories, arXiv:2305.07759",
    )

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        import numpy as np

        from hornbook.kernels.packing import best_fit, filled
        from hornbook.nn.tokens import ROWS, Tokens, kind_for, write_index

        above = Tokens(inputs.nearest("tokens").folder)
        train, room = above.split("train"), self.context + 1
        if len(train.ids) == len(train):  # nothing but ends
            where, fix = str(above.folder), "more documents, or val_share: 0"
            raise UserError("no training documents to pack", where=where, fix=fix)
        rows = placed = 0
        with (folder / ROWS).open("wb") as file:
            for first, last in _blocks(train.offsets):
                starts, sizes = _pieces(train, first, last, room)
                packing = best_fit(sizes, room)
                base = int(train.offsets[first])
                ids = np.asarray(train.ids[base : int(train.offsets[last])], kind_for(above.vocab))
                file.write(filled(ids, starts - base, sizes, packing, room, above.end).tobytes())
                rows, placed = rows + packing.count, placed + int(sizes.sum())
                tick(last / len(train), f"{rows:,} rows")
        for name in _KEPT:
            _same(above.folder / name, folder / name)
        write_index(
            folder,
            vocab=above.vocab,
            end=above.end,
            end_text=above.end_text,
            splits=above.splits,
            rows={"count": rows, "width": room},
        )
        return {"rows": rows, "filling": round(1 - placed / (rows * room), 6)} | _cut(train, room)


def _blocks(offsets: np.ndarray[Any, Any]) -> Iterator[tuple[int, int]]:
    """First and last document (exclusive) of runs of about `_BLOCK` tokens, a longer document alone."""
    import numpy as np

    first, count = 0, len(offsets) - 1
    while first < count:
        last = int(np.searchsorted(offsets, offsets[first] + _BLOCK, "right")) - 1
        last = min(count, max(last, first + 1))
        yield first, last
        first = last


def _pieces(split: Split, first: int, last: int, room: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Where the pieces of some documents begin in the stream, and tokens of each; empty documents have none."""
    import numpy as np

    starts = np.asarray(split.offsets[first:last])
    sizes = np.diff(split.offsets[first : last + 1])
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    counts = -(-sizes // room)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    pieces = np.repeat(starts, counts) + within * room
    return pieces, np.minimum(room, np.repeat(starts + sizes, counts) - pieces)


def _cut(split: Split, room: int) -> dict[str, Any]:
    """Share of the documents that are cut, packed and in windows cut from the stream."""
    import numpy as np

    documents = packed = stream = 0
    for at in range(0, len(split), _BLOCK):
        offsets = np.asarray(split.offsets[at : at + _BLOCK + 1])
        starts, stops = offsets[:-1], offsets[1:]
        documents += len(starts)
        packed += int((stops - starts > room).sum())
        stream += int((starts // (room - 1) != (stops - 1) // (room - 1)).sum())
    return {"documents": documents, "cut": round(packed / documents, 6), "cut_in_stream": round(stream / documents, 6)}


def _same(old: Path, new: Path) -> None:
    """The same file in another folder: linked where the disk can, else copied."""
    if not old.exists():
        return
    new.unlink(missing_ok=True)
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
