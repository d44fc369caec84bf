"""Finished steps, and what a step sees of those above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa

from hornbook.core.errors import HornbookError
from hornbook.core.stage import Artifact, Makes
from hornbook.store.manifest import Manifest
from hornbook.store.parts import pieces


class Above:
    """The finished artifacts above a step (`hornbook.core.stage.Inputs`).

    Args:
        above: all of them, in recipe order.
        sources: those whose documents flow into the step, in the order of `from:`.
        recipe: the resolved recipe, where the stage may see it.
        named: the steps that `from:` names, in its order: the nearest of all.
    """

    def __init__(
        self,
        above: Sequence[Artifact],
        sources: Sequence[Artifact],
        recipe: Mapping[str, Any] | None = None,
        named: Sequence[str] = (),
    ) -> None:
        self.above = above
        self.sources = sources
        self.recipe = recipe or {}
        self.named = tuple(named)

    def nearest(self, makes: Makes) -> Artifact:
        """The nearest artifact above that makes the wanted thing: one that `from:` names, else the last above.

        Raises:
            HornbookError: none does; the plan refuses such a recipe before.
        """
        found = [artifact for artifact in self.above if artifact.makes == makes]
        by_name = {artifact.step: artifact for artifact in found}
        for name in reversed(self.named):
            if name in by_name:
                return by_name[name]
        if found:
            return found[-1]
        raise HornbookError(f"no step above makes {makes}")

    def parts(self) -> list[Path]:
        """The parts of the documents above, in order."""
        return [a.folder / part["file"] for a in self.sources for part in a.manifest["parts"]]

    def starts(self) -> list[int]:
        """The first row number of each part."""
        sizes = [part["rows"] for a in self.sources for part in a.manifest["parts"]]
        return list(accumulate(sizes, initial=0))[:-1]

    def documents(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The documents above, a row group at a time, in order."""
        for part in self.parts():
            yield from pieces(part, columns)

    def rows(self) -> int:
        """How many documents there are above."""
        return sum(int(a.manifest["kept"]) for a in self.sources)

    def describe(self) -> list[dict[str, Any]]:
        """What another process needs to see the same: names and folders only."""
        order = {a.folder: at for at, a in enumerate(self.sources)}
        named = {name: at for at, name in enumerate(self.named)}
        return [
            {"step": a.step, "folder": str(a.folder), "source": order.get(a.folder), "named": named.get(a.step)}
            for a in self.above
        ]

    @classmethod
    def from_description(cls, described: Sequence[dict[str, Any]]) -> Above:
        """The other end of `describe`, in a worker."""
        above = [artifact_at(Path(entry["folder"]), entry["step"]) for entry in described]
        sources = {e["source"]: a for e, a in zip(described, above, strict=True) if e["source"] is not None}
        named = {entry["named"]: entry["step"] for entry in described if entry["named"] is not None}
        return cls(above, [sources[at] for at in sorted(sources)], named=[named[at] for at in sorted(named)])


def artifact_at(folder: Path, step: str) -> Artifact:
    """The finished step in a folder.

    Raises:
        HornbookError: the folder has no manifest: the step is not done.
    """
    found = finished(folder, step)
    if found is None:
        raise HornbookError(f"{step} is not done", where=str(folder), fix="run the recipe again")
    return found


def finished(folder: Path, step: str) -> Artifact | None:
    """The finished step in a folder, or None where it is not done."""
    manifest = Manifest.read(folder)
    if manifest is None:
        return None
    makes: Any = manifest.makes
    return Artifact(step, manifest.stage, makes, folder, manifest.model_dump())


def aside(done: Sequence[Artifact]) -> set[Path]:
    """The folders of documents that measure a run's product and are none: made for an exam, and on from there.

    Args:
        done: steps in the order of the recipe, with all that they read from.
    """
    found: set[str] = set()
    folders: set[Path] = set()
    for artifact in done:
        manifest = artifact.manifest
        begins = artifact.stage.startswith("evaluate.") and manifest["kind"] == "source"
        if artifact.makes == "documents" and (begins or found & set(manifest["inputs"])):
            found.add(manifest["output"])
            folders.add(artifact.folder)
    return folders


def product(done: Sequence[Artifact]) -> Artifact | None:
    """The last documents of some steps in order that are not `aside`; the last ones where all are."""
    made = [artifact for artifact in done if artifact.makes == "documents"]
    exams = aside(done)
    return next((a for a in reversed(made) if a.folder not in exams), made[-1] if made else None)
