"""Near duplicates of a corpus of Python files, end to end: Parquet in, clusters, what is kept and dropped out.

Everyone reads the same Parquet files and is measured as a whole process, from its start to its end: word 5-grams, 128
permutations, 16 bands of 8. Ours checks each pair exactly; no peer here checks any, so for each the similarity of what
it removed to what it kept is computed afterwards. See docs/bench.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq

from bench import corpus, peers
from bench.harness import Contender, Facts, Failed, Options, Outcome, take_turns
from bench.running import run_measured
from hornbook import __version__

UNIT = "MB/s"
PEERS = ("daft", "rensa", "datasketch", "data-juicer", "datatrove", "text-dedup")
ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "bench" / "curation"
QUICK_SECONDS = 55.0
QUICK_PIECES = 2
"""Of the usual corpus' four, about 245 MB."""
LONGEST = 900.0
"""Seconds that one turn may take."""
ALIKE = "0.7"
"""The similarity whose share the table shows, the threshold of all."""
WORKERS = os.cpu_count() or 1
COLUMNS = {
    "wall": "wall s",
    "cpu": "CPU s",
    "mb_cpu_s": "MB/CPU-s",
    "peak_mb": "peak MB",
    "removed": "removed",
    "alike": f"J ≥ {ALIKE} %",
}


@dataclass(frozen=True)
class Input:
    """What everyone reads.

    Args:
        folder: an earlier step's: Parquet parts and a manifest.
        files: its parts.
        raw: the corpus they were made from.
        rows: documents.
        size: bytes of text.
        scratch: where results go.
    """

    folder: Path
    files: Sequence[str]
    raw: Sequence[str]
    rows: int
    size: int
    scratch: Path


