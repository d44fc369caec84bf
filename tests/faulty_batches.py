"""Both providers' batch calls, for `tests.faulty_server`: OpenAI's files and batches, Anthropic's message batches.

Forms and limits as documented (https://platform.openai.com/docs/api-reference/batch,
https://docs.anthropic.com/en/api/creating-message-batches). Time is virtual: `speed` virtual seconds pass in a
real one, and a batch's state is a function of that time alone.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from typing import Any

from tests.faulty_http import Call, head

OPENAI_ENDPOINTS = ("/v1/chat/completions", "/v1/completions")
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
EXPIRED = {"code": "batch_expired", "message": "This request could not be executed before the completion window."}
CANCELLED = {"code": "batch_cancelled", "message": "This request was cancelled."}


@dataclass(slots=True)
class Item:
    """One request of a batch: done when `body` holds the reply or the error."""

    custom_id: str
    ask: dict[str, Any]
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """A batch of either provider.

    Args:
        id: the provider's.
        kind: openai or anthropic.
        created: virtual time.
        items: in the order in which they are worked on, which is not that of the input.
        given: what the client said of the whole batch (input_file_id, endpoint, metadata).
        errors: why it failed validation.
    """

    id: str
    kind: str
    created: float
    items: list[Item] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    worked: int = 0
    cancelled: float | None = None
    ended: float | None = None
    end: str = ""


class Batches:
    """All batches of a server.

    Args:
        complete: generates (and counts) a completion from (prompt, body), in OpenAI's form.
        draw: a number in [0, 1) from (text, attempt, what).
        seconds: virtual seconds from the creation of a batch to its end; the first tenth is validation, the
            last tenth finalizing, and its items are worked on evenly in between.
        speed: virtual seconds in a real one.
        expiry: virtual seconds after which what is not done will never be.
        max_requests, max_bytes: limits of a batch; None for the provider's own (OpenAI 50,000 and 200 MB,
            Anthropic 100,000 and 256 MB).
        item_errors: share of items that fail (drawn anew for another batch).
        faults: call → list of what befalls its first, second … call: "" nothing; "500", "503", "429": refused
            before anything is done; "after_500", "after_reset": done, but the client hears of a 500 or a
            reset; "half": half the body, then a reset. Calls: upload, create, poll, list, content, cancel.
        active: how many batches may be under way at once; the next creation gets a 429. None for any.
        cancelling: virtual seconds from asking for a cancellation to its end.
    """

    def __init__(
        self,
        complete: Callable[..., dict[str, Any]],
        draw: Callable[[str, int, str], float],
        *,
        seconds: float = 1.0,
        speed: float = 1.0,
        expiry: float = 86_400.0,
        max_requests: int | None = None,
        max_bytes: int | None = None,
        item_errors: float = 0.0,
        faults: dict[str, list[str]] | None = None,
        active: int | None = None,
        cancelling: float = 0.1,
    ) -> None:
        self.complete, self.draw = complete, draw
        self.seconds, self.speed, self.expiry = seconds, speed, expiry
        self.max_requests, self.max_bytes = max_requests, max_bytes
        self.item_errors, self.active, self.cancelling = item_errors, active, cancelling
        self.faults = {name: list(some) for name, some in (faults or {}).items()}
        self.began, self.epoch = time.monotonic(), time.time()
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.all: dict[str, Batch] = {}
        self.by_custom_id: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def now(self) -> float:
        """Virtual Unix time."""
        return self.epoch + (time.monotonic() - self.began) * self.speed

    def paid(self) -> Counter[str]:
        """Completions generated in batches, by custom_id."""
        self.advance()
        return self.by_custom_id

    # -- what happens to batches as time goes by

    def advance(self) -> None:
        """Bring every batch up to the present."""
        now = self.now()
        for batch in self.all.values():
            if not batch.end:
                self._advance(batch, now)

    def _advance(self, batch: Batch, now: float) -> None:
        first, last = batch.created + 0.1 * self.seconds, batch.created + 0.9 * self.seconds
        limit = batch.created + self.expiry
        if batch.errors:
            if now >= first:
                batch.end, batch.ended = "failed", first
            return
        stopped = min(now, limit, batch.cancelled if batch.cancelled is not None else now)
        share = (stopped - first) / (last - first) if last > first else float(stopped >= first)
        upto = max(0, min(len(batch.items), int(share * len(batch.items) + 1e-9)))
        for item in batch.items[batch.worked : upto]:
            self._work(batch, item)
        batch.worked = max(batch.worked, upto)
        if batch.cancelled is not None and now >= batch.cancelled + self.cancelling:
            batch.end, batch.ended = "cancelled", batch.cancelled + self.cancelling
        elif batch.cancelled is None and now >= limit and self.seconds > self.expiry:
            batch.end, batch.ended = "expired", limit
        elif batch.cancelled is None and now >= batch.created + self.seconds:
            batch.end, batch.ended = "completed", batch.created + self.seconds

    def _work(self, batch: Batch, item: Item) -> None:
        if self.draw(item.custom_id, list(self.all).index(batch.id), "item") < self.item_errors:
            item.status = 500
            item.body = {"error": {"message": "the server had an error", "type": "server_error", "code": "500"}}
            return
        self.by_custom_id[item.custom_id] += 1
        content = item.ask["messages"][-1]["content"] if "messages" in item.ask else item.ask["prompt"]
        prompt = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        item.status, item.body = 200, self.complete(prompt, item.ask)

    # -- HTTP

    async def handle(self, call: Call) -> None:
        """A request that may be for a batch."""
        self.advance()
        routes: list[tuple[str, str, str, Callable[..., Any]]] = [
            ("POST", r"/v1/files", "upload", self._upload),
            ("GET", r"/v1/files/([^/]+)/content", "content", self._content),
            ("GET", r"/v1/files/([^/]+)", "poll", self._file),
            ("DELETE", r"/v1/files/([^/]+)", "delete", self._delete_file),
            ("POST", r"/v1/batches", "create", self._create),
            ("GET", r"/v1/batches", "list", self._list),
            ("GET", r"/v1/batches/([^/]+)", "poll", self._poll),
            ("POST", r"/v1/batches/([^/]+)/cancel", "cancel", self._cancel),
            ("POST", r"/v1/messages/batches", "create", self._create_anthropic),
            ("GET", r"/v1/messages/batches", "list", self._list_anthropic),
            ("GET", r"/v1/messages/batches/([^/]+)", "poll", self._poll_anthropic),
            ("GET", r"/v1/messages/batches/([^/]+)/results", "content", self._results),
            ("POST", r"/v1/messages/batches/([^/]+)/cancel", "cancel", self._cancel_anthropic),
        ]
        for method, pattern, name, answer in routes:
            found = re.fullmatch(pattern, call.path)
            if found and method == call.method:
                await self._with_faults(call, name, answer, *found.groups())
                return
        await call.say(_openai_error(f"no {call.method} {call.path}", "not_found"), 404)

    async def _with_faults(self, call: Call, name: str, answer: Callable[..., Any], *args: str) -> None:
        self.calls[name] += 1
        some = self.faults.get(name, [])
        fault = some.pop(0) if some else ""
        if fault in ("429", "500", "503"):
            await call.say(_openai_error(f"fault {fault}", fault), int(fault))
            return
        status, body = answer(call, *args)
        if fault == "after_500":
            await call.say(_openai_error("fault after the fact", "500"), 500)
        elif fault == "after_reset":
            call.reset()
        else:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            if fault == "half":
                await call.write(head(status, len(data), "application/json") + data[: len(data) // 2])
                call.reset()
            else:
                await call.send(data, status)

    # -- OpenAI

    def _upload(self, call: Call) -> tuple[int, Any]:
        fields = _form(call)
        if "file" not in fields or fields.get("purpose", ("", b""))[1] != b"batch":
            return 400, _openai_error("a batch needs `file`, and `purpose` batch", "invalid_request_error")
        name, data = fields["file"]
        return 200, self._keep(data, name, "batch")

    def _keep(self, data: bytes, name: str, purpose: str) -> dict[str, Any]:
        number = f"file-{len(self.files) + 1:06d}"
        facts = {"bytes": len(data), "created_at": int(self.now()), "filename": name, "purpose": purpose}
        self.files[number] = {"id": number, "object": "file", **facts, "status": "processed"}
        self.contents[number] = data
        return self.files[number]

    def _file(self, call: Call, number: str) -> tuple[int, Any]:
        return (200, self.files[number]) if number in self.files else _missing(number)

    def _content(self, call: Call, number: str) -> tuple[int, Any]:
        return (200, self.contents[number]) if number in self.contents else _missing(number)

    def _delete_file(self, call: Call, number: str) -> tuple[int, Any]:
        if self.files.pop(number, None) is None:
            return _missing(number)
        del self.contents[number]
        return 200, {"id": number, "object": "file", "deleted": True}

    def _create(self, call: Call) -> tuple[int, Any]:
        given = json.loads(call.body)
        number = given.get("input_file_id")
        if number not in self.contents:
            return 400, _openai_error(f"no such file: {number}", "invalid_request_error")
        if given.get("endpoint") not in OPENAI_ENDPOINTS or given.get("completion_window") != "24h":
            return 400, _openai_error("endpoint or completion_window is wrong", "invalid_request_error")
        metadata = given.get("metadata") or {}
        strings = all(isinstance(k, str) and isinstance(v, str) for k, v in metadata.items())
        if len(metadata) > 16 or not strings or any(len(k) > 64 or len(v) > 512 for k, v in metadata.items()):
            return 400, _openai_error("metadata: 16 pairs of strings of 64 and 512", "invalid_request_error")
        if self._full():
            return 429, _openai_error("too many batches are under way", "rate_limit_exceeded")
        batch = Batch(f"batch_{len(self.all) + 1:06d}", "openai", self.now(), given=given)
        self._read_lines(batch, self.contents[number])
        return 200, self._shown(self._begin(batch))

    def _full(self) -> bool:
        return self.active is not None and sum(not batch.end for batch in self.all.values()) >= self.active

    def _begin(self, batch: Batch) -> Batch:
        batch.items.sort(key=lambda item: self.draw(item.custom_id, 0, "order"))
        self.all[batch.id] = batch
        return batch

    def _read_lines(self, batch: Batch, data: bytes) -> None:
        """The input file's requests, or what is wrong with it."""
        seen: set[str] = set()

        def wrong(code: str, message: str, line: int | None = None) -> None:
            batch.errors.append({"code": code, "line": line, "message": message, "param": None})

        if len(data) > (self.max_bytes if self.max_bytes is not None else 200_000_000):
            wrong("file_too_large", "the input file is too large")
            return
        lines = [line for line in data.split(b"\n") if line.strip()]
        if not lines:
            wrong("empty_file", "the input file holds no request")
        if len(lines) > (self.max_requests if self.max_requests is not None else 50_000):
            wrong("too_many_tasks", "the batch holds too many requests")
            return
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                name, url, method, body = row["custom_id"], row["url"], row["method"], row["body"]
            except (ValueError, KeyError, TypeError):
                wrong("invalid_json_line", "not a request", number)
                continue
            if name in seen:
                wrong("duplicate_custom_id", f"{name} was there before", number)
            if method != "POST" or url != batch.given["endpoint"]:
                wrong("mismatched_endpoint", f"{method} {url} is not the batch's endpoint", number)
            seen.add(name)
            batch.items.append(Item(name, body))

    def _shown(self, batch: Batch) -> dict[str, Any]:
        """A batch as OpenAI shows it."""
        first, last = batch.created + 0.1 * self.seconds, batch.created + 0.9 * self.seconds
        now, times = self.now(), dict.fromkeys(("completed", "failed", "expired", "cancelled"))
        status = "validating" if now < first else "in_progress" if now < last else "finalizing"
        status = batch.end or ("cancelling" if batch.cancelled is not None else status)
        if batch.end:
            times[batch.end] = _whole(batch.ended)
            self._write_files(batch)
        good = sum(item.status == 200 for item in batch.items)
        bad = sum(item.status not in (0, 200) for item in batch.items)
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.given["endpoint"],
            "errors": {"object": "list", "data": batch.errors} if batch.end == "failed" else None,
            "input_file_id": batch.given["input_file_id"],
            "completion_window": "24h",
            "status": status,
            "output_file_id": batch.given.get("output_file_id"),
            "error_file_id": batch.given.get("error_file_id"),
            "created_at": _whole(batch.created),
            "in_progress_at": _whole(first) if now >= first and batch.end != "failed" else None,
            "expires_at": _whole(batch.created + self.expiry),
            "finalizing_at": _whole(last) if status in ("finalizing", "completed") else None,
            **{f"{name}_at": at for name, at in times.items()},
            "cancelling_at": _whole(batch.cancelled),
            "request_counts": {"total": len(batch.items), "completed": good, "failed": bad},
            "metadata": batch.given.get("metadata"),
        }

    def _write_files(self, batch: Batch) -> None:
        """The output and error files of a batch that has ended, where they have any lines."""
        if batch.end == "failed" or batch.given.get("written"):
            return
        batch.given["written"] = True
        lines: dict[str, list[str]] = {"output": [], "error": []}
        for number, item in enumerate(batch.items):
            row: dict[str, Any] = {"id": f"batch_req_{batch.id}_{number}", "custom_id": item.custom_id}
            if item.status:
                answer = {"status_code": item.status, "request_id": row["id"], "body": item.body}
                row |= {"response": answer, "error": None}
            else:
                row |= {"response": None, "error": EXPIRED if batch.end == "expired" else CANCELLED}
            lines["output" if item.status == 200 else "error"].append(json.dumps(row) + "\n")
        for name, some in lines.items():
            if some:
                kept = self._keep("".join(some).encode(), f"{batch.id}_{name}.jsonl", "batch_output")
                batch.given[f"{name}_file_id"] = kept["id"]

    def _poll(self, call: Call, number: str) -> tuple[int, Any]:
        batch = self._of("openai", number)
        return (200, self._shown(batch)) if batch else _missing(number)

    def _cancel(self, call: Call, number: str) -> tuple[int, Any]:
        batch = self._of("openai", number)
        if batch is None:
            return _missing(number)
        if batch.end:
            return 409, _openai_error(f"cannot cancel a batch that is {batch.end}", "conflict")
        batch.cancelled = batch.cancelled if batch.cancelled is not None else self.now()
        return 200, self._shown(batch)

    def _list(self, call: Call) -> tuple[int, Any]:
        some, more = self._page("openai", call)
        shown = [self._shown(batch) for batch in some]
        return 200, {"object": "list", "data": shown, **_ends(shown), "has_more": more}

    def _of(self, kind: str, number: str) -> Batch | None:
        batch = self.all.get(number)
        return batch if batch is not None and batch.kind == kind else None

    def _page(self, kind: str, call: Call) -> tuple[list[Batch], bool]:
        """Newest first, after or before an id; whether there are more."""
        mine = [batch for batch in reversed(self.all.values()) if batch.kind == kind]
        numbers = [batch.id for batch in mine]
        limit = int(call.query.get("limit", "20"))
        after = call.query.get("after") or call.query.get("after_id")
        if after in numbers:
            mine = mine[numbers.index(after) + 1 :]
        before = call.query.get("before_id")
        if before in numbers:
            mine = mine[: numbers.index(before)]
            return mine[-limit:], len(mine) > limit
        return mine[:limit], len(mine) > limit

    # -- Anthropic

    def _create_anthropic(self, call: Call) -> tuple[int, Any]:
        if "anthropic-version" not in call.headers:
            return 400, _anthropic_error("invalid_request_error", "anthropic-version: header is required")
        if len(call.body) > (self.max_bytes if self.max_bytes is not None else 256_000_000):
            return 413, _anthropic_error("request_too_large", "the batch is over the limit of bytes")
        rows = json.loads(call.body)["requests"]
        if not rows or len(rows) > (self.max_requests if self.max_requests is not None else 100_000):
            return 400, _anthropic_error("invalid_request_error", "requests: none, or more than the limit")
        names = [row["custom_id"] for row in rows]
        if len(set(names)) < len(names) or not all(CUSTOM_ID.fullmatch(name) for name in names):
            return 400, _anthropic_error("invalid_request_error", "custom_id: repeated, or not [a-zA-Z0-9_-]{1,64}")
        for row in rows:
            missing = {"model", "max_tokens", "messages"} - row["params"].keys()
            if missing:
                return 400, _anthropic_error("invalid_request_error", f"params: {sorted(missing)} required")
        if self._full():
            return 429, _anthropic_error("rate_limit_error", "too many batches are under way")
        items = [Item(row["custom_id"], row["params"]) for row in rows]
        batch = Batch(f"msgbatch_{len(self.all) + 1:06d}", "anthropic", self.now(), items)
        return 200, self._told(self._begin(batch), call)

    def _told(self, batch: Batch, call: Call) -> dict[str, Any]:
        """A batch as Anthropic shows it; its counts stay at `processing` until it has ended."""
        names = ("succeeded", "errored", "canceled", "expired")
        counts = dict.fromkeys(("processing", *names), 0)
        if batch.end:
            for item in batch.items:
                counts[_fate(batch, item)] += 1
        else:
            counts["processing"] = len(batch.items)
        status = "ended" if batch.end else "canceling" if batch.cancelled is not None else "in_progress"
        host = f"http://{call.headers.get('host', '127.0.0.1')}"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": counts,
            "ended_at": _iso(batch.ended),
            "created_at": _iso(batch.created),
            "expires_at": _iso(batch.created + self.expiry),
            "archived_at": None,
            "cancel_initiated_at": _iso(batch.cancelled),
            "results_url": f"{host}/v1/messages/batches/{batch.id}/results" if batch.end else None,
        }

    def _poll_anthropic(self, call: Call, number: str) -> tuple[int, Any]:
        batch = self._of("anthropic", number)
        return (200, self._told(batch, call)) if batch else _missing_anthropic(number)

    def _list_anthropic(self, call: Call) -> tuple[int, Any]:
        some, more = self._page("anthropic", call)
        shown = [self._told(batch, call) for batch in some]
        return 200, {"data": shown, **_ends(shown), "has_more": more}

    def _cancel_anthropic(self, call: Call, number: str) -> tuple[int, Any]:
        batch = self._of("anthropic", number)
        if batch is None:
            return _missing_anthropic(number)
        if batch.end:
            return 400, _anthropic_error("invalid_request_error", "the batch has ended")
        batch.cancelled = batch.cancelled if batch.cancelled is not None else self.now()
        return 200, self._told(batch, call)

    def _results(self, call: Call, number: str) -> tuple[int, Any]:
        batch = self._of("anthropic", number)
        if batch is None or not batch.end:
            return _missing_anthropic(number)
        lines = []
        for item in batch.items:
            kind = _fate(batch, item)
            result: dict[str, Any] = {"type": kind}
            if kind == "succeeded":
                result["message"] = _message(item, batch)
            elif kind == "errored":
                result["error"] = _anthropic_error("api_error", item.body["error"]["message"])
            lines.append(json.dumps({"custom_id": item.custom_id, "result": result}) + "\n")
        return 200, "".join(lines).encode()


