"""Batches: each prompt paid for once, whatever dies, breaks or expires; the server counts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import orjson
import pytest

from hornbook.core.asking import Raw, Request
from hornbook.core.errors import BudgetStop, HornbookError, Interrupted, UserError
from hornbook.core.stage import Ask
from hornbook.engine.asking import looking
from hornbook.engine.batches.batching import ask_in_batches
from hornbook.engine.batches.drafting import Drafting, never_twice
from hornbook.engine.batches.drafts import Desk
from hornbook.engine.batches.rounds import passes_of
from hornbook.engine.budget import Governor
from hornbook.store.intents import Book, any_open
from hornbook.store.journal import Journal, JournalWriter
from hornbook.teachers import batch_anthropic, batch_openai
from hornbook.teachers.batches import Limits, custom_id
from hornbook.teachers.prices import Band, Tariff
from hornbook.teachers.reading import read_reply
from hornbook.teachers.spec import TeacherSpec
from hornbook.teachers.wire import Wire
from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.engine.batches.dying import Points, drive, lives, requests
from tests.faulty_server import counts_of, faulty_server, totals_of

KINDS = ("openai", "anthropic")
ROOMY = 10**6


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def ask(url, kind, folder, asked, **named):
    """One execution, and the tally of it."""
    limits = Limits(named.pop("limit", 1000), named.pop("bytes", ROOMY))
    return asyncio.run(drive(url, kind, folder / "journal", asked, limits=limits, **named))


def answered(folder, asked):
    """How many of the requests the journal answers."""
    journal = Journal(folder / "journal")
    found = journal.find(request.key() for request in asked)
    journal.close()
    return sum(entry.raw is not None for entry in found.values())


def paid(url):
    return Counter(counts_of(url)["paid"])


def prompts(asked):
    return {request.messages[-1]["content"] for request in asked}


# -- killed


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_every_point_each_prompt_is_paid_once(kind, tmp_path, every):
    with faulty_server(batch={"seconds": 0.15}) as url:
        job = {"url": url, "kind": kind, "count": 3, "limit": 2}
        whole = lives([job | {"label": "whole", "journal": str(tmp_path / "whole"), "deaths": []}])[0]
        points = len(whole["points"])
        jobs = [
            job | {"label": f"n{n}", "journal": str(tmp_path / f"n{n}"), "deaths": [n]}
            for n in range(1, points + 1, every)
        ]
        jobs += [
            job | {"label": f"d{n}", "journal": str(tmp_path / f"d{n}"), "deaths": [n, n // 2 + 3]}
            for n in range(2, points, 5 * every)
        ]
        ends = lives(jobs)
        counts = paid(url)
    assert points > 30
    assert not [end["error"] for end in ends if "error" in end]
    killed = [end for end in ends if end["statuses"][0] == signal.SIGKILL]
    assert len(killed) >= len(jobs) - 8, "polls come and go; nearly all points must have been met"
    for end in ends:
        mine = {f"{end['label']} {n}": counts[f"{end['label']} {n}"] for n in range(3)}
        assert set(mine.values()) == {1}, (end["statuses"], mine, end["points"])


# -- limits


def test_batches_are_split_at_the_limit_of_requests(kind, tmp_path):
    asked = requests(25, "some")
    with faulty_server(batch={"seconds": 0.1, "max_requests": 10}) as url:
        tally = ask(url, kind, tmp_path, asked, limit=10, at_once=2)
        assert paid(url) == Counter(prompts(asked))
        assert totals_of(url)["batches"] == 3
    assert (tally.asked, tally.answered, tally.failed) == (25, 25, 0)
    assert answered(tmp_path, asked) == 25


def test_batches_are_split_at_the_limit_of_bytes_to_the_byte(kind, tmp_path):
    asked = requests(10, "some")
    wire = Wire("http://127.0.0.1:9/v1", {}, "", 1.0)
    api = (
        batch_anthropic.AnthropicBatches(wire, "test")
        if kind == "anthropic"
        else batch_openai.OpenAIBatches(wire, "test")
    )
    lines = [len(api.line(request, custom_id(request.key(), "x" * 24))[1]) for request in asked]
    frame = api.framing
    most = sum(lines[:4]) + len(frame.head) + 3 * len(frame.joint) + len(frame.tail)
    with faulty_server(batch={"seconds": 0.1, "max_bytes": most}) as url:
        ask(url, kind, tmp_path, asked, bytes=most)
        assert paid(url) == Counter(prompts(asked))
        assert totals_of(url)["batches"] == 3


def test_a_request_over_every_limit_is_refused_and_nothing_is_sent(kind, tmp_path):
    with faulty_server() as url:
        with pytest.raises(HornbookError, match="a whole batch may take 100"):
            ask(url, kind, tmp_path, requests(1, "some"), bytes=100)
        assert totals_of(url)["batches"] == 0
    assert not any_open(tmp_path / "journal")
    assert not list((tmp_path / "journal" / "batches").glob("*.requests"))


def test_equal_requests_are_sent_once_and_answered_ones_never(kind, tmp_path):
    asked = requests(6, "some")
    with faulty_server(batch={"seconds": 0.1}) as url:
        ask(url, kind, tmp_path, [*asked[:3], *asked[:3]])
        tally = ask(url, kind, tmp_path, [*asked, *asked])
        assert paid(url) == Counter(prompts(asked))
    assert tally.asked == 3


def test_a_provider_that_takes_one_batch_at_a_time(kind, tmp_path):
    asked = requests(12, "some")
    with faulty_server(batch={"seconds": 0.1, "active": 1}) as url:
        ask(url, kind, tmp_path, asked, limit=3, at_once=4)
        assert paid(url) == Counter(prompts(asked))


def test_both_routes_in_one_stream(tmp_path):
    chats = requests(3, "chat")
    bare = [Request("test", prompt=f"bare {n}", params={"max_tokens": 20}) for n in range(3)]
    mixed = [request for pair in zip(chats, bare, strict=True) for request in pair]
    with faulty_server(batch={"seconds": 0.1}) as url:
        ask(url, "openai", tmp_path, mixed)
        assert set(paid(url).values()) == {1}
        assert totals_of(url)["batches"] == 2
    assert answered(tmp_path, mixed) == 6


# -- faults


def test_expired_batches_keep_what_is_done_and_send_the_rest_again(kind, tmp_path):
    asked = requests(40, "some")
    with faulty_server(batch={"seconds": 1.0, "expiry": 0.5}) as url:
        first = ask(url, kind, tmp_path, asked)
        once = paid(url)
        ask(url, kind, tmp_path, asked)
        assert set(paid(url).values()) == {1}
    assert 0 < first.retries < 40
    assert set(once.values()) == {1}
    assert first.answered == len(once) == 40 - first.failed
    assert first.errors == {"transport": first.failed}, "half of 40 is left three times: 5 are given up for now"


def test_only_what_failed_is_sent_again(kind, tmp_path):
    asked = requests(60, "some")
    with faulty_server(batch={"seconds": 0.1, "item_errors": 0.3}) as url:
        tally = ask(url, kind, tmp_path, asked)
        counts = paid(url)
    assert set(counts.values()) == {1}
    assert tally.answered == len(counts) == 60 - tally.failed
    assert 5 < tally.retries < 50


FAULTS = [
    {"create": ["after_500"]},
    {"create": ["after_reset"]},
    {"create": ["after_500"], "list": ["500", "503"]},
    {"create": ["500", "503", "429"]},
    {"content": ["half"]},
    {"content": ["500"], "poll": ["503", "429", "half"]},
    {"upload": ["500", "after_500", "after_reset"]},
]


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(f"{k}={'+'.join(v)}" for k, v in faults.items()))
def test_calls_that_fail_before_or_after_the_fact(kind, faults, tmp_path):
    asked = requests(8, "some")
    with faulty_server(batch={"seconds": 0.2, "faults": faults}) as url:
        tally = ask(url, kind, tmp_path, asked, limit=4)
        assert paid(url) == Counter(prompts(asked))
        assert totals_of(url)["batches"] == 2
    assert tally.answered == 8


def test_a_lost_batch_is_found_on_a_later_page(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("hornbook.teachers.wire.PAGE", 2)
    mine, others = requests(4, "mine"), requests(7, "other")
    with faulty_server(batch={"seconds": 0.2}) as url:
        death = {"openai": "after POST /batches", "anthropic": "after POST /messages/batches"}[kind]
        with pytest.raises(Dead):
            ask(url, kind, tmp_path, mine, point=DyingAt(death))
        ask(url, kind, tmp_path / "elsewhere", others, limit=1)
        tally = ask(url, kind, tmp_path, mine)
        assert set(paid(url).values()) == {1}
    assert (tally.asked, tally.answered) == (0, 4)


class Dead(BaseException):
    """The end of an execution, within this process."""


class DyingAt(Points):
    """Ends the execution where something of that name happens."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self.end = end

    def __call__(self, name: str) -> None:
        if name == self.end:
            raise Dead(name)


