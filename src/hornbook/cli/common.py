"""What several commands share: `--set`, `--runs`, `--json`, the cache folder, the executor."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

runs_option = click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True,
    help="Folder of all runs.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object last on standard output.")
set_option = click.option(
    "--set", "sets", multiple=True, metavar="NAME=VALUE",
    help="Override a value of the recipe: STEP.KNOB, teacher.url, budget.usd, seed. May be repeated.",
)  # fmt: skip
scale_option = click.option(
    "--scale", metavar="NAME", help="One of the recipe's scales: the same steps, larger or smaller."
)
workers_option = click.option("--workers", type=click.IntRange(min=1), help="Worker processes [default: the cores].")


def value_of(text: str) -> Any:
    """A value as YAML would read it: 3, 0.5, true, [a, b], text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return text


def overrides(sets: tuple[str, ...]) -> dict[str, Any]:
    """`--set` values as dotted name → value.

    Raises:
        UserError: one has no `=`.
    """
    from hornbook.core.errors import UserError

    found = {}
    for entry in sets:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            raise UserError(f"--set {entry}: no value", fix="--set generate.max_tokens=200")
        found[name.strip()] = value_of(value)
    return found


def cache_folder() -> Path:
    """The user's cache folder: weights, digests of files."""
    from hornbook.teachers.weights import default_cache

    return default_cache()


def journal_folder(runs: Path) -> Path:
    """The journal's folder.

    Raises:
        UserError: there is none.
    """
    from hornbook.core.errors import UserError
    from hornbook.engine.workspace import Workspace

    folder = Workspace(runs).journal
    if not folder.is_dir():
        raise UserError("there is no journal", where=str(folder), fix="--runs DIR: the folder of the runs")
    return folder


def executor(workers: int | None) -> Any:
    """A pool as wide as what this process may use of the machine, or as asked."""
    import os

    from hornbook.engine.executors import Pool

    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Pool(workers)


def listener(as_json: bool) -> Any:
    """The progress view that fits: live on a terminal, plain lines elsewhere."""
    from hornbook.cli.live import listener as make

    return make(sys.stderr, as_json=as_json)


def print_json(value: Any) -> None:
    """One JSON object, last on standard output; plain ASCII, so that no text can reach the terminal as a command."""
    click.echo(json.dumps(value, default=str))


Command = Callable[..., None]
