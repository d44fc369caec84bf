"""`hornbook plan`: what it says comes true; a pilot's requests are paid for once."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.engine.pilot import mean_of, wilson
from hornbook.store.journal import Journal
from tests.commands import hornbook, last_json, write_jsonl
from tests.faulty_server import counts_of, faulty_server

RECIPE = """\
name: planned
seed: 1
teacher: {use: scripted, rule: story, concurrency: 4, latency: 0.05, price: {input: 1.0, output: 4.0}}
steps:
  - use: sources.words
  - use: prompts.story
    count: 50
  - use: generate.complete
    max_tokens: 20
  - use: quality.length
    min_words: 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "planned.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def planned(folder: Path, *args: str) -> dict[str, object]:
    found: dict[str, object] = last_json(hornbook("plan", "planned.yaml", "--json", *args, cwd=folder))
    return found


def states(found: dict[str, object]) -> list[str]:
    return [step["state"] for step in found["steps"]]


def test_planning_runs_nothing_and_says_what_it_assumes(folder: Path) -> None:
    found = planned(folder)
    assert states(found) == ["to do", "unknown", "unknown", "unknown"]
    asks = found["steps"][2]
    assert (asks["requests"], asks["tokens"]) == (50, 50 * 20)
    assert asks["usd"] == pytest.approx(50 * 20 * 4 / 1e6)
    assert any("at most 20 tokens a reply" in said for said in asks["says"])
    assert not (folder / "runs" / "artifacts").exists()
    assert not (folder / "runs" / "planned").exists()


def test_a_pilot_is_kept_and_its_forecast_comes_true(folder: Path) -> None:
    first = planned(folder, "--pilot", "12")
    pilot = first["pilot"]
    assert (pilot["asked"], pilot["replies"], pilot["side_by_side"]) == (12, 12, 4)
    assert states(first) == ["cached", "cached", "to do", "unknown"]
    asks = first["steps"][2]
    assert (asks["requests"], asks["journaled"]) == (38, 12)
    assert asks["intervals"]["tokens"][0] <= asks["tokens"] <= asks["intervals"]["tokens"][1]
    assert asks["seconds"] == pytest.approx(38 * 0.05 / 4, rel=0.5)

    again = planned(folder, "--pilot", "12")
    assert again["pilot"]["asked"] == 0
    assert again["steps"][2]["requests"] == 38

    ran = last_json(hornbook("run", "planned.yaml", "--json", cwd=folder))
    facts = ran["steps"][2]["facts"]
    assert (facts["asked"], facts["cached"]) == (38, 12)
    assert facts["tokens"] == pytest.approx(asks["tokens"], rel=0.1)
    assert facts["usd"] == pytest.approx(asks["usd"], rel=0.1)
    journal = Journal(folder / "runs" / "journal")
    assert journal.counts()["replies"] == 50
    journal.close()

    last = planned(folder)
    assert states(last) == ["cached"] * 4
    assert (last["requests"], last["usd"], last["seconds"]) == (0, 0, 0)
    shown = hornbook("plan", "planned.yaml", "--pilot", "5", cwd=folder)
    assert "every step is cached" in shown.stdout


def test_earlier_runs_are_learned_from(folder: Path) -> None:
    assert hornbook("run", "planned.yaml", cwd=folder).returncode == 0
    found = planned(folder, "--set", "prompts.count=500")
    asks = found["steps"][2]
    assert states(found) == ["cached", "to do", "unknown", "unknown"]
    assert asks["requests"] == 500
    assert asks["tokens"] == 500 * 20
    assert asks["prompt_tokens"] > 500 * 20
    assert any("as in earlier runs" in said for said in asks["says"])


def test_a_threshold_costs_nothing(folder: Path) -> None:
    assert hornbook("run", "planned.yaml", cwd=folder).returncode == 0
    found = planned(folder, "--set", "generate.min_characters=10")
    assert states(found) == ["cached", "cached", "to do", "unknown"]
    assert (found["steps"][2]["requests"], found["steps"][2]["journaled"]) == (0, 50)
    assert found["usd"] == 0


def test_the_table_fits_and_names_unknowns(folder: Path) -> None:
    shown = hornbook("plan", "planned.yaml", "--pilot", "4", cwd=folder)
    assert shown.returncode == 0
    assert "pilot of generate: 4 requests asked, 0 from the journal" in shown.stdout
    assert "90 % intervals" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert "generate" in shown.stderr


