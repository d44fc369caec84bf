"""What stands above a job in its test: documents in memory, and folders of jobs that were really run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from hornbook.core.stage import Artifact, Job, Makes


class Above:
    """A small `Inputs`: a list of rows in pieces, and finished artifacts."""

    def __init__(self, rows: Sequence[dict[str, Any]], size: int = 7) -> None:
        self.table = pa.table(
            {name: pa.array([str(row.get(name, "")) for row in rows], pa.string()) for name in ("id", "text", "origin")}
        )
        self.size = size
        self.above: list[Artifact] = []

    def nearest(self, makes: Makes) -> Artifact:
        return next(a for a in reversed(self.above) if a.makes == makes)

    def documents(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        table = self.table.select(list(columns)) if columns else self.table
        for at in range(0, table.num_rows, self.size):
            yield table.slice(at, self.size)

    def rows(self) -> int:
        return int(self.table.num_rows)

    def run(self, job: Job, folder: Path) -> dict[str, Any]:
        """Run a job here and let later ones see it; its facts."""
        folder.mkdir(parents=True, exist_ok=True)
        shares: list[float] = []
        facts = job.run(self, folder, lambda share, words: shares.append(share))
        assert all(0 <= share <= 1 for share in shares)
        self.above.append(Artifact(folder.name, type(job).__module__, job.makes, folder, {"facts": facts}))
        return facts
