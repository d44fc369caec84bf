"""Seeds that the tests of prompt stages share, and what holds for the form that every template asks for."""

import re

from hornbook.stages.prompts._catalogue import find_templates
from hornbook.stages.prompts._templates import DRAWS

EXTRACT = (
    "Cork is the bark of an oak that grows around the western Mediterranean. It is stripped every nine years, and the "
    "tree lives on. Its cells are closed and full of air, so it floats, springs back and hardly lets warmth through. "
    "Bottles were first stopped with it by the Romans; monks in Champagne made it common. What is left over from "
    "stoppers becomes floors, insulation and the cores of balls."
)
SEED = {
    "extract": EXTRACT, "topic": "Trees and forests", "text": EXTRACT, "context": [f"Unit {n} of it" for n in range(9)],
    "passages": [{"text": "Cork oaks live for two centuries.", "source": "A forester's handbook"}], "source": "Botany",
}  # fmt: skip
BARE = dict.fromkeys(SEED)
ROWS = [
    {"id": "a", "text": "How bees find their way", "origin": "t:1", "cluster.topic": None, "context": "Flowers"},
    {"id": "b", "text": EXTRACT, "origin": "t:2", "cluster.topic": "Trees", "context": None},
    {"id": "c", "text": " \n", "origin": "t:3", "cluster.topic": None, "context": None},
    {"id": "d", "text": "{{ topic }} 光合作用\x00", "origin": "t:4", "cluster.topic": None, "context": None},
]


def assert_named(stage, language, form):
    """Whatever is drawn, a prompt names its form (a pattern) and holds its seed."""
    for template in find_templates(stage, [language]):
        seed = BARE | {name: SEED[name] for name in template.needs}
        for draw in range(0, 2**32, 2**29):
            said = template.render(dict(seed), "college", [draw] * DRAWS)
            assert re.search(form, said), said
            assert ("topic" not in template.needs) or SEED["topic"] in said
            assert ("extract" not in template.needs) or EXTRACT in said
