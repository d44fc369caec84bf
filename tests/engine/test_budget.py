"""The budget: whatever order requests come back in, and however the run dies, the cap holds."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.asking import Reply, Request
from hornbook.core.errors import BudgetStop, UserError
from hornbook.engine.budget import Governor, governed, owed
from hornbook.engine.ledger import NAME, Ledger, Spent, read_spent
from hornbook.engine.recipe import Budget, check_data
from hornbook.engine.workspace import Workspace
from hornbook.engine.worst import MAX_TOKENS, Worst, tokens_of
from hornbook.teachers.prices import Band, Tariff

USD = st.floats(0, 0.5, allow_nan=False)
REQUESTS = st.lists(
    st.tuples(USD, st.integers(0, 500), st.floats(0, 2), st.floats(0, 2), st.integers(0, 10**6)), max_size=60
)
"""(worst usd, worst tokens, share of the usd really spent, of the tokens, when it settles): shares over 1 are
estimates that were too low."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=300)
@given(st.floats(0, 3), st.integers(0, 3000), REQUESTS, st.randoms(use_true_random=False))
def test_spent_never_passes_the_cap_by_more_than_estimates_were_too_low(cap, tokens, requests, rng):
    governor = Governor(cap, tokens)
    flying, under_usd, under_tokens = [], 0.0, 0

    def settle():
        nonlocal under_usd, under_tokens
        usd, many, share, token_share, _ = flying.pop(rng.randrange(len(flying)))
        under_usd += max(0.0, usd * share - usd)
        under_tokens += max(0, int(many * token_share) - many)
        governor.settle((usd, many), usd * share, int(many * token_share))

    for request in requests:
        while flying and rng.random() < 0.4:
            settle()
        try:
            governor.reserve(*request[:2])
        except BudgetStop:
            continue
        flying.append(request)
        assert governor.usd + governor.reserved_usd <= cap + under_usd + 1e-6
        assert governor.tokens + governor.reserved_tokens <= tokens + under_tokens
    while flying:
        settle()
    assert governor.usd <= cap + under_usd + 1e-6
    assert governor.tokens <= tokens + under_tokens
    assert (governor.reserved_usd, governor.reserved_tokens, governor.in_flight) == (0.0, 0, 0)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.1, 3), st.lists(st.tuples(st.floats(0.001, 0.5), st.floats(0, 1)), max_size=40), st.integers(0, 99))
def test_waiting_for_room_spends_what_there_is_and_every_waiter_is_answered(cap, requests, seed):
    """With honest estimates all are sent, or the first that was refused did not fit on top of what was spent."""
    governor, rng = Governor(cap), random.Random(seed)
    refused: list[tuple[float, float]] = []

    async def one(worst: float, share: float) -> None:
        try:
            await governor.admit(worst, 1)
        except BudgetStop:
            refused.append((worst, governor.usd))
            return
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        governor.settle((worst, 1), worst * share, 1)

    async def everything() -> None:
        await asyncio.wait_for(asyncio.gather(*(one(*request) for request in requests)), 20)

    asyncio.run(everything())
    assert governor.usd <= cap + 1e-6
    assert governor.in_flight == 0
    for worst, spent in refused:
        assert spent + worst > cap


def test_a_wide_window_does_not_stop_a_run_that_can_be_paid():
    """Sixty requests of at most $0.10 that cost $0.01 fit into $1, though only ten can be reserved together."""
    governor = Governor(usd=1.0)

    async def one() -> None:
        await governor.admit(0.1, 0)
        await asyncio.sleep(0.001)
        governor.settle((0.1, 0), 0.01, 0)

    async def everything() -> None:
        await asyncio.wait_for(asyncio.gather(*(one() for _ in range(60))), 20)

    asyncio.run(everything())
    assert governor.usd == pytest.approx(0.6)


def test_a_waiter_that_is_cancelled_passes_its_turn_on():
    governor = Governor(usd=1.0)

    async def everything() -> None:
        governor.reserve(1.0, 0)
        first, second = (asyncio.create_task(governor.admit(0.9, 0)) for _ in range(2))
        await asyncio.sleep(0)
        governor.settle((1.0, 0), 0.0, 0)
        first.cancel()
        await asyncio.wait_for(second, 5)
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(everything())
    assert governor.in_flight == 1


