"""`--set`: the value lands where its name says, its place is said in messages, what has no place is refused."""

from __future__ import annotations

import pytest

from hornbook.core.errors import UserError
from hornbook.engine.recipe import Recipe, load_recipe

TEXT = """\
name: r
teacher: {url: "http://127.0.0.1:9/v1", model: m, price: {input: 1, output: 2}}
steps:
  - {use: sources.prompts, path: [a.jsonl]}
  - {use: generate.complete}
  - {use: quality.length, name: first}
  - {use: quality.length, name: second}
"""


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(TEXT, encoding="utf-8")

    def made(**sets: object) -> Recipe:
        return load_recipe(str(path), {name.replace("__", "."): value for name, value in sets.items()})

    return made


def test_values_land_where_their_names_say(load):
    made = load(seed=5, budget__usd=3, first__min_words=7, generate__max_tokens=9, sources__prompts__path=["b.jsonl"])
    assert (made.seed, made.budget.usd, made.step("first").stage.min_words) == (5, 3, 7)
    assert made.step("second").stage.min_words == load().step("second").stage.min_words
    assert made.step("generate").stage.max_tokens == 9
    assert list(made.step("sources").stage.path) == ["b.jsonl"]


def test_a_value_within_a_value_leaves_its_neighbours(load):
    price = load(teacher__price__input=5).teacher.price
    assert (price.input, price.output) == (5, 2)


def test_a_step_has_a_teacher_of_its_own(load):
    made = load(generate__teacher__concurrency=3)
    assert made.step("generate").teacher.concurrency == 3
    assert made.teacher.concurrency != 3
    assert made.step("generate").teacher.model == "m"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("generate__temperature", "hot", ["--set generate.temperature", "temperature = 'hot'"]),
        ("teacher__price__imput", 1, ["--set teacher.price.imput", "price.imput"]),
        ("budget__usd", "lots", ["--set budget.usd", "usd = 'lots'"]),
        ("first__teacher__url", "x", ["quality.length asks no teacher", "--set first.teacher.url"]),
        ("generate__teacher", "x", ["not a mapping", "--set generate.teacher"]),
        ("quality__min_words", 1, ["several steps", "first", "second"]),
        ("frist__min_words", 1, ["did you mean `first`"]),
        ("seed__x", 1, ["nothing in the recipe"]),
        ("teacher", "x", ["`teacher` is a mapping", "teacher.KEY=VALUE"]),
        ("comparee__seeds", 1, ["did you mean `compare`"]),
        ("scale", "paper", ["--scale NAME"]),
        ("*__min_word", 1, ["no stage of the recipe has the knob", "did you mean `*.min_words`"]),
    ],
)
def test_what_is_wrong_is_said_with_the_set_as_its_place(load, name, value, words):
    with pytest.raises(UserError) as error:
        load(**{name: value})
    for word in words:
        assert word in str(error.value)


def test_a_resolved_recipe_is_a_recipe(load):
    from hornbook.engine.recipe import check_data

    made = load(teacher__price__input=5, generate__teacher__concurrency=3, first__min_words=7)
    again = check_data(made.resolved(), "again")
    assert again.resolved() == made.resolved()
