"""How fast code is compared as trees, and what it finds of solutions that were told differently.

Exact: edit distances of the same pairs of functions of HumanEval and MBPP, one thread each. Nearest: every function of
a corpus against all of the exams', as `decontaminate.code` does it. The table says for each kind of change
(`bench/planted.py`) which share of the told solutions leaves, at phi-1's four thresholds and by other means, and what
leaves that was planted by nobody. See docs/stages/decontaminate.code.md.
"""

from __future__ import annotations

import ast
import json
import platform
import random
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench import peers
from bench.harness import Contender, Facts, Options, Outcome, take_turns
from bench.planted import KINDS, told
from bench.running import run_measured
from hornbook import __version__
from hornbook.core.rules import select
from hornbook.core.stage import Across, Each
from hornbook.kernels.trees import Trees, distances, nearest, trees
from hornbook.stages.decontaminate._exams import FLOOR, Exams, load, numbered, read
from hornbook.stages.decontaminate.code import Code
from hornbook.stages.decontaminate.ladder import Ladder
from hornbook.stages.decontaminate.ngrams import Ngrams

UNIT = "pairs/s"
PEERS = ("zss", "apted")
ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / ".." / "shared" / "data"
EXAMS = (DATA / "benchmarks" / "humaneval.jsonl", DATA / "benchmarks" / "mbpp.jsonl")
CORPUS = DATA / "corpora" / "the_algorithms_python.jsonl"
TAUS = (0.95, 0.9, 0.85, 0.8)
PAIRS = 200_000
SETTINGS: tuple[Facts, ...] = (
    {},
    *({"names": names} for names in ("none", "order", "kept")),
    *({"constants": constants} for constants in ("none", "values")),
    *({"min_nodes": nodes} for nodes in (1, 7, 15, 20)),
    {"tidy": False},
)
MINED = 10
"""Nodes of the smallest function that is compared: the knob's default."""


def run(options: Options) -> Outcome:
    """Everyone on pairs of exam functions; then the table, with `--quick` of a fifth of the solutions.

    Raises:
        SystemExit: the benchmarks or the corpus are not here.
    """
    absent = [path.name for path in (*EXAMS, CORPUS) if not path.exists()]
    if absent:
        raise SystemExit(f"error: {', '.join(absent)} is not beside the checkout (docs/bench.md)")
    against = [str(path) for path in EXAMS]
    exams = load(against, "free", "types", True, 1, "none")
    draw = random.Random(1989)
    pairs = np.array([[draw.randrange(len(exams.units)) for _ in range(2)] for _ in range(PAIRS)])
    seconds = 4.0 if options.quick else 20.0
    known: dict[str, Any] = {"distances": distances(exams.trees, exams.trees, pairs)}
    functions = _functions()
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=options.cache) as name:
        job = Path(name) / "job.json"
        nested = [_nested(unit.function.labels, unit.function.left) for unit in exams.units]
        job.write_text(json.dumps({"trees": nested, "pairs": pairs.tolist(), "seconds": seconds}), encoding="utf-8")
        contenders = [
            Contender("hornbook, exact", "ours", lambda left: _ours(exams, pairs)),
            *(_peer(peer, job, Path(name), options.cache, known, seconds) for peer in PEERS),
            Contender("hornbook, nearest", "shown", lambda left: _nearest(against, functions)),
        ]
        done = take_turns(contenders, options.rounds or (1 if options.quick else 3), options.tell)
    detail: Facts = {"functions": len(exams.units), "corpus": len(functions), "disagree": known.get("disagree", {})}
    detail["told"] = shares(against, functions, 5 if options.quick else 1)
    options.tell(shown(detail["told"]))
    if not options.quick:
        detail["knobs"] = settings(against, functions)
        options.tell("\n".join(f"{name}: {row}" for name, row in detail["knobs"].items()))
    named = {peer: peers.version_of(peer) for peer in PEERS}
    own = {name: version(name) for name in ("numba", "numpy")}
    versions = {"hornbook": __version__, "python": platform.python_version()} | own | named
    columns = {"nodes": "nodes", "exact": "exact pairs"}
    return Outcome(done, UNIT, True, versions, columns, detail)


