"""What batches cost: half, cached tokens at their price, each reply once, whatever dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from hornbook.core.errors import BudgetStop
from hornbook.engine.asking import looking
from hornbook.engine.batches.batching import ask_in_batches
from hornbook.engine.batches.drafts import Hold
from hornbook.engine.budget import Governor
from hornbook.engine.ledger import NAME, Spent, read_spent
from hornbook.store.journal import Journal, JournalWriter
from hornbook.teachers.batches import Limits
from hornbook.teachers.prices import Band, Tariff
from hornbook.teachers.spec import TeacherSpec
from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.engine.batches.dying import drive, requests
from tests.faulty_server import counts_of, faulty_server, totals_of

KINDS = ("openai", "anthropic")
DEAR = Tariff((Band(0, 1e6, 1e6, 1e5),))
"""A dollar a token, ten cents a cached one."""


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


class CacheOf:
    """A provider that had a part of each prompt in its cache."""

    def __init__(self, inner, kind, cached):
        self._inner, self._kind, self._cached = inner, kind, cached

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def results(self, batch):
        async for line in self._inner.results(batch):
            row = json.loads(line)
            if self._kind == "openai":
                usage = row["response"]["body"]["usage"]
                usage["prompt_tokens_details"] = {"cached_tokens": self._cached}
            else:
                usage = row["result"]["message"]["usage"]
                usage["input_tokens"] -= self._cached
                usage["cache_read_input_tokens"] = self._cached
            yield json.dumps(row).encode()


def test_cached_tokens_cost_their_own_price_and_all_of_it_half(kind, tmp_path):
    asked, governor = requests(6, "a prompt of several words", max_tokens=10), Governor()
    with faulty_server(batch={"seconds": 0.1}) as url:
        work = drive(url, kind, tmp_path, asked, governor=governor, tariff=DEAR, api=lambda api: CacheOf(api, kind, 4))
        tally = asyncio.run(work)
    fresh = tally.prompt_tokens - 6 * 4
    assert fresh > 0, "as the server counts, the prompt is longer than what was in the cache"
    assert tally.usd == pytest.approx((fresh * 1.0 + 6 * 4 * 0.1 + tally.tokens * 1.0) / 2)
    assert governor.usd == pytest.approx(tally.usd)
    assert governor.tokens == tally.prompt_tokens + tally.tokens


def test_a_recipes_price_is_halved(kind, tmp_path):
    asked, governor = requests(5, "some"), Governor()
    price = {"input": 2e6, "output": 4e6}

    async def run(url):
        spec = TeacherSpec(url=f"{url}/v1", model="test", batch=kind, batch_wait=0.1, price=price)
        reader = Journal(tmp_path)
        with JournalWriter(tmp_path) as writer:
            tally = await ask_in_batches(
                spec, [lambda: iter(asked)], tmp_path, reader, writer, governor, lambda tally: None, lambda line: None
            )
        assert len(looking(reader)([request.key() for request in asked])) == 5
        reader.close()
        return tally

    with faulty_server(batch={"seconds": 0.1}) as url:
        tally = asyncio.run(run(url))
    assert tally.usd == pytest.approx(tally.prompt_tokens * 1.0 + tally.tokens * 2.0)
    assert governor.usd == pytest.approx(tally.usd)


class Dead(BaseException):
    """The end of an execution, within this process."""


class Dying:
    """Ends the execution at the n-th thing of a name, and notes what the budget would keep of a real death then."""

    def __init__(self, governor, name, count):
        self.governor, self.name, self.left, self.kept = governor, name, count, Spent()

    def __call__(self, name):
        self.left -= name == self.name
        if name == self.name and self.left == 0:
            self.kept = self.governor.spent()
            raise Dead(name)


@pytest.mark.parametrize("point", ["after record", "after created", "before put", "after put", "before over"])
def test_a_death_forgets_no_money_and_counts_none_twice_but_what_it_was_about_to_write(kind, point, tmp_path):
    """What a later execution starts from is what was settled and what is lost: of batches nothing is lost."""
    asked, first = requests(8, "some"), Governor(usd=1000.0)
    dying = Dying(first, point, {"before put": 2, "after put": 2}.get(point, 1))  # the first put has the intents
    with faulty_server(batch={"seconds": 0.1}) as url:
        with pytest.raises(Dead):
            asyncio.run(drive(url, kind, tmp_path, asked, governor=first, tariff=DEAR, point=dying))
        start = dying.kept.after_a_death()
        second = Governor(usd=1000.0, spent=start)
        asyncio.run(drive(url, kind, tmp_path, asked, governor=second, tariff=DEAR))
        assert set(counts_of(url)["paid"].values()) == {1}
    right = sum((2 + 20) * 0.5 for _ in asked)
    assert start.unsure_usd == 0
    assert start.usd == pytest.approx(0 if point in ("after record", "after created") else right)
    assert second.usd == pytest.approx(2 * right if point == "before put" else right)


def test_replies_that_cannot_be_read_back_are_not_paid_for_again(kind, tmp_path):
    """A journal that has them on disk but cannot be read just now, as on a failing disk."""

    class Blind(Journal):
        def find(self, keys):
            return {}

    asked = requests(6, "some")
    with faulty_server(batch={"seconds": 0.1}) as url:
        tally = asyncio.run(drive(url, kind, tmp_path, asked, reader=Blind(tmp_path)))
        assert sorted(counts_of(url)["paid"].values()) == [1] * 6
    assert (tally.answered, tally.retries) == (6, 0)
    journal = Journal(tmp_path)
    assert len(journal.find(request.key() for request in asked)) == 6
    journal.close()


def test_what_is_paid_out_of_a_hold_stays_under_the_cap():
    governor = Governor(usd=10.0)
    hold = Hold(governor)
    hold.grow(4.0, 40)
    hold.grow(4.0, 40)
    with pytest.raises(BudgetStop):
        hold.grow(4.0, 40)
    assert hold.sum == (8.0, 80), "what does not fit changes nothing"
    hold.pay(3.0, 30)
    assert (governor.usd, governor.reserved_usd, governor.reserved_tokens) == (3.0, 5.0, 50)
    with pytest.raises(BudgetStop):
        governor.reserve(2.5, 1)
    hold.free()
    assert (governor.usd, governor.reserved_usd, governor.in_flight, governor.tokens) == (3.0, 0.0, 0, 30)
    governor.reserve(7.0, 1)
    Hold(governor).pay(1.0, 5)
    assert (governor.usd, governor.in_flight) == (4.0, 1), "replies nobody reserved for count too"


RECIPE = """\
name: batched
budget: {{usd: {usd}}}
teacher:
  url: "{url}/v1"
  model: test
  batch: {kind}
  batch_requests: 5
  batch_wait: 0.2
  max_tokens: 20
  price: {{input: 1.0e+6, output: 1.0e+6}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
"""


def test_a_killed_run_under_a_tight_budget_goes_on_and_has_spent_what_its_replies_cost(kind, tmp_path):
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(10)])
    worst = 10 * (len("Write story 1.") // 3 + 16 + 20) * 0.5
    ledger = tmp_path / "runs" / "batched" / NAME
    with faulty_server(batch={"seconds": 4.0}) as url:
        recipe = RECIPE.format(url=url, kind=kind, usd=worst * 1.1)
        (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
        child = begin("run", "recipe.yaml", cwd=tmp_path)
        until = time.monotonic() + 60
        while totals_of(url)["batches"] < 2 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        assert totals_of(url)["batches"] == 2
        left = read_spent(Path(ledger))
        assert left is not None
        assert (left.usd, left.reserved_usd) == (0.0, 0.0), "what is at the provider is remembered by the book"
        done = last_json(hornbook("run", "recipe.yaml", "--json", cwd=tmp_path))
        assert set(counts_of(url)["paid"].values()) == {1}
    facts = done["steps"][1]["facts"]
    assert (facts["answered"], facts["batch"]) == (10, kind)
    assert facts["usd"] == pytest.approx((facts["prompt_tokens"] + facts["tokens"]) / 2)
    spent = read_spent(Path(ledger))
    assert spent is not None
    assert spent.usd == pytest.approx(facts["usd"])


def test_drafts_of_one_batch_at_a_time_hold_what_they_may_cost(kind, tmp_path):
    """All through, spent and reserved together stay under the cap."""
    asked, over = requests(12, "some"), []
    worst = (len("some 10") // 3 + 16 + 20) * 0.5
    cap = worst * 9
    governor = Governor(usd=cap, keep=lambda s: over.append(s.usd + governor.reserved_usd))
    with faulty_server(batch={"seconds": 0.1}) as url:
        work = drive(url, kind, tmp_path, asked, governor=governor, tariff=DEAR, limits=Limits(3, 10**6))
        asyncio.run(work)
        assert sum(counts_of(url)["paid"].values()) == 12, "replies below their worst case made room for the rest"
    assert max(over) <= cap * (1 + 1e-9)
    assert governor.usd == pytest.approx(12 * 22 * 0.5)
