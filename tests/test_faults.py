"""The whole program against a teacher that misbehaves: killed, refused, delayed. Counted by the server.

Each law has a quick version and one of full size: `pytest -m slow -n 0 -s tests/test_faults.py` takes the better part
of an hour and prints, for the kills, how many requests were in flight at them, how many completions were paid twice
and how many replies were lost. Budgets are held to their law in `tests/test_budget_stops.py`.
"""

from __future__ import annotations

import math
import os
import random
import signal
import time
from bisect import bisect_right
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hornbook.store.journal import Journal
from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.faulty_server import SPOILED, Span, faulty_server, spans_of, totals_of

RECIPE = """\
name: faulty
seed: 1
teacher:
  url: "{url}/v1"
  model: test
  concurrency: {concurrency}
  timeout: {timeout}
  price: {{input: 1, output: 2}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 60
"""
PASSING = {
    "429": 0.02,
    "500": 0.02,
    "502": 0.01,
    "503": 0.01,
    "reset": 0.02,
    "short": 0.01,
    "drop": 0.02,
    "hang": 0.001,
    "trickle": 0.02,
}
"""Faults that another attempt gets over."""
HANDED_OVER = 0.5
"""Seconds that a reply may take from the server's hands to the journal's sync: read, checked, committed. The bound
is generous because a busy machine may not run the client for that long; the test prints how many there were."""


def write(folder: Path, prompts: int, url: str, *, concurrency: int = 64, timeout: float = 600.0) -> None:
    """A recipe and its prompts."""
    rows = [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(prompts)]
    write_jsonl(folder / "prompts.jsonl", rows)
    recipe = RECIPE.format(url=url, concurrency=concurrency, timeout=timeout)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")


def run(folder: Path, *args: str, timeout: float = 600.0) -> dict[str, Any]:
    """Run the recipe to its end; the facts of asking among what it prints."""
    found = last_json(hornbook("run", "recipe.yaml", "--json", *args, cwd=folder, timeout=timeout))
    return {**found, "facts": found["steps"][1]["facts"]}


def rows_of(folder: Path, runs: str = "runs") -> list[dict[str, str]]:
    """The final documents."""
    found: list[dict[str, str]] = []
    for part in sorted((folder / runs / "faulty" / "final").glob("part-*.parquet")):
        found += pq.read_table(part, columns=["id", "text", "generate.request"]).to_pylist()
    return found


def pairs(rows: list[dict[str, str]]) -> set[tuple[str, str]]:
    return {(row["id"], row["text"]) for row in rows}


# -- kill -9


@dataclass
class Kill:
    """One execution that was killed.

    Args:
        began: when it was started.
        at: when it was killed; infinity where it came to its end.
        journaled: the prompts whose replies the journal held once it was dead.
    """

    began: float
    at: float = 0.0
    journaled: set[str] = field(default_factory=set)


def killed(folder: Path, url: str, completions: int, wait: float = 0.0) -> Kill:
    """Run, and kill -9 the whole process group after so many completions of this execution and a while."""
    before = totals_of(url)["delivered"]
    kill = Kill(time.monotonic())
    child = begin("run", "recipe.yaml", cwd=folder)
    end = time.monotonic() + 60
    while totals_of(url)["delivered"] < before + completions and child.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(wait)
    kill.at = time.monotonic()
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    return kill


def journaled(folder: Path, keys: dict[str, str]) -> set[str]:
    """The prompts whose replies the journal holds."""
    journal = Journal(folder / "runs" / "journal")
    found = journal.find(keys)
    journal.close()
    return {keys[key] for key, entry in found.items() if entry.raw is not None}


@dataclass
class Verdict:
    """What kills have cost, as the server saw it.

    A reply that the server has handed over is still in flight for the client until it is journaled; how long
    that was is in `ages`.

    Args:
        in_flight: requests under way at the kills.
        twice: completions paid beyond the first of each prompt, without those the server itself broke.
        ages: of those paid twice that were no longer under way: seconds from their delivery to the kill.
        lost: requests for what the journal already held when that execution began.
    """

    in_flight: int = 0
    twice: int = 0
    ages: list[float] = field(default_factory=list)
    lost: list[Span] = field(default_factory=list)


