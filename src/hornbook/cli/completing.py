"""What a shell may complete: names read from folders, without importing what they name."""

from __future__ import annotations

from pathlib import Path

import click


def stage_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Shipped stages."""
    return _starting(incomplete, shipped_stages())


def recipe_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Shipped recipes, and YAML files beside the person."""
    here = Path(incomplete or ".")
    folder = here if here.is_dir() else here.parent
    files = [str(path) for end in ("*.yaml", "*.yml") for path in folder.glob(end)] if folder.is_dir() else []
    shipped = Path(__file__).parent.parent / "recipes"
    return _starting(incomplete, [path.stem for path in shipped.glob("*.yaml")] + files)


def run_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Runs in the folder that `--runs` names."""
    root = Path(ctx.params.get("runs") or "runs")
    return _starting(incomplete, [path.parent.name for path in root.glob("*/run.json")])


def shipped_stages() -> list[str]:
    """`quality.length` for every `stages/quality/length.py`."""
    root = Path(__file__).parent.parent / "stages"
    return [f"{path.parent.name}.{path.stem}" for path in root.glob("*/*.py") if path.name[0] != "_"]


def _starting(incomplete: str, names: list[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
