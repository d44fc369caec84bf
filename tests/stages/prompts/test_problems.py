"""prompts.problems: an exam's problems as prompts."""

from __future__ import annotations

import pytest

from hornbook.core.errors import UserError
from hornbook.stages.prompts.problems import Problems
from tests.contract import Example
from tests.problems import HUMAN, MBPP, lines

EXAMPLE = Example(
    knobs={"problems": "{tmp}/problems.jsonl", "samples": 2},
    files={"problems.jsonl": lines([*HUMAN, *MBPP])},
    golden={"1": "955517768f7f11573ddc5651c2a59963"},
)


def rows(stage: Problems) -> list[dict]:
    return [row for item in stage.shards(None) for table in stage.read(item, None) for row in table.to_pylist()]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "p.jsonl").write_text(lines([*HUMAN, *MBPP]))
    return str(tmp_path / "p.jsonl")


def test_each_problem_so_many_times(file):
    found = rows(Problems(problems=file, samples=3))
    assert [row["task_id"] for row in found] == [
        key for key in ("HumanEval/0", "HumanEval/1", "HumanEval/2", "MBPP/11", "MBPP/12") for _ in range(3)
    ]
    assert [row["id"] for row in found[:3]] == ["HumanEval/0", "HumanEval/0#1", "HumanEval/0#2"]
    assert [row["sample"] for row in found[:3]] == [0, 1, 2]
    assert {row["entry_point"] for row in found} == {"total", "biggest", "backwards", "double", "is_even"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_prompt_holds_what_the_answer_needs(file, language):
    found = {row["task_id"]: row["prompt"] for row in rows(Problems(problems=file, language=language))}
    assert HUMAN[2]["prompt"].rstrip() in found["HumanEval/2"]
    assert all(part in found["MBPP/12"] for part in (MBPP[1]["text"], "`is_even`", *MBPP[1]["test_list"]))
    assert all("{" not in prompt and "canonical" not in prompt for prompt in found.values())
    assert not any(MBPP[1]["code"].strip() in prompt for prompt in found.values())


def test_plain_is_the_prompt_alone(file):
    found = {row["task_id"]: row["prompt"] for row in rows(Problems(problems=file, form="plain"))}
    assert found["HumanEval/0"] == HUMAN[0]["prompt"]


def test_own_wording_and_what_lacks_in_it(file, tmp_path):
    (tmp_path / "function.en.txt").write_text("Do {entry_point}: {prompt} {other}")
    (tmp_path / "task.en.txt").write_text("Do {task}")
    stage = Problems(problems=file, wording=str(tmp_path), tasks="HumanEval/1")
    assert rows(stage)[0]["prompt"] == f"Do biggest: {HUMAN[1]['prompt'].rstrip()} {{other}}"
    with pytest.raises(UserError, match=r"lacks \{tests\}"):
        rows(Problems(problems=file, wording=str(tmp_path), tasks="MBPP/11"))
    with pytest.raises(UserError, match="cannot read the wording"):
        rows(Problems(problems=file, wording=str(tmp_path), language="zh"))


def test_a_problem_s_own_braces_are_no_places(tmp_path):
    row = dict(HUMAN[0], prompt='def total(numbers):\n    """{task} {tests}"""\n')
    (tmp_path / "p.jsonl").write_text(lines([row]))
    assert "{task} {tests}" in rows(Problems(problems=str(tmp_path / "p.jsonl")))[0]["prompt"]