def test_another_batch_of_as_many_requests_is_not_taken_for_ours(tmp_path):
    """Anthropic keeps no id of ours: while both run nobody can tell, and nothing is paid for twice."""
    mine, others = requests(4, "mine"), requests(4, "other")
    with faulty_server(batch={"seconds": 0.6}) as url:
        with pytest.raises(Dead):
            ask(url, "anthropic", tmp_path, mine, point=DyingAt("before POST /messages/batches"))
        with pytest.raises(Dead):
            ask(url, "anthropic", tmp_path / "elsewhere", others, point=DyingAt("before created"))
        tally = ask(url, "anthropic", tmp_path, mine)
        assert paid(url) == Counter(prompts(mine) | prompts(others))
    assert tally.answered == 4


# -- odd results


class Injected:
    """An API whose results hold lines that nobody asked for."""

    def __init__(self, inner, lines):
        self._inner, self._lines = inner, lines

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def results(self, batch):
        for line in self._lines:
            yield line
        async for line in self._inner.results(batch):
            yield line


def test_lines_that_are_not_ours_are_left_alone(kind, tmp_path):
    asked, strangers = requests(5, "some"), requests(2, "strange")
    body = {"choices": [{"message": {"content": "not for you"}}]}
    names = [strangers[0].key(), custom_id(strangers[0].key(), "0" * 24), custom_id(asked[0].key(), "0" * 24), 7, None]
    rows = [
        {"custom_id": name, "response": {"status_code": 200, "body": body}, "result": {"type": "succeeded"}}
        for name in names
    ]
    lines = [b"\xff not json", b"[]", b"7", b"{}", *[json.dumps(row).encode() for row in rows]]
    with faulty_server(batch={"seconds": 0.1}) as url:
        tally = ask(url, kind, tmp_path, asked, api=lambda api: Injected(api, lines))
        assert paid(url) == Counter(prompts(asked))
    assert tally.answered == 5
    assert answered(tmp_path, strangers) == 0
    journal = Journal(tmp_path / "journal")
    assert all("not for you" not in read_reply(key, entry.raw).text for key, entry in found(journal, asked))
    journal.close()


