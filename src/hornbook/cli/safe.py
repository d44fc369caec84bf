"""Text from outside made harmless for a terminal: no escape reaches it, no direction mark turns a line."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

STACKED = 4
"""Most combining marks shown on one letter; Vietnamese, Thai and vocalised Hebrew need up to three."""

_JOINERS = "\u200c\u200d"


def block(text: str, limit: int = 2000) -> str:
    """Text over several lines, with every control character made visible.

    Args:
        text: anything.
        limit: characters shown; what is cut is said by `…`.
    """
    cut = text[:limit]
    shown = "".join(_visible(cut.replace("\r\n", "\n")))
    return shown + (f" … ({len(text):,} characters)" if len(text) > limit else "")


def line(text: str, limit: int = 80) -> str:
    """Text on one line of at most `limit` characters: white space is one space."""
    head = " ".join(text[: 4 * limit].split())
    shown = "".join(_visible(head))
    cut = len(shown) > limit or len(text) > 4 * limit
    return shown[: limit - 1].rstrip() + "…" if cut else shown


def plain(value: Any) -> Any:
    """A value of any column as JSON can say it: no NaN, no bytes, no dates, no keys but strings."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else str(value)


def short(value: Any, limit: int = 60) -> str:
    """A mark's value in a few characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return line(value, limit)
    return line(json.dumps(plain(value), ensure_ascii=False), limit)


def _visible(text: str) -> list[str]:
    """Characters, with those that steer a terminal or a reader's eye spelled out."""
    out: list[str] = []
    stacked = 0
    for letter in text:
        if letter.isascii() and letter.isprintable():
            stacked = 0
            out.append(letter)
            continue
        kind = unicodedata.category(letter)
        stacked = stacked + 1 if kind in ("Mn", "Me") else 0
        if letter in "\n\t" or letter in _JOINERS:
            out.append("    " if letter == "\t" else letter)
        elif letter == "\x7f" or ord(letter) < 32:
            out.append("\u2421" if letter == "\x7f" else chr(0x2400 + ord(letter)))
        elif kind[0] == "C" or kind in ("Zl", "Zp"):
            out.append(f"<{ord(letter):04X}>")
        elif stacked <= STACKED:
            out.append(letter)
    return out
