"""What an HTTP answer that is no reply means: try again, or never."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from hornbook.core.asking import TeacherError

TOO_LONG = (
    "context_length_exceeded",
    "exceed_context_size",
    "context length",
    "context size",
    "context window",
    "maximum context",
    "too many tokens",
    "prompt is too long",
    "inputs tokens",
    "max_new_tokens",
)
"""How OpenAI, vLLM, llama.cpp, SGLang, TGI and the providers say that prompt and reply do not fit."""
FILTERED = ("content_filter", "content_policy", "content management policy", "moderation", "flagged")
AGAIN = (408, 409, 425, 429)
LONGEST_WAIT = 3600.0
"""Seconds; a server that asks for more is taken at this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON, None where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def message(self) -> str:
        """What the server says, in at most 400 characters."""
        found = self.json()
        for name in ("error", "message", "detail"):
            if isinstance(found, dict) and found.get(name):
                found = found[name]
        text = found if isinstance(found, str) else self.body[:1600].decode("utf-8", "replace")
        return " ".join(text.split())[:400] or "no explanation"

    def says(self, *words: str) -> bool:
        """Whether the beginning of the body holds one of the words."""
        text = self.body[:4096].decode("utf-8", "replace").lower()
        return any(word in text for word in words)

    def listed(self) -> list[dict[str, Any]]:
        """The models of a `/models` answer."""
        found = self.json()
        data = found.get("data") if isinstance(found, dict) and self.status == 200 else None
        return [m for m in data if isinstance(m, dict) and "id" in m] if isinstance(data, list) else []


def trouble(answer: Answer, url: str, key: str) -> TeacherError:
    """The error that an answer other than 200 stands for.

    Args:
        answer: what came.
        url: as it may be shown.
        key: the API key, taken out of anything quoted.
    """
    said = answer.message().replace(key, "…") if key else answer.message()
    detail = f"{url}: HTTP {answer.status}: {said}"
    if answer.status in AGAIN or answer.status >= 500:
        after = retry_after(answer.headers)
        busy = answer.status == 429 or (answer.status == 503 and after is not None)
        return TeacherError(detail, retry=True, retry_after=after, busy=busy)
    if 300 <= answer.status < 400:
        target = answer.headers.get("Location", "elsewhere").split("?")[0]
        return TeacherError(f"{detail}; it redirects to {target}: set url to that", kind="rejected", retry=False)
    if answer.says(*TOO_LONG) or answer.status == 413:
        return TeacherError(detail, kind="length", retry=False)
    if answer.says(*FILTERED):
        return TeacherError(detail, kind="filter", retry=False)
    return TeacherError(detail, kind="rejected", retry=False)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a server asks to wait, None where it does not say.

    `Retry-After` as seconds or as an HTTP date (RFC 9110, 10.2.3); `retry-after-ms` as OpenAI sends it.
    """
    try:
        if "retry-after-ms" in headers:
            return _bounded(float(headers["retry-after-ms"]) / 1000)
        value = headers.get("Retry-After", "").strip()
        if not value:
            return None
        if value[0].isdigit():
            return _bounded(float(value))
        return _bounded(parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now))
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float | None:
    if math.isnan(seconds):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)