def run(options: Options) -> Outcome:
    """Take turns; `--quick` on half of the usual corpus where it is there, `--full` on the large one."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    raw, size = _corpus(options)
    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="minhash-") as folder:
        given = prepared(raw, Path(folder))
        options.tell(f"{given.rows:,} documents, {given.size / 1e6:,.0f} MB of text, {WORKERS} workers")
        kernel = kernel_speed(given)
        options.tell(f"signature kernel alone: {kernel['mb_s']:,.0f} MB/s, {kernel['mb_cpu_s']:,.0f} MB/CPU-s")
        turns = [c for c in contenders(given, options.cache) if not options.quick or c.role != "shown"]
        scores = take_turns(turns, options.rounds or 3, options.tell, until)
        similar = {s.name: similarity(s.name, given) for s in scores if s.turns and s.role != "limit"}
        for score in scores:
            for turn in score.turns:
                turn["alike"] = 100 * similar[score.name]["at_least"][ALIKE] if score.name in similar else None
    detail: Facts = {
        "documents": given.rows,
        "bytes": given.size,
        "corpus": corpus.facts(options.cache, size),
        "workers": WORKERS,
        "kernel": kernel,
        "similarity": similar,
        **{s.name: {name: s.median(name) for name in ("value", *COLUMNS)} for s in scores},
    }
    return Outcome(scores, UNIT, True, versions(), COLUMNS, detail)


def _corpus(options: Options) -> tuple[list[str], corpus.Size]:
    """The files and which corpus they are of. The quick corpus is so small that only starting would be measured."""
    size = corpus.size_of(options.quick, options.full)
    try:
        if options.quick:
            with contextlib.suppress(corpus.Absent):
                return [str(path) for path in corpus.pieces(options.cache, "code", "usual")[:QUICK_PIECES]], "usual"
        return [str(path) for path in corpus.pieces(options.cache, "code", size)], size
    except corpus.Absent as error:
        raise SystemExit(f"error: {error}") from error


def prepared(raw: Sequence[str], folder: Path) -> Input:
    """The corpus as a finished step, so that its Parquet files are what everyone reads."""
    documents = folder / "documents"
    read = [sys.executable, "-m", "hornbook", "step", "sources.files", f"path={json.dumps(list(raw))}"]
    subprocess.run([*read, "--out", str(documents)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = sorted(str(path) for path in documents.glob("part-*.parquet"))
    rows = size = 0
    for file in files:
        with pq.ParquetFile(file) as source:
            rows += source.metadata.num_rows
            for group in range(source.num_row_groups):
                text = source.read_row_group(group, columns=["text"]).column("text")
                size += sum(chunk.nbytes for chunk in text.chunks) - 4 * text.length()
    return Input(documents, files, raw, rows, size, folder)


def contenders(given: Input, cache: Path) -> list[Contender]:
    """Ours, ours with what it would choose itself, ours with reading, the limit and the peers."""
    ours = [sys.executable, "-m", "hornbook", "step", "dedup.minhash"]
    with_settings = ["bands=16", "rows=8", "--workers", str(WORKERS), "--json"]
    own = sys.executable
    count = str(WORKERS)
    made = [
        ("hornbook", "ours", [*ours, str(given.folder), *with_settings, "--out", "OUT"]),
        ("hornbook, bands for 0.7", "shown", [*ours, str(given.folder), *with_settings[2:], "--out", "OUT"]),
        ("hornbook, any Parquet", "shown", [*ours, *given.raw, *with_settings, "--out", "OUT"]),
        ("read and write alone", "limit", [own, str(SCRIPTS / "minhash_limit.py"), "OUT", count, *given.files]),
    ]
    found = [Contender(name, role, _act(name, command, given)) for name, role, command in made]  # type: ignore[arg-type]
    arguments = {
        "daft": ["OUT", *given.files],
        "rensa": ["OUT", *given.files],
        "datasketch": ["OUT", count, *given.files],
        "data-juicer": ["OUT", count, *given.files],
        "datatrove": ["OUT", count, str(given.folder)],
        "text-dedup": ["OUT", count, *given.files],
    }
    for peer, rest in arguments.items():
        python = peers.python_of(peer, cache)
        command = [str(python), str(SCRIPTS / f"minhash_{peer.replace('-', '_')}.py"), *rest]
        missing = None if python else f"not installed: python -m bench minhash --install (bench/peers/{peer}.txt)"
        found.append(Contender(peer, "peer", _act(peer, command, given), missing))
    return found


def _act(name: str, command: list[str], given: Input) -> Callable[[float], Facts]:
    return lambda left: measured(name, command, given, min(left, LONGEST))


def measured(name: str, command: list[str], given: Input, limit: float) -> Facts:
    """Run a contender's command as a whole process; `OUT` in it stands for an empty folder.

    What was removed, and for whom, is kept for `similarity`.

    Raises:
        Failed: it did not end in time, failed, or did not account for every document.
    """
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        place = Path(folder)
        whole = [str(place / "result") if word == "OUT" else word for word in command]
        environment = peers.environment(place) if name in PEERS else dict(os.environ)
        used, printed = run_measured(whole, place, limit, environment)
        said = json.loads(_json_of(printed))
        _keep_pairs(name, place / "result", given)
    rows = said.get("rows", said.get("rows_in"))
    if rows != given.rows:
        raise Failed(f"accounts for {rows} of {given.rows} documents")
    megabytes = given.size / 1e6
    return used | {
        "value": megabytes / used["wall"],
        "mb_cpu_s": megabytes / used["cpu"],
        "removed": said.get("removed", said.get("dropped", 0)),
    }


def _keep_pairs(name: str, result: Path, given: Input) -> None:
    kept = given.scratch / "pairs" / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for found in (result / "pairs.parquet", result / "dropped"):
        if found.exists():
            shutil.move(found, kept)
            return


def similarity(name: str, given: Input) -> Facts:
    """How similar what a contender removed in its last turn is to what it kept: shares of the pairs at levels."""
    kept = given.scratch / "pairs" / name
    result = kept / "pairs.parquet" if name in PEERS else kept
    command = [sys.executable, str(SCRIPTS / "minhash_similarity.py"), str(result), *given.files]
    found: Facts = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _json_of(text: str) -> str:
    """The JSON object at the end: on the last line, or over several lines to the end."""
    last = text.strip().splitlines()[-1]
    return last if last.startswith("{") and last.endswith("}") else text[text.index("{") :]


def kernel_speed(given: Input) -> Facts:
    """MB/s of the signature kernel alone."""
    command = [sys.executable, str(SCRIPTS / "minhash_kernel.py"), str(WORKERS), *given.files]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Facts = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def versions() -> dict[str, str]:
    """Of ours, of what ours is made with, and of the peers."""
    own = {
        "hornbook": __version__,
        "python": platform.python_version(),
        "pyarrow": version("pyarrow"),
        "numba": version("numba"),
    }
    return own | {peer: peers.version_of(peer) for peer in PEERS}
