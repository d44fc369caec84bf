"""A pilot: some real requests, and what they say about all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hornbook.core.asking import Reply
from hornbook.core.errors import UserError
from hornbook.core.stage import Artifact, Ask
from hornbook.engine.asking import Tally
from hornbook.engine.budget import governed
from hornbook.engine.events import StepEvent
from hornbook.engine.execute import Setting
from hornbook.engine.finding import kind_of
from hornbook.engine.recipe import Recipe, Step
from hornbook.engine.results import answered
from hornbook.engine.run import sole, step_keys
from hornbook.store.artifacts import finished

RESAMPLES = 2000
LEVEL = 0.90
_Z = 1.6449
"""Normal quantile of a two-sided 90 % interval."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pilot:
    """What some requests of one step told.

    Args:
        step: which.
        wanted: how many requests were to be asked.
        asked: how many were asked now; the others were in the journal.
        replies: how many replies there are to judge by.
        good: share of them that can be used, with its 90 % interval (Wilson).
        prompt_tokens, tokens: mean of a request and of a reply, with 90 % intervals (bootstrap).
        seconds: mean latency of a request, with its 90 % interval.
        side_by_side: requests under way at once.
        tokens_per_second: written in all, as measured now; 0 where nothing was asked.
        usd: spent on it.
        errors: class → how many.
    """

    step: str
    wanted: int
    asked: int
    replies: int
    good: tuple[float, Interval]
    prompt_tokens: tuple[float, Interval]
    tokens: tuple[float, Interval]
    seconds: tuple[float, Interval]
    side_by_side: int
    tokens_per_second: float
    usd: float
    errors: dict[str, int] = field(default_factory=dict)


def pilot(recipe: Recipe, setting: Setting, count: int) -> Pilot | None:
    """Run the steps up to the first one that asks and is not done, and ask its first requests.

    Everything is kept: the steps are done for the run to come, the replies are in the journal.

    Args:
        recipe: what is planned.
        setting: as for a run; its governor gives way to the run's own, so that what a pilot spends counts.
        count: requests to ask.

    Returns:
        what it told, or None where every step that asks is done.

    Raises:
        UserError: the recipe asks nobody, or money is capped and a price is unknown.
        HornbookError: a step fails, or the teacher does.
    """
    if not any(isinstance(step.stage, Ask) for step in recipe.steps):
        raise UserError("a pilot asks a teacher, and this recipe asks none", fix="leave out --pilot")
    with (
        sole(setting.workspace.run(recipe.name), f"`{recipe.name}` is being run"),
        governed(setting.workspace, recipe.name, recipe.budget, recipe.steps) as governor,
    ):
        setting = replace(setting, governor=governor)
        done: list[Artifact] = []
        for number, step in enumerate(recipe.steps, 1):
            where = (step.name, step.use, kind_of(type(step.stage)), number, len(recipe.steps))
            keys, above = step_keys(recipe, step, done, setting)
            folder = setting.workspace.artifact(keys.step)
            found = finished(folder, step.name)
            if found is not None and answered(found):
                done.append(found)
                setting.listen(StepEvent("cached", *where, done[-1].manifest))
                continue
            setting.listen(StepEvent("started", *where))
            if isinstance(step.stage, Ask):
                tally, replies = setting.ask_first(step, keys, above, count)
                return _learned(step, count, tally, replies)
            done.append(setting.execute(step, keys, above, folder))
            setting.listen(StepEvent("done", *where, done[-1].manifest))
    return None


def _learned(step: Step, wanted: int, tally: Tally, replies: Sequence[Reply]) -> Pilot:
    """Means with their intervals."""
    assert step.teacher is not None
    came = [reply for reply in replies if reply.seconds > 0]
    good = sum(reply.error is None for reply in replies)
    errors: dict[str, int] = {}
    for reply in replies:
        if reply.error is not None:
            errors[reply.error] = errors.get(reply.error, 0) + 1
    slots = step.teacher.slots if step.teacher.kind() == "local" else step.teacher.concurrency
    return Pilot(
        step=step.name,
        wanted=wanted,
        asked=max(0, tally.asked - tally.retries - tally.followed),
        replies=len(replies),
        good=(good / len(replies) if replies else 0.0, wilson(good, len(replies))),
        prompt_tokens=mean_of([sum(r.prompt_tokens for r in _whole(reply)) for reply in came]),
        tokens=mean_of([sum(r.completion_tokens for r in _whole(reply)) for reply in came]),
        seconds=mean_of([sum(r.seconds for r in _whole(reply)) for reply in came]),
        side_by_side=max(1, min(tally.most or slots, len(replies))),
        tokens_per_second=tally.tokens / tally.seconds if tally.seconds else 0.0,
        usd=tally.usd,
        errors=errors,
    )


def _whole(reply: Reply) -> tuple[Reply, ...]:
    """All replies for a row, where its requests follow from each other."""
    return (*reply.before, reply)


def mean_of(values: Sequence[float]) -> tuple[float, Interval]:
    """A mean and its 90 % interval: percentiles of 2,000 bootstrap means (Efron 1979), seeded."""
    if not values:
        return 0.0, (0.0, 0.0)
    found = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(0).integers(0, len(found), (RESAMPLES, len(found)))
    low, high = np.quantile(found[draws].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(found.mean()), (float(low), float(high))


def wilson(hits: int, total: int) -> Interval:
    """90 % interval of a share (Wilson 1927); never empty, right at 0 and at 1 too."""
    if total == 0:
        return 0.0, 1.0
    share, square = hits / total, _Z**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == total else min(1.0, middle + half)
