"""Prompts from real seeds, built and linted: prompts/s, peak memory and near-duplicates at n prompts and at n / 10.

Each is one `hornbook lint` of a recipe: it reads the seeds, builds the prompts (`prompts.textbook`) and looks at every
one of them. See docs/bench.md.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench import corpus
from bench.harness import Contender, Facts, Options, Outcome, take_turns
from bench.minhash import versions
from bench.running import run_measured

UNIT = "prompts/s"
PEERS = ()
PER_SEED = 11
SEEDS = {"quick": 5_000, "usual": 100_000, "full": 1_000_000}
EXTRACT, LEAST = 1000, 300
SHORT_EVERY = 4
"""Every so-manieth seed is a line of 3 to 8 words: where the template is most of the prompt."""
WORKERS = "2"
LONGEST = 7200.0
GROUP = 4096
FILE = 64 * GROUP
COLUMNS = {
    "prompts": "prompts",
    "build": "built/s",
    "lint": "linted/s",
    "peak": "peak MB",
    "near": "near %",
    "equal": "equal",
    "disk": "MB on disk",
}
RECIPE = """\
name: many
seed: 17
teacher: {{use: scripted}}
steps:
  - use: sources.files
    path: {seeds}
  - use: prompts.textbook
    per_seed: {per_seed}
  - use: generate.complete
"""
_LINE = re.compile(r"^[ \t#*>-]*([A-Z][^\n{}<>=|\\_()\[\]]{12,90}?)[ \t:.#*]*$", re.MULTILINE)
SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("origin", pa.string()), ("cluster.topic", pa.string())]
)


def run(options: Options) -> Outcome:
    """n and n / 10 in turns; `--quick` 55,000 prompts, `--full` 11 million."""
    size = "quick" if options.quick else "full" if options.full else "usual"
    try:
        pieces = [
            path
            for kind in corpus.ENDINGS
            for path in corpus.pieces(options.cache, kind, "quick" if options.quick else "large")
        ]
    except corpus.Absent as error:
        raise SystemExit(f"error: {error}") from error
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="prompts-") as folder:
        place = Path(folder)
        few, many = SEEDS[size] // 10, SEEDS[size]
        made = write_seeds(pieces, place / "many", many)
        options.tell(f"{made:,} seeds")
        write_seeds(pieces, place / "few", few)
        contenders = [
            Contender(f"{made * PER_SEED:,} asked for", "ours", _act(place / "many", place)),
            Contender(f"{few * PER_SEED:,}", "shown", _act(place / "few", place)),
        ]
        scores = take_turns(contenders, options.rounds or 1, options.tell)
    detail: Facts = {s.name: {name: s.median(name) for name in ("value", *COLUMNS)} for s in scores}
    found = {name: said for name, said in versions().items() if name in ("hornbook", "python", "pyarrow", "numba")}
    return Outcome(scores, UNIT, True, found, COLUMNS, detail)


def write_seeds(pieces: Sequence[Path], folder: Path, many: int) -> int:
    """So many distinct seeds of real text, in Parquet files; how many there were to be had."""
    folder.mkdir(parents=True)
    rows: list[dict[str, str]] = []
    made = 0
    for row in seeds(pieces):
        rows.append(row | {"id": f"seed-{made:07d}"})
        made += 1
        if len(rows) == FILE or made == many:
            path = folder / f"seeds-{made:08d}.parquet"
            pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path, row_group_size=GROUP, compression="zstd")
            rows = []
        if made == many:
            return made
    if rows:
        path = folder / f"seeds-{made:08d}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path, row_group_size=GROUP, compression="zstd")
    return made


def seeds(pieces: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Extracts of 1,000 characters and, every fourth, lines of 3 to 8 words; none twice."""
    seen: set[int] = set()
    lines: list[dict[str, str]] = []
    for path in pieces:
        for batch in pq.ParquetFile(path).iter_batches(1024, columns=["text", "path"]):
            for text, origin in zip(batch["text"].to_pylist(), batch["path"].to_pylist(), strict=True):
                about = {"origin": origin, "cluster.topic": origin.split("/")[0]}
                for match in _LINE.finditer(text[:20_000]):
                    if 3 <= match[1].count(" ") + 1 <= 8 and _fresh(match[1], seen):
                        lines.append({"text": match[1], "origin": origin})
                for at in range(0, len(text), EXTRACT):
                    extract = text[at : at + EXTRACT]
                    if len(extract) >= LEAST and _fresh(extract, seen):
                        yield {"text": extract, **about}
                        if lines and len(seen) % SHORT_EVERY == 0:
                            yield lines.pop()
    yield from lines


def _fresh(text: str, seen: set[int]) -> bool:
    """Whether a text is seen for the first time."""
    key = hash(text)
    if key in seen:
        return False
    seen.add(key)
    return True


def _act(seeds: Path, place: Path) -> Callable[[float], Facts]:
    def act(left: float) -> Facts:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            return _linted(seeds, Path(folder), min(left, LONGEST))

    return act


def _linted(seeds: Path, place: Path, limit: float) -> Facts:
    """One lint. It exits with 1 where the seeds themselves hold what looks like a variable, as code does."""
    recipe, runs = place / "many.yaml", place / "runs"
    recipe.write_text(RECIPE.format(seeds=seeds, per_seed=PER_SEED), encoding="utf-8")
    command = f'"{sys.executable}" -m hornbook lint {recipe} --runs {runs} --workers {WORKERS} --context 8192 --json'
    used, said = run_measured(["sh", "-c", f"{command}; test $? -le 1"], place, limit, os.environ)
    linted = json.loads(said.strip().splitlines()[-1])
    many = linted["prompts"]
    found = {one["check"]: one for one in linted["findings"] if one["check"] == "duplicates"}
    near = sum(one["count"] for one in linted["findings"] if "near-identical" in one["what"])
    return {
        "value": many / used["wall"],
        "prompts": many,
        "build": many / _seconds(runs),
        "lint": many / linted["seconds"],
        "peak": used["peak_mb"],
        "near": 100 * near / many,
        "equal": sum(one["count"] for one in found.values() if "near-identical" not in one["what"]),
        "disk": sum(path.stat().st_size for path in runs.rglob("*.parquet")) / 1e6,
        "cpu": used["cpu"],
    }


def _seconds(runs: Path) -> float:
    """How long the prompts step took."""
    for path in runs.glob("artifacts/*/manifest.json"):
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if manifest["stage"] == "prompts.textbook":
            return float(manifest["seconds"])
    raise LookupError("no manifest of prompts.textbook")
