"""`hornbook stages`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hornbook.cli.common import json_option, print_json
from hornbook.cli.completing import stage_names


@click.command(short_help="the stages there are, their knobs and sources")
@click.argument("name", required=False, shell_complete=stage_names)
@click.option("--schema", is_flag=True, help="Print the JSON schema of recipes, for editors.")
@click.option(
    "--pages",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Bring the knob tables of the pages in this folder up to date.",
)
@click.option("--check", is_flag=True, help="With --pages: write nothing, fail where a page is out of date.")
@json_option
def command(name: str | None, schema: bool, pages: Path | None, check: bool, as_json: bool) -> None:
    """List all stages, or show the stage NAME with its knobs, bounds, units and sources.

    \b
      hornbook stages
      hornbook stages quality.repetition
      hornbook stages mypkg.stages.mine
      hornbook stages --schema > recipe.schema.json
      hornbook stages --pages docs/stages
    """
    if schema:
        from hornbook.engine.schema import recipe_schema

        click.echo(json.dumps(recipe_schema()) if as_json else json.dumps(recipe_schema(), indent=2))
    elif pages is not None:
        _pages(pages, check, as_json)
    elif name:
        _one(name, as_json)
    else:
        _all(as_json)


def _all(as_json: bool) -> None:
    from hornbook.engine.finding import find_stage, kind_of, summary
    from hornbook.engine.finding import stage_names as shipped

    found = []
    for name in shipped():
        stage = find_stage(name)
        found.append({"use": name, "kind": kind_of(stage), "summary": summary(stage)})
    if as_json:
        print_json({"stages": found})
        return
    from hornbook.cli.show import console, table

    table(console(), ["stage", "kind", "~what it does"], [[s["use"], s["kind"], s["summary"]] for s in found])


def _one(name: str, as_json: bool) -> None:
    from hornbook.engine.pages import described

    found = described(name)
    if as_json:
        from hornbook.cli.safe import plain

        print_json(plain(found))
        return
    from hornbook.cli.safe import block
    from hornbook.cli.show import console, heading, indented

    out = console()
    heading(out, found["use"], found["kind"], f"version {found['version']}", f"makes {found['makes']}")
    out.print()
    indented(out, block(found["about"], 8000), 2)
    out.print()
    for knob in found["knobs"]:
        _knob(out, knob)
    if found["drops"]:
        out.print()
        heading(out, "drops", "reason: what is compared, at the defaults")
        for reason, rule in found["drops"].items():
            indented(out, f"{reason}: {rule}", 2)


def _knob(out: Any, knob: dict[str, Any]) -> None:
    """A knob on two or three lines."""
    from hornbook.cli.safe import short
    from hornbook.cli.show import heading, indented

    default = "required" if knob["required"] else f"= {short(knob['default'], 100)}"
    facts = [knob["type"], default, knob["bounds"], knob["unit"], "threshold" if knob["threshold"] else ""]
    heading(out, knob["name"], *facts)
    if knob["help"]:
        indented(out, knob["help"], 4)
    if knob["source"]:
        indented(out, f"source: {knob['source']}", 4, "dim")


def _pages(folder: Path, check: bool, as_json: bool) -> None:
    from hornbook.core.errors import HornbookError
    from hornbook.engine.finding import stage_names as shipped
    from hornbook.engine.pages import fill, stale

    names = shipped()
    if not check:
        written = fill(folder, names)
        if as_json:
            print_json({"written": written, "missing": [n for n, f in stale(folder, names).items() if f == "missing"]})
            return
        click.echo(f"{len(written)} pages written" + (f": {', '.join(written)}" if written else ""))
    left = stale(folder, names)
    if check and as_json:
        print_json({"stale": left})
    if left:
        listed = ", ".join(f"{name} ({fault})" for name, fault in left.items())
        raise HornbookError(
            f"{len(left)} pages need work: {listed}", where=str(folder), fix=f"hornbook stages --pages {folder}"
        )