def found(journal, asked):
    return journal.find(request.key() for request in asked).items()


def test_where_most_requests_are_refused_the_run_ends_and_they_are_not_left_as_failed(tmp_path):
    asked = requests(40, "some")

    class Refusing(Injected):
        async def results(self, batch):
            async for line in self._inner.results(batch):
                row = json.loads(line)
                row["response"] = {"status_code": 404, "body": {"error": {"message": "model `test` not found"}}}
                yield json.dumps(row).encode()

    with faulty_server(batch={"seconds": 0.1}) as url:
        with pytest.raises(HornbookError, match=r"requests failed \(.* rejected\).*not found"):
            ask(url, "openai", tmp_path, asked, api=lambda api: Refusing(api, []))
        tally = ask(url, "openai", tmp_path, asked)
    assert tally.answered > 25


# -- money


def test_the_budget_is_kept_at_half_price_and_goes_on_when_raised(kind, tmp_path):
    asked = requests(30, "some")
    tariff = Tariff((Band(0, 1e6, 1e6),))
    worst = (len("some 10") // 3 + 16 + 20) * 0.5
    with faulty_server(batch={"seconds": 0.1}) as url:
        governor = Governor(usd=worst * 12)
        with pytest.raises(BudgetStop):
            ask(url, kind, tmp_path, asked, limit=5, governor=governor, tariff=tariff)
        half = paid(url)
        assert 12 <= len(half) < 30, "what settles below its worst case makes room for more"
        assert governor.usd <= worst * 12
        assert governor.usd == pytest.approx(len(half) * (2 + 20) * 0.5)
        assert (governor.in_flight, governor.reserved_tokens) == (0, 0)
        ask(url, kind, tmp_path, asked, limit=5, governor=Governor(usd=1000.0), tariff=tariff)
        assert paid(url) == Counter(prompts(asked))


# -- people


def test_an_interruption_says_what_goes_on_and_the_next_run_fetches_it(kind, tmp_path):
    asked = requests(6, "some")

    async def interrupted(url):
        governor, said = Governor(), []
        task = asyncio.create_task(
            drive(url, kind, tmp_path / "journal", asked, limits=Limits(3, ROOMY), governor=governor, said=said)
        )
        while sum("submitted" in line for line in said) < 2:
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(Interrupted, match="2 batches with 6 requests go on"):
            await task
        assert governor.in_flight == 0

    with faulty_server(batch={"seconds": 3.0}) as url:
        asyncio.run(interrupted(url))
        with pytest.raises(UserError, match="would pay twice"):
            never_twice(iter(asked), tmp_path / "journal")
        never_twice(iter(requests(3, "others")), tmp_path / "journal")
        tally = ask(url, kind, tmp_path, asked)
        assert paid(url) == Counter(prompts(asked))
    assert (tally.asked, tally.answered) == (0, 6)
    never_twice(iter(asked), tmp_path / "journal")


def test_one_process_at_a_time_has_the_book(tmp_path):
    with Book(tmp_path), pytest.raises(UserError, match="another process"), Book(tmp_path):
        pass


RECIPE = """\
name: batched
teacher: {{url: "{url}/v1", model: test, batch: {kind}, batch_requests: 10, batch_wait: 0.2, max_tokens: 20}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
"""


def test_a_recipe_stopped_with_ctrl_c_refused_online_and_finished(kind, tmp_path):
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(25)])
    with faulty_server(batch={"seconds": 8.0}) as url:
        (tmp_path / "recipe.yaml").write_text(RECIPE.format(url=url, kind=kind), encoding="utf-8")
        child = begin("run", "recipe.yaml", cwd=tmp_path)
        until = time.monotonic() + 60
        while totals_of(url)["batches"] < 3 and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.3)
        os.killpg(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 130, errors
        assert "3 batches with 25 requests go on at" in errors
        online = hornbook("run", "recipe.yaml", "--set", "teacher.batch=null", cwd=tmp_path)
        assert online.returncode == 2, online.stderr
        assert "would pay twice" in online.stderr
        done = last_json(hornbook("run", "recipe.yaml", "--json", cwd=tmp_path))
        counts = counts_of(url)
    assert done["documents"] == 25
    assert Counter(counts["paid"]) == Counter({f"Write story {n}.": 1 for n in range(25)})
    assert not counts["asked"], "nothing was asked online"
    assert not list((tmp_path / "runs" / "journal" / "batches").glob("*.requests"))


class Twice(Ask):
    """Asks each row, and then what came back."""

    def ask(self, piece, model):
        raise NotImplementedError

    def again(self, row, asked, replies):
        text = f"{row['prompt']}, and then?"
        return Request("test", ({"role": "user", "content": text},)) if len(asked) == 1 else None

    def take(self, piece, replies):
        raise NotImplementedError


def test_a_stage_that_asks_in_rounds_has_batches_for_each(kind, tmp_path):
    first, params = requests(5, "some"), {"max_tokens": 20}
    rows = [({"prompt": request.messages[-1]["content"]}, request) for request in first]

    class Everything:
        want = None

        def recall(self):
            pass

    async def run(url):
        spec = TeacherSpec(url=f"{url}/v1", model="test", batch=kind, batch_wait=0.1)
        reader = Journal(tmp_path)
        passes = passes_of(Twice(), lambda: iter(rows), params, looking(reader), Everything())
        with JournalWriter(tmp_path) as writer:
            tally = await ask_in_batches(
                spec, passes, tmp_path, reader, writer, Governor(), lambda tally: None, lambda line: None
            )
        reader.close()
        return tally

    with faulty_server(batch={"seconds": 0.1}) as url:
        tally = asyncio.run(run(url))
        wanted = prompts(first) | {f"{prompt}, and then?" for prompt in prompts(first)}
        assert paid(url) == Counter(wanted)
        assert totals_of(url)["batches"] == 2
    assert (tally.asked, tally.answered) == (10, 10)


# -- forms


def message(**fields):
    return {
        "id": "msg_1",
        "type": "message",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "A "},
            {"type": "text", "text": "b"},
        ],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 5,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": None,
            "output_tokens": 4,
        },
    } | fields


