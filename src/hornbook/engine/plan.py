"""What a recipe will do and cost, before it is run: from what is cached, what earlier runs measured, a pilot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from hornbook.core.stage import Artifact, Ask, Job, Source
from hornbook.engine.chains import chained
from hornbook.engine.execute import Setting, stream
from hornbook.engine.experience import Experience
from hornbook.engine.finding import kind_of
from hornbook.engine.keys import StepKeys, scorer
from hornbook.engine.pilot import Interval, Pilot
from hornbook.engine.recipe import Recipe, Step, ancestors
from hornbook.engine.results import answered
from hornbook.engine.run import step_keys
from hornbook.store.artifacts import Above, finished
from hornbook.store.journal import Journal
from hornbook.teachers.prices import Tariff, tariff_of
from hornbook.teachers.spec import name_of

CHARACTERS_A_TOKEN = 4.0
"""English prose; OpenAI's rule of thumb (help.openai.com, "What are tokens and how to count them?")."""

LOCAL_TOKENS_A_SECOND = 180.0
"""The embedded teacher with 8 slots on two quiet cores, as measured for Hornbook's first recipe."""

REMOTE_TOKENS_A_SECOND = 30.0
"""Of one request to a server, a cautious round number; a pilot measures it."""

MAX_TOKENS = 512
"""Where neither stage nor teacher bounds a reply; the budget reserves as much."""

ROWS_A_SECOND = 5000.0
"""Of a stage that was never run here, a cautious round number."""

COUNTED = 20_000
"""How many requests are looked up in the journal; what lies beyond is taken to be alike."""

State = Literal["cached", "to do", "unknown"]


@dataclass
class Forecast:
    """What one step will do.

    Args:
        step, use, kind, number: which.
        state: cached (its result is there), to do, or unknown until a step above is done.
        rows, kept: documents in and out.
        requests: how many the teacher must still answer; `journaled` are answered already.
        prompt_tokens, tokens: of all requests that are still to be asked, and of their replies.
        usd, seconds: what they cost and take.
        intervals: 90 % intervals of tokens, usd and seconds, where a pilot gives them.
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
    prompt_tokens: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    intervals: dict[str, Interval] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)


@dataclass
class _Seen:
    """What is known of a step's requests before any is asked."""

    requests: int
    journaled: int
    letters: float


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
                self._asks(found, step, _survey(step, keys, above, self.setting))
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
        for name in step.above:
            chain = ancestors((name,), self.recipe.steps)
            nearest = next((s for s in reversed(chain) if s.stage.makes == "documents"), None)
            if nearest is None or nearest.name in counted:
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
        else:
            share = self.experience.share_kept(step.use, step.stage.model_dump(mode="json"))
        found.kept = round(found.rows * (1.0 if share is None else share))
        if share is None:
            found.says.append("assumed to drop nothing: never run here")

    def _asks(self, found: Forecast, step: Step, seen: _Seen | None) -> None:
        """Requests, tokens, cost and time of a step that asks."""
        assert step.teacher is not None
        assert isinstance(step.stage, Ask)
        price = tariff_of(step.teacher)
        _say_price(found, price)
        if chained(step.stage):
            found.says.append("a row may be asked for more than once: a request here is a row's first")
        if seen is not None:
            found.requests, found.journaled = seen.requests - seen.journaled, seen.journaled
        elif found.rows is not None:
            found.requests = found.rows
        if found.requests is None:
            found.says.append("requests unknown until the documents above are")
            return
        if self.pilot is not None and self.pilot.step == step.name:
            _from_pilot(found, step, self.pilot)
            return
        model = name_of(step.teacher, self.setting.cache) or ""
        prompt = self.experience.tokens_a_prompt(step.use, model)
        if prompt is None and seen is not None:
            prompt = seen.letters / CHARACTERS_A_TOKEN
            found.says.append(f"prompts: {CHARACTERS_A_TOKEN:g} characters a token")
        if prompt is not None:
            found.prompt_tokens = round(prompt * found.requests)
        reply = self.experience.tokens_a_reply(step.use, model)
        if reply is None:
            reply = float(_longest(step))
            found.says.append(f"at most {reply:,.0f} tokens a reply (max_tokens)")
        else:
            found.says.append(f"{reply:,.0f} tokens a reply, as in earlier runs")
        found.tokens = round(reply * found.requests)
        rate = self.experience.tokens_a_second(step.use, model)
        found.seconds = _seconds(found, step, rate)
        if found.prompt_tokens is None and price.bands[0].prompt:
            found.says.append("cost without prompts: their length is unknown until the step above is done")
        tokens_usd = price.of(prompt or 0.0, reply) * found.requests
        found.usd = tokens_usd + (found.seconds or 0.0) / 3600 * price.hour


