"""`hornbook run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


@click.command(short_help="run a recipe to its end, resuming what is there")
@click.argument("recipe", shell_complete=recipe_names)
@scale_option
@set_option
@runs_option
@workers_option
@json_option
def command(
    recipe: str, scale: str | None, sets: tuple[str, ...], runs: Path, workers: int | None, as_json: bool
) -> None:
    """Run RECIPE: a YAML file, or the name of a shipped recipe.

    Finished steps are not done again. Stopped in any way, the same command goes on from where it was,
    and asks no teacher again for what had arrived.

    \b
      hornbook run stories
      hornbook run stories --set prompts.count=50 --set generate.max_tokens=200
      hornbook run phi1 --scale tiny
      hornbook run mine.yaml --set teacher.url=http://localhost:8000/v1
    """
    from hornbook.engine.recipe import load_recipe
    from hornbook.engine.run import Runner
    from hornbook.engine.workspace import REPORT, Workspace
    from hornbook.store.artifacts import product

    made = load_recipe(recipe, overrides(sets), scale)
    workspace = Workspace(runs)
    with listener(as_json) as listen, executor(workers) as spread:
        done = Runner(workspace, spread, cache_folder(), listen).run(made)
    folder = workspace.run(made.name)
    documents = product(done)
    kept = documents.manifest["kept"] if documents else 0
    page = folder / REPORT
    if as_json:
        steps = [{"step": a.step, **_short(a.manifest)} for a in done]
        print_json({"run": made.name, "folder": str(folder), "documents": kept, "steps": steps})
        return
    from hornbook.cli.comparison import show
    from hornbook.cli.show import console

    for artifact in done:
        show(console(), artifact.manifest["facts"])
    click.echo(f"{kept:,} documents in {folder / 'final'}")
    if page.exists():
        click.echo(f"report: {page}")


def _short(manifest: Mapping[str, Any]) -> dict[str, Any]:
    names = ("stage", "key", "rows_in", "kept", "dropped", "reasons", "seconds", "facts")
    return {name: manifest[name] for name in names}
