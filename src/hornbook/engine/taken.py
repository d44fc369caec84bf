"""What the steps of a run took, all told: replies that the journal had already are counted like those asked last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from hornbook.core.asking import Reply
from hornbook.core.stage import Artifact, Ask
from hornbook.engine.asking import looking
from hornbook.engine.chains import walked
from hornbook.engine.execute import Setting
from hornbook.engine.keys import scorer
from hornbook.engine.recipe import Recipe, Step
from hornbook.engine.run import step_keys
from hornbook.engine.streams import stream_rows
from hornbook.store.artifacts import finished
from hornbook.store.journal import Journal
from hornbook.teachers.prices import Tariff, tariff_as_asked

AT_ONCE = 512
"""Rows whose replies are looked up together."""


@dataclass(slots=True)
class Taken:
    """What a finished step took.

    Args:
        seconds: of its last execution; what the journal answered took time in an earlier one.
        usd: to its teacher, at today's prices, whenever it was asked.
        requests, prompt_tokens, tokens: that its teacher answered; None of a step that asks nobody.
    """

    seconds: float
    usd: float = 0.0
    requests: int | None = None
    prompt_tokens: int | None = None
    tokens: int | None = None


def taken_of(recipe: Recipe, names: Sequence[str], setting: Setting) -> dict[str, Taken]:
    """What those of the named steps took that are done; nothing is run.

    Args:
        recipe: they are of.
        names: of steps.
        setting: as for a run.
    """
    found: dict[str, Taken] = {}
    done: list[Artifact] = []
    known: set[str] = set()
    for step in recipe.steps:
        if not set(step.above) <= known:
            continue
        keys, _ = step_keys(recipe, step, done, setting)
        artifact = finished(setting.workspace.artifact(keys.step), step.name)
        if artifact is None:
            continue
        done.append(artifact)
        known.add(step.name)
        if step.name in names:
            found[step.name] = Taken(float(artifact.manifest["seconds"]))
            if isinstance(step.stage, Ask):
                _asked(found[step.name], recipe, step, done, setting)
    return found


def _asked(taken: Taken, recipe: Recipe, step: Step, done: list[Artifact], setting: Setting) -> None:
    """Sum up the replies that a step rests on; one that several rows share is counted once."""
    assert step.teacher is not None
    keys, above = step_keys(recipe, step, done, setting)
    score, price = scorer(step.stage), tariff_as_asked(step.teacher)
    assert isinstance(score, Ask)
    work = setting.work(step, keys, above, setting.workspace.artifact(keys.step))
    taken.requests = taken.prompt_tokens = taken.tokens = 0
    reader, seen = Journal(work.journal), set[str]()
    try:
        rows = stream_rows(score, work, above)
        while some := list(islice(rows, AT_ONCE)):
            for chain in walked(score, some, work.params, looking(reader)):
                for reply in chain.replies:
                    if reply.key not in seen:
                        seen.add(reply.key)
                        _add(taken, reply, price)
    finally:
        reader.close()
    taken.usd += taken.seconds / 3600 * price.hour


def _add(taken: Taken, reply: Reply, price: Tariff) -> None:
    assert taken.requests is not None
    assert taken.prompt_tokens is not None
    assert taken.tokens is not None
    taken.requests += 1
    taken.prompt_tokens += reply.prompt_tokens
    taken.tokens += reply.completion_tokens
    taken.usd += price.of_reply(reply)
