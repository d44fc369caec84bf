"""`cost:` of a recipe: which steps make which part of its price, at which prices; values alone, no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hornbook.core.errors import UserError
from hornbook.engine.mistakes import checked, unknown
from hornbook.engine.scales import Scale
from hornbook.engine.yamls import Lines
from hornbook.teachers.spec import Price


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gpu(_Part):
    """A processor that is rented by the hour."""

    name: str = Field(description="as people call it")
    usd_per_hour: float = Field(ge=0, description="price of one, US dollars an hour")
    tflops: float = Field(312.0, gt=0, description="peak of dense bfloat16, TFLOP/s; A100: 312 (NVIDIA's data sheet)")
    utilisation: float = Field(
        0.4, gt=0, le=1, description="share of the peak that training gets; PaLM 0.46 (arXiv:2204.02311), ours lower"
    )
    source: str = Field("", description="where the price is from, and its date")

    def hours(self, flops: float) -> float:
        """Hours of one of them for so many operations."""
        return flops / (self.tflops * 1e12 * self.utilisation) / 3600


class Machine(_Part):
    """The machine that a recipe is run on."""

    name: str = Field("this machine", description="as people call it")
    usd_per_hour: float = Field(0.0, ge=0, description="its price, US dollars an hour")
    source: str = Field("", description="where the price is from, and its date")


class Prices(_Part):
    """One price list."""

    about: str = Field("", description="what it is, for people")
    source: str = Field("", description="where it is from, and its date")
    models: dict[str, Price | str] = Field(
        default_factory=dict,
        description="part → {input, output} in US dollars per million tokens, or PROVIDER:MODEL of genai-prices",
    )
    gpu: Gpu | None = Field(None, description="what an hour of training costs")


class Cost(_Part):
    """How the whole of a recipe is priced."""

    parts: dict[str, list[str]] = Field(description="part → its steps; * stands for any letters")
    machine: Machine = Field(default_factory=Machine, description="the machine that it is run on")
    prices: dict[str, Prices] = Field(default_factory=dict, description="name → price list, in the table's order")


class Volume(_Part):
    """What a step takes where nobody can count it, or something beside the steps does."""

    part: str = Field("", description="part of the price; of a step: the one that names it")
    requests: float | None = Field(None, gt=0, description="requests to the teacher")
    prompt_tokens: float = Field(0.0, ge=0, description="tokens of all prompts")
    tokens: float = Field(0.0, ge=0, description="tokens of all replies")
    gpu_hours: float | None = Field(None, ge=0, description="hours of one processor")
    tokens_per_second: float | None = Field(None, gt=0, description="replies' tokens a second of one processor")
    parameters: float | None = Field(None, gt=0, description="of the student that is trained")
    trained_tokens: float | None = Field(None, gt=0, description="tokens that it is trained on, repeats counted")
    runs: float = Field(1.0, gt=0, description="how often all of it is done")
    beside: bool = Field(False, description="shown, and no part of the sum: another way, or another model")
    source: str = Field(min_length=1, description="where the numbers are from")

    def flops(self) -> float | None:
        """Operations of the training: 6 x parameters x tokens (arXiv:2001.08361, section 2.1)."""
        if self.parameters is None or self.trained_tokens is None:
            return None
        return 6 * self.parameters * self.trained_tokens * self.runs

    def hours(self) -> float | None:
        """Hours that are said, or follow from a rate that is."""
        if self.gpu_hours is not None:
            return self.gpu_hours * self.runs
        if self.tokens_per_second is not None:
            return self.tokens * self.runs / self.tokens_per_second / 3600
        return None


def checked_cost(given: Any, scale: Scale, steps: Sequence[str], lines: Lines) -> Cost | None:
    """`cost:` and the scale's `volumes:`, held against the recipe's steps.

    Args:
        given: the value of `cost:`; None where there is none.
        scale: may have volumes.
        steps: names of the recipe's steps.
        lines: where things stand.

    Raises:
        UserError: unknown key, wrong type, a step or part that is not there, volumes without `cost:`.
    """
    where = lines.key("cost")
    if given is None:
        if scale.volumes:
            fix = "cost: {parts: {filter: [STEP]}, prices: {…}}"
            raise UserError(f"scale {scale.name} has volumes, and the recipe no cost", where=lines.source, fix=fix)
        return None
    if not isinstance(given, dict):
        raise UserError(f"cost = {given!r} is not a mapping", where=where, fix="cost: {parts: {filter: [STEP]}}")
    made = checked(Cost, given, "cost", lambda _: where)
    for names in made.parts.values():
        for name in names:
            if not any(fnmatchcase(step, name) for step in steps):
                raise unknown("step in `cost`", name, steps, where)
    for prices in made.prices.values():
        for part in prices.models:
            if part not in made.parts:
                raise unknown("part in `cost`", part, made.parts, where)
    volumes_of(made, scale, steps, lines)
    return made


def volumes_of(
    cost: Cost, scale: Scale, steps: Sequence[str], lines: Lines | None = None
) -> list[tuple[str, str, Volume]]:
    """(part, what, volume) of a scale's volumes, by parts.

    Raises:
        UserError: one is of no part, or its values cannot be.
    """
    found = []
    places: Mapping[str, int] = lines.scales.get(scale.name, {}) if lines is not None else {}
    where = f"{lines.source}:{places.get('volumes', 0)}, scale {scale.name}" if lines is not None else scale.name
    for name, given in scale.volumes.items():
        if not isinstance(given, dict):
            fix = f"{name}: {{tokens: 1000000, source: …}}"
            raise UserError(f"volume {name} = {given!r} is not a mapping", where=where, fix=fix)
        volume = checked(Volume, given, f"volume {name}", lambda _: where)
        part = volume.part or next((part for part in cost.parts if name in steps and _names(cost, part, name)), "")
        if part not in cost.parts:
            fix = f"name it as a step of {', '.join(cost.parts)}, or say part: {next(iter(cost.parts), '…')}"
            raise UserError(f"volume {name} is of no part of the price", where=where, fix=fix)
        found.append((part, name, volume))
    order = list(cost.parts)
    return sorted(found, key=lambda one: order.index(one[0]))


def part_of(cost: Cost, step: str) -> str:
    """The part that a step belongs to; empty where it is in none."""
    return next((part for part in cost.parts if _names(cost, part, step)), "")


def _names(cost: Cost, part: str, step: str) -> bool:
    return any(fnmatchcase(step, name) for name in cost.parts[part])
