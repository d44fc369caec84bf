"""JSON found in the text of a reply, whatever words a model puts around it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

_FENCE = re.compile(r"```[ \t]*(?:[A-Za-z0-9_+-]*)[ \t]*\r?\n(.*?)```", re.DOTALL)
_STRING, _CONTROL = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL), re.compile(r"[\x00-\x1f]")
_DECODER = json.JSONDecoder(strict=False)
_NONE = object()
_STARTS = 50
"""Places in a text where JSON may begin that are looked at."""
_READ, _LAST = 20_000, 20
"""Characters at the end of a reply, and places in them, in which a verdict is looked for."""


def json_in(text: str, fits: Callable[[Any], bool] | None = None) -> tuple[Any, str]:
    """(the JSON value in a reply, ''), or (None, what is wrong).

    The whole text is tried, then, without what the model thought (up to the last `</think>`), what stands in code
    fences, the last first, then every `{` or `[` from the front: models put words around what they were asked for.
    Numbers must be finite and fit 64 bits, text must be Unicode; a line break within a text is forgiven.

    Args:
        text: the reply's.
        fits: says which of several values is meant, the first it likes; where it likes none, the first of all.
    """
    stripped = text.strip().removeprefix("\ufeff")
    if not stripped:
        return None, "the reply holds no text"
    try:
        return orjson.loads(stripped), ""
    except orjson.JSONDecodeError:
        pass
    some: list[Any] = []
    said = stripped.rpartition("</think>")[2]
    for part in dict.fromkeys((said, stripped)):  # it may stand within a text of the JSON itself
        for value in _values(part):
            if fits is None or fits(value):
                return value, ""
            some.append(value)
    return (some[0], "") if some else (None, "there is no JSON in it that can be read to its end")


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a reply, the last first, those within others too: a judge's verdict stands at the end.

    What the model thought (up to the last `</think>`) is left out.
    """
    said = text.rpartition("</think>")[2][-_READ:]
    try:
        whole = orjson.loads(said)
    except orjson.JSONDecodeError:
        whole = None
    if isinstance(whole, dict):
        yield whole
        return
    for found in [*re.finditer(r"\{", said)][-_LAST:][::-1]:
        try:
            value, _ = _DECODER.raw_decode(said, found.start())
        except (ValueError, RecursionError):
            continue
        yield value


def _values(text: str) -> Iterator[Any]:
    """The JSON values in a text: those in code fences, the last first, then the others from the front."""
    for fenced in reversed(_FENCE.findall(text)):
        if (value := _forgiven(fenced.strip())) is not _NONE:
            yield value
    at = 0
    for _ in range(_STARTS):
        starts = [found for found in (text.find("{", at), text.find("[", at)) if found >= 0]
        if not starts:
            return
        at = min(starts)
        try:
            _, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if (value := _forgiven(text[at:end])) is not _NONE:
            yield value
        at = end


def _forgiven(text: str) -> Any:
    """The value of a JSON text that may hold line breaks and tabs as they are; `_NONE` where it is none."""
    for tried in (text, _escaped(text)):
        try:
            return orjson.loads(tried)
        except orjson.JSONDecodeError:
            continue
    return _NONE


def _escaped(text: str) -> str:
    """Control characters within strings written as JSON wants them; elsewhere they are white space or a fault."""
    return _STRING.sub(lambda found: _CONTROL.sub(lambda c: f"\\u{ord(c.group()):04x}", found.group()), text)
