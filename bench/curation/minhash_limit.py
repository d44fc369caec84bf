"""What any deduplication must do at least: read the Parquet files and write their rows again, in threads.

`python minhash_limit.py OUT WORKERS FILE…`; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq


def copy(out: Path, file: str) -> int:
    """Read and write one file, a row group at a time; returns its rows."""
    with (
        pq.ParquetFile(file) as source,
        pq.ParquetWriter(out / Path(file).name, source.schema_arrow, compression="zstd", compression_level=1) as writer,
    ):
        for group in range(source.num_row_groups):
            writer.write_table(source.read_row_group(group))
        return source.metadata.num_rows


def main(out: Path, workers: int, files: list[str]) -> None:
    """Copy the files."""
    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(workers) as threads:
        rows = sum(threads.map(partial(copy, out), files))
    print(json.dumps({"rows": rows, "removed": 0}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
