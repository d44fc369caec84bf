"""Filter sets of Gopher, C4 and FineWeb over a corpus: Parquet in, what is kept and dropped out, whole processes.

Ours with `compat: datatrove` makes the peer's decisions, and is the one compared; ours with the one word rule is shown.
Both must remove as many documents as they say; `detail.same_removed` says whether ours removed as many as datatrove.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench import corpus, peers
from bench.harness import Contender, Facts, Options, Outcome, Role, take_turns
from bench.minhash import LONGEST, QUICK_SECONDS, SCRIPTS, WORKERS, Input, measured, prepared, versions

UNIT = "MB/s"
COLUMNS = {"wall": "wall s", "cpu": "CPU s", "mb_cpu_s": "MB/CPU-s", "peak_mb": "peak MB", "removed": "removed"}
PEERS = ("datatrove",)


def run(options: Options) -> Outcome:
    """Take turns on prose and code together; `--quick` on the small corpus."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    size = corpus.size_of(options.quick, options.full)
    try:
        prose = [str(path) for path in corpus.pieces(options.cache, "prose", size)]
        raw = prose if options.quick else prose + [str(path) for path in corpus.pieces(options.cache, "code", size)]
    except corpus.Absent as error:
        raise SystemExit(f"error: {error}") from error
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="filters-") as folder:
        given = prepared(raw, Path(folder))
        options.tell(f"{given.rows:,} documents, {given.size / 1e6:,.0f} MB of text, {WORKERS} workers")
        scores = take_turns(contenders(given, options.cache), options.rounds or 3, options.tell, until)
    removed = {score.name: score.median("removed") for score in scores}
    ours, peer = removed["hornbook, as datatrove"], removed["datatrove"]
    detail: Facts = {
        "documents": given.rows,
        "files": len(given.files),
        "bytes": given.size,
        "workers": WORKERS,
        "removed": removed,
        "same_removed": None if peer is None else ours == peer,
    }
    found = {name: said for name, said in versions().items() if name not in ("daft", "rensa", "datasketch")}
    return Outcome(scores, UNIT, True, found, COLUMNS, detail)


def contenders(given: Input, cache: Path) -> list[Contender]:
    """Ours in both ways, and the peer."""
    script, count = str(SCRIPTS / "filters_hornbook.py"), str(WORKERS)
    own = [sys.executable, script, "OUT", count]
    python = peers.python_of("datatrove", cache)
    theirs = [str(python), str(SCRIPTS / "filters_datatrove.py"), "OUT", count, str(given.folder)]
    missing = None if python else "not installed: python -m bench filters --install (bench/peers/datatrove.txt)"

    def turn(name: str, role: Role, command: list[str], missing: str | None = None) -> Contender:
        return Contender(name, role, lambda left: measured(name, command, given, min(left, LONGEST)), missing)

    return [
        turn("hornbook, as datatrove", "ours", [*own, "datatrove", *given.files]),
        turn("hornbook", "shown", [*own, "none", *given.files]),
        turn("datatrove", "peer", theirs, missing),
    ]