@pytest.mark.parametrize(
    ("fields", "text", "finish", "error"),
    [
        ({}, "A b", "stop", None),
        ({"stop_reason": "max_tokens"}, "A b", "length", None),
        ({"stop_reason": "stop_sequence"}, "A b", "stop", None),
        ({"stop_reason": "refusal"}, "A b", "content_filter", "filter"),
        ({"content": []}, "", "stop", "empty"),
    ],
)
def test_anthropic_messages_are_read_as_chat_replies(fields, text, finish, error):
    given = message(**fields)
    body = batch_anthropic.as_chat(given)
    reply = read_reply("k", Raw(body, 0.0))
    assert (reply.text, reply.finish, reply.error) == (text, finish, error)
    assert (reply.prompt_tokens, reply.completion_tokens) == (8, 4)
    assert orjson.loads(body)["original"] == given, "what came is kept as it came"


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, {"content": 7}, {"content": [7], "usage": []}])
def test_any_message_makes_some_reply(value):
    assert read_reply("k", Raw(batch_anthropic.as_chat(value), 0.0)).error is not None


def test_anthropic_is_asked_in_its_own_words():
    api = batch_anthropic.AnthropicBatches(Wire("http://x/v1", {}, "", 1.0), "claude")
    asked = Request(
        "claude",
        ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}),
        params={"max_tokens": 9, "stop": ["\n"], "temperature": 0.5},
        schema={"type": "object"},
    )
    _, line = api.line(asked, "x")
    assert orjson.loads(line)["params"] == {
        "model": "claude",
        "max_tokens": 9,
        "temperature": 0.5,
        "stop_sequences": ["\n"],
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    with pytest.raises(UserError, match="knows no seed"):
        api.line(Request("claude", prompt="Hi", params={"max_tokens": 9, "seed": 1}), "x")
    with pytest.raises(UserError, match="needs max_tokens"):
        api.line(Request("claude", prompt="Hi"), "x")


@pytest.mark.parametrize(
    ("kind", "row", "error", "again"),
    [
        ("openai", {"response": None, "error": {"code": "batch_expired", "message": "late"}}, "transport", True),
        ("openai", {"response": {"status_code": 429, "body": {"error": {"message": "busy"}}}}, "transport", True),
        (
            "openai",
            {"response": {"status_code": 400, "body": {"error": {"code": "context_length_exceeded"}}}},
            "length",
            False,
        ),
        ("openai", {"response": {"status_code": 400, "body": {"error": {"code": "content_filter"}}}}, "filter", False),
        ("openai", {"response": {"status_code": 400, "body": {"error": {"message": "no"}}}}, "rejected", False),
        ("anthropic", {"result": {"type": "expired"}}, "transport", True),
        ("anthropic", {"result": {"type": "canceled"}}, "transport", True),
        (
            "anthropic",
            {"result": {"type": "errored", "error": {"error": {"type": "overloaded_error"}}}},
            "transport",
            True,
        ),
        (
            "anthropic",
            {
                "result": {
                    "type": "errored",
                    "error": {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens"}},
                }
            },
            "length",
            False,
        ),
    ],
)
def test_what_failed_for_good_and_what_may_come_again(kind, row, error, again):
    wire = Wire("http://x/v1", {}, "", 1.0)
    api = batch_anthropic.AnthropicBatches(wire, "m") if kind == "anthropic" else batch_openai.OpenAIBatches(wire, "m")
    item = api.read(json.dumps({"custom_id": custom_id("0" * 32, "a" * 24)} | row).encode())
    assert item is not None
    assert (item.key, item.client, item.raw, item.error, item.again) == ("0" * 32, "a" * 24, None, error, again)


def test_a_batch_that_failed_because_too_much_is_queued_may_come_later():
    failed = {
        "id": "b",
        "status": "failed",
        "created_at": 1,
        "errors": {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}]},
    }
    batch = batch_openai._batch(failed)
    assert (batch.ended, batch.later) == (True, True)
    assert "Enqueued token limit" in batch.failed
    assert not batch_openai._batch(failed | {"errors": None}).later


