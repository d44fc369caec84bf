"""evaluate.solutions: programs by the student, for problems of both kinds."""

from __future__ import annotations

import json

import pytest

from hornbook.core.errors import UserError
from hornbook.engine.recipe import check_data
from hornbook.stages.evaluate._prompting import CODEX, beginner, program_of, stops_of
from hornbook.stages.evaluate._writing import _stopped
from hornbook.store.problems import Problems, read_problems
from tests.contract import Example, run, table_of
from tests.corpus import STORIES
from tests.problems import HUMAN, MBPP, lines

ABOVE = (
    ("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),
    ("train.student", {"depth": 1, "context": 48, "tokens": 1000, "threads": 1}),
)
EXAMPLE = Example(
    knobs={"problems": "{tmp}/problems.jsonl", "n": 2, "max_tokens": 10, "stop": ["e"]},
    above=ABOVE,
    files={"problems.jsonl": lines(HUMAN)},
    golden={"1": "cfd26583d23a5478d7af79a0f3fd0e50"},
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Programs by a tiny student: several, fewer, greedy, for the other kind, and with no stop."""
    tmp = tmp_path_factory.mktemp("solutions")
    code = [HUMAN[n % 3]["prompt"] + HUMAN[n % 3]["canonical_solution"] for n in range(12)]
    texts = [*code, *[f"{STORIES[n % 3]} The {n} end." for n in range(12)]]
    (tmp / "in.jsonl").write_text("".join(json.dumps({"id": f"d{n}", "text": t}) + "\n" for n, t in enumerate(texts)))
    (tmp / "h.jsonl").write_text(lines(HUMAN))
    (tmp / "m.jsonl").write_text(lines(MBPP))
    write = {"use": "evaluate.solutions", "problems": str(tmp / "h.jsonl"), "max_tokens": 16, "temperature": 1.0}
    steps = [
        {"use": "sources.files", "path": str(tmp / "in.jsonl")},
        *[{"use": use} | knobs for use, knobs in ABOVE],
        write | {"name": "open", "n": 4, "stop": []},
        write | {"name": "stopped", "from": "train", "n": 4, "stop": ["e", "\n"]},
        write | {"name": "fewer", "from": "train", "n": 2, "stop": []},
        write | {"name": "greedy", "from": "train", "temperature": 0},
        write | {"name": "mbpp", "from": "train", "n": 1, "problems": str(tmp / "m.jsonl"), "form": "docstring"},
    ]
    found = run(check_data({"name": "c", "steps": steps}, "c.yaml"), tmp)
    return {one.step: table_of(one).to_pylist() for one in found if one.makes == "documents"}


def test_each_problem_has_so_many_programs_that_go_on_from_its_prompt(done):
    rows = done["open"]
    assert [(row["task_id"], row["completion.number"]) for row in rows] == [
        (p["task_id"], n) for p in HUMAN for n in range(4)
    ]
    prompts = {p["task_id"]: p["prompt"] for p in HUMAN}
    for row in rows:
        assert row["text"] == prompts[row["task_id"]] + row["completion"]
        assert row["prompt"] == prompts[row["task_id"]].rstrip()
        assert row["completion"]
    assert len({row["completion"] for row in rows}) > 6, "each draws for itself"
    assert {row["id"] for row in rows} >= {"HumanEval/0#0", "HumanEval/2#3"}
    assert all(row["completion.cut"] for row in rows), "24 tokens are all that fit"


def test_more_hold_the_fewer_and_greedy_is_one(done):
    rows = {row["id"]: row["completion"] for row in done["open"]}
    assert len(done["fewer"]) == 6
    assert all(rows[row["id"]] == row["completion"] for row in done["fewer"])
    assert [row["id"] for row in done["greedy"]] == [f"HumanEval/{n}#0" for n in range(3)]


def test_a_stop_ends_an_answer_and_changes_nothing_before_it(done):
    whole = {row["id"]: row for row in done["open"]}
    stops = 0
    for row in done["stopped"]:
        text, stopped = _stopped(whole[row["id"]]["completion"], ("e", "\n"))
        assert row["completion"] == text
        assert row["completion.ended"] == (stopped or whole[row["id"]]["completion.ended"])
        stops += stopped
    assert stops > 3


def test_mbpp_is_put_in_words_and_the_answer_is_the_whole_program(done):
    [first, _] = done["mbpp"]
    assert first["task_id"] == "MBPP/11"
    assert first["prompt"] == '"""\nWrite a function to double a number.\nassert double(2) == 4\n"""'
    assert first["text"] == first["completion"]


def test_the_paper_s_form_and_its_examples(tmp_path):
    (tmp_path / "m.jsonl").write_text(lines([*MBPP, *[dict(MBPP[0], task_id=n) for n in (2, 3, 4)]]))
    whole = read_problems(str(tmp_path / "m.jsonl"), "all")
    some = Problems(whole.every[:2])
    task = (
        "You are an expert Python programmer, and here is your task: Write a function to double a number. "
        "Your code should pass these tests:\n\nassert double(2) == 4\nassert double(0) == 0\nassert double(-1) == -2\n"
        "[BEGIN]"
    )
    assert beginner(some, whole, "paper", 0)(some.every[0]) == task
    shown = f"{task}\ndef double(n):\n    return n * 2\n[DONE]\n"
    assert beginner(some, whole, "paper", 2)(some.every[0]) == shown * 2 + task
    with pytest.raises(UserError, match="no MBPP/2"):
        beginner(some, some, "paper", 1)
    assert stops_of(some.every, "paper") == ("[DONE]",)
    assert "\nassert" in stops_of(some.every, "docstring")


def test_human_eval_stops_as_codex_and_its_programs_go_on_from_the_file_s_prompt(tmp_path):
    (tmp_path / "h.jsonl").write_text(lines(HUMAN))
    problems = read_problems(str(tmp_path / "h.jsonl"))
    assert stops_of(problems.every, "paper") == CODEX
    first = problems.every[0]
    assert beginner(problems, problems, "paper", 3)(first) + "\n" == first.prompt, "no example is put before it"
    assert program_of(first, "\n    return 1") == HUMAN[0]["prompt"] + "\n    return 1"
    assert _stopped("\n    return 1\n\ndef f", CODEX) == ("\n    return 1\n", True)
    assert _stopped("\n    if x:\n        print(1)", CODEX) == ("\n    if x:\n        print(1)", False)
