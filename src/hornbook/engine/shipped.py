"""Where recipes are: files that people name, and those that come with Hornbook."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from hornbook.core.errors import UserError, nearest
from hornbook.engine.yamls import parse


def shipped_recipes() -> dict[str, str]:
    """Name → first comment or `about` of the recipes that come with Hornbook."""
    found = {}
    for entry in resources.files("hornbook.recipes").iterdir():
        if entry.name.endswith(".yaml"):
            data, _ = parse(entry.read_text(encoding="utf-8"), entry.name)
            found[entry.name.removesuffix(".yaml")] = str(data.get("about", ""))
    return dict(sorted(found.items()))


def read_recipe(name: str) -> tuple[str, str]:
    """A recipe's text, and what messages call the file.

    Args:
        name: a path to a YAML file, or the name of a shipped recipe.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        try:
            return path.read_text(encoding="utf-8"), name
        except OSError as error:
            raise UserError(f"cannot read the recipe: {error.strerror}", where=name, fix="check the path") from error
        except UnicodeDecodeError as error:
            raise UserError(f"the recipe is not UTF-8: {error}", where=name, fix="save it as UTF-8") from error
    shipped = resources.files("hornbook.recipes") / f"{name}.yaml"
    if not shipped.is_file():
        names = list(shipped_recipes())
        like = nearest(name, names)
        hint = f"did you mean `{like}`? " if like else ""
        raise UserError(
            f"no recipe called `{name}`",
            fix=f"{hint}shipped: {', '.join(names)}; or give a path ending in .yaml",
        )
    return shipped.read_text(encoding="utf-8"), f"{name}.yaml"
