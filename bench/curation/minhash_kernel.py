"""Our signature kernel alone, on texts in memory: words, runs of five, 128 minima, in threads; prints one JSON object.

`python minhash_kernel.py WORKERS FILE…`
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from hornbook.stages.dedup._shingling import Shingling

BANDS, ROWS, NGRAM = 16, 8, 5


def main(workers: int, files: list[str]) -> None:
    """Best of five passes over at most 512 MB."""
    pieces: list[pa.ChunkedArray] = []
    size = 0
    for file in files:
        with pq.ParquetFile(file) as source:
            for group in range(source.num_row_groups):
                column = source.read_row_group(group, columns=["text"]).column(0)
                size += column.nbytes
                pieces.append(column)
        if size > 512e6:
            break
    shingling = Shingling("words", NGRAM)
    shingling.keys(pieces[0].slice(0, 8), BANDS, ROWS)
    best = cpu = float("inf")
    with ThreadPoolExecutor(workers) as threads:
        for _ in range(5):
            began, used = time.perf_counter(), time.process_time()
            list(threads.map(lambda column: shingling.keys(column, BANDS, ROWS), pieces))
            best, cpu = min(best, time.perf_counter() - began), min(cpu, time.process_time() - used)
    print(json.dumps({"mb_s": size / 1e6 / best, "mb_cpu_s": size / 1e6 / cpu}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
