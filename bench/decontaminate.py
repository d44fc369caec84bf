"""How fast benchmark items are found in a corpus, and how many documents each tool takes for contaminated.

Every tool is a whole process that reads the same Parquet and looks for the same items with n = 10; compared is the
corpus's size divided by the wall time. Ours is `hornbook run` with a source and `decontaminate.ladder`: it also writes
every document and every drop. See docs/bench.md.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench import corpus, peers
from bench.harness import Contender, Facts, Failed, Options, Outcome, take_turns
from hornbook import __version__

__all__ = ["PEERS", "UNIT", "run"]

UNIT = "MB/s"
PEERS = ("lm-eval", "datatrove")
"""Fastest first, so that where `--quick` runs out of time it is the best peer that was measured."""
ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "bench" / "curation"
SCRIPTS = {
    "lm-eval": HERE / "decontaminate_janitor.py",
    "datatrove": HERE / "decontaminate_datatrove.py",
    "cosmopedia": HERE / "decontaminate_cosmopedia.py",
}
QUICK_SECONDS = 54.0
SLICE = 10_000_000
"""Bytes of the corpus with `--quick`: what datatrove does in a quarter of a minute."""
LONGEST = 3600.0
COLUMNS = {"wall": "wall s", "cpu": "CPU s", "per_cpu": "MB/CPU s", "peak_mb": "peak MB", "flagged": "flagged"}
BENCHMARKS = ROOT / ".." / "shared" / "data" / "benchmarks"
CODE = ("humaneval", "mbpp")
RECIPE = """\
name: bench
seed: 1
steps:
  - use: sources.files
    path: {files}
  - use: decontaminate.ladder
    against: [{items}]
    compat: {compat}
    by: none
"""


def run(options: Options) -> Outcome:
    """Everyone on the code corpus: `--quick` the small one and HumanEval and MBPP, else 480 MB and all benchmarks."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    size = corpus.size_of(options.quick, options.full)
    files = [str(path) for path in corpus.pieces(options.cache, "code", size)]
    total = corpus.facts(options.cache, size)["code"]
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=options.cache) as scratch:
        if options.quick:
            files, total = sliced(files, Path(scratch))
        items, names, count = write_items(Path(scratch) / "items.jsonl", CODE if options.quick else ())
        options.tell(
            f"{total['files']:,} files, {total['bytes'] / 1e6:,.0f} MB; {count:,} texts of {len(names)} benchmarks"
        )
        job = {"files": files, "items": str(items)}
        detail: Facts = {"files": total["files"], "bytes": total["bytes"], "texts": count, "benchmarks": names}
        who = ["hornbook", "compat: cosmopedia", "scan alone", "cosmopedia", *PEERS]
        turns = [_contender(name, job, total["bytes"], Path(scratch), options.cache) for name in who]
        scores = take_turns(turns, options.rounds or (1 if options.quick else 3), options.tell, until)
        scan = next(score for score in scores if score.name == "scan alone")
        detail["scan_mb_per_cpu_s"] = scan.median("per_cpu")
    return Outcome(scores, UNIT, True, versions(), COLUMNS, detail)


def sliced(files: list[str], folder: Path) -> tuple[list[str], dict[str, int]]:
    """Two files of together about `SLICE` bytes from the beginning of a corpus."""
    table = pq.ParquetFile(files[0]).read_row_group(0, columns=["id", "text"])
    sizes = np.cumsum(pc.binary_length(table.column("text")).to_numpy())
    rows = int(np.searchsorted(sizes, SLICE)) & ~1
    out = [str(folder / f"slice-{half}.parquet") for half in range(2)]
    for half, path in enumerate(out):
        pq.write_table(table.slice(half * rows // 2, rows // 2), path, compression="zstd")
    return out, {"files": rows, "bytes": int(sizes[rows - 1])}


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


def _contender(name: str, job: dict[str, Any], size: int, scratch: Path, cache: Path) -> Contender:
    role = "ours" if name == "hornbook" else "peer" if name in SCRIPTS else "shown"
    missing = None
    if name in PEERS and peers.python_of(name, cache) is None:
        missing = "not installed: python -m bench --install decontaminate"

    def act(left: float) -> Facts:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            return _measured(name, job | {"folder": folder}, size, cache, min(left, LONGEST))

    return Contender(name, role, act, missing)


def _measured(name: str, job: dict[str, Any], size: int, cache: Path, limit: float) -> Facts:
    folder = Path(job["folder"])
    out, errors = folder / "stdout", folder / "stderr"
    command, environment = _command(name, job, cache)
    run = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "measured.py"), str(limit), str(out), str(errors), *command],
        cwd=folder if name in PEERS else ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    used = json.loads(run.stdout)
    if not used["ended"]:
        raise Failed(f"did not end within {limit:.0f} s")
    if used["code"]:
        lines = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise Failed(f"exit code {used['code']}: {lines[-1][:200] if lines else ''}")
    said = json.loads(out.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1])
    if "steps" in said:
        said = {"flagged": said["steps"][-1]["dropped"]}
    cpu = said.get("seconds") or used["user"] + used["system"]
    return {
        "value": size / 1e6 / used["wall"],
        "wall": used["wall"],
        "cpu": cpu,
        "per_cpu": size / 1e6 / cpu,
        "peak_mb": used["peak"] / 1e6,
        "flagged": said["flagged"],
    }


def _command(name: str, job: dict[str, Any], cache: Path) -> tuple[list[str], dict[str, str]]:
    if name in SCRIPTS:
        python = peers.python_of(name, cache) if name in PEERS else Path(sys.executable)
        environment = peers.environment(Path(job["folder"])) if name in PEERS else dict(os.environ)
        return [str(python), str(SCRIPTS[name]), json.dumps(job)], environment
    if name == "scan alone":
        return [sys.executable, "-m", "bench.curation.decontaminate_scan", json.dumps(job)], dict(os.environ)
    recipe = Path(job["folder"]) / "bench.yaml"
    compat = "cosmopedia" if name.startswith("compat") else "none"
    text = RECIPE.format(files=json.dumps(job["files"]), items=json.dumps(job["items"]), compat=compat)
    recipe.write_text(text, encoding="utf-8")
    runs = str(Path(job["folder"]) / "runs")
    return [sys.executable, "-m", "hornbook", "run", str(recipe), "--runs", runs, "--json"], dict(os.environ)


def versions() -> dict[str, str]:
    """Of ours, of what ours stands on, and of the peers."""
    own = {name: version(name) for name in ("numba", "pyarrow", "cydifflib")}
    named = {peer: peers.version_of(peer) for peer in PEERS}
    return {"hornbook": __version__, "python": platform.python_version()} | own | named
