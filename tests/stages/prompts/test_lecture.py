"""prompts.lecture: its example for the contract test, and what its prompts ask for."""

import pytest

from tests.contract import Example
from tests.stages.prompts.forms import ROWS, assert_named

EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]}, rows=ROWS, golden={"1": "50090f60f6ee72fe75838beb3bf5472e"}
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_is_drawn_the_form_is_named_and_the_seed_is_there(language):
    assert_named("lecture", language, "lecture|talk|讲")