def _survey(step: Step, keys: StepKeys, above: Above, setting: Setting) -> _Seen:
    """Look at the step's requests: how many, how long, how many the journal answers."""
    score = scorer(step.stage)
    assert isinstance(score, Ask)
    work = setting.work(step, keys, above, setting.workspace.artifact(keys.step))
    reader = Journal(work.journal)
    looked = journaled = letters = 0
    try:
        requests = islice(stream(score, work, above), COUNTED)
        while some := list(islice(requests, 512)):
            looked += len(some)
            letters += sum(len(r.prompt) + sum(len(m.get("content", "")) for m in r.messages) for r in some)
            entries = reader.find(request.key() for request in some)
            journaled += sum(
                request.key() in entries and entries[request.key()].error != "transport" for request in some
            )
    finally:
        reader.close()
    rows = above.rows()
    total = looked if looked < COUNTED else rows
    return _Seen(total, round(journaled * total / looked) if looked else 0, letters / looked if looked else 0.0)


def _longest(step: Step) -> int:
    """The longest reply the request allows, tokens."""
    assert step.teacher is not None
    own = getattr(step.stage, "max_tokens", None)
    return int(own or step.teacher.max_tokens or MAX_TOKENS)


def _seconds(found: Forecast, step: Step, rate: float | None) -> float:
    """Time of all requests, with the assumption where there is no measurement."""
    spec = step.teacher
    assert spec is not None
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


def _say_price(found: Forecast, price: Tariff) -> None:
    if not price.known:
        found.says.append(
            "price unknown: budget.usd cannot hold; teacher: {price: {input: …, output: …}} says it, in US dollars "
            "per million tokens"
        )
    elif price.costs() and price.origin.startswith("genai-prices"):
        band = price.bands[0]
        found.says.append(f"${band.prompt:g} and ${band.completion:g} per million tokens ({price.origin})")


def _from_pilot(found: Forecast, step: Step, pilot: Pilot) -> None:
    """Numbers for all requests from those of some."""
    spec, many = step.teacher, found.requests or 0
    assert spec is not None
    found.prompt_tokens, found.tokens = round(pilot.prompt_tokens[0] * many), round(pilot.tokens[0] * many)
    found.seconds = pilot.seconds[0] * many / pilot.side_by_side

    price = tariff_of(spec)

    def usd(prompt: float, tokens: float, seconds: float) -> float:
        return many * price.of(prompt, tokens) + seconds / 3600 * price.hour

    found.usd = usd(pilot.prompt_tokens[0], pilot.tokens[0], found.seconds)
    seconds = [bound * many / pilot.side_by_side for bound in pilot.seconds[1]]
    ends = [usd(pilot.prompt_tokens[1][at], pilot.tokens[1][at], seconds[at]) for at in (0, 1)]
    found.intervals = {
        "tokens": (pilot.tokens[1][0] * many, pilot.tokens[1][1] * many),
        "seconds": (seconds[0], seconds[1]),
        "usd": (ends[0], ends[1]),
    }
    found.says.append(f"from a pilot of {pilot.replies} requests, {pilot.side_by_side} at once; 90 % intervals")
