"""Do SelfCheck's scores tell what a passage says from what was made up? By recorded samples of the embedded teacher.

The labelled statements are made from BoolQ's passages (`bench/checking/statements.py`); the samples were written once
by SmolLM2-135M-Instruct and lie in `bench/checking/recorded.jsonl` (`bench/checking/record.py`).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa

from bench.checking.areas import baselines, table
from bench.checking.record import RECORDED, VERDICTS, topics
from bench.checking.statements import KINDS, Absent, Statement, statements
from bench.harness import Contender, Facts, Options, Outcome, take_turns
from hornbook import __version__
from hornbook.core.asking import Reply
from hornbook.core.keys import key_of
from hornbook.stages.evaluate.selfcheck import Selfcheck

PEERS: tuple[str, ...] = ()
UNIT = "AUROC"
SETTINGS = ("given", "memory")
COLUMNS = {"low": "95 % from", "high": "to"} | {kind: kind for kind in KINDS[1:]} | {"statements": "statements"}


def run(options: Options) -> Outcome:
    """Each score of each setting, with the baselines.

    Raises:
        SystemExit: BoolQ is not here.
    """
    try:
        labelled = statements(list(topics()))
    except Absent as error:
        raise SystemExit(f"error: {error}") from error
    contenders, detail = [], dict[str, Any]()
    for setting in SETTINGS:
        scores, model, many = scored(labelled, setting)
        detail[setting] = {"teacher": model, "samples": many, "table": {}}
        for name, values in scores.items():
            role = "peer" if name in ("length", "random") else "shown"
            role = "ours" if (setting, name) == ("given", "similarity") else role
            act = _act(labelled, values, detail[setting]["table"], name)
            contenders.append(Contender(f"{setting}: {name}", role, act))  # type: ignore[arg-type]
    done = take_turns(contenders, 1, options.tell)
    return Outcome(done, UNIT, True, _versions(), COLUMNS, detail)


def scored(labelled: list[Statement], setting: str) -> tuple[dict[str, Any], str, int]:
    """(score → its values, one a statement; the teacher; samples a prompt)."""
    rows = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    samples = {row["about"]: row["samples"] for row in rows if row["setting"] == setting}
    model = next(row["model"] for row in rows)
    given = pa.table({"text": [s.text for s in labelled], "samples": [samples[s.about] for s in labelled]})
    marks = Selfcheck(samples="samples", k=100).take(given, [Reply("")] * len(labelled))
    found = {name: marks.column(f"selfcheck.{name}").to_numpy() for name in ("similarity", "ngram", "ngram_max")}
    if VERDICTS.exists():
        said = [json.loads(line) for line in VERDICTS.read_text(encoding="utf-8").splitlines()]
        known = {(row["setting"], row["statement"]): row["doubt"] for row in said}
        doubts = [known.get((setting, key_of([s.about, s.text]))) for s in labelled]
        if None not in doubts:
            found["prompt"] = np.array(doubts, float)
    return found | baselines([s.text for s in labelled]), model, max(map(len, samples.values()))


def _act(labelled: list[Statement], values: Any, into: dict[str, Any], name: str) -> Callable[[float], Facts]:
    def act(left: float) -> Facts:
        kinds, about = np.array([s.kind for s in labelled]), np.array([s.about for s in labelled])
        into[name] = table(values, kinds, about)
        return facts_of(into[name], len(labelled))

    return act


def facts_of(found: Mapping[str, list[float]], many: int) -> Facts:
    """A row of the table of what `areas.table` gave."""
    area, low, high, _ = found["all"]
    return {"value": area, "low": low, "high": high, "statements": many} | {
        kind: values[0] for kind, values in found.items() if kind != "all"
    }


def _versions() -> dict[str, str]:
    return {"hornbook": __version__, "python": platform.python_version(), "wordllama": version("wordllama")}
