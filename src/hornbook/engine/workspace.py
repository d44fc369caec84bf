"""Where runs live: `runs/NAME/` with links into the content-addressed `runs/artifacts/`."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook import __version__
from hornbook.core.errors import UserError, nearest
from hornbook.core.stage import Artifact
from hornbook.store.artifacts import artifact_at
from hornbook.store.files import read_json, write_json

RUN = "run.json"
RECIPE = "recipe.yaml"
REPORT = "report.html"

SPENT_EVERY = 2.0
"""Seconds between two notes of what a run has spent."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of all runs.

    Args:
        root: `--runs`; `artifacts/`, `journal/` and one folder a run lie in it.
    """

    root: Path
    journal_root: Path | None = None
    """Where the journal lies if not under `root`."""

    @property
    def journal(self) -> Path:
        """The journal's folder, shared by all runs."""
        return (self.journal_root or self.root) / "journal"

    def artifact(self, key: str) -> Path:
        """The folder of a step's result."""
        return self.root / "artifacts" / key

    def lock(self, key: str) -> Path:
        """The lock of whoever works on a step."""
        path = self.root / "artifacts" / ".locks" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, name: str) -> Path:
        """A run's folder."""
        return self.root / name

    def runs(self) -> list[str]:
        """The names of all runs, newest first."""
        found = [path.parent for path in self.root.glob(f"*/{RUN}")]
        return [path.name for path in sorted(found, key=lambda p: -(p / RUN).stat().st_mtime)]

    def read_run(self, name: str) -> dict[str, Any]:
        """What a run's `run.json` says.

        Raises:
            UserError: no such run; names the nearest.
        """
        found: dict[str, Any] | None = read_json(self.run(name) / RUN)
        if found is None:
            names = self.runs()
            like = nearest(name, names)
            hint = f"did you mean `{like}`? " if like else ""
            listed = ", ".join(names) or "none yet: `hornbook run stories` makes one"
            raise UserError(f"no run called `{name}`", where=str(self.root), fix=f"{hint}runs: {listed}")
        return found

    def steps(self, name: str) -> list[Artifact]:
        """The finished steps of a run, in order."""
        run = self.read_run(name)
        found = []
        for step in run["steps"]:
            folder = self.artifact(step["key"]) if step.get("key") else None
            if folder is not None and (folder / "manifest.json").exists():
                found.append(artifact_at(folder, step["name"]))
        return found


class RunFolder:
    """Keeps `runs/NAME/` true while a run goes on.

    Args:
        workspace: the folder of all runs.
        name: the run's name.
        recipe: the resolved recipe.
    """

    def __init__(self, workspace: Workspace, name: str, recipe: dict[str, Any]) -> None:
        self.workspace = workspace
        self.folder = workspace.run(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        before = read_json(self.folder / RUN) or {}
        self.state: dict[str, Any] = {
            "name": name,
            "status": "running",
            "began": time.time(),
            "ended": None,
            "hornbook": __version__,
            "spent_usd": float(before.get("spent_usd", 0.0)),
            "spent_tokens": int(before.get("spent_tokens", 0)),
            "spent_hours": float(before.get("spent_hours", 0.0)),
            "steps": [],
        }
        self._write_recipe(recipe)
        for link in self.folder.glob("[0-9][0-9]-*"):
            if link.is_symlink():
                link.unlink()
        for link in (self.folder / "final", self.folder / REPORT):
            if link.is_symlink() or link.is_file():
                link.unlink()
        self.save()

    def _write_recipe(self, recipe: dict[str, Any]) -> None:
        from ruamel.yaml import YAML

        from hornbook.store.files import whole

        with whole(self.folder / RECIPE) as draft, draft.open("w", encoding="utf-8") as file:
            YAML(typ="rt").dump(recipe, file)

    def step(self, number: int, artifact: Artifact, *, cached: bool) -> None:
        """Note a finished step and link it."""
        key = artifact.manifest["key"]
        self.state["steps"].append({"name": artifact.step, "use": artifact.stage, "key": key, "cached": cached})
        self._link(f"{number:02d}-{artifact.step}-{key[:6]}", artifact.folder)
        page = artifact.folder / REPORT
        if page.exists():
            shutil.copyfile(page, self.folder / REPORT)
        self.save()

    def end(self, status: str, final: Artifact | None = None) -> None:
        """Note how the run ended, and link the last documents."""
        self.state |= {"status": status, "ended": time.time()}
        if final is not None:
            self._link("final", final.folder)
        self.save()

    def spent(self, usd: float, tokens: int) -> None:
        """Note what the run has spent; on disk every few seconds at least, so that a killed run is not forgotten."""
        if (usd, tokens) == (self.state["spent_usd"], self.state["spent_tokens"]):
            return
        self.state |= {"spent_usd": usd, "spent_tokens": tokens}
        if time.monotonic() - self._saved > SPENT_EVERY:
            self.save()

    def save(self) -> None:
        """Write run.json."""
        write_json(self.folder / RUN, self.state)
        self._saved = time.monotonic()

    def _link(self, name: str, target: Path) -> None:
        link = self.folder / name
        if link.is_symlink():
            link.unlink()
        try:
            link.symlink_to(os.path.relpath(target, self.folder), target_is_directory=True)
        except OSError:
            link.mkdir(exist_ok=True)
            for file in target.glob("*"):
                if file.is_file():
                    shutil.copyfile(file, link / file.name)
