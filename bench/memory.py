"""Peak memory of every job of curation on a corpus of 120 MB and on one ten times as large: it should be the same.

Each is `hornbook step` with two workers on documents that an earlier step has read, the whole process tree. See
docs/bench.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from bench import corpus
from bench.decontaminate import BENCHMARKS
from bench.harness import Contender, Facts, Options, Outcome, take_turns
from bench.minhash import QUICK_SECONDS, Input, prepared, versions
from bench.running import run_measured

UNIT = "peak MB"
PEERS = ()
LONGEST = 900.0
WORKERS = "2"
COLUMNS = {"small": "at the small one", "times": "times", "mb_s": "MB/s", "cpu": "CPU s"}
JOBS: dict[str, tuple[str, ...]] = {
    "dedup.minhash": ("bands=16", "rows=8"),
    "dedup.exact": (),
    "dedup.lines": (),
    "dedup.substring": ("cut=true",),
    "dedup.semantic": (),
    "decontaminate.ladder": (f"against=[{BENCHMARKS.resolve()}/*.jsonl]", "by=none"),
    "quality.gopher": (),
    "quality.c4": (),
    "quality.fineweb": (),
    "quality.code": (),
    "quality.language": (),
    "quality.pii": (),
    "quality.mask": (),
    "tokenize.pretrained": ("val_share=0",),
}


def run(options: Options) -> Outcome:
    """Each job on both; `--quick` on the quick corpus and a piece of the usual one."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    try:
        piece = str(corpus.pieces(options.cache, "code", "usual")[0])
        quick = [str(path) for path in corpus.pieces(options.cache, "code", "quick")] if options.quick else []
        large = [] if options.quick else [str(path) for path in corpus.pieces(options.cache, "code", "large")]
    except corpus.Absent as error:
        raise SystemExit(f"error: {error}") from error
    with (
        tempfile.TemporaryDirectory(dir=options.cache, prefix="memory-") as one,
        tempfile.TemporaryDirectory(dir=options.cache, prefix="memory-") as two,
    ):
        parts = halves(piece, Path(one))
        small, big = prepared(quick or parts, Path(one)), prepared(large or parts, Path(two))
        options.tell(f"{small.size / 1e6:,.0f} MB and {big.size / 1e6:,.0f} MB of text")
        scores = take_turns(contenders(small, big), options.rounds or 1, options.tell, until)
    detail: Facts = {
        "bytes": [small.size, big.size],
        **{s.name: {name: s.median(name) for name in ("value", *COLUMNS)} for s in scores},
    }
    found = {name: said for name, said in versions().items() if name in ("hornbook", "python", "pyarrow", "numba")}
    return Outcome(scores, UNIT, False, found, COLUMNS, detail)


def halves(piece: str, folder: Path) -> list[str]:
    """The row groups of a file in two files, so that both workers have one."""
    source = pq.ParquetFile(piece)
    files = [str(folder / f"half-{number}.parquet") for number in range(2)]
    for number, file in enumerate(files):
        with pq.ParquetWriter(file, source.schema_arrow, compression="zstd") as out:
            for group in range(number, source.num_row_groups, 2):
                out.write_table(source.read_row_group(group), row_group_size=corpus.ROWS)
    return files


def contenders(small: Input, big: Input) -> list[Contender]:
    """The jobs, the first of them as the one that the line of results is about."""
    missing = "no benchmark files beside the checkout (docs/bench.md)"
    return [
        Contender(job, "shown" if at else "ours", _act(job, small, big), None if _there(job) else missing)
        for at, job in enumerate(JOBS)
    ]


def _there(job: str) -> bool:
    return job != "decontaminate.ladder" or BENCHMARKS.is_dir()


def _act(job: str, small: Input, big: Input) -> Callable[[float], Facts]:
    def act(left: float) -> Facts:
        little, much = (_measured(job, given, min(left, LONGEST)) for given in (small, big))
        return much | {"small": little["value"], "times": much["value"] / little["value"]}

    return act


def _measured(job: str, given: Input, limit: float) -> Facts:
    command = [sys.executable, "-m", "hornbook", "step", job, str(given.folder), *JOBS[job], "--workers", WORKERS]
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        place = Path(folder)
        used, _ = run_measured([*command, "--out", str(place / "result")], place, limit, os.environ)
    return {"value": used["peak_mb"], "mb_s": given.size / 1e6 / used["wall"], "cpu": used["cpu"]}