def _functions() -> list[str]:
    """Every function of the corpus by itself."""
    rows = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    units = [unit for row in rows for unit in read(row["text"], "free", "types", True, 1, 2**30)]
    return [unit.source for unit in units if unit.function.name]


def _ours(exams: Exams, pairs: np.ndarray) -> Facts:
    began = time.perf_counter()
    distances(exams.trees, exams.trees, pairs)
    seconds = time.perf_counter() - began
    return {
        "value": len(pairs) / seconds,
        "nodes": float(np.diff(exams.trees.offsets)[pairs].mean()),
        "exact": len(pairs),
    }


def _nearest(against: list[str], functions: list[str]) -> Facts:
    """Pairs that are told apart, by bounds or exactly, where each function's nearest is looked for."""
    exams = load(against, "free", "types", True, MINED, "none")
    units = [unit for text in functions for unit in read(text, "free", "types", True, MINED, exams.most)]
    asked: Trees = trees([numbered(unit, exams) for unit in units], [unit.function.left for unit in units])
    nearest(asked, exams.trees, exams.shared, 0.99)
    began = time.perf_counter()
    _, _, steps = nearest(asked, exams.trees, exams.shared, FLOOR)
    seconds = time.perf_counter() - began
    return {"value": int(steps[0]) / seconds, "nodes": float(np.diff(asked.offsets).mean()), "exact": int(steps[3])}


def _peer(peer: str, job: Path, scratch: Path, cache: Path, known: dict[str, Any], seconds: float) -> Contender:
    missing = None if peers.python_of(peer, cache) else "not installed: python -m bench --install trees"

    def act(left: float) -> Facts:
        python = peers.python_of(peer, cache) or sys.executable
        command = [str(python), str(ROOT / "bench" / "curation" / "trees_peer.py"), peer, str(job)]
        used, printed = run_measured(command, scratch, min(left, 10 * seconds + 30), peers.environment(scratch))
        said = json.loads(printed)
        many = len(said["distances"])
        wrong = int((known["distances"][:many] != np.array(said["distances"])).sum())
        known.setdefault("disagree", {})[peer] = [wrong, many]
        return used | {"value": many / said["seconds"], "exact": many}

    return Contender(peer, "peer", act, missing)


def _nested(labels: list[str], left: list[int]) -> list[Any]:
    """A tree as (label, children)."""
    open_: list[tuple[int, list[Any]]] = []
    for at, label in enumerate(labels):
        below = []
        while open_ and open_[-1][0] >= left[at]:
            below.append(open_.pop()[1])
        open_.append((at, [label, below[::-1]]))
    return open_[0][1]


def shares(against: list[str], functions: list[str], step: int) -> Facts:
    """Of each kind, and of what nobody planted: how many texts there are, and how many leave by each means."""
    sources = solutions()
    sets = {kind: [text for source in sources[::step] if (text := told(source, kind))] for kind in KINDS}
    sets["TheAlgorithms"] = functions[::step]
    stages = {
        "as default": Code(against=against),
        "trees and vectors": Code(against=against, near=0.9),
        "not tidied": Code(against=against, tidy=False),
        "types alone": Code(against=against, tidy=False, names="none"),
        "sequences": Code(against=against, distance="sequence"),
        "ngrams": Ngrams(against=against),
        "ladder": Ladder(against=against),
    }
    out = {name: _row(stages, texts) for name, texts in sets.items()}
    humaneval = [row["prompt"] + row["canonical_solution"] for row in _rows(EXAMS[0])]
    others = {name: type(stage)(**(stage.model_dump() | {"against": against[1:]})) for name, stage in stages.items()}
    out["HumanEval against MBPP"] = _row(others, humaneval)
    return out


