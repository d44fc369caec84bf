"""Stages are found by their path: `quality.repetition` is `hornbook/stages/quality/repetition.py`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from types import ModuleType

import hornbook.stages
from hornbook.core.errors import UserError, nearest
from hornbook.core.stage import KINDS, Stage


def stage_names() -> list[str]:
    """The names of all shipped stages, sorted, found by looking at the folders."""
    names = []
    for folder in pkgutil.iter_modules(hornbook.stages.__path__):
        if folder.ispkg:
            package = importlib.import_module(f"hornbook.stages.{folder.name}")
            names += [f"{folder.name}.{m.name}" for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_"]
    return sorted(names)


def find_stage(name: str, where: str = "") -> type[Stage]:
    """The class of a stage: shipped (`quality.length`) or a user's own (`mypkg.stages.mine`).

    Raises:
        UserError: no such module, no stage in it, or more than one.
    """
    module = _import(f"hornbook.stages.{name}") or _import(name)
    if module is None:
        like = nearest(name, stage_names())
        hint = f"did you mean `{like}`? " if like else ""
        raise UserError(f"unknown stage `{name}`", where=where, fix=f"{hint}`hornbook stages` lists them all")
    classes = [c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, KINDS)]
    found: list[type[Stage]] = [c for c in classes if c.__module__ == module.__name__ and c.__name__[0] != "_"]
    if len(found) != 1:
        names = ", ".join(c.__name__ for c in found) or "none"
        raise UserError(
            f"{name} must hold exactly one stage, found {names}",
            where=module.__file__ or where,
            fix="one class of Source, Each, Across, Ask or Job a file",
        )
    return found[0]


def kind_of(stage: type[Stage]) -> str:
    """source, each, across, ask or job."""
    return next(kind.__name__.lower() for kind in KINDS if issubclass(stage, kind))


def summary(stage: type[Stage]) -> str:
    """The first line of a stage's docstring."""
    return (inspect.getdoc(stage) or "").strip().partition("\n")[0]


def _import(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(missing + "."):
            return None
        raise UserError(
            f"{name} needs the package `{missing}`, which is not installed",
            fix="`hornbook doctor` says how to get what is missing",
        ) from error
    except ValueError:
        return None
