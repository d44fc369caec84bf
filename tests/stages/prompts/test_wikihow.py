"""prompts.wikihow: its example for the contract test, and what its prompts ask for."""

import pytest

from tests.contract import Example
from tests.stages.prompts.forms import ROWS, assert_named

EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]}, rows=ROWS, golden={"1": "57ee984d6ad2c48e97fc4fba91f18e75"}
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_is_drawn_the_form_is_named_and_the_seed_is_there(language):
    assert_named("wikihow", language, "how-to|instruction|steps|指南|说明|做法|步")
