"""The progress view: what the engine says, for an eye, a log file or a program; always on standard error."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from hornbook.cli.meter import Clock, Meter, outcome, spell
from hornbook.cli.safe import line
from hornbook.engine.events import Event, Listener, Progress, StepEvent

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

REFRESH = 6
"""Redraws a second on a terminal."""

LINE_EVERY = 10.0
"""Seconds between two lines of one step where nobody watches."""

JSON_EVERY = 0.25
"""Seconds between two progress events for a program."""


@contextmanager
def listener(stream: TextIO, *, as_json: bool = False, clock: Clock = time.monotonic) -> Iterator[Listener]:
    """The view that fits the stream.

    Args:
        stream: standard error.
        as_json: one JSON object a line, for programs.
        clock: seconds, monotonic.

    Yields:
        What the engine calls with every event; calling it is cheap, drawing happens beside it.
    """
    if as_json:
        yield JsonLines(stream, clock)
    elif stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        from rich.console import Console
        from rich.live import Live

        console = Console(file=stream)
        view = Drawn(lambda done: console.print(done, soft_wrap=True), lambda: console.width, clock)
        with Live(
            get_renderable=view.render,
            console=console,
            refresh_per_second=REFRESH,
            transient=True,
            redirect_stdout=False,
        ):
            yield view
    else:
        yield Lines(stream, clock)


class Drawn:
    """The live view: three lines for the running step, one quiet line above for each that is over.

    Args:
        say: prints a finished line above the moving ones.
        width: the terminal's width in columns, now.
        clock: seconds, monotonic.
    """

    def __init__(self, say: Callable[[Text], None], width: Callable[[], int], clock: Clock) -> None:
        self._say, self._width = say, width
        self._clock = clock
        self._meter = Meter(clock)

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        seconds = self._clock() - self._meter.step_began
        self._meter.note(event)
        if isinstance(event, StepEvent) and event.what != "started":
            self._say(_over(event, seconds, self._width()))

    def render(self) -> RenderableType:
        """The moving lines."""
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        meter, width = self._meter, max(20, self._width() - 1)
        step = meter.step
        if step is None:
            return Text("")
        meter.measure()
        head = Text.assemble((step.step, "bold"), ("  " + step.use if width >= 70 else "", "dim"))
        head.truncate(max(4, width - 24), overflow="ellipsis")
        lines = Table.grid(expand=False, padding=(0, 1))
        lines.width = width
        lines.add_column(width=1)
        lines.add_column(width=len(f"{step.of}/{step.of}"), justify="right")
        lines.add_column(ratio=1, no_wrap=True)
        lines.add_column(justify="right", no_wrap=True)
        elapsed = Text(f"elapsed {spell(meter.clock() - meter.began)}", style="dim")
        lines.add_row(Spinner("dots", style="cyan"), f"{step.number}/{step.of}", head, elapsed)
        return Group(lines, _bar(meter, step, width), _fitting(meter.facts(), width))


def _bar(meter: Meter, step: StepEvent, width: int) -> Text:
    """`━━━━━━━━──────  120/200  60 %  left 1:20`"""
    from rich.text import Text

    last = meter.last
    if last is None or last.total <= 0:
        return Text("  " + line(meter.note_text or "working", width - 2), style="dim")
    share = min(1.0, last.done / last.total)
    left = meter.left()
    many = "" if step.kind == "job" else f"{last.done:,}/{last.total:,}  "
    said = f"  {many}{share:4.0%}" + (f"  left {spell(left)}" if left is not None else "")
    room = max(4, min(40, width - 2 - max(len(said), 34)))
    full = round(share * room)
    bar = Text.assemble("  ", ("━" * full, "cyan"), ("─" * (room - full), "dim"), said)
    bar.truncate(width, overflow="ellipsis")
    return bar


def _fitting(facts: list[str], width: int) -> Text:
    """As many facts as the line has room for."""
    from rich.text import Text

    while facts and len(" · ".join(facts)) > width - 2:
        facts = facts[:-1]
    return Text("  " + " · ".join(facts), style="dim")


def _over(event: StepEvent, seconds: float, width: int) -> Text:
    """The one line of a step that is over."""
    from rich.text import Text

    sign, style = {"cached": ("·", "dim"), "done": ("✓", "green"), "failed": ("✗", "bold red")}[event.what]
    number = f"{event.number}/{event.of}".rjust(len(f"{event.of}/{event.of}"))
    names = 24 if width >= 80 else 16
    text = Text.assemble((sign, style), f" {number} ", (line(event.step, names).ljust(names), ""))
    said = outcome(event, seconds)
    while len(said) > 1 and text.cell_len + 2 + len("  ".join(said)) > width:
        said.pop()
    text.append(" " + "  ".join(said))
    text.truncate(width, overflow="ellipsis")
    if event.what == "cached":
        text.stylize("dim")
    return text


class Lines:
    """Plain lines for a log: one when a step begins, one when it ends, few in between.

    Args:
        stream: where to.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._meter = Meter(clock)
        self._said = clock()
        self._noted = False

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        meter, now = self._meter, self._clock()
        seconds = now - meter.step_began
        if isinstance(event, Progress):
            meter.note(event)
            if event.note and not event.total and meter.step is not None:
                if now - self._said >= LINE_EVERY or not self._noted:
                    self._noted = True
                    self._write(meter.step, line(event.note, 200))
            elif now - self._said >= LINE_EVERY and meter.step is not None:
                meter.measure()
                left = meter.left()
                share = f"{event.done:,}/{event.total:,} rows" if meter.step.kind != "job" else ""
                share = share or f"{event.done / max(1, event.total):.0%}"
                more = [f"left {spell(left)}"] if left is not None else []
                self._write(meter.step, ", ".join([share, *meter.facts(), *more]))
            return
        meter.note(event)
        self._noted = False
        if event.what == "started":
            self._write(event, f"started ({event.use})")
        else:
            self._write(event, ", ".join(part.strip() for part in outcome(event, seconds)))

    def _write(self, step: StepEvent, text: str) -> None:
        self._said = self._clock()
        self._stream.write(f"[{step.number}/{step.of}] {line(step.step)}: {text}\n")
        self._stream.flush()


class JsonLines:
    """Events as JSON, one a line.

    Args:
        stream: where to.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._meter = Meter(clock)
        self._said = -math.inf

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        meter, now = self._meter, self._clock()
        meter.note(event)
        if isinstance(event, StepEvent):
            manifest = {name: event.manifest[name] for name in _TOLD if name in event.manifest}
            self._write({"event": event.what} | asdict(event) | {"manifest": manifest}, now)
        elif now - self._said >= JSON_EVERY:
            self._said = now
            meter.measure()
            rates = {"rows_per_second": meter.rows_a_second, "tokens_per_second": meter.tokens_a_second}
            self._write({"event": "progress"} | asdict(event) | rates | {"left": meter.left()}, now)

    def _write(self, value: dict[str, Any], now: float) -> None:
        value.pop("what", None)
        self._stream.write(json.dumps(value | {"elapsed": round(now - self._meter.began, 3)}) + "\n")
        self._stream.flush()


_TOLD = ("key", "makes", "rows_in", "kept", "dropped", "reasons", "seconds")
