"""prompts.exercise: its example for the contract test, and what its prompts ask for."""

import pytest

from hornbook.stages.prompts._catalogue import find_templates
from hornbook.stages.prompts._templates import DRAWS
from tests.contract import Example, recipe_of, run, table_of

LINE = "def count_even(numbers: list[int]) -> int:"
ROWS = [
    {"id": "a", "text": LINE, "origin": "n:1", "code.signature": LINE, "entry_point": "count_even",
     "code.topic": "lists of numbers", "code.difficulty": "easy"},
    {"id": "b", "text": "x", "origin": "n:2", "code.signature": "def {{ f }}(x):\x00", "entry_point": None,
     "code.topic": None, "code.difficulty": None},
    {"id": "c", "text": "no signature", "origin": "n:3", "code.signature": None, "entry_point": "c",
     "code.topic": "x", "code.difficulty": "hard"},
]  # fmt: skip
EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]}, rows=ROWS, golden={"1": "5a971b0b6086188648ea539b25ebc19e"}
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_is_drawn_the_signature_and_the_examples_are_asked_for(language):
    seed = {"code_signature": LINE, "code_topic": "lists of numbers", "code_difficulty": "easy"}
    for template in find_templates("exercise", [language]):
        for audience in template.audiences:
            for draw in range(0, 2**32, 2**29):
                said = template.render(dict(seed), audience, [draw] * DRAWS)
                assert f"```python\n{LINE}\n```" in said
                assert ">>>" in said or "doctest" in said
                assert "lists of numbers" in said
                assert "\n\n\n" not in said


def test_a_prompt_keeps_what_later_steps_need_of_its_seed(tmp_path):
    done = run(recipe_of("prompts.exercise", EXAMPLE, tmp_path / "r"), tmp_path)[-1]
    rows, gone = table_of(done).to_pylist(), table_of(done, "drops").to_pylist()
    assert [row["prompts.seed"] for row in rows] == ["a"] * 3 + ["b"] * 3
    assert {row["entry_point"] for row in rows[:3]} == {"count_even"}
    assert {(row["code.signature"], row["code.topic"], row["code.difficulty"]) for row in rows[:3]} == {
        (LINE, "lists of numbers", "easy")
    }
    assert [(row["id"], row["reason"]) for row in gone] == [("c", "no_template")]
    assert all("{{ f }}" in row["prompt"] for row in rows[3:])
