"""Web pages: bytes to characters, HTML to its main text, with bounds on what a page may cost."""

from __future__ import annotations

import logging
import re
from typing import Literal, NamedTuple

Extractor = Literal["trafilatura", "resiliparse", "all"]

PACKAGES = {
    "trafilatura": ("trafilatura", "resiliparse.parse.encoding"),
    "resiliparse": ("resiliparse.extract.html2text", "resiliparse.parse.encoding"),
    "all": ("resiliparse.extract.html2text", "resiliparse.parse.encoding"),
}

DEPTH = 2_000
"""Elements inside one another above which Resiliparse's main content takes the square of them (20,000: 14 s).
Browsers stop at 512 (Blink, html_parser_options.h, from memory)."""

_QUIET = logging.NullHandler()
_NESTING = re.compile(rb"<(/?)(?:div|article|section|main|table|ul|ol|span|blockquote)\b", re.IGNORECASE)


class Refused(NamedTuple):
    """A page that gives no document, and why."""

    reason: str
    detail: str


def characters(data: bytes, charset: str = "", *, html: bool = True) -> tuple[str, str]:
    """The characters of a page and its encoding, as browsers find it: mark, header, meta, then by looking.

    What is no character in that encoding is U+FFFD.

    Args:
        data: the bytes.
        charset: what the HTTP header says, '' where it says nothing.
        html: whether to look for a `meta` element.
    """
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

    said = map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be")):
        if data.startswith(mark):
            said = name
    if not said and not html:
        try:
            return data.decode(), "utf-8"
        except UnicodeDecodeError:
            pass
    encoding = said or detect_encoding(data, from_html_meta=html) or "utf-8"
    try:
        return bytes_to_str(data, encoding, errors="replace", fallback_encodings=(), strip_bom=True), encoding
    except (LookupError, UnicodeError):
        return data.decode("utf-8", "replace"), "utf-8"


def main_text(data: bytes, charset: str, extractor: Extractor, max_tags: int) -> tuple[str, str] | Refused:
    """The text of an HTML page and the encoding it was in, or why there is none."""
    tags = data.count(b"<") - data.count(b"</")
    if tags > max_tags:
        return Refused("too_many_tags", f"{tags:,} tags, more than max_tags = {max_tags:,}")
    page, encoding = characters(data, charset)
    try:
        text = _extracted(page, data, extractor)
    except (ValueError, RuntimeError, RecursionError, AttributeError, TypeError, KeyError, IndexError) as error:
        return Refused("html", f"{extractor}: {type(error).__name__}: {error}"[:300])
    if isinstance(text, Refused):
        return text
    if not text.strip():
        return Refused("no_text", f"{extractor} finds no text in {len(data):,} bytes")
    return text, encoding


def _extracted(page: str, data: bytes, extractor: Extractor) -> str | Refused:
    if extractor == "trafilatura":
        from trafilatura import extract

        logging.getLogger("trafilatura").addHandler(_QUIET)  # what it says of a page is in the drop
        return extract(page, fast=True, include_comments=False) or ""
    from resiliparse.extract.html2text import extract_plain_text

    if extractor == "resiliparse" and (deep := _depth(data)) > DEPTH:
        return Refused("too_deep", f"{deep:,} elements inside one another, more than {DEPTH:,}")
    return str(extract_plain_text(page, main_content=extractor == "resiliparse", alt_texts=False))


def _depth(data: bytes) -> int:
    """How deep elements that nest go, at most: ends that HTML lets out are taken for missing."""
    deep = most = 0
    for match in _NESTING.finditer(data):
        deep = max(0, deep - 1) if match[1] else deep + 1
        most = max(most, deep)
    return most