def test_names_are_what_anthropic_takes():
    name = custom_id(requests(1, "x")[0].key(), "a" * 24)
    assert len(name) <= 64
    assert set(name) <= set("0123456789abcdef-")


def test_memory_does_not_grow_with_the_number_of_requests(tmp_path, monkeypatch):
    """Drafting 4 × as many requests (batches of the same size) takes no more at its peak."""
    monkeypatch.setattr("hornbook.store.journal.writer.MOST_SENT", 1000)

    def peak(folder: Path, count: int) -> int:
        api = batch_openai.OpenAIBatches(Wire("http://x/v1", {}, "", 1.0), "m", "auto", Limits(1000, ROOMY))
        stream = (Request("m", prompt=f"prompt {n}", params={"max_tokens": 5}) for n in range(count))
        with Book(folder) as book, JournalWriter(folder) as writer:
            desk = Desk(api, book, Journal(folder), writer, Governor(), Tariff(), lambda line: None)
            tracemalloc.start()
            made = sum(1 for intent in Drafting(desk).batches(stream) if intent is not None)
            top = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            desk.reader.close()
        assert made == count // 1000
        return top

    few, many = peak(tmp_path / "few", 4000), peak(tmp_path / "many", 16000)
    assert many < 1.3 * few + 100_000, (few, many)
