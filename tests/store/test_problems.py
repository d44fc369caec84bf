"""Problems as their files have them, and what is said of files that hold none."""

from __future__ import annotations

import gzip
import json

import pytest

from hornbook.core.errors import UserError
from hornbook.store.problems import read_problems
from tests.problems import HUMAN, MBPP, MISSING, SHARED, lines


@pytest.fixture
def file(tmp_path):
    def write(rows, name="p.jsonl"):
        path = tmp_path / name
        data = (rows if isinstance(rows, str) else lines(rows)).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return write


def test_human_eval_as_it_is_and_packed(file):
    one, two = read_problems(file(HUMAN)), read_problems(file(HUMAN, "q.jsonl.gz"))
    assert one.every == two.every
    first = one.every[0]
    assert (first.key, first.entry_point) == ("HumanEval/0", "total")
    assert first.prompt + first.solution == HUMAN[0]["prompt"] + HUMAN[0]["canonical_solution"]
    assert first.checks.endswith("\ncheck(total)\n")
    assert "def check(candidate):" in first.checks


def test_mbpp_and_its_sanitized_part_an_array(file):
    found = read_problems(file(MBPP)).every
    assert [(p.key, p.entry_point, p.prompt) for p in found] == [("MBPP/11", "double", ""), ("MBPP/12", "is_even", "")]
    assert found[0].solution == "def double(n):\n    return n * 2 ", "line ends are one character"
    assert found[1].checks.startswith("two = 2\nassert is_even(two)\n")
    clean = [{"prompt": row["text"], "test_imports": ["import math"], **row} for row in MBPP]
    for row in clean:
        del row["text"], row["test_setup_code"]
    [first, _] = read_problems(file(json.dumps(clean), "sanitized.json")).every
    assert first.checks.startswith("import math\n")
    assert first.task == MBPP[0]["text"]


def test_tasks_are_found_by_name_number_and_range(file):
    both = read_problems([file(HUMAN, "h.jsonl"), file(MBPP, "m.jsonl")])
    assert both.find("MBPP/11") is both.find("mbpp/11") is both.find(11) is both.every[3]
    assert both.find("HumanEval/9") is None
    assert both.find("") is None
    path = file(HUMAN, "h.jsonl")
    assert [p.number() for p in read_problems(path, "1-9").every] == [1, 2]
    assert [p.number() for p in read_problems(path, "HumanEval/2, 0").every] == [0, 2], "in the file's order"
    with pytest.raises(UserError, match="no task 'HumanEvil/2'") as told:
        read_problems(path, "HumanEvil/2")
    assert "HumanEval/2" in told.value.fix
    with pytest.raises(UserError, match="no task '7-9'"):
        read_problems(path, "7-9")


def test_a_number_that_two_files_have_names_none(file):
    rows = [dict(MBPP[0], task_id=0)]
    both = read_problems([file(HUMAN, "h.jsonl"), file(rows, "m.jsonl")])
    assert both.find(0) is None
    assert both.find("MBPP/0").entry_point == "double"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{broken", "cannot read"),
        ("[" * 100_000, "cannot read"),
        ("[1]\n", "no problem"),
        ('{"task_id": 1}', "no problem"),
        ("", "cannot read"),
        ("\n\n", "no problems"),
        (lines(HUMAN[:1] * 2), "two problems are called HumanEval/0"),
        ('{"task_id": 1, "code": "", "test_list": []}', "no problem"),
        (b"\xed\xa0\x80", "cannot read"),
        (lines(HUMAN[:1]) + "\n{broken", r"p\.jsonl:3"),
    ],
)
def test_what_holds_no_problems_is_told(tmp_path, text, fault):
    path = tmp_path / "p.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=fault):
        read_problems(str(path))


def test_numbers_of_any_size(file):
    row = '{"plus_input": [[' + "9" * 400 + "]], " + json.dumps(HUMAN[0])[1:]
    assert read_problems(file(row)).every[0].key == "HumanEval/0"


@pytest.mark.parametrize(("name", "many", "first"), [("humaneval", 164, "HumanEval/0"), ("mbpp", 500, "MBPP/11")])
def test_the_published_files(name, many, first):
    path = SHARED / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(MISSING)
    found = read_problems(str(path)).every
    assert (len(found), found[0].key) == (many, first)
    assert all(p.entry_point and p.entry_point in p.checks and p.solution for p in found)
    if name == "mbpp":
        assert len(read_problems(str(path), "all").every) == 974