def test_a_pilot_that_cannot_be(folder: Path) -> None:
    (folder / "planned.yaml").write_text("name: planned\nsteps: [sources.words]\n", encoding="utf-8")
    done = hornbook("plan", "planned.yaml", "--pilot", "3", cwd=folder)
    assert done.returncode == 2
    assert "asks none" in done.stderr


def test_a_dead_teacher_fails_the_pilot_but_not_the_plan(folder: Path) -> None:
    args = ["--set", "teacher.url=http://127.0.0.1:9/v1", "--set", "teacher.use=openai"]
    assert states(planned(folder, *args))[2] == "unknown"
    shutil.rmtree(folder / "runs", ignore_errors=True)


def test_budget_is_held_against_the_plan(folder: Path) -> None:
    shown = hornbook("plan", "planned.yaml", "--set", "budget.usd=0.001", cwd=folder)
    assert "the budget of $0.001 will stop it" in shown.stdout


BATCHED = """\
name: planned
teacher:
  url: "{url}/v1"
  model: test
  batch: {kind}
  max_tokens: 20
  price: {{input: 1.0, output: 4.0}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
"""


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_batches_are_planned_at_half_the_price_and_nobody_says_when_they_come(tmp_path: Path, kind: str) -> None:
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(30)])
    with faulty_server() as url:
        (tmp_path / "planned.yaml").write_text(BATCHED.format(url=url, kind=kind), encoding="utf-8")
        hornbook("plan", "planned.yaml", "--pilot", "10", cwd=tmp_path)
        assert len(counts_of(url)["asked"]) == 10, "a pilot is asked online"
        found = planned(tmp_path, "--pilot", "10")
        online = planned(tmp_path, "--pilot", "10", "--set", "teacher.batch=null")
        shown = hornbook("plan", "planned.yaml", "--pilot", "10", cwd=tmp_path)
        assert sum(counts_of(url)["asked"].values()) == 10
    half, whole = found["steps"][1], online["steps"][1]
    assert (half["requests"], half["journaled"]) == (20, 10)
    assert half["usd"] == pytest.approx(whole["usd"] / 2)
    assert half["intervals"]["usd"] == pytest.approx([bound / 2 for bound in whole["intervals"]["usd"]])
    assert (half["seconds"], "seconds" in half["intervals"]) == (None, False)
    assert whole["seconds"] > 0
    assert found["time_unknown"] == ["generate"]
    assert any("$0.5 and $2 per million tokens" in said for said in half["says"])
    assert shown.returncode == 0
    assert "within a day" in shown.stdout


def test_without_a_pilot_a_batch_costs_half_of_what_is_assumed(folder: Path) -> None:
    server = ["--set", "teacher.url=http://127.0.0.1:9/v1"]
    online, half = (planned(folder, *server, *more)["steps"][2] for more in ([], ["--set", "teacher.batch=openai"]))
    assert half["usd"] == pytest.approx(online["usd"] / 2)
    assert half["usd"] == pytest.approx(50 * 20 * 2 / 1e6)
    assert (online["seconds"] > 0, half["seconds"]) == (True, None)


def test_no_more_is_planned_than_is_wanted(folder: Path) -> None:
    found = planned(folder, "--set", "generate.want=20")
    asks, after = found["steps"][2], found["steps"][3]
    assert (asks["requests"], asks["kept"], after["rows"]) == (20, 20, 20)
    first = planned(folder, "--set", "generate.want=20", "--pilot", "12")["steps"][2]
    assert (first["requests"], first["journaled"]) == (8, 12)
    ran = last_json(hornbook("run", "planned.yaml", "--set", "generate.want=20", "--json", cwd=folder))
    assert ran["steps"][2]["facts"]["asked"] == 8


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_share_lies_in_its_interval(hits: int, more: int) -> None:
    total = hits + more
    low, high = wilson(hits, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low <= hits / total <= high
        wide = wilson(hits * 4, total * 4)
        assert wide[1] - wide[0] < high - low


def test_the_intervals_cover_what_they_say() -> None:
    """800 draws: 90 % intervals hold the truth in 85 to 97 % of cases, for shares and for skewed means."""
    draw = random.Random(7)
    held = {"share": 0, "mean": 0}
    for _ in range(800):
        low, high = wilson(sum(draw.random() < 0.8 for _ in range(24)), 24)
        held["share"] += low <= 0.8 <= high
        _, (low, high) = mean_of([draw.gammavariate(4, 50) for _ in range(24)])
        held["mean"] += low <= 200 <= high
    assert 0.85 < held["share"] / 800 < 0.97
    assert 0.82 < held["mean"] / 800 < 0.97
