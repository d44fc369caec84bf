"""sources.personas: all different, the same from whoever draws them, sensible, and files cleaned of doubles."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.core.knobs import local_path
from hornbook.stages.sources._people import Lists, lists_of
from hornbook.stages.sources.personas import Personas
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.sources.reading import read, reasons

EXAMPLE = Example(knobs={"count": 40, "languages": ["en", "zh"]}, golden={"1": "0bce9bba43f953a7a79bb09a5b722dac"})


def test_persona_n_depends_on_the_seed_and_n_alone():
    some, _ = read(Personas(count=50, seed=3))
    more, _ = read(Personas(count=5_000, seed=3))
    other, _ = read(Personas(count=50, seed=4))
    assert more[:50] == some
    assert not {row["text"] for row in other} & {row["text"] for row in some}
    assert len({row["text"] for row in more}) == 5_000
    assert [len(item) for item in Personas(count=5_000).shards(None)] == [2, 2]


def test_every_combination_that_makes_sense_comes_once_and_no_other():
    small = {name: words[:3] for name, words in lists_of("en").lists.items()}
    small |= {
        "adult.goal": small["adult.goal"][:3],
        "adult.who": ("baker", "retired judge"),
        "adult.age": lists_of("en").lists["adult.age"],
    }
    lists = Lists("en", small)
    sensible = 3 * 3 * 3 * (7 + 2) + 3**5
    found = [lists.person(number, 9)["text"] for number in range(sensible)]
    assert len(set(found)) == sensible == lists.many
    assert not any("retired" in text and "thirties" in text for text in found)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_there_are_over_a_million_and_lists_say_nothing_twice(language):
    assert lists_of(language).many > 1_000_000
    lines = Path(local_path(f"shipped:personas_{language}.tsv")).read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines)
    assert {len(words) for words in lists_of(language).lists.values()} == {
        len(words) for words in lists_of("en").lists.values()
    }, "as many in each language"


def test_a_sample_uses_all_of_the_lists_evenly():
    rows, _ = read(Personas(count=4_000))
    counts = Counter(row["persona.place"] for row in rows)
    assert set(counts) == set(lists_of("en").lists["place"])
    assert max(counts.values()) < 3 * min(counts.values())
    assert {row["persona.kind"] for row in rows} == {"adult", "young"}
    openings = Counter(" ".join(row["text"].split()[:3]) for row in rows)
    assert openings.most_common(1)[0][1] < 0.05 * len(rows)


def test_languages_take_turns():
    rows, _ = read(Personas(count=7, languages=["zh", "en"]))
    assert [row["language"] for row in rows] == ["zh", "en", "zh", "en", "zh", "en", "zh"]
    assert all(("。" in row["text"]) == (row["language"] == "zh") for row in rows)


def test_a_file_of_personas(tmp_path):
    given = [
        "A nurse who paints.",
        "a nurse  who paints",
        "",
        "12 34",
        "x" * 2000,
        "一位画画的护士。",
        *HOSTILE.values(),
    ]
    path = tmp_path / "hub.jsonl"
    path.write_text("".join(json.dumps({"persona": text, "n": at}) + "\n" for at, text in enumerate(given)))
    rows, drops = read(Personas(path=str(path)))
    assert [row["text"] for row in rows[:2]] == ["A nurse who paints.", "一位画画的护士。"]
    assert rows[0]["n"] == 0
    assert len(rows) + len(drops) == len(given)
    assert reasons(drops)[:4] == [
        ("hub.jsonl:2", "duplicate"),
        ("hub.jsonl:3", "blank"),
        ("hub.jsonl:4", "blank"),
        ("hub.jsonl:5", "long"),
    ]


def test_more_than_there_are_is_refused_with_the_number():
    with pytest.raises(ValidationError, match="can be had"):
        Personas(count=10**9)
    with pytest.raises(ValidationError, match="each once"):
        Personas(languages=["en", "en"])
