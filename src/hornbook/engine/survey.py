"""Looking at a step's requests before any is asked: how many there are, how long, what the journal answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from hornbook.core.asking import Request
from hornbook.core.stage import Ask
from hornbook.engine.asking import looking
from hornbook.engine.chains import chained, lacking_of, walked
from hornbook.engine.execute import Setting
from hornbook.engine.keys import StepKeys, scorer
from hornbook.engine.recipe import Step
from hornbook.engine.streams import rows_asked, stream_rows
from hornbook.engine.worst import Worst
from hornbook.store.artifacts import Above
from hornbook.store.intents import in_batches
from hornbook.store.journal import Journal

COUNTED = 20_000
"""How many requests are looked up in the journal; what lies beyond is taken to be alike."""


@dataclass
class Seen:
    """What is known of a step's requests before any is asked.

    Args:
        requests: how many rows there are to ask about.
        journaled: of them, how many the journal answers whole.
        sent: of them, how many wait for a batch at a provider.
        letters, worst: mean length of a row's first prompt: in characters, and in tokens at most.
        begun: requests that are answered of a row → how many rows that are neither of these.
    """

    requests: int
    journaled: int
    sent: int
    letters: float
    worst: float = 0.0
    begun: Counter[int] = field(default_factory=Counter)

    def left(self) -> int:
        """Rows that are still to be asked about."""
        return max(0, self.requests - self.journaled - self.sent)


def survey(step: Step, keys: StepKeys, above: Above, setting: Setting) -> Seen:
    """Look at the step's requests: how many, how long, how many the journal answers."""
    score = scorer(step.stage)
    assert isinstance(score, Ask)
    work = setting.work(step, keys, above, setting.workspace.artifact(keys.step))
    reader, measure = Journal(work.journal), Worst()
    found, looked = Seen(0, 0, 0, 0.0), 0
    try:
        rows = islice(stream_rows(score, work, above), COUNTED)
        while some := list(islice(rows, 512)):
            looked += len(some)
            for _, request in some:
                found.letters += len(request.prompt) + sum(len(m.get("content", "")) for m in request.messages)
                found.worst += measure.of(request)[0]
            answered = _answered(score, some, work.params, reader)
            sent = in_batches(work.journal, [key for _, key in answered if key is not None])
            found.journaled += sum(key is None for _, key in answered)
            found.sent += sum(key in sent for _, key in answered)
            found.begun.update(known for known, key in answered if key is not None and key not in sent)
    finally:
        reader.close()
    if not looked:
        return found
    total = looked if looked < COUNTED else rows_asked(score, above)
    share = total / looked
    begun = Counter({known: round(many * share) for known, many in found.begun.items()})
    counts = total, round(found.journaled * share), round(found.sent * share)
    return Seen(*counts, found.letters / looked, found.worst / looked, begun)


def _answered(
    score: Ask, some: Sequence[tuple[Mapping[str, Any], Request]], params: Mapping[str, Any], reader: Journal
) -> list[tuple[int, str | None]]:
    """Of each row: how many of its requests are answered, and the key of the one that is not; None where all are."""
    if chained(score):
        chains = walked(score, some, params, looking(reader))
        return [(len(chain.asked) - (key is not None), key) for chain in chains for key in (lacking_of(chain),)]
    keys = [request.key() for _, request in some]
    known = reader.find(keys)
    here = [key in known and known[key].error != "transport" for key in keys]
    return [(int(answered), None if answered else key) for answered, key in zip(here, keys, strict=True)]
