"""What asking will take: how many requests are left, how long they are, what they cost; nothing is asked for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hornbook.core.asking import Ahead
from hornbook.core.stage import Ask
from hornbook.engine.chains import rounds_of
from hornbook.engine.experience import Experience
from hornbook.engine.pilot import Interval, Pilot, for_all
from hornbook.engine.recipe import Step
from hornbook.engine.rounds import CHARACTERS_A_TOKEN, Load, load_of
from hornbook.engine.survey import Seen
from hornbook.engine.worst import MAX_TOKENS
from hornbook.teachers.prices import BATCH_SHARE, Tariff, tariff_as_asked
from hornbook.teachers.spec import TeacherSpec, name_of

LOCAL_TOKENS_A_SECOND = 180.0
"""The embedded teacher with 8 slots on two quiet cores, as measured for Hornbook's first recipe."""

REMOTE_TOKENS_A_SECOND = 30.0
"""Of one request to a server, a cautious round number; a pilot measures it."""

A_DAY = "asked in batches: when they come is the provider's affair, within a day"

State = Literal["cached", "to do", "unknown"]


@dataclass
class Forecast:
    """What one step will do.

    Args:
        step, use, kind, number: which.
        state: cached (its result is there), to do, or unknown until a step above is done.
        rows, kept: documents in and out.
        requests: how many the teacher must still answer, all that follow from others too; `journaled` rows are
            answered already, `left` are not.
        sorts: those requests by what they are for, where a row may have several.
        most: the most requests, prompt_tokens, tokens and usd that asking can take; None where nobody can know.
        prompt_tokens, tokens: of all requests that are still to be asked, and of their replies.
        usd, seconds: what they cost and take.
        intervals: 90 % intervals of tokens, usd, seconds and kept, where a pilot gives them.
        says: where the numbers are from, and every assumption.
    """

    step: str
    use: str
    kind: str
    number: int
    state: State = "unknown"
    rows: int | None = None
    kept: int | None = None
    requests: int | None = None
    journaled: int = 0
    left: int | None = None
    sorts: dict[str, int] = field(default_factory=dict)
    most: dict[str, float] | None = None
    prompt_tokens: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    intervals: dict[str, Interval] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)


def asks(
    found: Forecast, step: Step, seen: Seen | None, experience: Experience, cache: Path, pilot: Pilot | None
) -> None:
    """Fill in requests, tokens, cost and time of a step that asks.

    Args:
        found: to be filled in.
        step: it asks.
        seen: its requests, where they can be had.
        experience: of earlier runs.
        cache: the user's cache folder.
        pilot: of this step, if there was one.
    """
    spec = step.teacher
    assert spec is not None
    assert isinstance(step.stage, Ask)
    price = tariff_as_asked(spec)
    _say_price(found, price, spec)
    _left(found, step, seen, pilot)
    if found.left is None:
        found.says.append("requests unknown until the documents above are")
        return
    _at_most(found, step, seen, price)
    if pilot is not None:
        _from_pilot(found, spec, price, pilot)
        return
    model, rounds = name_of(spec, cache) or "", rounds_of(step.stage)
    prompt = experience.tokens_a_prompt(step.use, model)
    if prompt is None and seen is not None:
        prompt = seen.letters / CHARACTERS_A_TOKEN
        found.says.append(f"prompts: {CHARACTERS_A_TOKEN:g} characters a token")
    reply = experience.tokens_a_reply(step.use, model)
    if reply is None:
        reply = float(_bounded(step) or MAX_TOKENS)
        said = "max_tokens" if _bounded(step) else "assumed: nothing bounds it, set max_tokens"
        found.says.append(f"at most {reply:,.0f} tokens a reply ({said})")
    else:
        found.says.append(f"{reply:,.0f} tokens a reply, as in earlier runs")
    load = load_of(_ahead(step.stage), _open(found.left, seen.begun if seen else {}), (prompt or 0.0, reply), price)
    if rounds is not None and (measured := experience.a_row(step.use, model, rounds)) is not None:
        load = _as_measured(load, measured, found)
    found.requests, found.tokens, found.usd = round(load.requests), round(load.tokens), load.usd
    found.sorts = dict(load.sorts) if rounds is not None else {}
    if prompt is not None or rounds is not None:
        found.prompt_tokens = round(load.prompt_tokens)
    found.seconds = _seconds(found, spec, experience.tokens_a_second(step.use, model, rounds))
    if prompt is None and price.bands[0].prompt:
        found.says.append("cost without prompts: their length is unknown until the step above is done")
    found.usd += (found.seconds or 0.0) / 3600 * price.hour


def _ahead(stage: Any) -> tuple[Ahead, ...]:
    return tuple(stage.ahead() or ())


def _open(left: float, begun: Mapping[int, int]) -> dict[int, float]:
    """Requests that are answered of a row → of how many of the rows that are left; those that were begun go first."""
    found: dict[int, float] = {}
    for known, many in sorted(begun.items(), reverse=True):
        found[known] = min(many, left)
        left -= found[known]
    return found | {0: found.get(0, 0.0) + left}


def _as_measured(load: Load, a_row: dict[str, float], found: Forecast) -> Load:
    """What earlier runs with as many rounds took, in the proportion of what is left."""
    rows = found.left or 0
    share = min(1.0, load.requests / (rows * a_row["requests"])) if rows else 0.0
    found.says.append(f"{a_row['requests']:.2f} requests a row, as in earlier runs")
    usd = load.usd / load.tokens * a_row["tokens"] * rows * share if load.tokens else 0.0
    requests, prompts, tokens = (rows * share * a_row[name] for name in ("requests", "prompt_tokens", "tokens"))
    return Load(requests, prompts, tokens, usd, load.sorts)


