"""datatrove's filters: Gopher's repetition and quality, C4's, FineWeb's, each writing what it drops.

`python filters_datatrove.py OUT WORKERS FOLDER`; FOLDER holds the Parquet files. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter


def main(out: Path, workers: int, folder: str) -> None:
    """One pipeline, a task a file."""
    kinds = {
        "repetition": GopherRepetitionFilter,
        "gopher": GopherQualityFilter,
        "c4": C4QualityFilter,
        "fineweb": FineWebQualityFilter,
    }
    files = len(list(Path(folder).glob("part-*.parquet")))
    steps = [kind(exclusion_writer=ParquetWriter(str(out / name))) for name, kind in kinds.items()]
    reader = ParquetReader(folder, glob_pattern="part-*.parquet", recursive=False)
    pipeline = [reader, *steps, ParquetWriter(str(out / "kept"))]
    LocalPipelineExecutor(pipeline, tasks=files, workers=min(workers, files), logging_dir=str(out / "logs")).run()

    def rows(name: str) -> int:
        return sum(pq.read_metadata(path).num_rows for path in (out / name).glob("**/*.parquet"))

    gone = {name: rows(name) for name in kinds}
    removed = sum(gone.values())
    print(json.dumps({"rows": removed + rows("kept"), "removed": removed, "by_step": gone}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