def _fate(batch: Batch, item: Item) -> str:
    if item.status:
        return "succeeded" if item.status == 200 else "errored"
    return "expired" if batch.end == "expired" else "canceled"


def _message(item: Item, batch: Batch) -> dict[str, Any]:
    """A completion in Anthropic's form."""
    choice, usage = item.body["choices"][0], item.body["usage"]
    return {
        "id": f"msg_{batch.id}_{item.custom_id}",
        "type": "message",
        "role": "assistant",
        "model": item.ask["model"],
        "content": [{"type": "text", "text": choice["message"]["content"]}],
        "stop_reason": "max_tokens" if choice["finish_reason"] == "length" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]},
    }


def _form(call: Call) -> dict[str, tuple[str, bytes]]:
    """The fields of a multipart form: name → (file name, bytes)."""
    kind = call.headers.get("content-type", "")
    whole = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + call.body)
    found = {}
    for part in whole.get_payload() if whole.is_multipart() else []:
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        found[str(name)] = (part.get_filename() or "", data)
    return found


def _openai_error(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def _anthropic_error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _missing(number: str) -> tuple[int, Any]:
    return 404, _openai_error(f"no such object: {number}", "not_found")


def _missing_anthropic(number: str) -> tuple[int, Any]:
    return 404, _anthropic_error("not_found_error", f"no such batch: {number}")


def _ends(shown: list[dict[str, Any]]) -> dict[str, Any]:
    return {"first_id": shown[0]["id"] if shown else None, "last_id": shown[-1]["id"] if shown else None}


def _whole(at: float | None) -> int | None:
    return None if at is None else int(at)


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
