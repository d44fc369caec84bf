"""generate.exercise: what is asked in which order, what becomes of the replies, in both ways and both forms."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from hornbook.core.asking import Reply
from hornbook.core.documents import with_columns
from hornbook.core.rules import select
from hornbook.stages.generate.exercise import Exercise
from tests.contract import Example
from tests.corpus import HOSTILE

LINE = "def count_even(numbers: list[int]) -> int:"
DOC = '"""Count the even numbers.\n\n    >>> count_even([1, 2, 4])\n    2\n    >>> count_even([])\n    0\n    """'
BODY = "return sum(number % 2 == 0 for number in numbers)"
CODE = f"{LINE}\n    {DOC}\n    {BODY}\n"
TESTS = "assert count_even([2]) == 1\nassert count_even([1]) == 0\n"
FENCED = f"Sure!\n```python\n{CODE}\nprint(count_even([2]))\n```\n{TESTS}"
ODD = "def count_odd(numbers: list[int]) -> int:"
ROWS = [
    {"id": "a", "text": LINE, "origin": "n:1", "entry_point": "count_even", "code.signature": LINE, "prompt": None},
    {"id": "b", "text": ODD, "origin": "n:2", "entry_point": None, "code.signature": None, "prompt": None},
    {"id": "c", "text": "nothing", "origin": "n:3", "entry_point": None, "code.signature": None, "prompt": None},
    {"id": "d", "text": LINE, "origin": "n:4", "entry_point": "f", "code.signature": "def f(x):", "prompt": "refuse"},
    {"id": "e", "text": LINE, "origin": "n:5", "entry_point": "g", "code.signature": "def g(x):", "prompt": None},
    *(
        {"id": name, "text": text[:99], "origin": "h", "entry_point": text[:9], "code.signature": text, "prompt": text}
        for name, text in list(HOSTILE.items())[:6]
    ),
]
EXAMPLE = Example(
    knobs={"max_tokens": 300},
    rows=ROWS,
    teacher={"use": "scripted", "replies": str(Path(__file__).parent / "some_exercises.jsonl")},
    golden={"1": "8be88b7d8f4d7dc46c6ad3938150a072"},
)


def row(**columns):
    base = {"id": "r", "text": LINE, "entry_point": "count_even", "code.signature": LINE}
    return pa.Table.from_pylist([base | columns])


def walked(stage, table, replies):
    """(requests, the row with its marks, why it is dropped or None) of a row whose requests get these replies."""
    asked, got = [next(stage.ask(table, "m"))], []
    for said in replies:
        got.append(said if isinstance(said, Reply) else Reply(f"k{len(got)}", said, "stop", 10, 5))
        more = stage.again(table.to_pylist()[0], asked, got)
        if more is None:
            break
        asked.append(more)
    last = replace(got[-1], before=tuple(got[:-1]))
    marked = with_columns(table, stage.take(table, [last]))
    kept, gone = select(marked, stage.drops())
    return asked, (kept.to_pylist() or gone.to_pylist())[0], gone.to_pylist()[0]["reason"] if gone.num_rows else None


def said(request):
    return request.messages[-1]["content"] if request.messages else request.prompt


def test_steps_ask_for_docstring_body_and_tests_each_with_what_is_there():
    asked, made, reason = walked(Exercise(way="steps"), row(), [f"```python\n{LINE}\n    {DOC}\n```", BODY, TESTS])
    assert reason is None
    assert made["text"] == CODE
    assert made["tests"] == TESTS
    assert (made["exercise.examples"], made["exercise.asserts"], made["generate.tries"]) == (2, 2, 3)
    assert (made["generate.prompt_tokens"], made["generate.tokens"]) == (30, 15)
    assert [LINE in said(one) for one in asked] == [True] * 3
    assert ["Count the even" in said(one) for one in asked] == [False, True, True]
    assert not any(BODY in said(one) for one in asked), "tests are asked for without the body"
    assert len({one.key() for one in asked}) == 3


def test_the_whole_is_asked_by_the_rows_prompt_and_left_without_its_calls():
    asked, made, reason = walked(Exercise(tests=0), row(prompt="Write it."), [FENCED])
    assert [said(one) for one in asked] == ["Write it."]
    assert reason is None
    assert made["text"] == CODE
    assert made["prompt"] == "Write it."
    assert made["tests"] == ""
    assert said(walked(Exercise(tests=0), row(), [FENCED])[0][0]).startswith("Write the Python function `count_even(")


def test_a_small_model_completes_functions():
    stage = Exercise(way="whole", form="completion", shots=1)
    rest = DOC.removeprefix('"""') + f"\n    {BODY}\n"
    asked, made, reason = walked(stage, row(prompt="unused"), [rest, "[2]) == 1\nassert count_even([1]) == 0"])
    assert reason is None
    assert asked[0].messages == ()
    assert said(asked[0]).endswith(f'{LINE}\n    """')
    assert said(asked[0]).count("def ") == 2
    assert "\ndef " in asked[0].params["stop"]
    assert said(asked[1]).endswith("assert count_even(")
    assert (made["text"], made["tests"]) == (CODE, TESTS)


