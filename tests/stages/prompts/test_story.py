"""prompts.story: what is drawn, how evenly, and that a prompt does not depend on who draws it."""

import itertools
import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.stages.prompts.story import Feature, Story
from hornbook.stages.sources.words import Words
from tests.contract import Example

SEEDS = [
    {"id": f"{part}-{word}", "text": word, "origin": "test", "words.pos": part}
    for part, words in {
        "noun": ["fox", "tree", "milk", "door", "old-shoe", "cake", "star", "lamp"],
        "verb": ["jump", "sing", "hide", "ask"],
        "adjective": ["happy", "old", "useful", "honest", "red"],
    }.items()
    for word in words
]
EXAMPLE = Example(knobs={"count": 60, "form": "instruct"}, rows=SEEDS, golden={"1": "c06e98372cb4380ae2c0497241386048"})
FEATURES = list(Feature.__args__)


class Seeds:
    """Documents above the stage, in pieces of 7."""

    def __init__(self, rows=SEEDS):
        self.table = pa.Table.from_pylist(rows) if rows else pa.table({"id": pa.array([], pa.string())})

    def documents(self, columns=None):
        have = [name for name in columns if name in self.table.column_names]
        for at in range(0, max(1, self.table.num_rows), 7):
            yield self.table.select(have).slice(at, 7)


class BasicWords(Seeds):
    def __init__(self):
        (self.table,) = Words().read("words.tsv", None)


def prompts(seeds=None, **knobs):
    stage, seeds = Story(**knobs), seeds or Seeds()
    return [row for item in stage.shards(seeds) for table in stage.read(item, seeds) for row in table.to_pylist()]


def chi_square(counts, possible):
    expected = sum(counts.values()) / possible
    return sum((counts.get(key, 0) - expected) ** 2 / expected for key in counts) + expected * (possible - len(counts))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(-(2**63), 2**63), count=st.integers(1, 40), more=st.integers(0, 40))
def test_a_prompt_does_not_depend_on_the_count(seed, count, more):
    assert prompts(seed=seed, count=count) == prompts(seed=seed, count=count + more)[:count]


def test_a_prompt_does_not_depend_on_its_range():
    stage, seeds = Story(count=10_000, seed=3), Seeds()
    shards = stage.shards(seeds)
    assert shards == [[0, 4096], [4096, 8192], [8192, 10_000]]
    (last,) = stage.read(shards[-1], seeds)
    (some,) = stage.read([9_990, 9_995], seeds)
    at = 9_990 - 8192
    assert last.slice(at, 5).equals(some)


def test_ten_million_prompts_are_ranges_not_a_list():
    stage = Story(count=10**7)
    shards = stage.shards(None)
    assert sum(stop - start for start, stop in shards) == 10**7
    assert all(0 < stop - start <= 4096 for start, stop in shards)
    (table,) = stage.read(shards[-1], Seeds())
    assert table["id"][-1].as_py() == "story-9999999"


def test_other_features_openings_or_form_keep_the_words():
    def words(**knobs):
        return [[row[f"story.{p}"] for p in ("noun", "verb", "adjective")] for row in prompts(count=50, **knobs)]

    assert words() == words(max_features=0) == words(features=["twist"]) == words(openings=1) == words(form="instruct")
    assert words() != words(seed=1)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    most=st.integers(0, 6),
    features=st.lists(st.sampled_from(FEATURES), unique=True),
    form=st.sampled_from(["story", "instruct"]),
)
def test_what_is_drawn_is_within_bounds_and_in_the_prompt(seed, most, features, form):
    parts = {row["id"]: (row["text"], row["words.pos"]) for row in SEEDS}
    for row in prompts(seed=seed, count=12, max_features=most, features=features, form=form):
        drawn = row["story.features"].split(",") if row["story.features"] else []
        assert len(drawn) <= min(most, len(features))
        assert len(set(drawn)) == len(drawn)
        assert set(drawn) <= set(features)
        for part, key in zip(("noun", "verb", "adjective"), row["story.seeds"], strict=True):
            assert parts[key] == (row[f"story.{part}"], part)
        fields = row.get("story.fields", "words").split(",")
        if "words" in fields:
            assert all(row[f"story.{part}"] in row["prompt"] for part in ("noun", "verb", "adjective"))
        if form == "instruct":
            assert fields != [""]
            assert ("sentence" in fields) == bool(row["story.sentence"])
            assert row["story.sentence"] in row["prompt"]
            assert ("Summary:" in row["prompt"]) == ("summary" in fields)
            assert ("Features:" in row["prompt"]) == bool(drawn) == ("features" in fields)
        assert row["prompt"].count("with simple words that a small child knows.") == 1
        assert "{" not in row["prompt"]
        assert "  " not in row["prompt"]