def judge(spans: list[Span], kills: list[Kill]) -> Verdict:
    """Hold the kills to the law; the last execution is one that was not killed."""
    verdict = Verdict()
    starts = [kill.began for kill in kills]
    paid: dict[str, list[float]] = defaultdict(list)
    for span in spans:
        number = bisect_right(starts, span.arrived) - 1
        at = kills[number].at
        under_way = span.ended is None or span.ended >= at
        verdict.in_flight += under_way
        if number and span.prompt in kills[number - 1].journaled:
            verdict.lost.append(span)
        if span.paid is not None and span.fate not in SPOILED:
            age = 0.0 if under_way else at - (span.delivered or -math.inf)
            paid[span.prompt].append(age)
    again = [age for ages in paid.values() for age in ages[:-1]]
    verdict.twice = len(again)
    verdict.ages = sorted(age for age in again if age)
    return verdict


def kill_often(folder: Path, kills: int, prompts: int, concurrency: int, seed: int, timeout: float = 5.0) -> None:
    """The law of kills: what was in flight may be paid again, nothing else, and the documents are the same."""
    draw = random.Random(seed)
    with faulty_server() as url:
        write(folder, prompts, url, concurrency=concurrency)
        run(folder, "--runs", "clean")
        clean = rows_of(folder, "clean")
    keys = {row["generate.request"]: f"Write story {row['id'][1:]}." for row in clean}
    assert len(keys) == prompts
    latency = {"median": 0.1, "sigma": 0.7}
    with faulty_server(latency=latency, faults=PASSING, faulty_attempts=2, log=True) as url:
        write(folder, prompts, url, concurrency=concurrency, timeout=timeout)
        done: list[Kill] = []
        for left in reversed(range(kills)):
            ahead = (prompts - len(done[-1].journaled if done else ())) // (left + 2)
            moment = (0, draw.uniform(0, 1.5)) if draw.random() < 0.1 else (draw.randint(1, 2 * ahead + 1), 0.0)
            done.append(killed(folder, url, *moment))
            done[-1].journaled = journaled(folder, keys)
        ended = Kill(time.monotonic(), at=math.inf)
        facts = run(folder)["facts"]
        verdict = judge(spans_of(url), [*done, ended])
        totals = totals_of(url)
    oldest = verdict.ages[-1] if verdict.ages else 0.0
    print(
        f"\n{kills} kills in {prompts:,} prompts, {concurrency} at once: {verdict.in_flight:,} in flight at the kills; "
        f"{verdict.twice:,} completions paid twice, {len(verdict.ages)} of them handed over just before, at most "
        f"{oldest * 1000:.0f} ms; {len(verdict.lost)} journaled replies asked again; {len(done[-1].journaled):,} "
        f"journaled at the last kill\nserver: {totals}\nlast execution: {facts}"
    )
    assert not verdict.lost, f"journaled, yet asked again: {verdict.lost[:3]}"
    assert oldest < HANDED_OVER, "a reply was handed over long before a kill, and yet paid again"
    assert verdict.twice - len(verdict.ages) <= verdict.in_flight <= kills * concurrency
    assert verdict.twice <= kills * concurrency, "more paid twice than a client may have in hand"
    assert sum(len(kill.journaled) < prompts for kill in done) >= 0.9 * kills, "the run was over before the kills"
    assert pairs(rows_of(folder)) == pairs(clean)
    for before, after in pairwise(done):
        assert before.journaled <= after.journaled


def test_kills(tmp_path):
    kill_often(tmp_path, kills=3, prompts=400, concurrency=64, seed=5, timeout=1.0)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_hundred_kills(tmp_path):
    kill_often(tmp_path, kills=200, prompts=20_000, concurrency=256, seed=6)


# -- 429


