"""A pilot: some real requests, and what they say about all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pyarrow as pa

from hornbook.core.asking import Reply
from hornbook.core.errors import UserError
from hornbook.core.stage import Artifact, Ask
from hornbook.engine.asking import Tally, replies_for, requests_of
from hornbook.engine.budget import governed, owed
from hornbook.engine.careful import carefully
from hornbook.engine.events import StepEvent
from hornbook.engine.execute import Setting
from hornbook.engine.finding import kind_of
from hornbook.engine.keys import StepKeys, scorer
from hornbook.engine.recipe import Recipe, Step
from hornbook.engine.results import answered
from hornbook.engine.run import sole, step_keys
from hornbook.engine.tasks import selected
from hornbook.engine.worst import Worst
from hornbook.store.artifacts import Above, finished
from hornbook.store.journal import Journal
from hornbook.teachers.prices import tariff_of

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
        good: share of their rows that the step will keep, with its 90 % interval (Wilson).
        prompt_tokens, tokens: mean of a request and of a reply, with 90 % intervals (bootstrap).
        usd_each: mean cost of a row, US dollars, with its 90 % interval; without the machine's hours.
        seconds: mean latency of a request, with its 90 % interval.
        slowest: the longest of them.
        side_by_side: requests under way at once.
        pace: seconds a request in all, where the server refused some for being too many; else 0.
        tokens_per_second: written in all, as measured now; 0 where nothing was asked.
        usd: spent on it.
        errors: why rows will be dropped → how many.
        requests: mean of a row, with its 90 % interval.
    """

    step: str
    wanted: int
    asked: int
    replies: int
    good: tuple[float, Interval]
    prompt_tokens: tuple[float, Interval]
    tokens: tuple[float, Interval]
    usd_each: tuple[float, Interval]
    seconds: tuple[float, Interval]
    slowest: float
    side_by_side: int
    pace: float
    tokens_per_second: float
    usd: float
    errors: dict[str, int] = field(default_factory=dict)
    requests: tuple[float, Interval] = (1.0, (1.0, 1.0))


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
                return _learned(step, count, tally, replies, _judged(step, keys, above, len(replies), setting))
            done.append(setting.execute(step, keys, above, folder))
            setting.listen(StepEvent("done", *where, done[-1].manifest))
    return None


@dataclass(frozen=True, slots=True)
class _Judged:
    """What became of the rows of a pilot: by reason of being dropped, and what the replies for each row cost."""

    rows: int
    kept: int
    reasons: dict[str, int]
    usd: list[float]


def _judged(step: Step, keys: StepKeys, above: Above, count: int, setting: Setting) -> _Judged:
    """Mark the rows whose requests were asked as the run will, and drop what its rules drop."""
    stage, spec = step.stage, step.teacher
    score = scorer(stage)
    assert isinstance(stage, Ask)
    assert isinstance(score, Ask)
    assert spec is not None
    work, tariff = setting.work(step, keys, above, setting.workspace.artifact(keys.step)), tariff_of(spec)
    journal, worst = Journal(work.journal), Worst()
    rows = kept = 0
    reasons: Counter[str] = Counter()
    usd: list[float] = []
    try:
        for piece in above.documents(None):
            seen = piece if score.reads is None else piece.select([n for n in score.reads if n in piece.column_names])
            requests = requests_of(score, seen, work.model, work.params)
            at = [row for row, request in enumerate(requests) if request is not None][: count - len(usd)]
            many = at[-1] + 1 if len(at) + len(usd) >= count else piece.num_rows
            replies = replies_for(score, seen.slice(0, many), work.model, work.params, journal)
            for request, reply in zip(requests, replies, strict=False):
                if request is not None:
                    prompt, tokens = worst.of(request)
                    most = tariff.of(prompt, tokens), prompt + tokens
                    usd.append(sum(owed(one, most, tariff)[0] for one in _whole(reply) if one.seconds > 0))
            marks = carefully(partial(_taken, score, replies), seen.slice(0, many), 0, step.use)
            good, gone = selected(piece.slice(0, many), marks if marks.num_columns else None, stage.drops())
            rows, kept = rows + many, kept + good.num_rows
            reasons.update(gone.column("reason").to_pylist() if gone.num_rows else [])
            if len(usd) >= count:
                break
    finally:
        journal.close()
    return _Judged(rows, kept, dict(reasons), usd)


