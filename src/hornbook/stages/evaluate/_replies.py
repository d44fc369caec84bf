"""Reading a judge's JSON out of whatever stands around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

_DECODER = json.JSONDecoder(strict=False)
_STARTS = 20
"""Places where an object may begin that are looked at."""
_READ = 20_000
"""Characters of a reply that are read, the last ones: a verdict stands at the end."""


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a reply, the last first; what the model thought (up to `</think>`) is left out."""
    said = text.rpartition("</think>")[2][-_READ:]
    try:
        whole = orjson.loads(said)
    except orjson.JSONDecodeError:
        whole = None
    if isinstance(whole, dict):
        yield whole
        return
    starts = [found.start() for found in re.finditer(r"\{", said)][-_STARTS:]
    for at in reversed(starts):
        try:
            found, _ = _DECODER.raw_decode(said, at)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found
