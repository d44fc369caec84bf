"""prompts.wikihow: its example for the contract test, and what its prompts ask for."""

import re

import pytest

from hornbook.stages.prompts._catalogue import find_templates
from tests.contract import Example
from tests.stages.prompts.test_machinery import BARE, EXTRACT, SEED

EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]},
    rows=[
        {"id": "a", "text": "How bees find their way", "origin": "t:1", "cluster.topic": None, "context": "Flowers"},
        {"id": "b", "text": EXTRACT, "origin": "t:2", "cluster.topic": "Trees", "context": None},
        {"id": "c", "text": " \n", "origin": "t:3", "cluster.topic": None, "context": None},
        {"id": "d", "text": "{{ topic }} 光合作用\x00", "origin": "t:4", "cluster.topic": None, "context": None},
    ],
    golden={"1": "57ee984d6ad2c48e97fc4fba91f18e75"},
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_is_drawn_the_form_is_named_and_the_seed_is_there(language):
    for template in find_templates("wikihow", [language]):
        seed = BARE | {name: SEED[name] for name in template.needs}
        for draw in range(0, 2**32, 2**29):
            said = template.render(dict(seed), "college", [draw] * 49)
            assert re.search("how-to|instruction|steps|指南|说明|做法|步", said), said
            assert ("topic" not in template.needs) or SEED["topic"] in said
            assert ("extract" not in template.needs) or EXTRACT in said
