"""Shuffling: rows of many files sorted into lanes on disk, so that one reader finds all the rows of its lane.

A file is an Arrow IPC file; what is written at once becomes as many record batches as there are lanes, some of them
empty, so batch k belongs to lane k modulo their number. Files are mapped into memory: of a file only the batches of
the lane are touched. They are scratch: whole or absent, not synced.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.errors import HornbookError
from hornbook.store.files import whole


class ShuffleWriter:
    """Writes one file. Nothing is written where nothing is given.

    Args:
        path: the file to be.
        lanes: into how many lanes rows go.
    """

    def __init__(self, path: Path, lanes: int) -> None:
        self.path = path
        self.lanes = lanes
        self._stack = ExitStack()
        self._out: Any = None
        self._schema: pa.Schema | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, rows: pa.Table, numbers: NDArray[Any]) -> None:
        """Add rows; each goes to the lane of its number (≥ 0) modulo their number, and rows of a lane keep their order.

        All calls must give the same columns, of types that can be cast to those of the first call.
        """
        lane = (numbers % self.lanes).astype(np.uint16 if self.lanes < 2**16 else np.int64)
        order = np.argsort(lane, kind="stable")
        edges = np.searchsorted(lane[order], np.arange(self.lanes + 1))
        if self._schema is None:
            self._schema = rows.schema
            draft = self._stack.enter_context(whole(self.path, durable=False))
            sink = self._stack.enter_context(pa.OSFile(str(draft), "wb"))
            self._out = self._stack.enter_context(pa.ipc.new_file(sink, rows.schema))
        rows = rows.cast(self._schema) if self.lanes == 1 else rows.take(pa.array(order)).cast(self._schema)
        rows = rows.combine_chunks()
        batch = rows.to_batches()[0] if rows.num_rows else pa.RecordBatch.from_pylist([], schema=self._schema)
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            self._out.write_batch(batch.slice(start, end - start))


def read_lane(paths: Sequence[Path], lane: int, lanes: int | None) -> pa.Table | None:
    """The rows of one lane in the order of the files and of writing, not read before they are used.

    Args:
        paths: the files.
        lane: which lane.
        lanes: how many there are; None where each file was written at once.

    Returns:
        None where there are no files; a table without rows where the lane is empty.

    Raises:
        HornbookError: a file is torn, as scratch may be after a power cut.
    """
    batches: list[pa.RecordBatch] = []
    tables: list[pa.Table] = []
    for path in paths:
        try:
            with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
                step = file.num_record_batches if lanes is None else lanes
                batches = [file.get_batch(at) for at in range(lane, file.num_record_batches, step)]
                tables.append(pa.Table.from_batches(batches, file.schema))
        except pa.ArrowInvalid as error:
            raise HornbookError(
                f"a scratch file is torn: {error}", where=str(path), fix=f"remove {path.parents[2]} and run again"
            ) from error
    return pa.concat_tables(tables, promote_options="permissive") if tables else None
