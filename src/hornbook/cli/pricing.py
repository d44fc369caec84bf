"""What a recipe costs as a whole, as a table: by part, under each of its price lists."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hornbook.engine.costing import Gpu
    from hornbook.engine.costs import Bill, Line
    from hornbook.engine.recipe import Recipe

MANY = 4
"""Lines of a part above which only their sum is shown; `--json` has all of them."""


def told(bill: Bill) -> dict[str, Any]:
    """A bill as JSON: its lines, and sums by part and price list (`here`: the run's own teachers and machine)."""
    names = ["here", *bill.origins]
    return {
        "scale": bill.scale or None,
        "whole": bill.whole(),
        "lines": [asdict(line) for line in bill.lines],
        "parts": {part: {name: bill.sums(name, part) for name in names} for part in _parts(bill)},
        "usd": {name: bill.sums(name) for name in names},
        "prices": {name: list(said) for name, said in bill.origins.items()},
    }


def show(bill: Bill, recipe: Recipe) -> None:
    """Print a bill: a row a part, its lines below it, the sum, what stands beside it; then where all is from."""
    from hornbook.cli.show import console, indented, table

    out = console()
    here = any(line.here is not None for line in bill.lines)
    names = [*(["here"] if here else []), *bill.origins]
    by_size = _gpu(recipe) is not None and any(line.flops for line in bill.lines)
    rows: list[list[Any]] = []
    for part in _parts(bill):
        own = [line for line in bill.lines if line.part == part and not line.beside]
        head = f"{part}: {own[0].what}" if len(own) == 1 else part
        rows.append(_row(head, own, names, by_size, [bill.sums(name, part) for name in names]))
        rows += [_row(f"· {line.what}", [line], names, by_size) for line in own if 1 < len(own) <= MANY]
    rows.append(_row("sum", [], names, by_size, [bill.sums(name) for name in names]))
    rows += [_row(f"({line.what})", [line], names, by_size) for line in bill.lines if line.beside]
    heads = ["US dollars", ">in", ">out", ">hours", *([">by 6ND"] if by_size else []), *(f">{n}" for n in names)]
    table(out, heads, rows)
    out.print()
    for text in _notes(bill, recipe, by_size):
        indented(out, text, 0, "dim")


def _parts(bill: Bill) -> list[str]:
    return list(dict.fromkeys(line.part for line in bill.lines))


def _row(
    head: str, lines: Sequence[Line], names: Sequence[str], by_size: bool, sums: Sequence[float | None] | None = None
) -> list[Any]:
    """Lines as one row; the sums of a part, which leave out what stands beside it, come from the bill."""
    if sums is None:
        sums = [_total(line.here if name == "here" else line.usd.get(name) for line in lines) for name in names]
    counted = [_big(_total(line.prompt_tokens for line in lines)), _big(_total(line.tokens for line in lines))]
    hours = [_hours(_total(line.hours for line in lines))]
    if by_size:
        hours.append(_hours(_total(next(iter(line.flops_hours.values()), None) for line in lines)))
    return [head, *counted, *hours, *(_usd(usd) for usd in sums)]


def _notes(bill: Bill, recipe: Recipe, by_size: bool) -> list[str]:
    """What is not known, how hours follow from sizes, where prices and volumes are from."""
    said = [
        "in, out: tokens; in brackets: beside the sum" if any(line.beside for line in bill.lines) else "in, out: tokens"
    ]
    unknown = [line.what for line in bill.lines if line.origin == "unknown"]
    if unknown:
        few = ", ".join(unknown[:3]) + (" and others" if len(unknown) > 3 else "")
        said.append(f"not known yet, and in no sum: {len(unknown)} steps ({few})")
    cost, gpu = recipe.cost, _gpu(recipe)
    if cost is not None and any(line.here is not None for line in bill.lines):
        source = f" ({cost.machine.source})" if cost.machine.source else ""
        price = f"${cost.machine.usd_per_hour:g} an hour{source}"
        who = "" if recipe.scale.volumes else "the recipe's teachers, and "
        said.append(f"here: {who}the hours of {cost.machine.name} at {price}")
    if by_size and gpu is not None:
        peak = f"{gpu.utilisation:.0%} of {gpu.name}'s {gpu.tflops:g} TFLOP/s"
        means = "; ".join(
            f"the {line.hours:,.0f} of {line.what} mean {line.flops / line.hours / gpu.tflops / 3.6e15:.0%}"
            for line in bill.lines
            if line.flops and line.hours
        )
        said.append(f"by 6ND: hours for 6 x parameters x tokens at {peak}; {means}")
    said += [f"{name}: {'; '.join(lines)}" for name, lines in bill.origins.items()]
    said += [f"{line.what}: {line.source}" for line in bill.lines if line.source]
    return said


def _gpu(recipe: Recipe) -> Gpu | None:
    """The processor of the first price list: hours by size are told of it."""
    return next(iter(recipe.cost.prices.values())).gpu if recipe.cost and recipe.cost.prices else None


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _usd(usd: float | None) -> str | None:
    from hornbook.cli.meter import money

    return None if usd is None else f"${usd:,.0f}" if usd >= 100 else money(usd)


def _big(many: float | None) -> str | None:
    """1,280 M, 12.5 M, 340 k."""
    if many is None:
        return None
    if many >= 1e6:
        return f"{many / 1e6:,.0f} M" if many >= 1e8 else f"{many / 1e6:.1f} M"
    return f"{many / 1e3:,.1f} k" if many >= 1e4 else f"{many:,.0f}"


def _hours(hours: float | None) -> str | None:
    return None if hours is None else f"{hours:,.0f}" if hours >= 10 else f"{hours:.2f}"