def test_the_real_words_keep_their_part_of_speech():
    seeds = BasicWords()
    part_of = dict(zip(seeds.table["text"].to_pylist(), seeds.table["words.pos"].to_pylist(), strict=True))
    for row in prompts(seeds, count=300):
        assert all(part_of[row[f"story.{part}"]] == part for part in ("noun", "verb", "adjective"))


def test_prompts_are_distinct():
    seen = [row["prompt"] for row in prompts(BasicWords(), count=3000)]
    assert len(set(seen)) == len(seen)


def test_draws_are_even():
    rows = prompts(count=4000, openings=0.5, seed=5)
    limits = {"noun": (8, 24.3), "verb": (4, 16.3), "adjective": (5, 18.5)}
    for part, (possible, limit) in limits.items():
        counts = Counter(row[f"story.{part}"] for row in rows)
        assert chi_square(counts, possible) < limit, f"{part}: above the 99.9 % point of chi-square"
    numbers = Counter(row["story.features"].count(",") + bool(row["story.features"]) for row in rows)
    assert chi_square(numbers, 4) < 16.3
    drawn = Counter(name for row in rows for name in row["story.features"].split(",") if name)
    assert chi_square(drawn, 6) < 20.5
    openings = Counter(row["story.opening"] for row in rows if row["story.opening"])
    assert chi_square(openings, len(openings)) < 36.1
    assert len(openings) == 14
    assert sum(openings.values()) == pytest.approx(2000, abs=3.3 * 1000**0.5)


def test_draws_do_not_depend_on_each_other():
    rows = prompts(count=4000, seed=6)
    pairs = Counter((row["story.noun"], row["story.verb"]) for row in rows)
    assert set(pairs) == set(itertools.product({r["story.noun"] for r in rows}, {r["story.verb"] for r in rows}))
    assert chi_square(pairs, 32) < 61.1


@pytest.mark.parametrize(("share", "wanted"), [(0, 0), (1, 50)])
def test_the_share_of_openings_is_kept(share, wanted):
    assert sum(bool(row["story.opening"]) for row in prompts(count=50, openings=share)) == wanted


def test_articles():
    found = {row["story.adjective"]: row["prompt"] for row in prompts(count=80)}
    for adjective, article in {"old": "an", "honest": "an", "useful": "a", "red": "a"}.items():
        assert re.search(rf"about {article} {adjective} ", found[adjective])


def test_paragraphs_are_asked_for():
    assert "Write one short paragraph " in prompts(count=1, paragraphs=1)[0]["prompt"]
    assert "Write 4 short paragraphs " in prompts(count=1, paragraphs=4)[0]["prompt"]


def test_seeds_without_parts_of_speech_are_a_users_mistake():
    plain = Seeds([{"id": "a", "text": "fox"}])
    with pytest.raises(UserError, match=r"words\.pos") as caught:
        prompts(plain)
    assert "sources.words" in caught.value.fix


def test_a_missing_part_of_speech_is_named_with_the_numbers():
    with pytest.raises(UserError, match="verb") as caught:
        prompts(Seeds([row for row in SEEDS if row["words.pos"] != "verb"]))
    assert "8 nouns, 0 verbs, 5 adjectives" in caught.value.where


def test_hostile_seeds_are_used_or_left_out():
    odd = [
        {"id": "x", "text": "", "words.pos": "noun"},
        {"id": "y", "text": "\u202e{verb}\x00 {0}", "words.pos": "noun"},
        {"id": "z", "text": "run", "words.pos": "verb"},
        {"id": "n", "text": None, "words.pos": None},
        {"id": "w", "text": "é" * 1000, "words.pos": "adjective"},
    ]
    for form in ("story", "instruct"):
        for row in prompts(Seeds(odd), count=60, form=form):
            assert row["story.noun"] == "\u202e{verb}\x00 {0}"


@pytest.mark.parametrize(
    "knobs",
    [
        {"features": ["plot"]},
        {"features": ["twist", "twist"]},
        {"openings": 1.1},
        {"count": 0},
        {"max_features": 7},
    ],
)
def test_bad_knobs_are_refused(knobs):
    with pytest.raises(ValidationError):
        Story(**knobs)