def test_completion_in_steps_begins_the_first_example_itself():
    stage = Exercise(way="steps", form="completion", examples=1)
    examples = "[1, 2, 4])\n    2\n    >>> count_even([1, 2, 4])\n    2\n    "
    asked, made, reason = walked(stage, row(), ["Count the even numbers.", examples, f"\n    {BODY}\n", "[2]) == 1"])
    assert reason is None
    assert said(asked[1]).endswith('"""Count the even numbers.\n\n    >>> count_even(')
    assert said(asked[2]).endswith('2\n    """')
    assert made["exercise.examples"] == 1
    assert made["text"] == CODE.replace("    >>> count_even([])\n    0\n", "")
    assert made["tests"] == "assert count_even([2]) == 1\n"


@pytest.mark.parametrize(
    ("knobs", "replies", "reason", "tries"),
    [
        ({}, ["I would rather not.", "No."], "no_code", 2),
        ({}, [CODE.replace("count_even", "count_odd")] * 2, "no_function", 2),
        ({}, [f"{LINE}\n    {DOC}\n"] * 2, "no_code", 2),
        ({"again_at_most": 0}, ["No."], "no_code", 1),
        ({}, ["", ""], "empty", 2),
        ({}, [Reply("k", error="refusal", detail="no")], "refusal", 1),
        ({}, ["No.", Reply("k", error="transport", detail="t")], "transport", 2),
        ({"way": "steps"}, ["", ""], "empty", 2),
        ({"way": "steps"}, [DOC, "pass", "pass"], "no_code", 3),
        ({"tests": 0, "min_examples": 3}, [CODE], "few_examples", 1),
        ({"min_tests": 1}, [CODE, "none", "none"], "few_tests", 3),
    ],
)
def test_each_fault_is_a_reason(knobs, replies, reason, tries):
    asked, made, found = walked(Exercise(**knobs), row(), replies)
    assert found == reason
    assert len(asked) == tries
    assert made["evidence"]
    if reason not in ("few_examples", "few_tests"):
        assert (made["text"], made["tests"]) == ("", "")
        assert made["generate.detail"]


def test_what_was_of_no_use_is_asked_again_as_another_sample():
    asked, made, reason = walked(Exercise(tests=0), row(sample=3), ["No.", CODE])
    assert reason is None
    assert (asked[0].sample, asked[1].sample) == (3000, 3001)
    assert asked[0].messages == asked[1].messages
    assert made["generate.tries"] == 2


def test_without_tests_a_program_stays_and_says_why():
    _, made, reason = walked(Exercise(), row(), [CODE, "I cannot.", "No."])
    assert reason is None
    assert (made["text"], made["tests"]) == (CODE, "")
    assert made["exercise.stopped"].startswith("no_tests")


def test_rows_speak_chinese_where_they_say_so():
    for column in ("language", "prompts.language"):
        asked, _, _ = walked(Exercise(tests=0), row(**{column: "zh"}), [CODE])
        assert "请写出" in said(asked[0])


def test_plan_knows_the_rounds():
    assert [one.name for one in Exercise(way="steps").ahead()] == ["body", "tests", "again", "again", "again"]
    assert Exercise().outcome(Reply("k", FENCED)) == CODE + "\nprint(count_even([2]))\n"
    assert Exercise().outcome(Reply("k", "No.")) is None


@pytest.mark.parametrize(
    "knobs", [{"way": way, "form": form} for way in ("steps", "whole") for form in ("chat", "completion")]
)
def test_hostile_replies_never_break_it(knobs):
    for text in [*HOSTILE.values(), "(" * 50_000, '"""' * 999, json.dumps({"a": CODE})]:
        _, made, _ = walked(Exercise(**knobs), row(), [text[:40_000]] * 6)
        ast.parse(made["text"] + "\n" + made["tests"])


def test_half_an_assert_at_the_end_of_a_reply_that_was_cut_off_does_not_count():
    cut = Reply("k", "assert count_even([2]) == 1\nassert count_even([1, 2])", "length")
    _, made, _ = walked(Exercise(), row(), [CODE, cut])
    assert made["tests"] == "assert count_even([2]) == 1\n"
