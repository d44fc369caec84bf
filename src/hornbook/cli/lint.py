"""`hornbook lint`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

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
    from hornbook.engine.linting.linter import Linted


@click.command(short_help="what is wrong with a recipe's prompts, before a cent is spent")
@click.argument("recipe", shell_complete=recipe_names)
@scale_option
@set_option
@click.option(
    "--against", "against", multiple=True, metavar="FILE",
    help="Benchmark items or seeds that no prompt may hold. May be repeated.",
)  # fmt: skip
@click.option(
    "--context", type=click.IntRange(min=1), metavar="N",
    help="The teacher's longest prompt and reply together, in tokens  [default: the local teacher's].",
)  # fmt: skip
@runs_option
@workers_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    recipe: str,
    scale: str | None,
    sets: tuple[str, ...],
    against: tuple[str, ...],
    context: int | None,
    runs: Path,
    workers: int | None,
    as_json: bool,
) -> None:
    """Run the steps of RECIPE up to its prompts and look at them: no teacher is asked, nothing is paid.

    Looks for variables that nobody filled, lists with an item twice or with two items written as one, empty,
    equal and near-identical prompts, prompts too long for the teacher, benchmark items in prompts, and prompts
    that all begin alike. What is run is kept for the run. Exits with 1 where there is an error.

    \b
      hornbook lint stories
      hornbook lint mine.yaml --against exams/ --context 8192
    """
    from hornbook.engine.budget import Governor
    from hornbook.engine.execute import Setting
    from hornbook.engine.linting.linter import lint
    from hornbook.engine.recipe import load_recipe
    from hornbook.engine.workspace import Workspace

    made = load_recipe(recipe, overrides(sets), scale)
    with listener(as_json) as listen, executor(workers) as spread:
        setting = Setting(Workspace(runs), spread, cache_folder(), listen, Governor())
        linted = lint(made, setting, against, context or 0)
    errors = sum(finding.level == "error" for finding in linted.findings)
    if as_json:
        from hornbook.cli.safe import plain

        print_json(plain({"recipe": made.name, "errors": errors, **asdict(linted)}))
    else:
        _show(made.name, linted)
    ctx.exit(1 if errors else 0)


def _show(name: str, linted: Linted) -> None:
    from hornbook.cli.meter import spell
    from hornbook.cli.safe import line
    from hornbook.cli.show import console, heading, indented, table

    out = console()
    heading(out, name, f"{linted.prompts:,} prompts of {', '.join(linted.steps)}, {spell(linted.seconds)}")
    out.print()
    if linted.findings:
        rows = [[one.level, one.step, f"{one.count:,} of {one.of:,}", one.what] for one in linted.findings]
        table(out, ["level", "step", ">count", "~what"], rows)
        out.print()
        for one in linted.findings:
            indented(out, f"{one.level}: {line(one.what, 200)}", 0, "red" if one.level == "error" else "")
            if one.where:
                indented(out, f"where: {line(one.where, 300)}", 2)
            for example in one.examples:
                indented(out, line(example, 200), 4, "dim")
            indented(out, f"fix: {one.fix}", 2)
    else:
        out.print("nothing found")
    for said in linted.says:
        out.print(f"  {line(said, 200)}", style="dim")
    if linted.unseen:
        out.print(f"  not looked at, their prompts are made of replies: {', '.join(linted.unseen)}", style="dim")
