"""How fast benchmark items are found in a corpus, and how many documents each tool takes for contaminated.

Every tool is a whole process that reads the same Parquet and looks for the same items with n = 10; compared is the
corpus's size divided by the wall time. Ours is `hornbook run` with a source and `decontaminate.ladder`: it also writes
every document and every drop. The scans are the ladder's without that, as the peers' scripts are. See docs/bench.md.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench import corpus, peers
from bench.harness import Contender, Facts, Options, Outcome, Role, take_turns
from bench.minhash import WORKERS, prepared
from bench.running import run_measured
from hornbook import __version__

__all__ = ["PEERS", "UNIT", "run"]

UNIT = "MB/s"
PEERS = ("lm-eval", "datatrove")
"""Fastest first, so that where `--quick` runs out of time it is the best peer that was measured."""
ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "bench" / "curation"
SCRIPTS = {
    "cosmopedia": HERE / "decontaminate_cosmopedia.py",
    "lm-eval": HERE / "decontaminate_janitor.py",
    "datatrove": HERE / "decontaminate_datatrove.py",
}
QUICK_SECONDS = 54.0
SLICE, SLOW_SLICE = 20_000_000, 10_000_000
"""Bytes of the corpus with `--quick`, and of datatrove's, which does no more in a quarter of a minute."""
LONGEST = 900.0
"""Seconds that one turn may take."""
COSMOPEDIA = "compat: cosmopedia"
ORDER = ("hornbook", "scan", *SCRIPTS, COSMOPEDIA, f"scan, {COSMOPEDIA}")
"""So that where `--quick` runs out of time there is one of ours and one of theirs."""
COLUMNS = {"wall": "wall s", "cpu": "CPU s", "per_cpu": "MB/CPU s", "peak_mb": "peak MB", "flagged": "flagged"}
BENCHMARKS = ROOT / ".." / "shared" / "data" / "benchmarks"
CODE = ("humaneval", "mbpp")


