"""evaluate.draw: some of the documents above, drawn evenly, for what is too dear to be done with all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.documents import ID
from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Makes, Source


class Draw(Source):
    """Draws `count` of the documents above, each as likely as any other, in their order.

    Which are drawn depends on their `id` and `seed` alone: a larger `count` holds the smaller one, and other
    documents beside them change nothing but who is pushed out. All columns are kept.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    count: int = knob(100, help="how many are drawn; all where there are fewer", unit="documents", ge=1)
    seed: int = knob(0, help="which are drawn")

    def shards(self, inputs: Inputs) -> list[Any]:
        """One: the drawn ones are few."""
        return [0]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The drawn documents: a look at all ids first, in memory that does not grow with them."""
        luck = np.zeros(0, np.uint64)
        row, rows = 0, np.zeros(0, np.int64)
        for piece in inputs.documents([ID]):
            luck = np.concatenate([luck, self._luck(piece)])
            rows = np.concatenate([rows, np.arange(row, row + piece.num_rows)])
            row += piece.num_rows
            if luck.size > self.count:
                best = np.lexsort((rows, luck))[: self.count]
                luck, rows = luck[best], rows[best]
        wanted, row = np.sort(rows), 0
        for piece in inputs.documents(None):
            mine = wanted[(wanted >= row) & (wanted < row + piece.num_rows)] - row
            if mine.size:
                yield piece.take(pa.array(mine))
            row += piece.num_rows

    def _luck(self, piece: pa.Table) -> NDArray[np.uint64]:
        from xxhash import xxh3_64_intdigest

        names = (str(name).encode("utf-8", "surrogatepass") for name in piece.column(ID).to_pylist())
        drawn = (xxh3_64_intdigest(name, seed=self.seed % 2**64) for name in names)
        return np.fromiter(drawn, np.uint64, piece.num_rows)