def storm(
    folder: Path,
    seconds: int,
    retry_after: str,
    limit: dict[str, Any],
    refusal: str = "429",
    most_wasted: float = 0.05,
) -> None:
    """The law of storms: a client allowed 500 at once gets what a server of 20 a second gives, and little else."""
    rate = 20
    prompts = rate * (seconds + 1)
    folder.mkdir()
    server = {"limit": limit, "refusal": refusal, "retry_after": retry_after, "latency": [0.1, 0.3], "log": True}
    with faulty_server(**server) as url:
        write(folder, prompts, url, concurrency=500)
        found = run(folder)
        spans, totals = spans_of(url), totals_of(url)
    took = max(span.arrived for span in spans if span.paid is not None) - spans[0].arrived
    allowance = rate + rate * took
    refused = totals["fates"].get(refusal, 0)
    print(
        f"\n{refusal} storm, {limit}, retry-after {retry_after}: {totals['delivered']} completions in {took:.1f} s, "
        f"{totals['delivered'] / allowance:.1%} of what the server allowed; {refused} of {totals['asked']} requests "
        f"wasted ({refused / totals['asked']:.1%}); at most {totals['most']} at once"
    )
    assert found["documents"] == prompts
    assert found["facts"]["failed"] == 0
    assert set(totals["fates"]) <= {"ok", refusal}
    assert totals["delivered"] == prompts
    assert totals["delivered"] >= 0.9 * allowance
    assert refused < most_wasted * totals["asked"]


BUCKET = {"kind": "tokens", "rate": 20}
SLIDING = {"kind": "sliding", "many": 20, "seconds": 1.0}
STORMS = {
    "silent": ("none", BUCKET),
    "whole": ("seconds", BUCKET),
    "exact": ("ms", BUCKET),
    "at-once": ("0", BUCKET),
    "dated": ("date", BUCKET),
    "overloaded": ("seconds", BUCKET, "503"),
}
LONG_STORMS = {
    **STORMS,
    "sliding": ("none", SLIDING),
    "sliding-whole": ("seconds", SLIDING),
    "overloaded-silent": ("none", BUCKET, "503", 0.2),  # a 503 says nothing of a rate: what is in flight is steered
}


def test_storms(tmp_path):
    """All kinds at the same time: they are patient, and hardly need the processor."""
    with ThreadPoolExecutor(len(STORMS)) as pool:
        for done in [pool.submit(storm, tmp_path / name, 11, *how) for name, how in STORMS.items()]:
            done.result()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", LONG_STORMS)
def test_long_storm(tmp_path, name):
    storm(tmp_path / name, 120, *LONG_STORMS[name])


# -- stragglers


def pace(folder: Path, prompts: int, concurrency: int, stragglers: dict[str, float]) -> float:
    """Requests a second, over the middle of the run, of those that are no stragglers.

    The server generates ten at once, 50 ms each, so 200 a second whatever the client does, as long as the client
    keeps ten or more before it. Stragglers hang elsewhere and take none of the ten. A client that waits for a
    batch, holds back what comes after a straggler or loses the slot of one for good falls below.
    """
    folder.mkdir()
    with faulty_server(latency=0.05, workers=10, stragglers=stragglers, log=True) as url:
        write(folder, prompts, url, concurrency=concurrency)
        found = run(folder)
        spans, totals = spans_of(url), totals_of(url)
    assert found["documents"] == prompts
    assert totals["paid"] == prompts, "a straggler was asked again"
    quick = [s.delivered for s in spans if s.delivered and s.delivered - s.arrived < stragglers.get("seconds", 1e9)]
    assert bool(stragglers) == (len(quick) < prompts)
    quick.sort()
    first, last = len(quick) // 5, len(quick) * 9 // 10
    return (last - first) / (quick[last] - quick[first])


def straggle(folder: Path, prompts: int, concurrency: int, seconds: float) -> None:
    """The law of stragglers: until the tail, they cost nothing but the slots they sit in."""
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(pace, folder / "without", prompts, concurrency, {})
        second = pool.submit(pace, folder / "with", prompts, concurrency, {"share": 0.01, "seconds": seconds})
        without, slow = first.result(), second.result()
    print(f"\nstragglers of {seconds:g} s, {concurrency} at once: {slow:.1f} requests/s, {without:.1f} without")
    assert slow >= 0.95 * without


def test_stragglers(tmp_path):
    straggle(tmp_path, prompts=700, concurrency=40, seconds=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_stragglers_of_a_minute(tmp_path):
    straggle(tmp_path, prompts=20_000, concurrency=256, seconds=60)