def test_the_machines_time_is_money_and_hours():
    clock = Clock()
    governor = Governor(usd=1.0, clock=clock)
    clock.now = 100.0
    assert governor.hours == 0, "no teacher was open"
    with governor.asking(hour=2.0):
        clock.now += 900
        assert (governor.hours, governor.usd) == (pytest.approx(0.25), pytest.approx(0.5))
        governor.reserve(0.4, 0)
        governor.settle((0.4, 0), 0.1, 0)
        clock.now += 900
        with pytest.raises(BudgetStop, match="usd"):
            governor.reserve(0.0, 0)
    clock.now += 10_000
    assert (governor.hours, governor.usd) == (pytest.approx(0.5), pytest.approx(1.1))


def test_hours_stop_and_say_so():
    clock = Clock()
    governor = Governor(hours=1.0, spent=Spent(hours=0.9), clock=clock)
    with governor.asking():
        governor.reserve(5, 5)
        clock.now += 361
        with pytest.raises(BudgetStop) as caught:
            governor.reserve(0, 0)
    assert caught.value.exit_code == 3
    assert caught.value.where == "budget.hours"
    assert "--set budget.hours=" in caught.value.fix


@pytest.mark.parametrize("name", ["usd", "tokens"])
def test_raising_to_what_the_message_says_is_enough(name):
    governor = Governor(**{name: 10})
    governor.reserve(9, 9)
    with pytest.raises(BudgetStop) as caught:
        governor.reserve(7, 7)
    cap = float(caught.value.fix.split(f"budget.{name}=")[1].split()[0])
    again = Governor(**{name: cap})
    again.reserve(9, 9)
    again.reserve(7, 7)


def test_a_reply_without_counts_costs_the_worst_case():
    tariff = Tariff((Band(0, 1, 2, 1),))
    assert owed(Reply("k", "text", prompt_tokens=10, completion_tokens=5), (1.0, 99), tariff) == (20e-6, 15)
    assert owed(Reply("k", error="parse"), (1.0, 99), tariff) == (1.0, 99)


SUMS = st.builds(
    Spent,
    usd=st.floats(0, 1e6),
    tokens=st.integers(0, 2**62),
    hours=st.floats(0, 1e6),
    reserved_usd=st.floats(0, 1e6),
    reserved_tokens=st.integers(0, 2**62),
    unsure_usd=st.floats(0, 1e6),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(SUMS, min_size=1, max_size=4), st.integers(0, 127), st.integers(1, 255))
def test_a_ledger_says_what_was_written_last_and_a_torn_record_leaves_the_one_before(tmp_path_factory, sums, at, flip):
    path = tmp_path_factory.mktemp("ledger") / NAME
    with Ledger(path) as ledger:
        for one in sums:
            ledger.write(one)
    assert read_spent(path) == sums[-1]
    torn = bytearray(path.read_bytes())
    torn[at % len(torn)] ^= flip
    path.write_bytes(torn)
    assert read_spent(path) in [Spent(), *sums[-2:]]
    assert read_spent(path) is not None


def _spend(folder: str, told: object) -> None:
    with governed(Workspace(Path(folder)), "run", Budget(usd=1000.0), ()) as governor:
        for number in range(10**6):
            governor.reserve(0.5, 2)
            told.value = number + 1  # type: ignore[attr-defined]
            governor.settle((0.5, 2), 0.0001, 1)


def test_a_killed_process_forgets_nothing(tmp_path):
    """Killed at any moment: all that was settled counts, and what was in flight counts as paid, once."""
    settled, deaths = 0, 0
    for round_ in range(5):
        told = multiprocessing.get_context("spawn").RawValue("q", 0)
        child = multiprocessing.get_context("spawn").Process(target=_spend, args=(str(tmp_path), told))
        child.start()
        began = time.monotonic()
        while told.value < 50 and time.monotonic() - began < 60:
            time.sleep(0.01)
        time.sleep(0.005 * round_)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        assert told.value >= 50
        found = read_spent(tmp_path / "run" / NAME)
        assert found is not None
        deaths += found.reserved_tokens // 2
        settled += told.value
        usd, many = found.after_a_death().usd, found.after_a_death().tokens
        assert abs(many - settled - deaths) <= 2, "at most the request at hand is in doubt"
        assert usd == pytest.approx(found.after_a_death().unsure_usd + (many - 2 * deaths) * 0.0001, abs=1e-6)


