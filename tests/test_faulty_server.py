"""The faulty teacher itself: it breaks what it says, the same way every time, and counts what it was paid."""

from __future__ import annotations

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faulty_server import FAULTS, SPOILED, UNPAID, counts_of, faulty_server, reply_to, spans_of, totals_of


def ask(url: str, prompt: str, timeout: float = 5.0) -> tuple[int, bytes | str]:
    """Status and body, or 0 and how the connection failed."""
    host = urlsplit(url)
    line = http.client.HTTPConnection(str(host.hostname), host.port, timeout=timeout)
    try:
        line.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": prompt}]}))
        reply = line.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, type(error).__name__
    finally:
        line.close()


WHAT_A_CLIENT_SEES = {
    "refusal": (200, "I cannot help"),
    "filter": (200, "content_filter"),
    "length": (400, "context_length_exceeded"),
    "429": (429, "fault"),
    "500": (500, "fault"),
    "502": (502, "Bad Gateway"),
    "503": (503, "fault"),
    "drop": (0, "RemoteDisconnected"),
    "hang": (0, "TimeoutError"),
    "reset": (0, "ConnectionResetError"),
    "short": (0, "IncompleteRead"),
    "long": (200, '"content":"'),
    "truncated": (200, '"content":"'),
    "garbage": (200, "not json"),
    "empty": (200, '"content":""'),
    "model": (200, "quite-another"),
    "trickle": (200, reply_to("a")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_what_it_says_and_is_counted(fault):
    with faulty_server(fault=fault) as url:
        status, body = ask(url, "a", timeout=1)
        time.sleep(0.05)
        counts = counts_of(url)
    said = body if isinstance(body, str) else body.decode("utf-8", "replace")
    expected, words = WHAT_A_CLIENT_SEES[fault]
    assert (status, words in said) == (expected, True), said
    if fault in ("long", "truncated"):
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(said)
    paid = fault not in UNPAID and fault != "length"
    assert counts["asked"]["a"] == 1
    assert counts["paid"]["a"] == paid
    assert counts["spoiled"]["a"] == (fault in SPOILED)
    assert counts["delivered"]["a"] == (paid and fault not in SPOILED)
    assert counts["totals"]["fates"] == {fault: 1}
    assert counts["totals"]["in_flight"] == 0


def test_the_same_seed_meets_the_same_faults_in_any_order():
    faults = {fault: 0.05 for fault in FAULTS if fault not in ("hang", "trickle")}
    prompts = [f"p{n}" for n in range(150)]

    def fates(seed: int, order: list[str]) -> dict[tuple[str, int], str]:
        with faulty_server(seed=seed, faults=faults, log=True) as url:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda prompt: (ask(url, prompt), ask(url, prompt)), order))
            return {(span.prompt, span.attempt): span.fate for span in spans_of(url)}

    first = fates(1, prompts)
    assert len(first) == 300
    assert fates(1, prompts[::-1]) == first
    assert fates(2, prompts) != first
    assert {"500", "reset", "ok"} <= set(first.values())
    for prompt in prompts:
        if first[prompt, 1] in ("refusal", "filter", "length"):
            assert first[prompt, 2] == first[prompt, 1], "a fault of the prompt itself went away"


def test_a_client_that_hangs_up_has_still_to_pay():
    for cancel, paid in ((False, 1), (True, 0)):
        with faulty_server(latency=0.4, cancel=cancel) as url:
            assert ask(url, "a", timeout=0.1) == (0, "TimeoutError")
            assert totals_of(url)["in_flight"] == (0 if cancel else 1)
            time.sleep(0.5)
            totals = totals_of(url)
        assert (totals["paid"], totals["delivered"], totals["in_flight"]) == (paid, 0, 0)


@pytest.mark.parametrize("retry_after", ["none", "seconds", "ms"])
def test_a_bucket_admits_its_rate_and_says_when_to_come_again(retry_after):
    with faulty_server(limit={"kind": "tokens", "rate": 20, "burst": 5}, retry_after=retry_after) as url:
        began = time.monotonic()
        while time.monotonic() < began + 1.5:
            ask(url, "a")
        took = time.monotonic() - began
        host = urlsplit(url)
        with socket.create_connection((str(host.hostname), int(host.port or 0))) as line:
            for _ in range(30):
                line.sendall(b'POST /v1/completions HTTP/1.1\r\ncontent-length: 14\r\n\r\n{"prompt":"b"}')
            said = b""
            while said.count(b"HTTP/1.1") < 30:
                said += line.recv(65536)
        paid = counts_of(url)["paid"]
    assert abs(paid["a"] - (5 + 20 * took)) <= 2
    assert paid["b"] + said.count(b"HTTP/1.1 429") == 30
    assert (b"retry-after: 1\r\n" in said) == (retry_after == "seconds")
    assert (b"retry-after-ms: " in said) == (retry_after == "ms")


def test_the_latencies_are_those_asked_for():
    def seconds(latency: Any, **options: Any) -> list[float]:
        with faulty_server(latency=latency, log=True, **options) as url:
            with ThreadPoolExecutor(32) as pool:
                list(pool.map(lambda n: ask(url, f"p{n}"), range(64)))
            return sorted(span.paid - span.arrived for span in spans_of(url) if span.paid)

    assert all(0.05 <= found < 0.2 for found in seconds(0.05))
    even = seconds([0.0, 0.2])
    assert even[0] < 0.05
    assert 0.1 < even[-1] < 0.35
    normal = seconds({"median": 0.05, "sigma": 1.0})
    assert 0.02 < normal[32] < 0.12
    assert normal[-1] > 0.15
    slow = seconds(0.0, stragglers={"share": 0.1, "seconds": 0.5})
    assert 1 <= sum(found >= 0.5 for found in slow) <= 16
    assert max(found for found in slow if found < 0.5) < 0.2


def test_workers_bound_what_is_generated_at_once():
    with faulty_server(latency=0.1, workers=2) as url:
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: ask(url, f"p{n}"), range(8)))
        assert time.monotonic() - began >= 0.4


def test_it_is_fast_enough_to_be_no_limit():
    """At least 2,000 requests/s over 256 connections; a pipelined client costs next to nothing."""
    body = b'{"messages":[{"role":"user","content":"p"}],"max_tokens":60}'
    one = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    rounds = 10
    with faulty_server() as url:
        host = urlsplit(url)
        lines = [socket.create_connection((str(host.hostname), int(host.port or 0))) for _ in range(256)]
        began = time.monotonic()
        for _ in range(rounds):
            for line in lines:
                line.sendall(one)
            for line in lines:
                line.recv(65536)
        took = time.monotonic() - began
        for line in lines:
            line.close()
        totals = totals_of(url)
    print(f"\n{256 * rounds / took:,.0f} requests/s over 256 connections")
    assert totals["delivered"] == 256 * rounds
    assert 256 * rounds / took >= 2_000