def _taken(score: Ask, replies: Sequence[Reply], piece: pa.Table, offset: int) -> pa.Table:
    return score.take(piece, replies[offset : offset + piece.num_rows])


def _learned(step: Step, wanted: int, tally: Tally, replies: Sequence[Reply], judged: _Judged) -> Pilot:
    """Means with their intervals."""
    assert step.teacher is not None
    came = [reply for reply in replies if reply.seconds > 0]
    slots = step.teacher.slots if step.teacher.kind() == "local" else step.teacher.concurrency
    seconds = [sum(r.seconds for r in _whole(reply)) for reply in came]
    share = judged.kept / judged.rows if judged.rows else 0.0
    return Pilot(
        step=step.name,
        wanted=wanted,
        asked=max(0, tally.asked - tally.retries - tally.followed),
        replies=len(replies),
        good=(share, wilson(judged.kept, judged.rows)),
        prompt_tokens=mean_of([sum(r.prompt_tokens for r in _whole(reply)) for reply in came]),
        tokens=mean_of([sum(r.completion_tokens for r in _whole(reply)) for reply in came]),
        usd_each=mean_of(judged.usd),
        seconds=mean_of(seconds),
        slowest=max(seconds, default=0.0),
        side_by_side=max(1, min(tally.most or slots, len(replies))),
        pace=tally.seconds / tally.answered if tally.retries and tally.answered else 0.0,
        tokens_per_second=tally.tokens / tally.seconds if tally.seconds else 0.0,
        usd=tally.usd,
        errors=dict(sorted(judged.reasons.items())),
        requests=mean_of([len(_whole(reply)) for reply in came]) if came else (1.0, (1.0, 1.0)),
    )


def _whole(reply: Reply) -> tuple[Reply, ...]:
    """All replies for a row, where its requests follow from each other."""
    return (*reply.before, reply)


def mean_of(values: Sequence[float]) -> tuple[float, Interval]:
    """A mean and its 90 % interval: bootstrap-t of 2,000 draws (Efron 1981), seeded; never below 0.

    Percentiles of means, and Student's t for skewed values, cover too little: of 1,500 samples of 50 lognormal values
    with sigma 1 they held the truth in 85 and 86 %, this in 89 %; of 50 normal ones all three in 89 or 90 %.
    """
    if not values:
        return 0.0, (0.0, 0.0)
    found = np.asarray(values, dtype=np.float64)
    mean, size = float(found.mean()), found.size
    if size < 2 or not found.std() > 0:
        return mean, (mean, mean)
    draws = found[np.random.default_rng(0).integers(0, size, (RESAMPLES, size))]
    errors = draws.std(axis=1, ddof=1) / math.sqrt(size)
    some = errors > 0
    high, low = np.quantile((draws.mean(axis=1)[some] - mean) / errors[some], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    error = float(found.std(ddof=1)) / math.sqrt(size)
    return mean, (max(0.0, mean - max(0.0, float(low)) * error), mean + max(0.0, -float(high)) * error)


def for_all(mean: float, interval: Interval, seen: int, many: int) -> Interval:
    """The interval of a sum over `many` further requests, from that of a mean of `seen`: few vary more than many."""
    wider = math.sqrt(1 + seen / many) if many else 1.0
    low, high = (mean + wider * (end - mean) for end in interval)
    return max(0.0, low) * many, high * many


def wilson(hits: int, total: int) -> Interval:
    """90 % interval of a share (Wilson 1927); never empty, right at 0 and at 1 too."""
    if total == 0:
        return 0.0, 1.0
    share, square = hits / total, _Z**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == total else min(1.0, middle + half)
