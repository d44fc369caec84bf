"""What any tokenizing must do at least: read the texts from Parquet and write about as many bytes.

`python tokenize_limit.py OUT WORKERS FILE…`. GPT-2's tokens of code take 0.9 bytes a byte of text.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq


def copy(out: Path, file: str) -> None:
    """Read the texts of one file and write their bytes, a row group at a time."""
    with pq.ParquetFile(file) as source, (out / f"{Path(file).stem}.raw").open("wb") as target:
        for group in range(source.num_row_groups):
            for chunk in source.read_row_group(group, columns=["text"]).column("text").chunks:
                target.write(chunk.buffers()[2])


def main(out: Path, workers: int, files: list[str]) -> None:
    """Copy the files."""
    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(partial(copy, out), files))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
