"""What the whole of a recipe costs: volumes times prices, by part, under each of its price lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hornbook.engine.costing import Cost, Gpu, Prices, part_of, volumes_of
from hornbook.engine.forecast import Forecast
from hornbook.engine.recipe import Recipe
from hornbook.engine.taken import Taken
from hornbook.teachers.prices import Band, Tariff, listed

Origin = Literal["stated", "measured", "planned", "unknown"]


@dataclass(slots=True)
class Line:
    """One thing that is paid for.

    Args:
        part, what: of the price; a step or whatever the volume is called.
        origin: stated (the recipe's volume), measured (of the run), planned (from a forecast), unknown.
        requests, prompt_tokens, tokens: of the teacher; None where nobody knows.
        hours: of one processor, where they are known.
        flops: 6 x parameters x tokens of a training whose size is stated.
        flops_hours: by price list, hours that follow from them.
        usd: by price list; None where a number is missing.
        here: US dollars to the teachers named in the recipe and for the hours of its machine; None where nobody can
            say.
        beside: no part of any sum.
        source: where the volume is from.
    """

    part: str
    what: str
    origin: Origin
    requests: float | None = None
    prompt_tokens: float | None = None
    tokens: float | None = None
    hours: float | None = None
    flops: float | None = None
    flops_hours: dict[str, float] = field(default_factory=dict)
    usd: dict[str, float | None] = field(default_factory=dict)
    here: float | None = None
    beside: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """The price of a recipe.

    Args:
        scale: it is of.
        lines: by part.
        origins: price list → where its prices are from, for people.
    """

    scale: str
    lines: tuple[Line, ...]
    origins: Mapping[str, tuple[str, ...]]

    def sums(self, name: str, part: str | None = None) -> float | None:
        """US dollars under a price list (`here`: of the run's own), of a part or of all; None where none is known."""
        found = [
            line.here if name == "here" else line.usd.get(name)
            for line in self.lines
            if not line.beside and part in {None, line.part}
        ]
        known = [usd for usd in found if usd is not None]
        return sum(known) if known else None

    def whole(self) -> bool:
        """Whether every line is known."""
        return all(line.origin != "unknown" for line in self.lines)


def bill_of(recipe: Recipe, forecasts: Sequence[Forecast] = (), taken: Mapping[str, Taken] | None = None) -> Bill:
    """The price of a recipe: by the volumes that its scale states, else by what was measured or is planned.

    Args:
        recipe: has a `cost`.
        forecasts: of its steps, where they were planned.
        taken: step → what it took, of those that are done.

    Raises:
        UserError: genai-prices does not know a model that the recipe prices.
    """
    cost = recipe.cost
    assert cost is not None
    tariffs = {name: _tariffs(prices) for name, prices in cost.prices.items()}
    lines = _stated(recipe, cost) if recipe.scale.volumes else _counted(cost, forecasts, taken or {})
    for line in lines:
        for name, prices in cost.prices.items():
            _price(line, name, prices.gpu, tariffs[name].get(line.part))
    origins = {name: _origin(prices, tariffs[name]) for name, prices in cost.prices.items()}
    order = list(cost.parts)
    return Bill(recipe.scale.name, tuple(sorted(lines, key=lambda line: order.index(line.part))), origins)


def _stated(recipe: Recipe, cost: Cost) -> list[Line]:
    lines = []
    for part, what, volume in volumes_of(cost, recipe.scale, [step.name for step in recipe.steps]):
        line = Line(part, what, "stated", hours=volume.hours(), flops=volume.flops(), source=volume.source)
        line.beside = volume.beside
        line.requests = None if volume.requests is None else volume.requests * volume.runs
        if volume.tokens or volume.prompt_tokens:
            line.prompt_tokens, line.tokens = volume.prompt_tokens * volume.runs, volume.tokens * volume.runs
        lines.append(line)
    _at_home(cost, lines)
    return lines


def _at_home(cost: Cost, lines: list[Line]) -> None:
    """What stated volumes cost on the recipe's own machine, where hours are known of all of them."""
    gpu = next((prices.gpu for prices in cost.prices.values() if prices.gpu is not None), None)
    hours = [_hours(line, gpu) for line in lines]
    if any(many is None for many, line in zip(hours, lines, strict=True) if not line.beside):
        return
    for many, line in zip(hours, lines, strict=True):
        line.here = None if many is None else many * cost.machine.usd_per_hour


def _hours(line: Line, gpu: Gpu | None) -> float | None:
    """Hours of a line, as said or from its operations."""
    if line.hours is None and line.flops is not None and gpu is not None:
        return gpu.hours(line.flops)
    return line.hours


def _counted(cost: Cost, forecasts: Sequence[Forecast], taken: Mapping[str, Taken]) -> list[Line]:
    """A line for each step of a part: as it was done, else as it is planned."""
    lines = []
    for one in forecasts:
        part = part_of(cost, one.step)
        if not part:
            continue
        done = taken.get(one.step)
        line = Line(part, one.step, "unknown")
        if done is not None:
            line.origin, line.hours, usd = "measured", done.seconds / 3600, done.usd
            line.requests, line.prompt_tokens, line.tokens = done.requests, done.prompt_tokens, done.tokens
        else:
            line.requests, line.prompt_tokens, line.tokens = one.requests, one.prompt_tokens, one.tokens
            line.hours = None if one.seconds is None else one.seconds / 3600
            usd = one.usd or 0.0
            if line.tokens is not None or (one.kind != "ask" and line.hours is not None):
                line.origin = "planned"
        if line.origin != "unknown":
            line.here = usd + (line.hours or 0.0) * cost.machine.usd_per_hour
        lines.append(line)
    return lines


def _price(line: Line, name: str, gpu: Gpu | None, tariff: Tariff | None) -> None:
    """What a line costs under one price list: its tokens, or the hours where the list has no model for its part."""
    line.usd[name] = None
    if line.flops is not None and gpu is not None:
        line.flops_hours[name] = gpu.hours(line.flops)
    asked = line.tokens is not None or line.prompt_tokens is not None
    if asked and tariff is not None:
        prompts, replies, many = line.prompt_tokens or 0.0, line.tokens or 0.0, line.requests or 0.0
        each = many * tariff.of(prompts / many, replies / many) if many else _plain(tariff, prompts, replies)
        line.usd[name] = each
        return
    hours = line.hours if line.hours is not None else line.flops_hours.get(name)
    if hours is not None and gpu is not None:
        line.usd[name] = hours * gpu.usd_per_hour


def _plain(tariff: Tariff, prompts: float, replies: float) -> float:
    """Of tokens whose requests nobody counted: at the prices of short prompts."""
    band = tariff.bands[0]
    return (prompts * band.prompt + replies * band.completion) / 1e6


def _tariffs(prices: Prices) -> dict[str, Tariff]:
    found = {}
    for part, given in prices.models.items():
        if isinstance(given, str):
            found[part] = listed(given)
        else:
            found[part] = Tariff((Band(0, given.input, given.output, given.input),), origin=prices.source)
    return found


def _origin(prices: Prices, tariffs: Mapping[str, Tariff]) -> tuple[str, ...]:
    """Where the prices of a list are from, a line each."""
    said = [prices.source] if prices.source else []
    for part, tariff in tariffs.items():
        band = tariff.bands[0]
        named = f" ({tariff.origin})" if isinstance(prices.models[part], str) else ""
        said.append(f"{part} ${band.prompt:g} in, ${band.completion:g} out a million tokens{named}")
    if prices.gpu is not None:
        source = f" ({prices.gpu.source})" if prices.gpu.source else ""
        said.append(f"{prices.gpu.name} ${prices.gpu.usd_per_hour:g} an hour{source}")
    return tuple(said)
