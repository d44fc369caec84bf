"""The batch calls of the faulty teacher: both life cycles, their limits and ends, and what was paid."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.faulty_server import counts_of, faulty_server, reply_to

HEADERS = {"anthropic-version": "2023-06-01", "x-api-key": "any"}
CHAT = "/v1/chat/completions"


def call(url: str, path: str, value: Any = None, method: str = "", kind: str = "application/json") -> tuple[int, Any]:
    """Status and JSON (or bytes, where it is none) of one call."""
    data = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    asked = urllib.request.Request(
        f"{url}{path}", data, {**HEADERS, "content-type": kind}, method=method or ("GET" if data is None else "POST")
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            status, body = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    try:
        return status, json.loads(body)
    except ValueError:
        return status, body


def line(name: str, prompt: str) -> dict[str, Any]:
    body = {"model": "test", "messages": [{"role": "user", "content": prompt}]}
    return {"custom_id": name, "method": "POST", "url": CHAT, "body": body}


def lines(many: int) -> bytes:
    return b"".join(json.dumps(line(f"c{n}", f"é {n}"), ensure_ascii=False).encode() + b"\n" for n in range(many))


def upload(url: str, data: bytes) -> tuple[int, Any]:
    parts = [
        b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n' + data + b"\r\n--x--\r\n",
    ]
    return call(url, "/v1/files", b"".join(parts), kind="multipart/form-data; boundary=x")


def create(url: str, data: bytes, **more: Any) -> tuple[int, Any]:
    number = upload(url, data)[1]["id"]
    return call(url, "/v1/batches", {"input_file_id": number, "endpoint": CHAT, "completion_window": "24h"} | more)


def until(url: str, path: str, name: str, *values: str) -> dict[str, Any]:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        found: dict[str, Any] = call(url, path)[1]
        if found[name] in values:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def file_of(url: str, number: str | None) -> list[dict[str, Any]]:
    if number is None:
        return []
    found = call(url, f"/v1/files/{number}/content")[1]
    return [json.loads(some) for some in (found.splitlines() if isinstance(found, bytes) else [json.dumps(found)])]


def test_openai_from_upload_to_download():
    with faulty_server(batch={"seconds": 0.5, "item_errors": 0.3}) as url:
        status, file = upload(url, lines(20))
        assert (status, file["bytes"], file["purpose"]) == (200, len(lines(20)), "batch")
        assert call(url, f"/v1/files/{file['id']}/content")[1] == lines(20)
        status, batch = create(url, lines(20), metadata={"client": "1"})
        assert (status, batch["status"], batch["metadata"]) == (200, "validating", {"client": "1"})
        path = f"/v1/batches/{batch['id']}"
        seen = [batch["status"]]
        while seen[-1] != "completed":
            batch = call(url, path)[1]
            seen += [batch["status"]] if batch["status"] != seen[-1] else []
        good, bad = file_of(url, batch["output_file_id"]), file_of(url, batch["error_file_id"])
        counts = counts_of(url)
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    assert {row["custom_id"] for row in good + bad} == {f"c{n}" for n in range(20)}
    assert batch["request_counts"] == {"total": 20, "completed": len(good), "failed": len(bad)}
    assert 0 < len(bad) < 20
    assert [row["custom_id"] for row in good] != sorted((row["custom_id"] for row in good), key=lambda c: int(c[1:]))
    for row in good:
        assert row["error"] is None
        text = row["response"]["body"]["choices"][0]["message"]["content"]
        assert text == reply_to(f"é {row['custom_id'][1:]}")
    assert all(row["response"]["status_code"] == 500 for row in bad)
    assert counts["batch_paid"] == {row["custom_id"]: 1 for row in good}
    assert counts["paid"].total() == len(good)


@pytest.mark.parametrize(
    ("options", "data", "code"),
    [
        ({"max_requests": 5}, lines(6), "too_many_tasks"),
        ({"max_bytes": 100}, lines(6), "file_too_large"),
        ({}, lines(2) + lines(1), "duplicate_custom_id"),
        ({}, lines(1) + b"{no json\n", "invalid_json_line"),
        ({}, b"\n", "empty_file"),
        ({}, lines(1).replace(b"/v1/chat", b"/v1/other"), "mismatched_endpoint"),
    ],
)
def test_openai_refuses_at_validation(options, data, code):
    with faulty_server(batch={"seconds": 0.2, **options}) as url:
        batch = create(url, data)[1]
        ended = until(url, f"/v1/batches/{batch['id']}", "status", "failed", "completed")
        paid = counts_of(url)["paid"].total()
    assert ended["status"] == "failed"
    assert code in [error["code"] for error in ended["errors"]["data"]]
    assert paid == 0


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_openai_ended_early_keeps_what_was_done(end):
    options = {"seconds": 200_000, "speed": 172_800} if end == "expired" else {"seconds": 1.0}
    with faulty_server(batch=options) as url:
        path = f"/v1/batches/{create(url, lines(40))[1]['id']}"
        if end == "cancelled":
            time.sleep(0.4)
            assert call(url, f"{path}/cancel", {})[1]["status"] == "cancelling"
        batch = until(url, path, "status", "expired", "cancelled", "completed")
        good, bad = file_of(url, batch["output_file_id"]), file_of(url, batch["error_file_id"])
        paid = counts_of(url)["batch_paid"]
    assert batch["status"] == end
    assert batch[f"{end}_at"] is not None
    assert len(good) + len(bad) == 40
    assert 0 < len(good) < 40
    assert paid == {row["custom_id"]: 1 for row in good}
    assert {row["error"]["code"] for row in bad} == {f"batch_{end}"}


def test_lists_are_newest_first_page_by_page():
    with faulty_server() as url:
        made = [create(url, lines(1))[1]["id"] for _ in range(5)][::-1]
        ask = {"requests": [{"custom_id": "a", "params": line("a", "p")["body"] | {"max_tokens": 9}}]}
        messages = [call(url, "/v1/messages/batches", ask)[1]["id"] for _ in range(3)][::-1]
        found, after = [], ""
        while True:
            page = call(url, f"/v1/batches?limit=2{after}")[1]
            found += [batch["id"] for batch in page["data"]]
            after = f"&after={page['last_id']}"
            if not page["has_more"]:
                break
        assert found == made
        page = call(url, f"/v1/messages/batches?limit=2&after_id={messages[0]}")[1]
        assert ([batch["id"] for batch in page["data"]], page["has_more"]) == (messages[1:], False)
        page = call(url, f"/v1/messages/batches?before_id={messages[2]}")[1]
        assert [batch["id"] for batch in page["data"]] == messages[:2]


def test_anthropic_from_creation_to_results():
    rows = [{"custom_id": f"c{n}", "params": line("", f"p {n}")["body"] | {"max_tokens": 10}} for n in range(20)]
    with faulty_server(batch={"seconds": 0.3, "item_errors": 0.3}) as url:
        status, batch = call(url, "/v1/messages/batches", {"requests": rows})
        assert (status, batch["processing_status"], batch["results_url"]) == (200, "in_progress", None)
        assert batch["request_counts"]["processing"] == 20
        batch = until(url, f"/v1/messages/batches/{batch['id']}", "processing_status", "ended")
        found = call("", batch["results_url"])[1]
        paid = counts_of(url)["batch_paid"]
    results = {row["custom_id"]: row["result"] for row in map(json.loads, found.splitlines())}
    good = {name for name, result in results.items() if result["type"] == "succeeded"}
    assert set(results) == {f"c{n}" for n in range(20)}
    assert {result["type"] for result in results.values()} == {"succeeded", "errored"}
    assert batch["request_counts"]["succeeded"] == len(good)
    assert paid == dict.fromkeys(good, 1)
    for name in good:
        message = results[name]["message"]
        assert message["content"] == [{"type": "text", "text": reply_to(f"p {name[1:]}", 10)}]
        assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 10)


@pytest.mark.parametrize("end", ["expired", "canceled"])
def test_anthropic_ended_early_keeps_what_was_done(end):
    rows = [{"custom_id": f"c{n}", "params": line("", f"p {n}")["body"] | {"max_tokens": 10}} for n in range(40)]
    options = {"seconds": 200_000, "speed": 172_800} if end == "expired" else {"seconds": 1.0}
    with faulty_server(batch=options) as url:
        path = f"/v1/messages/batches/{call(url, '/v1/messages/batches', {'requests': rows})[1]['id']}"
        if end == "canceled":
            time.sleep(0.4)
            assert call(url, f"{path}/cancel", {})[1]["processing_status"] == "canceling"
        batch = until(url, path, "processing_status", "ended")
        found = call("", batch["results_url"])[1]
        paid = counts_of(url)["batch_paid"].total()
    kinds = [json.loads(row)["result"]["type"] for row in found.splitlines()]
    assert set(kinds) == {"succeeded", end}
    assert batch["request_counts"][end] == kinds.count(end)
    assert paid == kinds.count("succeeded")


def test_anthropic_limits():
    def made(many: int, **change: Any) -> dict[str, Any]:
        body = line("", "p")["body"] | {"max_tokens": 10}
        return {"requests": [{"custom_id": f"c{n}", "params": body} | change for n in range(many)]}

    with faulty_server(batch={"max_requests": 5, "max_bytes": 2_000, "active": 1}) as url:
        path = "/v1/messages/batches"
        assert call(url, path, made(6))[0] == 400
        assert call(url, path, made(2, custom_id="same"))[0] == 400
        assert call(url, path, made(1, custom_id="not allowed"))[0] == 400
        assert call(url, path, made(1, params={"model": "test", "messages": []}))[0] == 400
        assert call(url, path, made(1, custom_id="a" * 3_000))[0] == 413
        assert call(url, path, made(1))[0] == 200
        assert call(url, path, made(1))[0] == 429
        assert len(call(url, path)[1]["data"]) == 1


@pytest.mark.parametrize("fault", ["after_500", "after_reset", "500"])
def test_a_creation_that_fails_may_have_happened(fault):
    with faulty_server(batch={"seconds": 0.2, "faults": {"create": [fault]}}) as url:
        try:
            status = create(url, lines(3), metadata={"client": "7"})[0]
        except OSError:
            status = 0
        found = [batch["metadata"]["client"] for batch in call(url, "/v1/batches")[1]["data"]]
        time.sleep(0.3)
        paid = counts_of(url)["paid"].total()
    assert status == (0 if fault == "after_reset" else 500)
    assert found == ([] if fault == "500" else ["7"])
    assert paid == (0 if fault == "500" else 3)
