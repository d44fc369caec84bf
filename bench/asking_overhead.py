"""How much of a bare HTTP loop's speed is left when prompts, replies and a durable journal are looked after.

Every client is a whole process that asks the same prompts of a fresh server that takes no time. Compared is
requests/s between the first request and the last reply as that server saw them, which leaves out everyone's start
and end (it favours those that prepare or write a lot outside); the whole process is given beside it. See docs/bench.md.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from bench import peers
from bench.asking.clients import (
    CLIENTS,
    PEERS,
    SETTINGS,
    Work,
    best_setting,
    contender,
    scratch_in,
    sync_ms,
    write_prompts,
)
from bench.harness import Contender, Facts, Options, Outcome, Score, take_turns
from hornbook import __version__

__all__ = ["PEERS", "UNIT", "run"]

UNIT = "requests/s"
QUICK_SECONDS = 54.0
QUICK, FULL, TRIED_WITH = 2_000, 20_000, 4_000
"""Prompts."""
CONCURRENCY = (64, 256)
"""Requests in flight; the first, hornbook's default, is the one compared."""
LONGEST = 600.0
"""Seconds that one turn may take."""
COLUMNS = {
    "whole": "whole process",
    "cpu_ms": "CPU ms/request",
    "wall": "wall s",
    "asking_s": "asking s",
    "peak_mb": "peak MB",
}


def run(options: Options) -> Outcome:
    """Take turns at one concurrency (`--quick`) or at each."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    count = QUICK if options.quick else FULL
    with scratch_in(options.cache) as scratch:
        prompts = write_prompts(scratch / "prompts.jsonl", count)
        detail: Facts = {"prompts": count, "concurrency": CONCURRENCY[0], "sync_ms": sync_ms(scratch)}
        found: list[Score] = []
        for concurrency in CONCURRENCY[:1] if options.quick else CONCURRENCY:
            work = Work(prompts, count, concurrency, scratch)
            options.tell(f"{count:,} prompts, {concurrency} in flight")
            ceiling = contender("raw sockets", work, options.cache).act(LONGEST)["value"]
            options.tell(f"the server's own ceiling: {ceiling:,.0f} requests/s")
            settings, tried = _settings(work, options)
            turns = [contender(name, work, options.cache, settings.get(name)) for name in CLIENTS]
            rounds = options.rounds or 3
            scores = take_turns(_bounded(turns), rounds, options.tell, until)
            detail[f"at {concurrency}"] = {
                "share_of_uvloop": _share(scores),
                "server_ceiling": round(ceiling),
                "settings": settings,
                "tried": tried,
                **{s.name: {name: s.median(name) for name in ("value", *COLUMNS)} for s in scores},
            }
            found = found or scores
    return Outcome(found, UNIT, True, versions(), COLUMNS, detail)


def _settings(work: Work, options: Options) -> tuple[dict[str, Facts], dict[str, list[Facts]]]:
    """The best of every client's settings, tried with fewer prompts; the first of each where time is short."""
    settings = {name: SETTINGS[name][0] for name in SETTINGS}
    tried: dict[str, list[Facts]] = {}
    if options.quick:
        return settings, tried
    fewer = Work(write_prompts(work.scratch / "fewer.jsonl", TRIED_WITH), TRIED_WITH, work.concurrency, work.scratch)
    for name in SETTINGS:
        if contender(name, fewer, options.cache).missing is None:
            settings[name], tried[name] = best_setting(name, fewer, options.cache, options.tell, LONGEST)
    return settings, tried


def _bounded(turns: list[Contender]) -> list[Contender]:
    """No turn may take longer than `LONGEST`."""
    return [replace(c, act=lambda left, act=c.act: act(min(left, LONGEST))) for c in turns]


def _share(scores: Sequence[Score]) -> float | None:
    """How much of what a bare loop does on uvloop, the loop that ours runs on, is left."""
    values = {s.name: s.median() for s in scores}
    ours, bare = values["hornbook"], values["bare on uvloop"]
    return round(ours / bare, 4) if ours and bare else None


def versions() -> dict[str, str]:
    """Of ours, of what ours asks with, and of the peers."""
    own = {
        "hornbook": __version__,
        "python": platform.python_version(),
        "aiohttp": version("aiohttp"),
        "uvloop": version("uvloop"),
    }
    return own | {peer: peers.version_of(peer) for peer in PEERS}
