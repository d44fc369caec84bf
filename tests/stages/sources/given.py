"""Sources that need documents, read in this process from Parquet parts as the engine does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from hornbook.core.rules import select
from hornbook.core.stage import Artifact, Dropped, Makes, Source
from hornbook.store.parts import pieces


class Given:
    """An `Inputs` over real part files: a table in row groups of `group` rows, in files of `part` rows."""

    def __init__(self, folder: Path, table: pa.Table | list[dict[str, Any]], part: int = 5, group: int = 2) -> None:
        table = table if isinstance(table, pa.Table) else pa.Table.from_pylist(table)
        folder.mkdir(parents=True, exist_ok=True)
        self.paths = []
        for at in range(0, table.num_rows, part):
            path = folder / f"part-{at:05d}.parquet"
            pq.write_table(table.slice(at, part), path, row_group_size=group)
            self.paths.append(path)
        self.many = table.num_rows
        self.above: Sequence[Artifact] = []
        self.recipe: dict[str, Any] = {}

    def parts(self) -> list[Path]:
        return self.paths

    def documents(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        for path in self.paths:
            yield from pieces(path, columns)

    def rows(self) -> int:
        return self.many

    def nearest(self, makes: Makes) -> Artifact:
        return next(a for a in reversed(self.above) if a.makes == makes)


def read_given(stage: Source, inputs: Given) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All documents, and all drops."""
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for item in orjson.loads(orjson.dumps(stage.shards(inputs))):
        for found in stage.read(item, inputs):
            if isinstance(found, Dropped):
                bad += found.table.to_pylist()
                continue
            kept, dropped = select(found, stage.drops()) if stage.drops() else (found, found.slice(0, 0))
            good += kept.to_pylist()
            bad += dropped.to_pylist()
    return good, bad
