"""The progress view: what it says, how often, how wide; and that it leaves a terminal as it was."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.cli.live import JSON_EVERY, LINE_EVERY, Drawn, JsonLines, Lines, listener
from hornbook.cli.meter import Rate, money, speed, spell
from hornbook.engine.events import Progress, StepEvent
from tests.commands import ROOT

ASK = ("generate", "generate.complete", "ask", 3, 5)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@settings(deadline=None)
@given(st.floats(0.01, 1e5), st.lists(st.floats(0.05, 30), min_size=1, max_size=50))
def test_a_steady_rate_is_found_whatever_the_rhythm(rate: float, pauses: list[float]) -> None:
    at = count = 0.0
    meter = Rate(0.0)
    for pause in pauses:
        at += pause
        count += rate * pause
        assert meter.see(at, count) == pytest.approx(rate, rel=1e-6)


def test_a_rate_follows_a_change_within_a_minute() -> None:
    meter = Rate(0.0)
    for second in range(1, 121):
        seen = meter.see(second, 100 * min(second, 60) + 10 * max(0, second - 60))
    assert seen == pytest.approx(10, rel=0.15)


def test_lines_are_few_and_the_last_is_never_lost() -> None:
    clock, stream = Clock(), io.StringIO()
    hear = Lines(stream, clock)
    hear(StepEvent("started", *ASK))
    for n in range(1000):
        clock.now += 0.125
        hear(Progress("generate", n, 1000, tokens=n * 100, usd=n / 1e4))
    hear(StepEvent("done", *ASK, {"makes": "documents", "kept": 990, "dropped": 10, "facts": {"usd": 0.1}}))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 + int(125 / LINE_EVERY)
    assert lines[0] == "[3/5] generate: started (generate.complete)"
    assert lines[-1] == "[3/5] generate: 990 kept, 10 dropped, 2:05, $0.10"
    assert "8.0 rows/s, 800 tokens/s" in lines[5]
    assert "left " in lines[5]


def test_what_came_from_the_journal_does_not_count_as_speed() -> None:
    clock, stream = Clock(), io.StringIO()
    hear = Lines(stream, clock)
    hear(StepEvent("started", *ASK))
    clock.now += LINE_EVERY
    hear(Progress("generate", 10_020, 10_120, cached=10_000))
    assert "10,020/10,120 rows, 2.0 rows/s" in stream.getvalue()
    assert "left 50 s" in stream.getvalue()


def test_a_note_does_not_hide_how_far_it_is() -> None:
    clock, stream = Clock(), io.StringIO()
    hear = Lines(stream, clock)
    hear(StepEvent("started", *ASK))
    hear(Progress("generate", note="fetching weights \x1b[31m"))
    assert stream.getvalue().endswith("generate: fetching weights ␛[31m\n")
    hear(Progress("generate", 5, 10))
    hear(Progress("generate", note="2 threads from now on"))
    clock.now += LINE_EVERY
    hear(Progress("generate", 5, 10))
    assert "5/10 rows" in stream.getvalue()


def test_json_lines_are_json_and_throttled() -> None:
    clock, stream = Clock(), io.StringIO()
    hear = JsonLines(stream, clock)
    hear(StepEvent("started", *ASK))
    for n in range(100):
        clock.now += JSON_EVERY / 10
        hear(Progress("generate", n, 1000))
    hear(StepEvent("cached", *ASK, {"kept": 3, "facts": {"secret": 1}}))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [events[0]["event"], events[1]["event"], events[-1]["event"]] == ["started", "progress", "cached"]
    assert 10 <= len(events) <= 13
    assert events[-1]["manifest"] == {"kept": 3}


@pytest.mark.parametrize("width", [40, 60, 100, 200])
@pytest.mark.parametrize("kind", ["ask", "each", "job"])
def test_the_live_view_is_three_lines_that_fit(width: int, kind: str) -> None:
    from rich.console import Console

    clock, out = Clock(), Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    said: list[str] = []
    view = Drawn(lambda text: said.append(text.plain), lambda: width, clock)
    where = ("a-step-with-a-very-long-name-indeed", "folder.stage_with_a_long_name", kind, 11, 12)
    view(StepEvent("started", *where))
    clock.now += 7300
    view(Progress(where[0], 123_456, 10_000_000, 120_000, 3_456, 9_999_999, 10, 77, 12.5, 64, "a note " * 20))
    with out.capture() as got:
        out.print(view.render())
    lines = got.get().splitlines()
    assert len(lines) == 3
    assert max(len(line.rstrip()) for line in lines) < width
    assert "11/12" in lines[0]
    assert "elapsed 2:01:40" in lines[0]
    assert "1%" in lines[1]
    manifest = {
        "makes": "documents",
        "kept": 1_234_567,
        "dropped": 1234,
        "facts": {"tokens": 1, "tokens_per_second": 3.0},
    }
    view(StepEvent("done", *where, manifest))
    assert len(said[0]) <= width
    assert "1,234,567 kept" in said[0]


PLAYED = """
import sys, time
from hornbook.cli.live import listener
from hornbook.engine.events import Progress, StepEvent
with listener(sys.stderr) as hear:
    for number in (1, 2, 3):
        where = (f"step-{number}", "quality.length", "each", number, 3)
        hear(StepEvent("started", *where))
        for n in range(30000):
            hear(Progress(where[0], n, 30000, kept=n))
        time.sleep(0.3)
        hear(StepEvent("done", *where, {"makes": "documents", "kept": number, "dropped": 0}))
    if "boom" in sys.argv:
        raise SystemExit("boom")
"""


def on_a_terminal(*args: str) -> tuple[str, bytes]:
    """(standard output, all that a terminal of 60 columns got on standard error)."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "60", "LINES": "24", "PYTHONPATH": str(ROOT / "src")}
    child = subprocess.Popen([sys.executable, "-c", PLAYED, *args], stderr=theirs, stdout=subprocess.PIPE, env=env)
    os.close(theirs)
    got: list[bytes] = []

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                return
            if not data:
                return
            got.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = child.communicate(timeout=60)
    reader.join(timeout=10)
    os.close(ours)
    return out.decode(), b"".join(got)


@pytest.mark.parametrize("args", [(), ("boom",)])
def test_a_real_terminal_gets_few_bytes_and_its_cursor_back(args: tuple[str, ...]) -> None:
    out, got = on_a_terminal(*args)
    assert out == ""
    assert got.rfind(b"\x1b[?25h") > got.rfind(b"\x1b[?25l") >= 0, "the cursor stays hidden"
    assert len(got) < 60_000, "90,000 events were drawn one by one"
    for number in (b"1", b"2", b"3"):
        assert b"step-" + number in got


def test_no_terminal_means_plain_lines(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as stream, listener(stream) as hear:
        assert isinstance(hear, Lines)
        hear(StepEvent("failed", *ASK))
    assert (tmp_path / "log").read_text(encoding="utf-8") == "[3/5] generate: failed\n"


def test_words_for_numbers() -> None:
    assert [spell(s) for s in (0.04, 9.94, 12.4, 80, 7300)] == ["0.0 s", "9.9 s", "12 s", "1:20", "2:01:40"]
    assert [speed(r) for r in (0.42, 7.5, 190.4, 12_400)] == ["0.42", "7.5", "190", "12,400"]
    assert [money(d) for d in (0, 0.0013, 0.5, 1234.5)] == ["$0.00", "$0.0013", "$0.50", "$1,234.50"]
