"""How far a run is: smoothed rates, time left, cost, and the words for them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hornbook.cli.safe import line
from hornbook.engine.events import Event, Progress, StepEvent

SMOOTH = 12.0
"""Seconds over which a rate is averaged (exponentially): it follows a busy neighbour, not single rows."""
_PASS = re.compile(r"pass@\d+")

Clock = Callable[[], float]


class Rate:
    """Things a second, smoothed.

    Args:
        at: when counting began, seconds.
        start: how many there were then.
    """

    def __init__(self, at: float, start: float = 0.0) -> None:
        self._at, self._count = at, start
        self._mean = self._weight = 0.0

    def see(self, at: float, count: float) -> float:
        """Note how many there are now; the smoothed rate."""
        passed = at - self._at
        if passed > 0:
            share = 1.0 - math.exp(-passed / SMOOTH)
            self._mean += share * ((count - self._count) / passed - self._mean)
            self._weight += share * (1.0 - self._weight)
            self._at, self._count = at, count
        return max(0.0, self._mean / self._weight) if self._weight else 0.0


class Meter:
    """How far the running step is, and what all steps cost. One thread notes, another may draw.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.began = self.step_began = clock()
        self.step: StepEvent | None = None
        self.last: Progress | None = None
        self.note_text = ""
        self.rows_a_second = self.tokens_a_second = 0.0
        self._usd_before = 0.0
        self._rows: Rate | None = None
        self._tokens: Rate | None = None

    def note(self, event: Event) -> None:
        """Remember an event; no more than a few assignments."""
        if isinstance(event, Progress):
            if event.note and not event.total:
                self.note_text = event.note
            else:
                self.last = event
            return
        self._usd_before = self.usd
        self.step = event if event.what == "started" else None
        self.last, self.note_text, self.step_began = None, "", self.clock()
        self.rows_a_second = self.tokens_a_second = 0.0
        self._rows = self._tokens = None

    @property
    def usd(self) -> float:
        """US dollars spent in this execution."""
        last = self.last
        return self._usd_before + (last.usd if last else 0.0)

    def measure(self) -> None:
        """Bring the rates up to date; called when something is drawn, not on every event."""
        last = self.last
        if last is None:
            return
        now, rows, tokens = self.clock(), self._rows, self._tokens
        if rows is None or tokens is None:
            rows, tokens = self._rows, self._tokens = Rate(self.step_began), Rate(self.step_began)
        self.rows_a_second = rows.see(now, last.done - last.cached)
        self.tokens_a_second = tokens.see(now, last.tokens)

    def left(self) -> float | None:
        """Seconds the running step still needs, or None where nobody can say."""
        last, rate = self.last, self.rows_a_second
        if last is None or last.total <= 0 or rate <= 0:
            return None
        return max(0.0, (last.total - last.done) / rate)

    def facts(self) -> list[str]:
        """What is worth a look in the running step, most wanted first."""
        last, step = self.last, self.step
        if last is None or step is None:
            return []
        if step.kind == "job":
            return [line(last.note, 60)] if last.note else []
        found = [f"{speed(self.rows_a_second)} rows/s"] if self.rows_a_second else []
        if last.tokens:
            found.append(f"{speed(self.tokens_a_second)} tokens/s")
        if last.kept or last.dropped:
            found += [f"kept {last.kept:,}", f"dropped {last.dropped:,}"]
        found += [f"{last.failed:,} failed"] if last.failed else []
        found += [money(self.usd)] if self.usd or step.kind == "ask" else []
        found += [f"{last.waiting} waiting"] if last.waiting else []
        found += [f"{last.cached:,} from journal"] if last.cached else []
        found += [line(last.note, 90)] if last.note else []
        return found


def outcome(event: StepEvent, seconds: float) -> list[str]:
    """What a step that is over did, in a few words each."""
    if event.what == "failed":
        return ["failed"]
    manifest = event.manifest
    found = []
    if manifest.get("makes") == "documents":
        found.append(f"{manifest.get('kept', 0):>7,} kept")
        if manifest.get("dropped"):
            found.append(f"{manifest['dropped']:,} dropped")
    else:
        found.append(f"{manifest.get('makes', '')}".rjust(12))
    found += passes(manifest)
    facts = manifest.get("facts") or {}
    if event.what == "cached":
        return [*found, "cached"]
    found.append(spell(manifest.get("seconds", seconds) if event.kind == "job" else seconds))  # jobs go side by side
    if event.kind == "ask" and facts.get("tokens"):
        found.append(f"{speed(facts.get('tokens_per_second', 0.0))} tokens/s")
    return [*found, money(facts["usd"])] if facts.get("usd") else found


def passes(manifest: Mapping[str, Any]) -> list[str]:
    """What an exam of code is run for: `pass@1 12.2 %`, for each k."""
    facts = manifest.get("facts") or {}
    return [f"{name} {100 * share:.1f} %" for name, share in facts.items() if _PASS.fullmatch(name)]


def spell(seconds: float) -> str:
    """A length of time: `0.4 s`, `12 s`, `1:20`, `2:03:10`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def money(usd: float) -> str:
    """US dollars: `$1.20`, `$0.0013` where cents say nothing."""
    return f"${usd:.4f}" if 0 < usd < 0.1 else f"${usd:,.2f}"


def speed(rate: float) -> str:
    """A rate: `0.42`, `7.5`, `190`, `12,400`."""
    return f"{rate:.2f}" if rate < 1 else f"{rate:.1f}" if rate < 10 else f"{rate:,.0f}"
