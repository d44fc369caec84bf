"""A cap holds whatever the server bills: never passed by more than the first requests in flight cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.engine.ledger import read_spent
from tests.billing_server import Billing, billing_server
from tests.commands import hornbook, last_json, write_jsonl

RECIPE = """\
name: billed
budget: {{{budget}}}
teacher: {{url: {url}/v1, model: test, concurrency: {concurrency}, price: {{input: 100, output: 1000}}}}
steps:
  - {{use: sources.prompts, path: prompts.jsonl}}
  - {{use: generate.complete{knobs}}}
"""
PROMPTS = 400
SAYS = {
    "english": "Write a short story about a small fox, number {n}.",
    "chinese": "请写一个关于小狐狸的短篇故事，第{n}个。",
}


def run(here: Path, server: Billing, concurrency: int, budget: str, knobs: str = ", max_tokens: 40", *args: str):
    values = {"url": server.url, "concurrency": concurrency, "budget": budget, "knobs": knobs}
    (here / "billed.yaml").write_text(RECIPE.format(**values))
    return hornbook("run", "billed.yaml", *args, cwd=here)


def prompts(here: Path, says: str = "english") -> None:
    rows = [{"id": f"p{n}", "prompt": SAYS[says].format(n=n)} for n in range(PROMPTS)]
    write_jsonl(here / "prompts.jsonl", rows)


def billed(server: Billing) -> float:
    return (server.prompt_tokens * 100 + server.completion_tokens * 1000) / 1e6


@pytest.mark.parametrize("concurrency", [1, 16, 256])
@pytest.mark.parametrize(("says", "behaves"), [
    ("english", {}),
    ("chinese", {}),
    ("english", {"usage": "none"}),
    ("english", {"usage": "prompt"}),
], ids=["english", "chinese", "no usage", "half a usage"])  # fmt: skip
def test_a_server_that_keeps_to_max_tokens_never_passes_the_cap(tmp_path, concurrency, says, behaves):
    """One token for every byte of Chinese is the most that any tokenizer makes of it; English is bytes / 3."""
    prompts(tmp_path, says)
    behaves = {"counts": lambda text: len(text.encode()) if says == "chinese" else len(text) // 3} | behaves
    with billing_server(latency=0.01 if concurrency > 1 else 0.0, **behaves) as server:
        done = run(tmp_path, server, concurrency, "usd: 6")
        assert done.returncode == 3, done.stderr
        assert billed(server) <= 6
        assert billed(server) > 0.9 * 6, "nor is much of it left"
        assert len(done.stderr.strip().splitlines()) < 24
        assert "budget.usd" in done.stderr
        spent = read_spent(tmp_path / "runs" / "billed" / "spent")
        assert spent is not None
        assert spent.usd >= billed(server) - 1e-9


@pytest.mark.parametrize("concurrency", [1, 16, 256])
@pytest.mark.parametrize(
    ("each", "behaves", "knobs"),
    [
        (0.165, {"times": 4}, ", max_tokens: 40"),
        (0.345, {"hidden": 3000}, ", max_tokens: 40"),
        (2.005, {"words": 2000}, ""),
        (0.165, {"times": 4, "usage": "none"}, ", max_tokens: 40"),
    ],
    ids=["longer replies", "a hidden prompt", "no bound", "longer and no usage"],
)
def test_a_server_that_bills_more_passes_it_by_no_more_than_the_first_in_flight(
    tmp_path, concurrency, each, behaves, knobs
):
    """What the first replies cost is reserved for all later ones: with few in flight it is not passed at all."""
    prompts(tmp_path)
    cap = each * PROMPTS / 4
    with billing_server(latency=0.02 if concurrency > 1 else 0.0, **behaves) as server:
        done = run(tmp_path, server, concurrency, f"usd: {cap}", knobs)
        assert done.returncode == 3, done.stderr
        cap *= 1.2 if behaves.get("usage") == "none" else 1.0  # what nobody counts can only be estimated
        assert billed(server) <= cap + (concurrency if concurrency > 16 else 0) * server.most * 1000 / 1e6


def test_raised_it_goes_on_and_nothing_is_asked_twice(tmp_path):
    prompts(tmp_path)
    with billing_server(latency=0.01, times=2) as server:
        for cap in (5, 10, 15):
            assert run(tmp_path, server, 64, f"usd: {cap}").returncode == 3
        assert last_json(run(tmp_path, server, 64, "usd: 15", ", max_tokens: 40", "--set", "budget.usd=500", "--json"))
        assert server.paid == PROMPTS
        assert set(server.by_prompt.values()) == {1}


def test_time_is_money_where_the_machine_has_a_price(tmp_path):
    """The run ends when the seconds have used the cap up, whatever the replies count; the plan says so as well."""
    prompts(tmp_path)
    recipe = """\
name: rented
budget: {usd: 0.5}
teacher: {use: scripted, latency: 0.2, concurrency: 8, usd_per_hour: 1800}
steps:
  - {use: sources.prompts, path: prompts.jsonl}
  - {use: generate.complete, max_tokens: 40}
"""
    (tmp_path / "rented.yaml").write_text(recipe)
    done = hornbook("run", "rented.yaml", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    spent = read_spent(tmp_path / "runs" / "rented" / "spent")
    assert spent is not None
    assert spent.usd == pytest.approx(spent.hours * 1800)
    assert 0.5 <= spent.usd <= 0.5 + 1.0 * 0.5, "a second and the requests in flight at most"
