"""What a pilot says comes true: cost, time and yield of the run lie in its intervals about as often as it says."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import pytest

from hornbook.engine.pilot import for_all, mean_of, wilson
from tests.billing_server import billing_server
from tests.commands import hornbook, last_json, write_jsonl

RECIPE = """\
name: piloted
teacher: {{url: {url}/v1, model: test, concurrency: 32, price: {{input: 100, output: 1000}}}}
steps:
  - {{use: sources.prompts, path: prompts.jsonl}}
  - use: generate.structured
    tries: 1
    max_tokens: 60
    json_schema: {{type: object, required: [n], properties: {{n: {{type: integer}}, say: {{type: string}}}}}}
"""
MANY, FIRST = 300, 50
DRAWS: dict[str, Callable[[random.Random], float]] = {
    "lengths": lambda draw: min(250.0, draw.expovariate(1 / 150)),
    "latencies": lambda draw: draw.lognormvariate(0, 0.7),
    "even": lambda draw: draw.gauss(100, 20),
}


@pytest.mark.parametrize("left", [50, 2_000])
@pytest.mark.parametrize("name", DRAWS)
def test_sums_of_what_is_left_lie_in_the_interval_nine_times_in_ten(name: str, left: int) -> None:
    """Of what is left, whose own luck counts too where it is little."""
    draw, held, turns = random.Random(5), 0, 250
    for _ in range(turns):
        seen = [DRAWS[name](draw) for _ in range(FIRST)]
        low, high = for_all(*mean_of(seen), FIRST, left)
        held += low <= sum(DRAWS[name](draw) for _ in range(left)) <= high
    assert 0.83 <= held / turns <= 0.96


@pytest.mark.parametrize("left", [50, 2_000])
def test_so_do_shares(left: int) -> None:
    draw, held, turns = random.Random(6), 0, 300
    for _ in range(turns):
        hits = sum(draw.random() < 0.7 for _ in range(FIRST))
        low, high = for_all(hits / FIRST, wilson(hits, FIRST), FIRST, left)
        held += low <= sum(draw.random() < 0.7 for _ in range(left)) <= high
    assert 0.83 <= held / turns <= 0.97


def answer(body: dict) -> str:
    """Three in ten prompts are answered with the wrong form for good; every fifth at first only."""
    prompt = body["messages"][0]["content"].split("\n")[0]
    draw = random.Random(prompt)
    bad, at_first = draw.random() < 0.3, draw.random() < 0.2 and len(body["messages"]) == 1
    words = " ".join("w" for _ in range(draw.randrange(3, 60)))
    return json.dumps({"n": "none" if bad or at_first else 1, "say": words})


@pytest.mark.parametrize("usage", ["all", "none"])
def test_a_pilots_intervals_hold_the_run(tmp_path, usage: str) -> None:
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"A riddle, number {n}"} for n in range(MANY)])
    with billing_server(says=answer, usage=usage, latency=0.4, counts=lambda text: len(text) // 4) as server:
        (tmp_path / "piloted.yaml").write_text(RECIPE.format(url=server.url))
        plan = last_json(hornbook("plan", "piloted.yaml", "--pilot", str(FIRST), "--json", cwd=tmp_path))
        paid = server.paid
        assert plan["pilot"]["replies"] == FIRST < paid, "some were asked a second time"
        asks = plan["steps"][1]
        began = time.monotonic()
        ran = last_json(hornbook("run", "piloted.yaml", "--json", cwd=tmp_path))
        took = time.monotonic() - began
        assert set(server.by_prompt.values()) == {1}, "what the pilot paid for is not asked again"
    step, truth = ran["steps"][1], {}
    truth = {"usd": step["facts"]["usd"], "kept": step["kept"], "seconds": step["facts"]["seconds"]}
    for name, value in truth.items():
        low, high = asks["intervals"][name]
        assert low <= value <= high, name
        assert low <= asks[name] <= high
    assert truth["usd"] > 0
    assert plan["pilot"]["errors"].keys() == {"schema"}
    assert took < 60
    shown = hornbook("plan", "piloted.yaml", "--pilot", "60", cwd=tmp_path)
    assert shown.returncode in (0, 1)


def test_a_server_that_limits_the_rate_is_planned_at_that_rate(tmp_path) -> None:
    from tests.faulty_server import faulty_server

    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"A tale, number {n}"} for n in range(MANY)])
    with faulty_server(rate=20, retry_after="ms") as url:
        recipe = RECIPE.format(url=url).split("  - use: generate")[0] + "  - {use: generate.complete, max_tokens: 9}\n"
        (tmp_path / "piloted.yaml").write_text(recipe)
        plan = last_json(hornbook("plan", "piloted.yaml", "--pilot", str(FIRST), "--json", cwd=tmp_path))
    assert plan["steps"][1]["seconds"] == pytest.approx((MANY - FIRST) / 20, rel=0.5)
