"""`scales:`: a name for some values of `--set`; `--set` itself wins; what has no place is refused with its line."""

from __future__ import annotations

import pytest

from hornbook.core.errors import UserError
from hornbook.engine.recipe import Recipe, check_data, load_recipe

TEXT = """\
name: r
scale: small
steps:
  - {use: sources.files, path: [a.jsonl], limit: 9}
  - {use: generate.complete, max_tokens: 5}
  - {use: quality.length, name: first, min_words: 1}
scales:
  small:
    about: a few
    sources.limit: 3
    generate.complete.max_tokens: 7
    budget.usd: 2
  large: {sources.limit: 1000, first.min_words: 50}
  other: {sources.use: sources.code, sources.path: [b.jsonl]}
  bare:
"""


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "r.yaml"

    def made(scale: str | None = None, text: str = TEXT, **sets: object) -> Recipe:
        path.write_text(text, encoding="utf-8")
        return load_recipe(str(path), {name.replace("__", "."): value for name, value in sets.items()}, scale)

    return made


def test_the_recipe_names_its_scale_and_another_can_be_chosen(load):
    small, large, bare = load(), load("large"), load("bare")
    assert (small.scale.name, small.scale.about) == ("small", "a few")
    assert (small.step("sources").stage.limit, small.step("generate").stage.max_tokens) == (3, 7)
    assert small.budget.usd == 2
    assert (large.step("sources").stage.limit, large.step("first").stage.min_words) == (1000, 50)
    assert large.step("generate").stage.max_tokens == bare.step("generate").stage.max_tokens == 5
    assert load(text=TEXT.replace("scale: small\n", "")).scale.name == "small", "else the first"


def test_what_is_set_wins_however_it_is_called(load):
    assert load(sources__limit=1).step("sources").stage.limit == 1
    assert load(generate__max_tokens=8).step("generate").stage.max_tokens == 8


def test_another_stage_leaves_the_knobs_of_the_first(load):
    step = load("other").step("sources")
    assert (step.use, list(step.stage.path), step.stage.limit) == ("sources.code", ["b.jsonl"], None)
    swapped = load(sources__path=["c.jsonl"], sources__use="sources.code").step("sources")
    assert (swapped.use, list(swapped.stage.path)) == ("sources.code", ["c.jsonl"])


def test_a_star_means_every_stage_that_has_the_knob(load):
    text = TEXT.replace("first, min_words: 1}", "first, min_words: 1}\n  - {use: quality.length, name: second}")
    made = load(text=text.replace("sources.limit: 3", '"*.min_words": 4'))
    assert [made.step(name).stage.min_words for name in ("first", "second")] == [4, 4]
    with pytest.raises(UserError, match="no stage of the recipe has the knob `min_wrds`"):
        load(**{"*__min_wrds": 1})


def test_the_resolved_recipe_says_the_scale_and_is_itself_again(load):
    made = load("large")
    assert made.resolved()["scale"] == "large"
    again = check_data(made.resolved(), "again")
    assert again.resolved() == made.resolved()
    assert "scale" not in load(text=TEXT[: TEXT.index("scales:")].replace("scale: small\n", "")).resolved()


@pytest.mark.parametrize(
    ("scale", "old", "new", "words"),
    [
        ("lrge", "", "", ["unknown scale `lrge`", "did you mean `large`?"]),
        (None, "scale: small", "scale: smal", ["unknown scale `smal`", "`small`", ":2"]),
        ("large", "first.min_words", "firts.min_words", [":13, scale large: firts.min_words", "did you mean `first`"]),
        ("large", "min_words: 50", "min_words: many", ["min_words = 'many'", ":13, scale large"]),
        ("large", "{sources.limit: 1000, first.min_words: 50}", "4", ["scale large = 4 is not a mapping"]),
        (None, "scales:", "scales: 3\nabout:", ["scales = 3 is not a mapping", ":7"]),
        ("small", TEXT[TEXT.index("scales:") :], "", ["the recipe has no scales"]),
        (None, "sources.limit: 3", "volumes: {x: {tokens: 1, source: y}}", ["has volumes, and the recipe no cost"]),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(load, scale, old, new, words):
    with pytest.raises(UserError) as refused:
        load(scale, TEXT.replace(old, new) if old else TEXT)
    for word in words:
        assert word in str(refused.value)