def run(options: Options) -> Outcome:
    """Everyone on the code corpus: `--quick` a slice of it with HumanEval and MBPP, else 480 MB and all benchmarks."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=options.cache) as name:
        scratch = Path(name)
        items, names, count = write_items(scratch / "items.jsonl", CODE if options.quick else ())
        raw = _corpus(options)
        if options.quick:
            whole, slow = (_job(sliced(raw, scratch, most), items, scratch / f"{most}") for most in (SLICE, SLOW_SLICE))
        else:
            whole = slow = _job(raw, items, scratch / "whole")
        options.tell(
            f"{whole['rows']:,} files, {whole['bytes'] / 1e6:,.0f} MB; {count:,} texts of {len(names)} benchmarks"
        )
        detail: Facts = {"files": whole["rows"], "bytes": whole["bytes"], "texts": count, "benchmarks": names}
        turns = [_contender(who, slow if who == "datatrove" else whole, scratch, options.cache) for who in ORDER]
        scores = take_turns(turns, options.rounds or (1 if options.quick else 3), options.tell, until)
        detail["scan_mb_per_cpu_s"] = {s.name: s.median("scan") for s in scores if s.name.startswith("scan")}
    return Outcome(scores, UNIT, True, versions(), COLUMNS, detail)


def _corpus(options: Options) -> list[str]:
    """The files of code; with `--quick` of the usual corpus where it was made, to be sliced."""
    size = corpus.size_of(options.quick, options.full)
    if options.quick:
        with suppress(corpus.Absent):
            return [str(path) for path in corpus.pieces(options.cache, "code", "usual")]
    try:
        return [str(path) for path in corpus.pieces(options.cache, "code", size)]
    except corpus.Absent as error:
        raise SystemExit(f"error: {error}") from error


def _job(raw: list[str], items: Path, folder: Path) -> Facts:
    """What everyone is to do: the documents of a finished step, so that all read the same Parquet, and the items."""
    folder.mkdir()
    given = prepared(raw, folder)
    files = list(given.files)
    return {
        "items": str(items),
        "documents": str(given.folder),
        "files": files,
        "rows": given.rows,
        "bytes": given.size,
    }


def sliced(files: list[str], folder: Path, most: int) -> list[str]:
    """Two files of together about `most` bytes from the beginnings of two files."""
    out = []
    for number, file in enumerate(files[:2]):
        table = pq.ParquetFile(file).read_row_group(0, columns=["id", "text"])
        ends = np.cumsum(pc.binary_length(table.column("text")).to_numpy())
        out.append(str(folder / f"slice-{most}-{number}.parquet"))
        pq.write_table(table.slice(0, int(np.searchsorted(ends, most // 2))), out[-1], compression="zstd")
    return out


def write_items(path: Path, names: tuple[str, ...]) -> tuple[Path, list[str], int]:
    """The texts of benchmark items, one a line with `text`, as all tools get them.

    Raises:
        SystemExit: the benchmark files are not there.
    """
    from hornbook.stages.decontaminate._items import items
    from hornbook.store.reading import expand

    files = sorted(BENCHMARKS.glob("*.jsonl"))
    if names:
        files = [file for file in files if file.stem in names]
    if not files:
        raise SystemExit(f"error: no benchmark files in {BENCHMARKS.name}/ beside the checkout (docs/bench.md)")
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for file in files:
            for item in items(expand(str(file))[0]):
                for part in item.parts:
                    out.write(json.dumps({"id": item.key, "text": part}) + "\n")
                    count += 1
    return path, [file.stem for file in files], count


def _contender(name: str, job: Facts, scratch: Path, cache: Path) -> Contender:
    role: Role = "ours" if name == "hornbook" else "peer" if name in SCRIPTS else "shown"
    compat = "cosmopedia" if name.endswith(COSMOPEDIA) else "none"
    missing = None
    if name in PEERS and peers.python_of(name, cache) is None:
        missing = "not installed: python -m bench --install decontaminate"

    def act(left: float) -> Facts:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            return _measured(name, job | {"folder": folder, "compat": compat}, cache, min(left, LONGEST))

    return Contender(name, role, act, missing)


def _measured(name: str, job: Facts, cache: Path, limit: float) -> Facts:
    megabytes = job["bytes"] / 1e6
    command, environment = _command(name, job, cache)
    folder = Path(job["folder"])
    used, printed = run_measured(command, folder, limit, environment, folder if name in PEERS else ROOT)
    said = json.loads(printed.strip().splitlines()[-1])
    return used | {
        "value": megabytes / used["wall"],
        "per_cpu": megabytes / used["cpu"],
        "scan": megabytes / said["seconds"] if "scan" in name else None,
        "flagged": said["flagged"] if "flagged" in said else said["dropped"],
    }


def _command(name: str, job: Facts, cache: Path) -> tuple[list[str], dict[str, str]]:
    if name in SCRIPTS:
        python = peers.python_of(name, cache) if name in PEERS else Path(sys.executable)
        environment = peers.environment(Path(job["folder"])) if name in PEERS else dict(os.environ)
        return [str(python), str(SCRIPTS[name]), json.dumps(job)], environment
    if name.startswith("scan"):
        return [sys.executable, "-m", "bench.curation.decontaminate_scan", json.dumps(job)], dict(os.environ)
    knobs = [f"against=[{json.dumps(job['items'])}]", f"compat={job['compat']}", "by=none"]
    step = [sys.executable, "-m", "hornbook", "step", "decontaminate.ladder", job["documents"], *knobs]
    out = str(Path(job["folder"]) / "result")
    return [*step, "--workers", str(WORKERS), "--json", "--out", out], dict(os.environ)


def versions() -> dict[str, str]:
    """Of ours, of what ours stands on, and of the peers."""
    own = {name: version(name) for name in ("numba", "pyarrow", "cydifflib")}
    named = {peer: peers.version_of(peer) for peer in PEERS}
    return {"hornbook": __version__, "python": platform.python_version()} | own | named
