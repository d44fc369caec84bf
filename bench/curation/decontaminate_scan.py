"""The ladder's scan alone, in two threads: reads Parquet and the items, looks through every document, writes nothing.

`python -m bench.curation.decontaminate_scan JOB`; prints one JSON object. It is the work that the scripts of
Cosmopedia's functions and of the Janitor do; `seconds` are the processor's for the scan without reading and indexing.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow.compute as pc
import pyarrow.parquet as pq

from hornbook.stages.decontaminate.ladder import Ladder


def group(stage, work):
    """(documents with an item, rows, bytes, seconds) of one row group."""
    path, number = work
    table = pq.ParquetFile(path).read_row_group(number, columns=["text"])
    began = time.thread_time()
    rows = stage.map(table, 0)
    seconds = time.thread_time() - began
    found = rows.filter(pc.greater(rows.column("ratio"), 0.5)).column("row")
    return len(pc.unique(found)), table.num_rows, pc.sum(pc.binary_length(table.column("text"))).as_py(), seconds


def main():
    """Scan all row groups; one document is looked through before, so that the items are read and the kernels there."""
    job = json.loads(sys.argv[1])
    stage = Ladder(against=[job["items"]], compat=job["compat"])
    stage.map(pq.ParquetFile(job["files"][0]).read_row_group(0, columns=["text"]).slice(0, 1), 0)
    works = [(path, number) for path in job["files"] for number in range(pq.ParquetFile(path).num_row_groups)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(partial(group, stage), works))
    flagged, rows, size, seconds = (sum(column) for column in zip(*found, strict=True))
    print(json.dumps({"rows": rows, "bytes": size, "flagged": flagged, "seconds": seconds}))


if __name__ == "__main__":
    main()
