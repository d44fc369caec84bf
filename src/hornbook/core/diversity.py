"""Limits on sameness: when a group of prompts counts as collapsed, when a run pauses."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from hornbook.core.knobs import knob

GROUPS = ("*.template", "story.features", "*.opening", "*.topic", "*.audience", "*.format")
"""Columns that name groups of prompts where a recipe names none: what prompt builders call them."""


class Collapse(BaseModel):
    """When the last replies to a group of prompts are too much alike. Our choice of defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_opening: float = knob(
        0.3, help="share of replies that begin with the same three words", unit="share of replies", gt=0, le=1
    )
    repeats: float = knob(
        0.2, help="share of replies that are like an earlier one", unit="share of replies", gt=0, le=1
    )


class Pause(BaseModel):
    """What stops a run, over all replies of a step so far. Unset measures stop nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_opening: float | None = knob(
        None, help="largest share of replies that begin with the same three words", unit="share of replies", gt=0, le=1
    )
    repeats: float | None = knob(
        None, help="largest share of replies that are like an earlier one", unit="share of replies", gt=0, le=1
    )
    distinct_2: float | None = knob(
        None, help="smallest share of pairs of words that are different", unit="share of pairs", gt=0, le=1
    )
    drift: float | None = knob(
        None, help="largest distance of the last replies' lengths from the first", unit="KS distance", gt=0, le=1
    )
    after: int = knob(200, help="replies before anything can stop", unit="replies", ge=1)
