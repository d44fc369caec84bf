"""Reading a reply: from the bytes that came over the wire to text, counts and a verdict.

The form is that of OpenAI's chat and completion replies (https://platform.openai.com/docs/api-reference),
which vLLM, SGLang, TGI, llama.cpp and Ollama share.
"""

from __future__ import annotations

from typing import Any

import orjson

from hornbook.core.asking import ErrorClass, Raw, Reply

SHOWN = 300
"""How many characters of a reply an error quotes: enough to know it again, little enough for a screen."""


def read_reply(key: str, raw: Raw) -> Reply:
    """Read one reply. Never raises: a reply of no use has `error` and `detail` set.

    Only the first choice counts. `finish` "length" (the text was cut) is no error here: the stage
    that asked decides what a cut text is worth. Errors: `parse` (not JSON, or not of this form),
    `rejected` (the server put an error where a reply should be), `filter` (a content filter ended
    it), `refusal` (the model declined in the field made for that), `empty` (nothing but white space).

    Args:
        key: the request's key.
        raw: what came over the wire.
    """

    def bad(error: ErrorClass, detail: str, **fields: Any) -> Reply:
        return Reply(key, seconds=raw.seconds, error=error, detail=detail, **fields)

    try:
        body = orjson.loads(raw.body)
    except (orjson.JSONDecodeError, SystemError) as fault:  # SystemError: seen once from orjson under load
        return bad("parse", f"not JSON ({fault}): {_shown(raw.body)}")
    if not isinstance(body, dict):
        return bad("parse", f"not a JSON object: {_shown(raw.body)}")
    if body.get("error"):
        return bad("rejected", f"the server replied with an error: {_message(body['error'])}")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return bad("parse", f"no choices in the reply: {_shown(raw.body)}")
    choice = choices[0]
    text, refusal = _text(choice)
    if text is None:
        return bad("parse", f"no text in the reply: {_shown(raw.body)}")
    said: dict[str, Any] = {
        "text": text,
        "finish": _string(choice.get("finish_reason")),
        "logprobs": choice.get("logprobs"),
        **_counts(body.get("usage")),
    }
    if refusal:
        return bad("refusal", refusal[:SHOWN], **said)
    if said["finish"] == "content_filter":
        return bad("filter", f"a content filter ended the reply after {len(text)} characters", **said)
    if not text.strip():
        return bad("empty", f"the reply holds no text (finish_reason {said['finish'] or 'missing'})", **said)
    return Reply(key, seconds=raw.seconds, **said)


def _text(choice: dict[str, Any]) -> tuple[str | None, str]:
    """(text or None where there is no place for one, refusal)."""
    message = choice.get("message")
    if not isinstance(message, dict):
        text = choice.get("text")
        return (text if isinstance(text, str) else None), ""
    content = message.get("content")
    if isinstance(content, list):
        parts = [p.get("text") for p in content if isinstance(p, dict)]
        content = "".join(p for p in parts if isinstance(p, str))
    if content is not None and not isinstance(content, str):
        return None, ""
    return content or "", _string(message.get("refusal"))


def _counts(usage: Any) -> dict[str, int]:
    """Tokens as the server counted them, 0 where it did not."""
    usage = usage if isinstance(usage, dict) else {}
    names = ("prompt_tokens", "completion_tokens")
    counts = {name: usage[name] if _is_count(usage.get(name)) else 0 for name in names}
    return counts | {"cached_tokens": min(_cached(usage), counts["prompt_tokens"])}


def _cached(usage: dict[str, Any]) -> int:
    """Prompt tokens from the server's cache: OpenAI's and vLLM's place for it, then DeepSeek's."""
    details = usage.get("prompt_tokens_details")
    found = details.get("cached_tokens") if isinstance(details, dict) else usage.get("prompt_cache_hit_tokens")
    return found if isinstance(found, int) and _is_count(found) else 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _message(error: Any) -> str:
    if isinstance(error, dict):
        error = error.get("message") or error
    return str(error)[:SHOWN]


def _shown(body: bytes) -> str:
    """The beginning of a body, safe to print."""
    text = body[: SHOWN * 4].decode("utf-8", "replace")[:SHOWN]
    return repr(text) if text else "an empty body"