def test_what_a_book_remembers_is_not_paid_twice(tmp_path):
    workspace = Workspace(tmp_path)
    with governed(workspace, "run", Budget(), ()) as governor:
        governor.reserve(5.0, 100, kept=True)
        governor.reserve(1.0, 10)
        died = read_spent(tmp_path / "run" / NAME)
        governor.settle((5.0, 100), 4.0, 90, kept=True)
        governor.settle((1.0, 10), 0.5, 5)
    assert died is not None
    assert died.after_a_death() == Spent(usd=1.0, tokens=10, hours=died.hours, unsure_usd=1.0)
    with governed(workspace, "run", Budget(), ()) as governor:
        assert (governor.usd, governor.tokens) == (4.5, 95)


def test_money_cannot_be_capped_where_no_price_is_known(tmp_path):
    step = {"use": "sources.prompts", "path": "x.jsonl"}
    teacher = {"url": "http://localhost:9/v1", "model": "m"}
    data = {"name": "r", "teacher": teacher, "budget": {"usd": 1}, "steps": [step, {"use": "generate.complete"}]}
    recipe = check_data(data, "r.yaml")
    workspace = Workspace(tmp_path)
    with pytest.raises(UserError, match="nobody says"), governed(workspace, "r", recipe.budget, recipe.steps):
        pass
    free = check_data(data | {"teacher": teacher | {"price": {"input": 0, "output": 0}}}, "r.yaml")
    with governed(workspace, "r", free.budget, free.steps) as governor:
        assert governor.cap_usd == 1


def test_a_prompts_estimate_is_never_below_what_tokenizers_make_of_it():
    """Bytes / 3 of ASCII prose; one token a byte of all else, the most that a tokenizer with byte fallback can make."""
    for text in (
        "",
        "plain words " * 50,
        "小狐狸和大树" * 40,
        "Привет, как дела? " * 9,
        "😀👩\u200d🚀" * 30,
        "naïve café " * 20,
    ):
        ascii_bytes = sum(ord(c) < 128 for c in text)
        size = len(text.encode())
        assert tokens_of(text) >= ascii_bytes / 3 + (size - ascii_bytes) - 1e-9
        assert tokens_of(text) <= max(size, 1)


@given(st.text(max_size=300), st.integers(1, 500), st.floats(1.0, 20.0), st.floats(0.1, 20.0))
def test_what_passed_its_reservation_is_never_reserved_so_low_again(text, bound, more, longer):
    worst = Worst()
    request = Request("m", ({"role": "user", "content": text},), params={"max_tokens": bound})
    prompt, tokens = worst.of(request)
    reply = Reply("", "x", prompt_tokens=int(prompt * more), completion_tokens=int(tokens * longer))
    worst.learn(request, reply)
    again = worst.of(request)
    assert again[0] >= reply.prompt_tokens
    assert again[1] >= min(reply.completion_tokens, tokens * longer) - 1
    assert again[1] >= tokens


def test_bounds_under_any_name_schemas_and_none_at_all():
    message = ({"role": "user", "content": "hi"},)
    worst = Worst()
    assert worst.of(Request("m", message, params={"max_completion_tokens": 70}))[1] == 70
    assert worst.of(Request("m", message))[1] == MAX_TOKENS
    schema = {"type": "object", "properties": {f"property{n}": {"type": "string"} for n in range(30)}}
    free, bound = Request("m", message), Request("m", message, schema=schema)
    assert worst.of(bound)[0] >= worst.of(free)[0] + len(str(schema)) / 4
    worst.learn(free, Reply("", "x", prompt_tokens=3, completion_tokens=5_000))
    assert worst.of(free)[1] == 5_000


def test_half_a_usage_costs_the_worst_case_or_the_length_of_the_text():
    tariff = Tariff((Band(0, 100.0, 1000.0, 100.0),))
    most = (0.05, 60)
    half = Reply("", "some text", prompt_tokens=10)
    assert owed(half, most, tariff) == most
    long = Reply("", "word " * 4_000, prompt_tokens=10)
    assert owed(long, most, tariff)[1] >= 4_000
    assert owed(Reply("", "", prompt_tokens=10), most, tariff) == (10 * 100 / 1e6, 10)
