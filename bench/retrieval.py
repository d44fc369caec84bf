"""Does prompts.passages find the passage that a question was asked about? BoolQ's questions among its passages."""

from __future__ import annotations

import json
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.checking.statements import Absent, boolq, passages
from bench.harness import Contender, Facts, Options, Outcome, take_turns
from hornbook import __version__
from hornbook.core.keys import random_for
from hornbook.stages.prompts.passages import Passages

PEERS: tuple[str, ...] = ()
UNIT = "R@1"
QUICK = 500
COLUMNS = {"error": "± 1.96 SE", "ten": "R@10", "reciprocal": "MRR@10", "made_s": "index s", "each_ms": "ms/question"}


def run(options: Options) -> Outcome:
    """By words, by meaning, by both.

    Raises:
        SystemExit: BoolQ is not here.
    """
    try:
        rows = list(boolq())
    except Absent as error:
        raise SystemExit(f"error: {error}") from error
    rows = random_for(17, "retrieval").sample(rows, QUICK) if options.quick else rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "boolq.jsonl"
        texts = passages()
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        methods = (("both", "ours"), ("bm25", "shown"), ("vectors", "shown"))
        contenders = [Contender(name, role, _act(path, name, rows)) for name, role in methods]  # type: ignore[arg-type]
        done = take_turns(contenders, 1, options.tell)
    versions = {"hornbook": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in ("bm25s", "wordllama")}
    return Outcome(done, UNIT, True, versions, COLUMNS, {"questions": len(rows), "passages": len(texts)})


def _act(path: Path, method: str, rows: list[tuple[str, str, bool]]) -> Callable[[float], Facts]:
    def act(left: float) -> Facts:
        stage = Passages(corpus=[str(path)], method=method, k=30)
        asked = pa.table({"id": [f"q{n}" for n in range(len(rows))], "text": [row[1] for row in rows]})
        began = time.monotonic()
        stage.each(asked.slice(0, 1))
        made = time.monotonic()
        found = stage.each(asked).column("passages").to_pylist()
        done = time.monotonic()
        lines = {text: str(number) for number, text in enumerate(passages(), 1)}
        ranks = np.array([_rank(shown, lines[row[0]]) for shown, row in zip(found, rows, strict=True)])
        first = float((ranks == 1).mean())
        return {
            "value": first,
            "error": 1.96 * float(np.sqrt(first * (1 - first) / len(rows))),
            "ten": float((ranks <= 10).mean()),
            "reciprocal": float(np.where(ranks <= 10, 1.0 / ranks, 0.0).mean()),
            "made_s": made - began,
            "each_ms": (done - made) / len(rows) * 1000,
        }

    return act


def _rank(shown: list[dict[str, Any]], line: str) -> float:
    """At which place the wanted document stands among those that were found, each once."""
    documents = list(dict.fromkeys(one["source"].rpartition(":")[2].split(" ")[0] for one in shown))
    return documents.index(line) + 1.0 if line in documents else np.inf