def _at_most(found: Forecast, step: Step, seen: Seen | None, price: Tariff) -> None:
    """The most that asking can take, retries of requests that broke off left aside."""
    stage = step.stage
    assert isinstance(stage, Ask)
    if stage.ahead() is None:
        found.says.append(
            "a row may be asked for more than once, nobody can say how often: a request here is its first"
        )
        return
    rows = found.rows if seen is None else seen.left()
    each = (seen.worst if seen is not None else 0.0, float(_bounded(step) or MAX_TOKENS))
    open_ = _open(rows or 0, seen.begun if seen is not None else {})
    found.most = load_of(_ahead(stage), open_, each, price, most=True).facts()
    if seen is None:
        found.says.append("the most is without the rows' own prompts: their length is unknown")


def _left(found: Forecast, step: Step, seen: Seen | None, pilot: Pilot | None) -> None:
    """Requests that are still to be asked."""
    assert isinstance(step.stage, Ask)
    if seen is not None:
        found.left, found.journaled = seen.left(), seen.journaled
        if seen.sent:
            found.says.append(f"{seen.sent:,} more are in batches under way: paid for already")
    elif found.rows is not None:
        found.left = found.rows
    want = getattr(step.stage, "want", None)
    if want is not None and found.left is not None:
        good = 1.0 if pilot is None else max(0.01, pilot.good[0])
        found.left = min(found.left, math.ceil(max(0, want - found.journaled) / good))
        found.says.append(f"asked until {want:,} replies are good; at most: every prompt is asked")


def _bounded(step: Step) -> int | None:
    """The longest reply the request allows, tokens; None where nothing says."""
    assert step.teacher is not None
    return getattr(step.stage, "max_tokens", None) or step.teacher.max_tokens


def _seconds(found: Forecast, spec: TeacherSpec, rate: float | None) -> float | None:
    """Time of all requests, with the assumption where there is no measurement; None where nobody can know."""
    if spec.batch:
        found.says.append(A_DAY)
        return None
    if spec.kind() == "scripted":
        return (found.requests or 0) * spec.latency / spec.concurrency
    if rate is None:
        if spec.kind() == "local":
            rate = LOCAL_TOKENS_A_SECOND
            found.says.append(f"assumed {rate:,.0f} tokens/s; --pilot 16 measures it")
        else:
            rate = REMOTE_TOKENS_A_SECOND * spec.concurrency * max(1, len(spec.addresses()))
            each = f"{REMOTE_TOKENS_A_SECOND:g} tokens/s a request"
            found.says.append(f"assumed {each}, {spec.concurrency} at once; --pilot 16 measures it")
    return (found.tokens or 0) / rate


def _say_price(found: Forecast, price: Tariff, spec: TeacherSpec) -> None:
    if not price.known:
        found.says.append(
            "price unknown: budget.usd cannot hold; teacher: {price: {input: …, output: …}} says it, in US dollars "
            "per million tokens"
        )
    elif price.costs() and (spec.batch or price.origin.startswith("genai-prices")):
        band = price.bands[0]
        found.says.append(f"${band.prompt:g} and ${band.completion:g} per million tokens ({price.origin})")


def _from_pilot(found: Forecast, spec: TeacherSpec, price: Tariff, pilot: Pilot) -> None:
    """Numbers for all requests from those of some, which were asked online."""
    many, seen = found.left or 0, pilot.replies
    found.requests = round(pilot.requests[0] * many)
    found.prompt_tokens, found.tokens = round(pilot.prompt_tokens[0] * many), round(pilot.tokens[0] * many)
    share = BATCH_SHARE if spec.batch else 1.0
    found.usd = share * pilot.usd_each[0] * many
    low, high = (share * end for end in for_all(*pilot.usd_each, seen, many))
    found.says.append(f"from a pilot of {pilot.replies} requests, {pilot.side_by_side} at once; 90 % intervals")
    if spec.batch:
        found.says.append(A_DAY)
    else:
        found.seconds, found.intervals["seconds"] = _times(spec, pilot, many)
        if spec.kind() == "openai" and spec.concurrency > pilot.side_by_side:
            found.says.append(f"the least time is with {spec.concurrency} at once, as fast for each as those")
        low, high = (
            usd + time / 3600 * price.hour for usd, time in zip((low, high), found.intervals["seconds"], strict=True)
        )
        found.usd += found.seconds / 3600 * price.hour
    found.intervals |= {"tokens": for_all(*pilot.tokens, seen, many), "usd": (low, high)}


def _times(spec: TeacherSpec, pilot: Pilot, many: int) -> tuple[float, Interval]:
    """Seconds for all requests: each slot takes the next as soon as it is free, and the last one is waited for.

    As measured, with so many at once as in the pilot; at best with all that the recipe allows. Where the server
    refused some for being too many, as fast as it answered in all.
    """
    if not many:
        return 0.0, (0.0, 0.0)
    slots = max(pilot.side_by_side, spec.concurrency * max(1, len(spec.addresses())) if spec.kind() == "openai" else 1)
    low, high = for_all(*pilot.seconds, pilot.replies, many)
    mean = pilot.seconds[0]
    seconds = max(mean * max(1.0, math.ceil(many / pilot.side_by_side)), pilot.pace * many)
    longest = max(high / pilot.side_by_side + pilot.slowest, pilot.pace * many * 1.5)
    return seconds, (max(low / min(slots, many), min(mean, seconds)), longest)
