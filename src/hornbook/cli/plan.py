"""`hornbook plan`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hornbook.cli.common import (
    cache_folder,
    executor,
    json_option,
    listener,
    overrides,
    print_json,
    runs_option,
    scale_option,
    set_option,
    workers_option,
)
from hornbook.cli.completing import recipe_names

if TYPE_CHECKING:
    from hornbook.engine.costs import Bill
    from hornbook.engine.events import Event
    from hornbook.engine.execute import Setting
    from hornbook.engine.forecast import Forecast
    from hornbook.engine.pilot import Pilot
    from hornbook.engine.recipe import Recipe


@click.command(short_help="what a recipe will do and cost, before it is run")
@click.argument("recipe", shell_complete=recipe_names)
@scale_option
@set_option
@click.option("--pilot", "count", type=click.IntRange(min=1), metavar="N", help="Really ask N requests, and measure.")
@runs_option
@workers_option
@json_option
def command(
    recipe: str,
    scale: str | None,
    sets: tuple[str, ...],
    count: int | None,
    runs: Path,
    workers: int | None,
    as_json: bool,
) -> None:
    """Say for each step of RECIPE whether it is cached or to do, its rows, tokens, cost and time.

    Estimates come from earlier runs; what is assumed is said. With --pilot the steps up to the first one
    that asks a teacher are done, and N requests asked: all of it is kept for the run. A recipe with `cost:` is
    priced as a whole; where its scale states the volumes, by these alone.

    \b
      hornbook plan stories
      hornbook plan phi1 --scale paper
      hornbook plan stories --pilot 16
      hornbook plan mine.yaml --set prompts.count=100000 --set teacher.url=http://localhost:8000/v1
    """
    from hornbook.engine.budget import Governor
    from hornbook.engine.execute import Setting
    from hornbook.engine.executors import Inline
    from hornbook.engine.pilot import pilot
    from hornbook.engine.plan import Planner
    from hornbook.engine.recipe import load_recipe
    from hornbook.engine.workspace import Workspace

    made = load_recipe(recipe, overrides(sets), scale)
    if made.scale.volumes and count is None:
        _stated(made, as_json)
        return
    workspace, governor = Workspace(runs), Governor()
    told = None
    if count is not None:
        with listener(as_json) as listen, executor(workers) as spread:
            told = pilot(made, Setting(workspace, spread, cache_folder(), listen, governor), count)
    setting = Setting(workspace, Inline(), cache_folder(), _deaf, governor)
    forecasts = Planner(made, setting, told).plan()
    bill = _bill(made, forecasts, setting)
    if as_json:
        _json(made, forecasts, told, bill)
        return
    _show(made, forecasts, told)
    if bill is not None:
        from hornbook.cli.pricing import show

        click.echo()
        show(bill, made)


def _json(recipe: Recipe, forecasts: list[Forecast], pilot: Pilot | None, bill: Bill | None) -> None:
    from hornbook.cli.pricing import told as priced
    from hornbook.cli.safe import plain

    said = {
        "recipe": recipe.name,
        "scale": recipe.scale.name or None,
        **_totals(forecasts),
        "pilot": None if pilot is None else asdict(pilot),
        "cost": None if bill is None else priced(bill),
        "steps": [asdict(forecast) for forecast in forecasts],
    }
    print_json(plain(said))


def _stated(recipe: Recipe, as_json: bool) -> None:
    """The price of a scale whose volumes are stated: no step is looked at."""
    from hornbook.cli.pricing import show
    from hornbook.cli.pricing import told as priced
    from hornbook.engine.costs import bill_of

    bill = bill_of(recipe)
    if as_json:
        from hornbook.cli.safe import plain

        print_json(plain({"recipe": recipe.name, "scale": recipe.scale.name, "cost": priced(bill), "steps": []}))
        return
    from hornbook.cli.show import console, heading

    heading(console(), recipe.name, recipe.scale.about or recipe.about[:100])
    click.echo()
    show(bill, recipe)


def _bill(recipe: Recipe, forecasts: list[Forecast], setting: Setting) -> Bill | None:
    """The price of the whole recipe, if it has one: what is done as it was, the rest as planned."""
    if recipe.cost is None:
        return None
    from hornbook.engine.costing import part_of
    from hornbook.engine.costs import bill_of
    from hornbook.engine.taken import taken_of

    names = [f.step for f in forecasts if f.state == "cached" and part_of(recipe.cost, f.step)]
    return bill_of(recipe, forecasts, taken_of(recipe, names, setting) if names else {})


def _deaf(event: Event) -> None:
    """Planning says nothing while it works."""


def _totals(forecasts: list[Forecast]) -> dict[str, Any]:
    """Sums over all steps of what is known, and whether something is not."""
    left = [f for f in forecasts if f.state != "cached"]
    return {
        "cached": sum(f.state == "cached" for f in forecasts),
        "requests": sum(f.requests or 0 for f in left),
        "tokens": sum((f.tokens or 0) + (f.prompt_tokens or 0) for f in left),
        "usd": sum(f.usd or 0.0 for f in left),
        "seconds": sum(f.seconds or 0.0 for f in left),
        "most": _most(left),
        "time_unknown": [f.step for f in left if f.seconds is None],
    }


def _most(left: list[Forecast]) -> dict[str, float] | None:
    """The most that all steps that ask can take together; None where nobody can know of one of them."""
    asks = [f for f in left if f.kind == "ask"]
    if any(f.most is None for f in asks):
        return None
    return {name: sum((f.most or {})[name] for f in asks) for name in ("requests", "prompt_tokens", "tokens", "usd")}


def _show(recipe: Recipe, forecasts: list[Forecast], told: Pilot | None) -> None:
    from hornbook.cli.folding import folded, listed, together
    from hornbook.cli.meter import money, spell
    from hornbook.cli.show import console, heading, table

    out = console()
    scale = f"scale {recipe.scale.name}: " if recipe.scale.name else ""
    heading(out, recipe.name, scale + (recipe.scale.about or recipe.about)[:100])
    out.print()
    heads = [">", "step", "state", ">rows in", ">out", ">to ask", ">tokens", ">cost", ">time"]
    table(out, heads, [_row(forecast) for forecast in folded(forecasts)])
    out.print()
    if told is not None:
        out.print(_pilot(told))
        for forecast in forecasts:
            if forecast.step == told.step and forecast.intervals and forecast.requests:
                out.print(_whole(forecast, told))
        out.print()
    totals = _totals(forecasts)
    if totals["cached"] == len(forecasts):
        out.print("every step is cached: there is nothing to do")
        return
    more = f", and the time of {listed(totals['time_unknown'])}" if totals["time_unknown"] else ""
    cached = f"{totals['cached']} of {len(forecasts)} steps cached; " if totals["cached"] else ""
    asked = f"{totals['requests']:,} requests, {totals['tokens']:,} tokens, {money(totals['usd'])}, "
    out.print(f"{cached}still to do: {asked}about {spell(totals['seconds'])}{more}")
    for text in _rounds(forecasts):
        out.print(text)
    if (most := totals["most"]) is not None and most["requests"]:
        tokens = most["tokens"] + most["prompt_tokens"]
        blind = any(f.kind == "ask" and f.state == "unknown" for f in forecasts)
        beside = "; beside the rows' own prompts, unknown until the steps above are done" if blind else ""
        out.print(f"at most: {most['requests']:,} requests, {tokens:,} tokens, {money(most['usd'])}{beside}")
    if recipe.budget.usd is not None and totals["usd"] > recipe.budget.usd:
        out.print(f"the budget of ${recipe.budget.usd:g} will stop it: --set budget.usd={totals['usd'] * 1.2:.2f}")
    said = [(f.step, text) for f in forecasts for text in f.says]
    if said:
        out.print("\nassumed:")
        for step, text in together(said):
            out.print(f"  {step}: {text}", style="dim")


def _rounds(forecasts: list[Forecast]) -> list[str]:
    """Of each step that may ask several requests for a row: what they are for."""
    said = []
    for f in forecasts:
        if f.sorts and f.state != "cached":
            sorts = ", ".join(f"{many:,} {name}" for name, many in f.sorts.items())
            said.append(f"{f.step}: {f.left or 0:,} rows, {sorts}")
    return said


def _row(f: Forecast) -> list[Any]:
    from hornbook.cli.meter import money, spell

    asks = f.kind == "ask" and f.state != "cached"
    journaled = f" (+{f.journaled:,} in journal)" if f.journaled else ""
    return [
        f.number,
        f.step,
        f.state,
        f.rows,
        f.kept,
        f"{f.requests:,}{journaled}" if asks and f.requests is not None else None,
        (f.tokens or 0) + (f.prompt_tokens or 0) if asks and f.tokens is not None else None,
        money(f.usd) if asks and f.usd is not None else None,
        None if f.seconds is None or f.state == "cached" else spell(f.seconds),
    ]


def _whole(f: Forecast, told: Pilot) -> str:
    """All requests that are left, with intervals."""
    from hornbook.cli.meter import money, spell

    usd, tokens, seconds = f.intervals["usd"], f.intervals["tokens"], f.intervals.get("seconds")
    cost = f", {money(f.usd or 0.0)} ({money(usd[0])}–{money(usd[1])})" if f.usd else ""
    time = f", {spell(f.seconds or 0.0)} ({spell(seconds[0])}–{spell(seconds[1])})" if seconds else ""
    kept = f.intervals.get("kept")
    docs = f", {f.kept or 0:,} documents of {f.rows or 0:,} ({kept[0]:,.0f}–{kept[1]:,.0f})" if kept else ""
    return (
        f"the other {f.left or 0:,} of {told.step}: {f.tokens or 0:,} reply tokens ({tokens[0]:,.0f}–{tokens[1]:,.0f})"
        f"{cost}{time}{docs}; 90 % intervals"
    )


def _pilot(told: Pilot) -> str:
    """What the pilot told, in one paragraph."""
    from hornbook.cli.meter import money

    low, high = told.good[1]
    errors = ", ".join(f"{many} {name}" for name, many in sorted(told.errors.items()))
    rate = f", {told.tokens_per_second:,.0f} tokens/s in all" if told.tokens_per_second else ""
    return (
        f"pilot of {told.step}: {told.asked} requests asked, {told.replies - told.asked} from the journal, "
        f"{money(told.usd)}; {told.good[0]:.0%} good (90 % interval {low:.0%}–{high:.0%})"
        + (f": {errors}" if errors else "")
        + f"; {told.tokens[0]:.0f} tokens a reply ({told.tokens[1][0]:.0f}–{told.tokens[1][1]:.0f})"
        + f"; {told.seconds[0]:.2f} s a request ({told.seconds[1][0]:.2f}–{told.seconds[1][1]:.2f}){rate}"
    )
