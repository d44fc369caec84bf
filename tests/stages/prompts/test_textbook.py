"""prompts.textbook: its example for the contract test, and what its prompts ask for."""

import pytest

from tests.contract import Example
from tests.stages.prompts.forms import ROWS, assert_named

EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]}, rows=ROWS, golden={"1": "9d7c406119d4391e90fa9e479f0dc70d"}
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_is_drawn_the_form_is_named_and_the_seed_is_there(language):
    assert_named("textbook", language, "textbook|lesson|course|教材|课|一节")
