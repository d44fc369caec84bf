"""What a unit is told of those before it: all of a few, a sample of many."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

MOST = 5
LEAST_DRAWN, MOST_DRAWN = 2, 5
"""Of more than 5, 2 to 5: Cosmopedia (huggingface/cosmopedia, prompts/openstax/build_openstax_prompts.py)."""
BETWEEN = "; "


def told(
    before: Sequence[str], draw: Random, most: int = MOST, drawn: tuple[int, int] = (LEAST_DRAWN, MOST_DRAWN)
) -> list[str]:
    """Titles before a unit, in their order: all where they are few, else a sample with the last one in it."""
    if len(before) <= most:
        return list(before)
    if not most:
        return []
    many = min(draw.randint(*drawn), len(before))
    places = sorted(draw.sample(range(len(before) - 1), many - 1))
    return [before[at] for at in places] + [before[-1]]
