"""prompts.code_textbook: its example for the contract test, and what its prompts ask for."""

import pytest

from hornbook.stages.prompts._catalogue import find_templates, load_templates
from hornbook.stages.prompts._templates import DRAWS
from tests.contract import Example, recipe_of, run, table_of

ROWS = [
    {"id": "a", "text": "lists of numbers", "origin": "t:1", "language": "en"},
    {"id": "b", "text": "滑动窗口", "origin": "t:2", "language": "zh"},
    {"id": "c", "text": " \n", "origin": "t:3", "language": None},
    {"id": "d", "text": "{{ topic }} `x`\x00", "origin": "t:4", "language": None},
]
EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]}, rows=ROWS, golden={"1": "a48adab691ed97354ffa9799c519a252"}
)
FORMS = {
    "code_lesson",
    "code_worked_example",
    "code_tutorial",
    "code_faq",
    "code_exercises",
    "code_review",
    "code_bug_story",
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_is_drawn_the_topic_python_and_running_code_are_asked_for(language):
    found = find_templates("code_textbook", [language])
    assert {template.front.format for template in found} == FORMS
    for template in found:
        assert len(template.audiences) == 5
        for draw in range(0, 2**32, 2**29):
            said = template.render({"topic": "Rounding", "passages": None}, "engineer", [draw] * DRAWS)
            assert "Rounding" in said
            assert "Python" in said
            assert "{" not in said


def test_audiences_and_forms_make_different_prompts_of_one_topic(tmp_path):
    example = Example(knobs={"per_seed": 35}, rows=ROWS[:1])
    rows = table_of(run(recipe_of("prompts.code_textbook", example, tmp_path / "r"), tmp_path)[-1]).to_pylist()
    assert len({(row["prompts.format"], row["prompts.audience"]) for row in rows}) == 35
    assert len({row["prompt"] for row in rows}) == 35


@pytest.mark.parametrize(("language", "word"), [("en", "Python"), ("zh", "请")])
def test_small_teachers_have_a_short_wish(language, word):
    (template,) = load_templates("code_textbook", [language], ["shipped:plain/code_textbook"], ship=False)
    for audience in template.audiences:
        said = template.render({"topic": "Rounding"}, audience, [0] * DRAWS)
        assert "Rounding" in said
        assert word in said
        assert len(said) < 160
