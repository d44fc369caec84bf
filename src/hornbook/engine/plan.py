"""What a recipe will do and cost, before it is run: from what is cached, what earlier runs measured, a pilot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hornbook.core.stage import Artifact, Ask, Job, Source
from hornbook.engine.execute import Setting
from hornbook.engine.experience import Experience
from hornbook.engine.finding import kind_of
from hornbook.engine.forecast import Forecast, asks
from hornbook.engine.keys import StepKeys
from hornbook.engine.pilot import Pilot, for_all
from hornbook.engine.recipe import Recipe, Step, ancestors, flowing
from hornbook.engine.results import answered
from hornbook.engine.run import step_keys
from hornbook.engine.survey import Seen, survey
from hornbook.store.artifacts import Above, finished
from hornbook.teachers.spec import name_of

ROWS_A_SECOND = 5000.0
"""Of a stage that was never run here, a cautious round number."""


class Planner:
    """Plans a recipe.

    Args:
        recipe: what is planned.
        setting: as for a run; nothing is run.
        pilot: what a pilot told, if there was one.
    """

    def __init__(self, recipe: Recipe, setting: Setting, pilot: Pilot | None = None) -> None:
        self.recipe = recipe
        self.setting = setting
        self.pilot = pilot
        self.experience = Experience.of(setting.workspace)
        self._done: dict[str, Artifact] = {}
        self._kept: dict[str, int | None] = {}

    def plan(self) -> list[Forecast]:
        """A forecast for every step, in order."""
        return [self._forecast(number, step) for number, step in enumerate(self.recipe.steps, 1)]

    def _forecast(self, number: int, step: Step) -> Forecast:
        found = Forecast(step.name, step.use, kind_of(type(step.stage)), number)
        found.rows = self._rows(step)
        known = self._keys(step, found)
        if known is not None:
            keys, above = known
            artifact = finished(self.setting.workspace.artifact(keys.step), step.name)
            if artifact is not None and answered(artifact):
                self._done[step.name] = artifact
                self._cached(found, artifact)
                return found
            found.state = "to do"
            if isinstance(step.stage, Ask):
                self._asks(found, step, survey(step, keys, above, self.setting))
        elif isinstance(step.stage, Ask):
            self._asks(found, step, None)
        if not isinstance(step.stage, Ask):
            self._works(found, step)
        self._flows(found, step)
        self._kept[step.name] = found.kept
        return found

    def _keys(self, step: Step, found: Forecast) -> tuple[StepKeys, Above] | None:
        """The step's keys, where all above it is done and its teacher has a name."""
        missing = [s.name for s in ancestors(step.above, self.recipe.steps) if s.name not in self._done]
        if missing:
            return None
        if step.teacher is not None and name_of(step.teacher, self.setting.cache) is None:
            found.says.append(f"the weights of {step.teacher.model} are not here: `hornbook models pull`")
            return None
        return step_keys(self.recipe, step, list(self._done.values()), self.setting)

    def _cached(self, found: Forecast, artifact: Artifact) -> None:
        manifest = artifact.manifest
        found.state = "cached"
        found.rows, found.kept = int(manifest["rows_in"]), int(manifest["kept"])
        found.requests = 0 if found.kind == "ask" else None
        found.usd, found.seconds = (0.0 if found.kind == "ask" else None), 0.0
        self._kept[found.step] = found.kept

    def _rows(self, step: Step) -> int | None:
        """Documents that flow into a step: those of the nearest steps above that make documents."""
        total = 0
        counted: set[str] = set()
        for nearest in flowing(step, self.recipe.steps):
            if nearest.name in counted:
                continue
            counted.add(nearest.name)
            kept = self._kept.get(nearest.name)
            if kept is None:
                return None
            total += kept
        return total if step.above else None

    def _works(self, found: Forecast, step: Step) -> None:
        """Time of a step that asks nobody."""
        knobs = step.stage.model_dump(mode="json")
        if isinstance(step.stage, Job):
            found.seconds = self.experience.seconds(step.use, knobs)
            found.says.append(
                "time as in earlier runs" if found.seconds is not None else "time unknown: never run here"
            )
            return
        rate = self.experience.rows_a_second(step.use)
        rows = self._made(step, knobs, found) if isinstance(step.stage, Source) else found.rows
        if rows is None:
            return
        found.seconds = rows / (rate or ROWS_A_SECOND)
        if rate is None:
            found.says.append(f"assumed {ROWS_A_SECOND:,.0f} rows/s: never run here")

    def _made(self, step: Step, knobs: Mapping[str, Any], found: Forecast) -> int | None:
        """Documents that a source will give."""
        count = knobs.get("count")
        earlier = self.experience.rows_out(step.use, knobs)
        if isinstance(count, int) and count > 0:
            found.kept = count
            found.says.append(f"count = {count:,}")
        elif earlier is not None:
            found.kept = earlier
            found.says.append("documents as in an earlier run")
        else:
            found.says.append("documents unknown until it has run")
        return found.kept

    def _flows(self, found: Forecast, step: Step) -> None:
        """Documents that leave a step."""
        if isinstance(step.stage, Source) or found.rows is None:
            return
        if isinstance(step.stage, Job):
            found.kept = found.rows
            return
        if self.pilot is not None and self.pilot.step == step.name:
            share: float | None = self.pilot.good[0]
            low, high = for_all(*self.pilot.good, self.pilot.replies, found.rows)
            found.intervals["kept"] = low, min(float(found.rows), high)
        else:
            share = self.experience.share_kept(step.use, step.stage.model_dump(mode="json"))
        found.kept = round(found.rows * (1.0 if share is None else share))
        want = getattr(step.stage, "want", None)
        if want is not None:
            found.kept = min(found.kept, want)
        if share is None:
            found.says.append("assumed to drop nothing: never run here")

    def _asks(self, found: Forecast, step: Step, seen: Seen | None) -> None:
        """A step that asks."""
        pilot = self.pilot if self.pilot is not None and self.pilot.step == step.name else None
        asks(found, step, seen, self.experience, self.setting.cache, pilot)
