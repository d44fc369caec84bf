"""Patterns of personal data and secrets (RE2 syntax), for `quality.pii` and `quality.mask`.

Time is linear in the text where no pattern, after its match, reads on to what the next match begins with: a key block's
lines hold no two hyphens, so that a thousand unended blocks are not each looked through to the end of the text.
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["mail", "ip", "phone", "key"]
KINDS: tuple[Kind, ...] = ("key", "mail", "ip", "phone")
"""In the order in which they are masked: what a key holds is not looked at again."""

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_H = r"[0-9A-Fa-f]{1,4}"
_IPV6 = rf"(?:{_H}:){{7}}{_H}|(?:{_H}:){{2,6}}(?::{_H}){{1,6}}|(?:{_H}:){{1,6}}(?::{_H}){{2,6}}"

PATTERNS: dict[Kind, tuple[tuple[str, ...], str]] = {
    "key": (
        (
            "-----BEGIN",
            "AKIA",
            "ASIA",
            "gh",
            "github_pat_",
            "xox",
            "AIza",
            "sk-",
            "sk_",
            "rk_",
            "eyJ",
            "glpat-",
            "hf_",
            "npm_",
            "pypi-",
        ),
        r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----"
        r"(?:(?:-?[A-Za-z0-9+/=\s:,\\])*-----END (?:[A-Z]+ ){0,3}PRIVATE KEY-----)?"
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
        r"|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{22,}\b|\bglpat-[A-Za-z0-9_-]{20,}"
        r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}|\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,}\b"
        r"|\bsk-(?:[a-z]{2,8}-)*[A-Za-z0-9_]{20,}|\bhf_[A-Za-z0-9]{30,}\b|\bnpm_[A-Za-z0-9]{36}\b"
        r"|\bpypi-[A-Za-z0-9_-]{50,}|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ),
    "mail": (
        ("@",),
        r"[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}\b",
    ),
    "ip": ((".", ":"), rf"\b{_OCTET}(?:\.{_OCTET}){{3}}\b|\b(?:{_IPV6})"),
    "phone": (
        ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
        r"\+[1-9][0-9]{0,2}(?:[ .\-/]?\(?[0-9]{1,4}\)?){2,5}\b"
        r"|\([2-9][0-9]{2}\) ?[0-9]{3}[ .-][0-9]{4}\b|\b[2-9][0-9]{2}[.-][0-9]{3}[.-][0-9]{4}\b"
        r"|\b1[3-9][0-9](?:[ -]?[0-9]{4}){2}\b",
    ),
}


def counts(texts: pa.ChunkedArray, kind: Kind) -> pa.Array:
    """How often each text holds the kind: int64, one a text."""
    at, some = _worth(texts, kind)
    found = pc.count_substring_regex(some, PATTERNS[kind][1]).cast(pa.int64())
    return pc.fill_null(_back(found, at, len(texts)), 0)


def masked(texts: pa.ChunkedArray, kind: Kind, tag: str) -> pa.Array:
    """The texts with every find of the kind replaced by `tag`."""
    at, some = _worth(texts, kind)
    new = pc.replace_substring_regex(some, PATTERNS[kind][1], tag.replace("\\", r"\\"))
    return pc.coalesce(_back(new, at, len(texts)), texts)


def _worth(texts: pa.ChunkedArray, kind: Kind) -> tuple[pa.Array, pa.ChunkedArray]:
    """(place of each text, null where the kind cannot be in it; the texts in which it can)."""
    import numpy as np

    may = np.zeros(len(texts), bool)
    for sign in PATTERNS[kind][0]:
        may |= pc.fill_null(pc.match_substring(texts, sign), False).to_numpy(zero_copy_only=False)
    at = np.cumsum(may) - 1
    return pa.array(at, mask=~may), texts.filter(pa.array(may))


def _back(found: pa.ChunkedArray, at: pa.Array, rows: int) -> pa.Array:
    """What was found of some texts put in the places of all, null elsewhere."""
    if len(found) == 0:
        return pa.nulls(rows, found.type)
    return found.combine_chunks().take(at) if isinstance(found, pa.ChunkedArray) else found.take(at)
