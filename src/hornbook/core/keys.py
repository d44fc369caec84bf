"""Keys: one stable name for one content."""

from __future__ import annotations

import hashlib
import json
import math
import random
from typing import Any

KEY_HEX = 32


def digest(data: bytes) -> str:
    """128-bit BLAKE2b of bytes as 32 hex digits."""
    return hashlib.blake2b(data, digest_size=KEY_HEX // 2).hexdigest()


def canonical(value: Any) -> bytes:
    """The one JSON form of a value: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        TypeError: the value holds something JSON cannot say.
        ValueError: the value holds NaN or infinity.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode()


def key_of(value: Any) -> str:
    """The key of any JSON value: equal values, equal keys, in every process and Python version."""
    return digest(canonical(value))


def random_for(seed: int, *labels: str | int) -> random.Random:
    """A generator of its own for one purpose, the same whoever asks and in whatever order.

    Work is spread over processes, so no generator is ever shared: each piece of work derives its
    own from the seed and from what it is.
    """
    return random.Random(int(digest(canonical([seed, *labels])), 16))


def finite(value: float) -> float | None:
    """A float that JSON can say: None for NaN and the infinities."""
    return value if math.isfinite(value) else None
