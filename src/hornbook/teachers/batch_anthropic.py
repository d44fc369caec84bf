"""Anthropic's Message Batches API.

One POST holds all requests: up to 100,000 and 256 MB, 24 hours; results are kept for 29 days, come in any
order, and those that erred, expired or were cancelled are not billed
(https://platform.claude.com/docs/en/build-with-claude/batch-processing). A batch has no metadata, so ours is
known by the `custom_id` of its first result.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from hornbook.core.asking import Raw, Request, TeacherError
from hornbook.core.errors import UserError
from hornbook.teachers.batches import Batch, Framing, Item, Limits, halves
from hornbook.teachers.trouble import Answer, trouble
from hornbook.teachers.wire import Wire

KEY_ENV = "ANTHROPIC_API_KEY"
LIMITS = Limits(100_000, 256 * 10**6)
VERSION = "2023-06-01"
RENAMED = {"stop": "stop_sequences"}
UNKNOWN = (
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "logprobs",
    "top_logprobs",
)
"""Sampling parameters of ours that the Messages API has no word for."""
FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
"""`stop_reason` → OpenAI's `finish_reason`. `refusal` is a classifier that stepped in: a filter."""
FOR_GOOD = ("invalid_request_error", "request_too_large", "not_found_error")
"""Errors of one request that asking again would meet again; all others may pass."""


def headers(key: str) -> dict[str, str]:
    """What every call carries."""
    return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})


class AnthropicBatches:
    """The Message Batches API.

    Args:
        wire: open.
        model: the name the provider knows the model by.
        limits: the most one batch may hold.
    """

    name = "anthropic"
    framing = Framing(b'{"requests":[\n', b",\n", b"\n]}")

    def __init__(self, wire: Wire, model: str, limits: Limits = LIMITS) -> None:
        self.url, self.limits = wire.url, limits
        self._wire, self._model = wire, model

    def line(self, request: Request, custom_id: str) -> tuple[str, bytes]:
        """(route, JSON); see `BatchApi`."""
        return "", orjson.dumps({"custom_id": custom_id, "params": self._params(request)})

    def _params(self, request: Request) -> dict[str, Any]:
        """The body of a Messages call from one of OpenAI's."""
        given = dict(request.params)
        if strange := [name for name in UNKNOWN if name in given]:
            raise UserError(
                f"Anthropic's API knows no {', '.join(strange)}",
                where="teacher, or the step that asks",
                fix="leave it out: a parameter is never dropped in silence",
            )
        if "max_tokens" not in given:
            raise UserError("Anthropic's API needs max_tokens", where="teacher", fix="teacher: {max_tokens: 1000, …}")
        said = [dict(m) for m in request.messages] or [{"role": "user", "content": request.prompt}]
        system = [str(m["content"]) for m in said if m["role"] in ("system", "developer")]
        body: dict[str, Any] = {RENAMED.get(name, name): value for name, value in given.items()}
        body |= {"model": self._model, "messages": [m for m in said if m["role"] not in ("system", "developer")]}
        if isinstance(body.get("stop_sequences"), str):
            body["stop_sequences"] = [body["stop_sequences"]]
        if system:
            body["system"] = "\n\n".join(system)
        if request.schema is not None:
            form = {"type": "json_schema", "schema": dict(request.schema)}
            body["output_config"] = {**body.get("output_config", {}), "format": form}
        return body

    async def upload(self, file: Path, client: str) -> str:
        """Nothing: the file goes with `create`."""
        return ""

    async def create(self, file: Path, uploaded: str, route: str, client: str) -> Batch:
        """Submit, streaming the file; see `BatchApi`."""
        with file.open("rb") as data:
            return _batch(await self._wire.post("/messages/batches", data=data, size=file.stat().st_size))

    async def look(self, batch_id: str) -> Batch:
        """How a batch is."""
        return _batch(await self._wire.get(f"/messages/batches/{batch_id}"))

    async def listed(self, since: float) -> AsyncIterator[Batch]:
        """Batches created after `since`, newest first as documented."""
        async for page in self._wire.listing("/messages/batches", "after_id"):
            young = [batch for entry in page if (batch := _batch(entry)).created >= since]
            for batch in young:
                yield batch
            if not young:
                return

    async def is_ours(self, batch: Batch, client: str, uploaded: str, count: int) -> bool | None:
        """By the first result that names a batch; another number of requests is another batch."""
        if batch.total and batch.total != count:
            return False
        if not batch.ended:
            return None
        async for line in self.results(batch):
            item = self.read(line)
            if item is not None:
                return item.client == client
        return False

    async def results(self, batch: Batch) -> AsyncIterator[bytes]:
        """The lines of its results."""
        for path in batch.outputs:
            async for line in self._wire.lines(path):
                yield line

    def read(self, line: bytes) -> Item | None:
        """One line of the results."""
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        names = halves(found.get("custom_id")) if isinstance(found, dict) else None
        result = found.get("result") if names is not None else None
        if names is None or not isinstance(result, dict):
            return None
        if result.get("type") == "succeeded":
            return Item(*names, Raw(as_chat(result.get("message")), 0.0))
        if result.get("type") != "errored":
            return Item(*names, detail=f"the request was {result.get('type')}", again=True)
        error = result.get("error")
        inner = error.get("error") if isinstance(error, dict) and isinstance(error.get("error"), dict) else error
        kind = inner.get("type") if isinstance(inner, dict) else None
        status = 400 if kind in FOR_GOOD else 500
        fault = trouble(Answer(status, {}, orjson.dumps({"error": inner})), f"in a batch ({kind})", "")
        return Item(*names, error=fault.kind, detail=fault.detail, again=fault.retry)


def as_chat(message: Any) -> bytes:
    """A Messages reply as a chat reply in OpenAI's form, so that one reader reads all; the original is kept inside.

    Text blocks are joined; thinking and tool blocks are in `original` alone.
    """
    found = message if isinstance(message, dict) else {}
    content = found.get("content")
    blocks = [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []
    usage: dict[str, Any] = found["usage"] if isinstance(found.get("usage"), dict) else {}
    read = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    prompt = sum(n for n in (usage.get(name) for name in read) if isinstance(n, int))
    reason = found.get("stop_reason")
    text = "".join(b["text"] for b in blocks if b.get("type") == "text" and isinstance(b.get("text"), str))
    choice = {
        "index": 0,
        "finish_reason": FINISH.get(str(reason), reason),
        "message": {"role": "assistant", "content": text},
    }
    return orjson.dumps(
        {
            "id": found.get("id"),
            "object": "chat.completion",
            "model": found.get("model"),
            "choices": [choice] if found else [],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": usage.get("output_tokens", 0),
                "prompt_tokens_details": {"cached_tokens": usage.get("cache_read_input_tokens")},
            },
            "original": message,
        }
    )


def _batch(found: Any) -> Batch:
    """A batch object, read."""
    counts = found.get("request_counts") or {}
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    many = {name: int(counts.get(name) or 0) for name in names}
    status = str(found.get("processing_status"))
    if not isinstance(found.get("id"), str):
        raise TeacherError("the answer has no id")
    ended = status == "ended"
    gone = bool(found.get("archived_at"))
    return Batch(
        id=found["id"],
        status="archived" if gone else status,
        created=_seconds(found.get("created_at")),
        ended=ended,
        total=sum(many.values()),
        done=sum(many.values()) - many["processing"],
        outputs=(f"/messages/batches/{found['id']}/results",) if ended and not gone else (),
    )


def _seconds(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
