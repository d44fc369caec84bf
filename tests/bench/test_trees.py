"""The law of the trees' benchmark: peers get the trees that ours gets, and what is planted is counted as planted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bench.curation.trees_peer import by_zss
from bench.planted import KINDS
from bench.trees import TAUS, _nested, _row, shown
from hornbook.kernels.trees import distances
from hornbook.stages.decontaminate._exams import load
from hornbook.stages.decontaminate.code import Code
from hornbook.stages.decontaminate.ladder import Ladder
from hornbook.stages.decontaminate.ngrams import Ngrams

ITEMS = [
    "def gap(numbers):\n    best = 0\n    for one in numbers:\n        best = max(best, one - 1)\n    return best\n",
    "def twice(words):\n    seen = set()\n    return [w for w in words if w in seen or seen.add(w)]\n",
]


def exam(folder: Path) -> list[str]:
    path = folder / "exam.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ITEMS), encoding="utf-8")
    return [str(path)]


def test_peers_get_the_trees_that_ours_gets(tmp_path: Path) -> None:
    exams = load(exam(tmp_path), "free", "types", True, 1, "none")
    pairs = [(a, b) for a in range(2) for b in range(2)]
    nested = [_nested(unit.function.labels, unit.function.left) for unit in exams.units]
    peer = by_zss()
    found = distances(exams.trees, exams.trees, np.array(pairs)).tolist()
    assert found == [peer(nested[a], nested[b]) for a, b in pairs]
    assert found[1] > found[0] == 0


def test_a_row_counts_what_leaves_by_each_means(tmp_path: Path) -> None:
    against = exam(tmp_path)
    stages = {"as default": Code(against=against)}
    stages |= {name: Code(against=against) for name in ("trees and vectors", "not tidied", "types alone", "sequences")}
    stages |= {"ngrams": Ngrams(against=against), "ladder": Ladder(against=against)}  # type: ignore[dict-item]
    row = _row(stages, [*ITEMS, "def other(path):\n    with open(path) as file:\n        return len(file.read())\n"])
    assert row == {
        "documents": 3,
        **{name: [2] * len(TAUS) for name in ("trees", "either", "trees and vectors", "not tidied")},
        **{name: [2] * len(TAUS) for name in ("types alone", "sequences")},
        **dict.fromkeys(("vectors", "ngrams", "ladder"), 2),
    }
    table = shown({next(iter(KINDS)): row, "TheAlgorithms": row | {"documents": 3}})
    head, planted, other, precision = (line.split(" | ") for line in table.splitlines())
    assert len(head) == len(planted) == len(other) == len(precision)
    assert (planted[2], other[2], precision[2]) == ("66.7", "2", "50.00")
