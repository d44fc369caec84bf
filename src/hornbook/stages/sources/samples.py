"""Each document several times: as many replies as are wanted to one prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import ID, ORIGIN, PIECE_ROWS, SAMPLE
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Dropped, Inputs, Makes, Source


class Samples(Source):
    """Gives each document `times` times, numbered, so that a step that asks gets as many different replies.

    The steps that ask (generate.complete, generate.exercise) make the number part of the request, so that each
    sample is asked, paid and kept by itself, and more samples hold the fewer.

    Rows: all columns of the document; `id` (the document's own for the first, then `ID#1`, `ID#2` …), `origin` (the
    document's, its id where it has none), `sample` (int32, from 0). Rows come document by document.

    Raises:
        UserError: the documents have a column `sample` already.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    times: int = knob(2, help="how often each document is given", unit="samples", ge=1, le=100_000)

    def shards(self, inputs: Inputs) -> list[Any]:
        """The row groups of what stands above."""
        from hornbook.store.parts import group_sizes, schema_of

        paths = inputs.parts()
        if any(SAMPLE in schema_of(path).names for path in paths):
            raise UserError(
                "sources.samples: the documents are numbered already, in a column `sample`",
                where="the step above",
                fix="one such step is enough: raise its `times`",
            )
        return [[part, group] for part, path in enumerate(paths) for group in range(len(group_sizes(path)))]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The documents of one row group, some at a time so that tables stay small."""
        from hornbook.store.parts import pieces

        part, group = item
        rows = max(1, PIECE_ROWS // self.times)
        for piece in pieces(inputs.parts()[part], None, only=group):
            for first in range(0, piece.num_rows, rows):
                yield from self._several(piece.slice(first, rows))

    def _several(self, piece: pa.Table) -> Iterator[pa.Table]:
        whole = np.repeat(np.arange(piece.num_rows), self.times)
        numbers = np.tile(np.arange(self.times, dtype=np.int32), piece.num_rows)
        for first in range(0, whole.size, PIECE_ROWS):
            number = pa.array(numbers[first : first + PIECE_ROWS])
            table = piece.take(pa.array(whole[first : first + PIECE_ROWS]))
            own = table.column(ID)
            named = pc.binary_join_element_wise(own, pc.cast(number, pa.string()), "#")
            table = _with(
                table, ORIGIN, pc.coalesce(table.column(ORIGIN), own) if ORIGIN in table.column_names else own
            )
            table = _with(table, ID, pc.if_else(pc.equal(number, 0), own, named))
            yield table.append_column(SAMPLE, number)


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)
