"""The ladder's scan alone, on one core: Parquet read, every document looked through, seconds of the scan.

`python -m bench.curation.decontaminate_scan JOB`; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time

import pyarrow.parquet as pq

from hornbook.kernels.words import blocks, texts
from hornbook.stages.decontaminate._climbing import climb, load


def main():
    """Scan all row groups; the first is scanned once before, so that no compiling is timed."""
    job = json.loads(sys.argv[1])
    bench = load([job["items"]], 10, 3, 10)
    groups = [(path, number) for path in job["files"] for number in range(pq.ParquetFile(path).num_row_groups)]
    seconds = size = rows = candidates = 0
    for turn, (path, number) in enumerate([groups[0], *groups]):
        data, offsets = texts(pq.ParquetFile(path).read_row_group(number, columns=["text"]).column("text"))
        began, found = time.process_time(), 0
        for first, last in blocks(offsets):
            found += len(climb(data, offsets[first : last + 1], bench, 60))
        if turn:
            seconds, size = seconds + time.process_time() - began, size + int(offsets[-1] - offsets[0])
            rows, candidates = rows + offsets.size - 1, candidates + found
    print(json.dumps({"rows": rows, "bytes": size, "flagged": candidates, "seconds": seconds}))


if __name__ == "__main__":
    main()
