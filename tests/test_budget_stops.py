"""A capped run against a server that counts what it bills: stopped in time, killed or not, and gone on with."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from hornbook.engine.ledger import read_spent
from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.faulty_server import faulty_server, totals_of

RECIPE = """\
name: capped
budget: {{{budget}}}
teacher: {{url: {url}/v1, model: test, concurrency: 24, {price}}}
steps:
  - {{use: sources.prompts, path: prompts.jsonl}}
  - {{use: generate.complete, max_tokens: 80}}
"""
PRICE = "price: {input: 100, output: 1000}"
PROMPTS = 400
WORST = (round(16 + 60 / 3) * 100 + 80 * 1000) / 1e6
"""US dollars, no less than what one request reserves."""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    prompts = [{"id": f"p{n}", "prompt": f"Write the story number {n} about a little fox."} for n in range(PROMPTS)]
    write_jsonl(tmp_path / "prompts.jsonl", prompts)
    return tmp_path


def capped(here: Path, url: str, budget: str, price: str = PRICE) -> None:
    (here / "capped.yaml").write_text(RECIPE.format(url=url, budget=budget, price=price))


def billed(url: str) -> float:
    totals = totals_of(url)
    return (totals["prompt_tokens"] * 100 + totals["completion_tokens"] * 1000) / 1e6


def spent(here: Path) -> float:
    found = read_spent(here / "runs" / "capped" / "spent")
    return 0.0 if found is None else found.after_a_death().usd


def test_it_stops_at_the_cap_spends_it_and_goes_on_when_it_is_raised(here):
    with faulty_server(latency=[0.0, 0.05]) as url:
        capped(here, url, "usd: 5")
        stopped = hornbook("run", "capped.yaml", cwd=here)
        assert stopped.returncode == 3, stopped.stderr
        assert "budget.usd" in stopped.stderr
        assert 5 - WORST <= billed(url) <= 5
        assert spent(here) == pytest.approx(billed(url))
        again = hornbook("run", "capped.yaml", cwd=here)
        assert again.returncode == 3
        assert billed(url) <= 5
        before = totals_of(url)["paid"]
        assert last_json(hornbook("run", "capped.yaml", "--set", "budget.usd=100", "--json", cwd=here))
        assert totals_of(url)["paid"] == PROMPTS > before
        assert spent(here) == pytest.approx(billed(url))


def test_tokens_are_capped_without_a_price(here):
    with faulty_server() as url:
        capped(here, url, "tokens: 3000", "timeout: 60")
        assert hornbook("run", "capped.yaml", cwd=here).returncode == 3
        totals = totals_of(url)
        assert 3000 - 150 < totals["prompt_tokens"] + totals["completion_tokens"] <= 3000


def test_hours_are_capped_over_all_executions(here):
    with faulty_server(latency=0.4) as url:
        capped(here, url, "hours: 0.001")
        began = time.monotonic()
        assert hornbook("run", "capped.yaml", cwd=here).returncode == 3
        asked = totals_of(url)["asked"]
        assert 24 <= asked < PROMPTS
        assert hornbook("run", "capped.yaml", cwd=here).returncode == 3
        assert totals_of(url)["asked"] == asked, "the time of the first execution still counts"
        assert time.monotonic() - began < 60


def test_what_breaks_on_its_way_back_counts_as_paid(here):
    faults = {"reset": 0.1, "short": 0.05, "truncated": 0.05, "garbage": 0.05, "500": 0.1, "429": 0.1}
    with faulty_server(latency=[0.0, 0.02], faults=faults) as url:
        capped(here, url, "usd: 4")
        assert hornbook("run", "capped.yaml", cwd=here).returncode == 3
        assert billed(url) <= 4
        assert spent(here) >= billed(url) - 1e-9


def test_kills_do_not_make_it_forget(here):
    """Ten times `kill -9`: what the server bills never passes the cap, and what the run thinks is never less."""
    draw = random.Random(7)
    with faulty_server(latency=[0.01, 0.1]) as url:
        capped(here, url, "usd: 12")
        for _ in range(10):
            child = begin("run", "capped.yaml", cwd=here)
            until = time.monotonic() + 20
            paid = totals_of(url)["paid"]
            while child.poll() is None and totals_of(url)["paid"] == paid and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(draw.uniform(0, 0.3))
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
        assert hornbook("run", "capped.yaml", cwd=here).returncode in (0, 3)
        time.sleep(0.3)
        assert billed(url) <= 12
        assert spent(here) >= billed(url) - 1e-9
        assert last_json(hornbook("run", "capped.yaml", "--set", "budget.usd=1000", "--json", cwd=here))
        state = json.loads((here / "runs" / "capped" / "run.json").read_text())
        assert state["spent_usd"] == pytest.approx(spent(here))


def test_money_and_no_price_is_a_users_mistake_and_costs_nothing(here):
    with faulty_server() as url:
        capped(here, url, "usd: 5", "timeout: 60")
        refused = hornbook("run", "capped.yaml", cwd=here)
        assert refused.returncode == 2
        assert "price: {input: " in refused.stderr
        assert totals_of(url)["asked"] == 0
        planned = hornbook("plan", "capped.yaml", cwd=here)
        assert planned.returncode == 0
        assert "price unknown: budget.usd cannot hold" in " ".join(planned.stdout.split())


def test_a_pilots_spending_counts(here):
    with faulty_server() as url:
        capped(here, url, "usd: 20")
        planned = last_json(hornbook("plan", "capped.yaml", "--pilot", "20", "--json", cwd=here))
        assert totals_of(url)["paid"] == 20
        assert planned["pilot"]["usd"] == pytest.approx(billed(url))
        assert spent(here) == pytest.approx(billed(url))
        asks = planned["steps"][1]
        low, high = asks["intervals"]["usd"]
        assert low <= asks["usd"] <= high
        assert asks["usd"] == pytest.approx(billed(url) / 20 * (PROMPTS - 20), rel=0.05)
