"""sources.signatures: rounds over difficulties, what counts as new, how replies are read, a row for every function."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from hornbook.core.asking import Reply
from hornbook.engine.recipe import check_data
from hornbook.stages.sources._proposing import signatures_in
from hornbook.stages.sources.signatures import Signatures
from tests.contract import Example, run, table_of
from tests.corpus import HOSTILE

EXAMPLE = Example(
    knobs={"each": 2, "at_once": 2, "rounds": 2},
    rows=[
        {"id": "t1", "text": "lists of numbers", "origin": "x:1", "language": "en"},
        {"id": "t2", "text": "滑动窗口", "origin": "x:2", "language": None},
        {"id": "t3", "text": " ", "origin": "x:3", "language": None},
        *({"id": key, "text": text[:3000], "origin": "x:9"} for key, text in list(HOSTILE.items())[:6]),
    ],
    teacher={"use": "scripted", "replies": str(Path(__file__).parent / "some_signatures.jsonl")},
    golden={"1": "0327e6e93e18be579c536c5a3917141e"},
)


def said(*lines):
    return json.dumps({"functions": list(lines)})


def walked(stage, replies, topic="Sums"):
    table = pa.table({"id": ["t"], "text": [topic]})
    asked, got = [next(stage.ask(table, "m"))], []
    for text in replies:
        got.append(text if isinstance(text, Reply) else Reply(f"k{len(got)}", text, "stop"))
        more = stage.again(table.to_pylist()[0], asked, got)
        if more is None:
            break
        asked.append(more)
    last = Reply(got[-1].key, got[-1].text, got[-1].finish, error=got[-1].error, before=tuple(got[:-1]))
    return [one.messages[0]["content"] for one in asked], stage.take(table, [last]).to_pylist()[0]


def test_each_difficulty_is_asked_for_until_there_are_enough_and_known_names_are_said():
    stage = Signatures(each=2, at_once=2, difficulties=["easy", "hard"])
    asked, made = walked(
        stage,
        [
            said("def sum_all(a: list[int]) -> int:", "def get_total(a: list[int]) -> int:"),
            said("def add_pair(a: int, b: int) -> int:"),
            said("def longest_sum(a: list[int]) -> int:", "def sum_rows(a: list[int]) -> int:"),
        ],
    )
    found = [(one["entry_point"], one["difficulty"]) for one in made["signatures.functions"]]
    assert found == [("sum_all", "easy"), ("add_pair", "easy"), ("longest_sum", "hard"), ("sum_rows", "hard")]
    assert made["signatures.alike"] == 1
    assert len(asked) == 3
    assert "Difficulty: easy" in asked[0]
    assert "Difficulty: hard" in asked[-1]
    assert "sum_all" in asked[-1]
    assert made["code.topic"] == "Sums"


def test_a_name_counts_once_in_whatever_words():
    stage = Signatures(each=3, difficulties=["easy"], stale=1)
    _, made = walked(stage, [said("def find_max(a: int)", "def max_of_list(a: int)", "def get_maximum(a: int)")] * 2)
    assert [one["entry_point"] for one in made["signatures.functions"]] == ["find_max"]
    assert made["signatures.alike"] == 5


def test_it_ends_where_nothing_is_new_or_the_rounds_are_over():
    asked, made = walked(Signatures(each=9, difficulties=["easy", "hard"], rounds=5, stale=2), ["no idea"] * 20)
    assert len(asked) == 4
    assert made["signatures.error"] == "no_signature"
    assert (
        len(walked(Signatures(each=9, difficulties=["easy"], rounds=3), [f"def f{n}(a: int)" for n in "abcdefg"])[0])
        == 3
    )


def test_a_refusal_ends_it_and_what_was_found_stays():
    stage = Signatures(each=2, difficulties=["easy"])
    _, made = walked(stage, [said("def f_one(a: int) -> int:"), Reply("k", error="refusal", detail="no")])
    assert [one["entry_point"] for one in made["signatures.functions"]] == ["f_one"]
    assert made["signatures.error"] is None
    assert walked(stage, [Reply("k", error="refusal", detail="no")])[1]["signatures.error"] == "refusal"


@pytest.mark.parametrize(
    "reply",
    [
        said("def is_even(n: int) -> bool:", "def is_odd(n: int) -> bool:"),
        "1. `is_even(n: int) -> bool` - even\n2. `is_odd(n: int) -> bool` - odd",
        "```python\ndef is_even(n: int) -> bool:\n    pass\n\ndef is_odd(n: int) -> bool:\n    pass\n```",
        json.dumps([{"signature": "def is_even(n: int) -> bool:"}, {"signature": "def is_odd(n: int) -> bool:"}]),
        'Sure: {"functions": ["isEven(n: int) -> bool", "isOdd(n: int) -> bool"]} Good luck!',
    ],
)
def test_signatures_are_read_in_whatever_form_they_come(reply):
    assert [one.line for one in signatures_in(reply)] == ["def is_even(n: int) -> bool:", "def is_odd(n: int) -> bool:"]


@pytest.mark.parametrize("text", [*HOSTILE.values(), "(" * 100_000, "[" * 50_000, "def f(" * 20_000])
def test_hostile_replies_are_read(text):
    assert isinstance(signatures_in(text), list)


def test_a_row_for_every_function_and_names_once_over_all_topics(tmp_path):
    steps = [
        {"use": "sources.titles", "titles": ["Numbers", "Words"]},
        {"use": "sources.signatures", "each": 2, "difficulties": ["easy"], "rounds": 1},
        {"use": "sources.spread", "column": "signatures.functions", "prefix": "code."},
        {"use": "dedup.names"},
    ]
    one, other = "def sum_all(a: list[int]) -> int:", "def count_words(text: str) -> int:"
    lines = [{"match": "Words", "text": said(one, other)}, {"match": "Numbers", "text": said("sumAll(a: list[int])")}]
    replies = tmp_path / "replies.jsonl"
    replies.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    recipe = {"name": "r", "seed": 1, "teacher": {"use": "scripted", "replies": str(replies)}, "steps": steps}
    last = run(check_data(recipe, "r.yaml"), tmp_path)[-1]
    kept, gone = table_of(last).to_pylist(), table_of(last, "drops").to_pylist()
    assert [(row["text"], row["entry_point"], row["code.topic"], row["code.difficulty"]) for row in kept] == [
        ("def sum_all(a: list[int]):", "sum_all", "Numbers", "easy"), (other, "count_words", "Words", "easy"),
    ]  # fmt: skip
    assert kept[1]["code.signature"] == other
    assert [(row["entry_point"], row["reason"]) for row in gone] == [("sum_all", "same_name")]
