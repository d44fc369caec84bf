"""sources.names: no name twice, every bucket in turn, each line a signature; the whole grammar at once."""

import ast
import json
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.core.knobs import local_path
from hornbook.kernels.signatures import signature_in
from hornbook.stages.sources._grammar import DIFFICULTIES, drawn, families
from hornbook.stages.sources.names import Names
from tests.contract import Example

EXAMPLE = Example(knobs={"count": 12, "language": "zh"}, golden={"1": "036f431e6fa21654e507613b411c09af"})
ALL = tuple(family.topic for family in families())


def rows(**knobs):
    stage = Names(**knobs)
    return [row for item in stage.shards(None) for table in stage.read(item, None) for row in table.to_pylist()]


def test_there_are_over_100_000_names_and_none_twice():
    numbers = drawn(ALL, DIFFICULTIES, 0).tolist()
    names = {families()[family].said(number)[0] for family, number, _ in numbers}
    assert len(names) == len(numbers) > 100_000


def test_every_combination_of_words_that_have_parameters_is_a_signature():
    """Parameters meet in every pair of slots, so all pairs of words are tried, not all combinations."""
    for at, family in enumerate(families()):
        seen = set()
        for _, number, _ in drawn((family.topic,), DIFFICULTIES, 1).tolist()[:400]:
            name, line = families()[at].said(number)
            found = signature_in(line)
            assert found is not None, line
            assert (found.name, found.line) == (name, line)
            seen.add(name)
        for first, slot in enumerate(family.slots):
            for second in family.slots[first + 1 :]:
                for one in slot:
                    for other in second:
                        given = ast.parse(f"def f({', '.join(p for p in (one.params, other.params) if p)}): pass").body[
                            0
                        ]
                        names = [arg.arg for arg in given.args.args]
                        assert len(set(names)) == len(names), (one, other)


def test_buckets_come_in_turn_and_depend_on_the_seed():
    first = rows(count=37, seed=1)
    assert len({(row["code.topic"], row["code.difficulty"]) for row in first}) == 37
    assert [row["text"] for row in rows(count=200, seed=1)][:37] == [row["text"] for row in first]
    assert {row["text"] for row in rows(count=200, seed=2)} != {row["text"] for row in rows(count=200, seed=1)}
    assert all(row["text"] == row["code.signature"] and row["entry_point"] in row["text"] for row in first)


def test_topics_and_difficulties_are_chosen_and_named_in_the_language():
    found = rows(count=60, topics=["binary numbers"], difficulties=["hard"], language="zh")
    assert Counter(row["code.difficulty"] for row in found) == {"hard": 60}
    assert {(row["code.topic"], row["language"]) for row in found} == {("二进制数", "zh")}


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"count": 10**6}, "different names are wanted"),
        ({"topics": ["lists of number"]}, "did you mean `lists of numbers`"),
        ({"topics": ["binary numbers"], "count": 5000}, "can be had"),
    ],
)
def test_what_cannot_be_had_is_said(knobs, message):
    with pytest.raises(ValidationError, match=message):
        Names(**knobs)


def shipped(name):
    lines = Path(local_path(f"shipped:code/{name}.jsonl")).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_shipped_topics_are_the_same_in_both_languages_and_every_family_is_about_one():
    english, chinese = shipped("topics"), shipped("topics_zh")
    assert [row["id"] for row in english] == [row["id"] for row in chinese]
    for rows_of in (english, chinese):
        assert len({row["text"] for row in rows_of}) == len(rows_of) >= 60
    assert set(ALL) <= {row["text"] for row in english}


def test_shipped_basics_are_signatures_of_known_topics_and_none_twice():
    found = shipped("basics")
    topics = {row["text"] for row in shipped("topics")}
    assert len({row["entry_point"] for row in found}) == len(found) >= 150
    for row in found:
        assert signature_in(row["text"]).line == row["text"] == row["code.signature"]
        assert signature_in(row["text"]).name == row["entry_point"]
        assert row["code.topic"] in topics
