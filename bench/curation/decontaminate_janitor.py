"""lm-evaluation-harness's Janitor in its Python form, n = 10, in two processes.

`python decontaminate_janitor.py JOB`; prints one JSON object. A document counts as flagged where the Janitor cuts it.
The module is read from its file, for the package's own start needs torch, and the Janitor does not.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.metadata import files
from multiprocessing import get_context

import pyarrow.parquet as pq

N = 10


@cache
def janitor(items):
    """A Janitor that knows the items."""
    path = next(file for file in files("lm_eval") or [] if str(file).endswith("decontamination/janitor.py"))
    spec = importlib.util.spec_from_file_location("janitor", path.locate())
    module = importlib.util.module_from_spec(spec)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        spec.loader.exec_module(module)
    found = module.Janitor(ngram_n=N)
    for line in open(items, encoding="utf-8"):  # noqa: PTH123, SIM115
        found.register_contaminant_python(json.loads(line)["text"])
    return found


def group(work):
    """(flagged, rows, bytes) of one row group."""
    path, number, items = work
    known = janitor(items)
    flagged = size = 0
    rows = pq.ParquetFile(path).read_row_group(number, columns=["text"]).column("text").to_pylist()
    for text in rows:
        size += len(text.encode())
        kept = known.clean_python(text)
        flagged += sum(map(len, kept)) < len(text)
    return flagged, len(rows), size


def main():
    """Clean all row groups."""
    job = json.loads(sys.argv[1])
    works = [
        (path, number, job["items"]) for path in job["files"] for number in range(pq.ParquetFile(path).num_row_groups)
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = list(pool.map(group, works))
    flagged, rows, size = (sum(column) for column in zip(*found, strict=True))
    print(json.dumps({"rows": rows, "bytes": size, "flagged": flagged}))


if __name__ == "__main__":
    main()
