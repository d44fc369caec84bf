"""OpenAI's batch API, as OpenAI, Azure, Groq, Together, vLLM's peers and others speak it.

A JSONL file goes to `/files` (purpose `batch`), its id to `/batches`; up to 50,000 requests and 200 MB,
24 hours (https://platform.openai.com/docs/api-reference/batch/create). Replies come in an output file
and an error file, in any order. Our id is kept in the batch's metadata.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

from hornbook.core.asking import Raw, Request, TeacherError
from hornbook.teachers.batches import Batch, Framing, Item, Limits, halves
from hornbook.teachers.shaping import Api, shape
from hornbook.teachers.trouble import Answer, trouble
from hornbook.teachers.wire import Wire

KEY_ENV = "OPENAI_API_KEY"
LIMITS = Limits(50_000, 200 * 10**6)
ENDED = ("completed", "failed", "expired", "cancelled")
META = "hornbook"
QUEUE_FULL = ("token_limit_exceeded", "rate_limit_exceeded")
"""Codes of a batch that failed because too many tokens are queued (openai-python#2084)."""


def headers(key: str) -> dict[str, str]:
    """What every call carries."""
    return {"Authorization": f"Bearer {key}"} if key else {}


class OpenAIBatches:
    """The batch API in OpenAI's form.

    Args:
        wire: open.
        model: the name the provider knows the model by.
        api: whether prompts go out as chat or completion.
        limits: the most one batch may hold.
    """

    name = "openai"
    framing = Framing(b"", b"\n", b"\n")

    def __init__(self, wire: Wire, model: str, api: Api = "auto", limits: Limits = LIMITS) -> None:
        self.url, self.limits = wire.url, limits
        self._wire, self._model, self._api = wire, model, api

    def line(self, request: Request, custom_id: str) -> tuple[str, bytes]:
        """(route, JSON); see `BatchApi`."""
        chat, body = shape(request, self._api)
        route = "/v1/chat/completions" if chat else "/v1/completions"
        call = {"custom_id": custom_id, "method": "POST", "url": route, "body": {"model": self._model, **body}}
        return route, orjson.dumps(call)

    async def upload(self, file: Path, client: str) -> str:
        """Send the file; a second upload after a broken one costs nothing and is never read."""
        import aiohttp

        with file.open("rb") as data:
            form = aiohttp.FormData()
            form.add_field("purpose", "batch")
            form.add_field("file", data, filename=f"hornbook-{client}.jsonl", content_type="application/jsonl")
            found = await self._wire.post("/files", data=form, size=file.stat().st_size, kind="")
        return _id(found)

    async def create(self, file: Path, uploaded: str, route: str, client: str) -> Batch:
        """Submit; see `BatchApi`."""
        call = {
            "input_file_id": uploaded,
            "endpoint": route,
            "completion_window": "24h",
            "metadata": {META: client},
        }
        return _batch(await self._wire.post("/batches", data=orjson.dumps(call)))

    async def look(self, batch_id: str) -> Batch:
        """How a batch is."""
        return _batch(await self._wire.get(f"/batches/{batch_id}"))

    async def listed(self, since: float) -> AsyncIterator[Batch]:
        """Batches created after `since`; pages end where one is older as a whole."""
        async for page in self._wire.listing("/batches", "after"):
            young = [batch for entry in page if (batch := _batch(entry)).created >= since]
            for batch in young:
                yield batch
            if not young:
                return

    async def is_ours(self, batch: Batch, client: str, uploaded: str, count: int) -> bool | None:
        """By our id in its metadata, or by the file only we have uploaded, where metadata is not kept."""
        return batch.client == client or (bool(uploaded) and batch.file == uploaded)

    async def results(self, batch: Batch) -> AsyncIterator[bytes]:
        """The lines of the output file, then those of the error file."""
        for path in batch.outputs:
            async for line in self._wire.lines(path):
                yield line

    def read(self, line: bytes) -> Item | None:
        """One line of an output or error file."""
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        names = halves(found.get("custom_id")) if isinstance(found, dict) else None
        if names is None:
            return None
        response = found.get("response")
        if isinstance(response, dict) and isinstance(response.get("body"), dict):
            status = response.get("status_code")
            body = orjson.dumps(response["body"])
            if status == 200:
                return Item(*names, Raw(body, 0.0))
            fault = trouble(Answer(status if isinstance(status, int) else 500, {}, body), "in a batch", "")
            return Item(*names, error=fault.kind, detail=fault.detail, again=fault.retry)
        error = found.get("error")
        said = error if isinstance(error, dict) else {}
        return Item(*names, detail=f"{said.get('code')}: {said.get('message')}"[:400], again=True)


def _batch(found: Any) -> Batch:
    """A batch object, read."""
    status, counts = str(found.get("status")), found.get("request_counts") or {}
    errors = ((found.get("errors") or {}).get("data") or []) if status == "failed" else []
    said = "; ".join(f"{e.get('code')}: {e.get('message')} (line {e.get('line')})" for e in errors[:3])
    outputs = [found.get("output_file_id"), found.get("error_file_id")]
    return Batch(
        id=_id(found),
        status=status,
        created=float(found.get("created_at") or 0.0),
        ended=status in ENDED,
        failed=(said or "no reason given") if status == "failed" else "",
        later=any(e.get("code") in QUEUE_FULL for e in errors),
        total=int(counts.get("total") or 0),
        done=int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
        client=str((found.get("metadata") or {}).get(META) or ""),
        file=str(found.get("input_file_id") or ""),
        outputs=tuple(f"/files/{name}/content" for name in outputs if name),
    )


def _id(found: Any) -> str:
    if not isinstance(found.get("id"), str):
        raise TeacherError("the answer has no id")
    return str(found["id"])