def settings(against: list[str], functions: list[str]) -> Facts:
    """With other knobs: per cent of some kinds that leave at 0.9 by their trees, and how many that nobody planted."""
    kinds = ("renamed", "constants changed", "statements reordered", "operands swapped", "all but the loops")
    sources = solutions()
    sets = {kind: [text for source in sources if (text := told(source, kind))] for kind in kinds}
    sets["TheAlgorithms"] = functions
    out: Facts = {}
    for setting in SETTINGS:
        stage = Code(against=against, embedding="none", **setting)
        row = {}
        for name, texts in sets.items():
            match = stage.each(pa.table({"text": texts})).column("decontaminate.code_match")
            many = int((match.to_numpy(zero_copy_only=False) >= 0.9).sum())
            row[name] = round(100 * many / len(texts), 1) if name in KINDS else many
        out[" ".join(f"{name}={value}" for name, value in setting.items()) or "default"] = row
    return out


def solutions() -> list[str]:
    """The exams' solutions as exercises: what is asked stands in the docstring."""
    out = [row["prompt"] + row["canonical_solution"] for row in _rows(EXAMS[0])]
    for row in _rows(EXAMS[1]):
        tree = ast.parse(row["code"])
        last = [node for node in tree.body if isinstance(node, ast.FunctionDef)][-1:]
        for node in last:
            node.body.insert(0, ast.Expr(ast.Constant(row["text"])))
        out.append(ast.unparse(ast.fix_missing_locations(tree)))
    return out


def _rows(path: Path) -> list[Facts]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _row(stages: dict[str, Each | Across], texts: list[str]) -> Facts:
    """Documents, and how many leave by each means."""
    table = pa.table({"id": [str(at) for at in range(len(texts))], "text": pa.array(texts, pa.string())})
    row: Facts = {"documents": len(texts)}
    for name, stage in stages.items():
        marks = _marks(stage, table)
        if isinstance(stage, Code):
            match = marks.column("decontaminate.code_match").to_numpy(zero_copy_only=False)
            near = marks.column("decontaminate.code_similarity").to_numpy(zero_copy_only=False)
            if name == "as default":
                row["trees"] = [int((match >= tau).sum()) for tau in TAUS]
                row["vectors"] = int((near >= 0.9).sum())
                row["either"] = [int(((match >= tau) | (near >= 0.9)).sum()) for tau in TAUS]
            else:
                row[name] = [int((match >= tau).sum()) for tau in TAUS]
        else:
            row[name] = select(pa.table({n: marks.column(n) for n in marks.column_names}), stage.drops())[1].num_rows
    return row


def _marks(stage: Each | Across, table: pa.Table) -> pa.Table:
    if isinstance(stage, Each):
        return stage.each(table)
    facts = stage.reduce(stage.map(table, 0), table.num_rows).sort_by("row")
    return stage.apply(table, 0, facts)


def shown(found: Facts) -> str:
    """The table for people and for the page: shares in per cent of what was planted, numbers of what was not; precision
    of all kinds together against both sets that nobody planted."""
    four = ("trees", "either", "trees and vectors", "not tidied", "types alone", "sequences")
    single = ("vectors", "ngrams", "ladder")
    lines = [" | ".join(["what", "documents", *(f"{name} {tau:g}" for name in four for tau in TAUS), *single])]
    for name, row in found.items():
        per = 100 / max(row["documents"], 1) if name in KINDS else 1
        values = [value for means in four for value in row[means]] + [row[means] for means in single]
        cells = [f"{value * per:.1f}" if name in KINDS else str(value) for value in values]
        lines.append(" | ".join([name, str(row["documents"]), *cells]))
    planted = [row for name, row in found.items() if name in KINDS]
    others = [row for name, row in found.items() if name not in KINDS]

    def precision(pick: Any) -> str:
        good, bad = (sum(pick(row) for row in some) for some in (planted, others))
        return f"{100 * good / max(good + bad, 1):.2f}"

    cells = [precision(lambda row, m=m, t=t: row[m][t]) for m in four for t in range(len(TAUS))]
    cells += [precision(lambda row, m=m: row[m]) for m in single]
    return "\n".join([*lines, " | ".join(["precision", "", *cells])])
