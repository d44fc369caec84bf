"""WARC records one by one, with the byte each begins at; what is broken is said, and reading goes on behind it.

FastWARC reads the records. It says nothing of a file that ends in the middle, so a record shorter than it says
and what is left behind the last record are looked at here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hornbook.store.reading import File
from hornbook.store.reading.streams import Broken, blocks, open_file

BLOCK = 2**20
_MARKS = {"gzip": b"\x1f\x8b\x08", "": b"WARC/1."}
_ZSTD = b"\x28\xb5\x2f\xfd"
_FAULTS = (OSError, ValueError, RuntimeError, OverflowError)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_HEAD = 2**16
_PAGES = {"response", "resource", "conversion"}
_LOOK = 4_096
_TRIES = 1_000
"""Beginnings that turn out to be none, one after the other, before the rest is given up."""


@dataclass(frozen=True, slots=True)
class Page:
    """A record that holds a page or its text.

    Args:
        number: of the record among all of the file, from 1.
        offset: the byte that it, or the gzip member with it, begins at in the file; in Zstandard, in what is inside.
        kind: response, resource or conversion.
        url, date: WARC-Target-URI and WARC-Date, as they stand.
        status: of HTTP, None where there is none.
        mime, charset: lower case, '' where it is not said.
        body: decoded of transfer and content encoding; at most one byte more than wanted.
        size: bytes it says it has (as it lies in the archive).
        short: bytes that are missing.
    """

    number: int
    offset: int
    kind: str
    url: str
    date: str
    status: int | None
    mime: str
    charset: str
    body: bytes
    size: int
    short: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch that gives no record."""

    number: int
    offset: int
    reason: str
    detail: str


def read_warc(file: File, limit: int) -> Iterator[Page | Damage]:
    """The pages of a WARC or WET file, plain, gzip or Zstandard whatever its name says.

    Records that are no pages (warcinfo, request, metadata, revisit) are counted and left out.

    Args:
        file: local or remote.
        limit: bytes of a body that are read, and one more.

    Raises:
        Broken: it cannot be opened.
        HornbookError: a remote file cannot be reached.
    """
    with open_file(file) as handle:
        codec = _codec(handle)
        if codec == "zstd":
            yield from _unpacked(file, limit)
        else:
            yield from _seekable(handle, codec, limit)


def _unpacked(file: File, limit: int) -> Iterator[Page | Damage]:
    """Zstandard: FastWARC gets the bytes inside, for it says nothing of frames that end in the middle."""
    stream = _Blocks(blocks(replace(file, codec="zstd")))
    last: Page | None = None
    number = place = 0
    try:
        for record in _records(stream, limit):
            number, place, last = record
            if last is not None:
                yield last
    except _FAULTS as error:
        stream.fault = stream.fault or Broken("corrupt", str(error))
    if stream.fault is not None and not (last is not None and last.short):
        yield Damage(number + 1, place, stream.fault.reason, f"behind byte {place:,} of what is inside: {stream.fault}")


def _seekable(handle: Any, codec: str, limit: int) -> Iterator[Page | Damage]:
    """Plain and gzip: behind damage, reading goes on at the next record or member."""
    count, start, tries, broke, fault = 0, 0, 0, -1, ""
    page: Page | None = None
    while start >= 0:
        handle.seek(start)
        last = start
        try:
            for number, place, found in _records(handle, limit, count + (broke >= 0)):
                if page is not None:
                    yield page
                if broke >= 0:
                    yield Damage(number - 1, broke, "corrupt", f"bytes {broke:,} to {place:,}: {fault}")
                    broke, tries = -1, 0
                count, last, page = number, place, found
        except _FAULTS as error:
            fault, tries = str(error), tries + 1
            broke = last if broke < 0 else broke
            start = _next(handle, max(start, last), codec) if tries < _TRIES else -1
            continue
        break
    said = _left(handle, last, codec) if broke < 0 and not (page is not None and page.short) else ""
    if said and page is not None and page.kind == "response" and page.status is None:
        count -= 1  # it ends in its own head
    elif page is not None:
        yield page
    if broke >= 0:
        yield Damage(count + 1, broke, "corrupt", f"byte {broke:,} to the end: {fault}")
    elif said:
        yield Damage(count + 1, last, "truncated", said)


def _records(stream: Any, limit: int, count: int = 0) -> Iterator[tuple[int, int, Page | None]]:
    """Each record's number and place, and the page if it holds one."""
    from fastwarc.warc import ArchiveIterator

    for number, record in enumerate(ArchiveIterator(stream, parse_http=True, auto_decode="all"), count + 1):
        kind = (record.headers.get("WARC-Type") or "").lower()
        yield number, record.stream_pos, _page(record, number, kind, limit) if kind in _PAGES else None


def _page(record: Any, number: int, kind: str, limit: int) -> Page:
    size = record.content_length
    http = record.http_headers if kind == "response" else None
    coded = http is not None and (http.get("Content-Encoding") or http.get("Transfer-Encoding"))
    body = record.reader.read(limit + 1)
    short = 0 if coded else max(0, min(size, limit + 1) - len(body))
    mime = record.http_content_type if http is not None else record.headers.get("Content-Type")
    return Page(
        number=number,
        offset=record.stream_pos,
        kind=kind,
        url=record.headers.get("WARC-Target-URI") or "",
        date=record.headers.get("WARC-Date") or "",
        status=None if http is None else http.status_code,
        mime=(mime or "").partition(";")[0].strip().lower(),
        charset=(record.http_charset or "") if http is not None else "",
        body=body,
        size=size,
        short=short,
    )


def _codec(handle: Any) -> str:
    start = handle.read(4)
    return "zstd" if start == _ZSTD else "gzip" if start.startswith(_MARKS["gzip"]) else ""


def _next(handle: Any, last: int, codec: str) -> int:
    """Where the next member or record behind `last` begins, -1 where there is none.

    A mark may stand in compressed bytes by chance: it counts where a WARC record comes out of it.
    """
    mark, tries, place, carry = _MARKS[codec], 0, last + 1, b""
    handle.seek(place)
    while block := handle.read(BLOCK):
        data = carry + block
        base = place - len(carry)
        at: int = data.find(mark)
        while at >= 0:
            if not codec or _begins(handle, base + at):
                return base + at
            tries += 1
            if tries == _TRIES:
                return -1
            at = data.find(mark, at + 1)
        place += len(block)
        carry = data[len(data) - len(mark) + 1 :]
        handle.seek(place)
    return -1


def _begins(handle: Any, at: int) -> bool:
    """Whether a WARC record begins at a gzip member."""
    handle.seek(at)
    try:
        return zlib.decompressobj(31).decompress(handle.read(_LOOK), 5) == b"WARC/"
    except zlib.error:
        return False


class _Cut(Exception):
    """A compressed stream that ends in the middle, or holds what is none."""


def _left(handle: Any, at: int, codec: str) -> str:
    """What is wrong behind the last record that was given, which begins at or behind `at`; '' for nothing."""
    head, need = b"", 0  # bytes of a head that has not come whole; bytes of a record still to come
    try:
        for block in _inflated(handle, at, codec):
            data = head + block
            while data:
                data, need = data[need:], max(0, need - len(data))
                data = data if need else data.lstrip(b"\r\n")
                end = data.find(b"\r\n\r\n")
                if not data or (end < 0 and len(data) <= _HEAD):
                    break
                length = _LENGTH.search(data[: end + 2]) if end >= 0 else None
                if length is None or not data.startswith(b"WARC/"):
                    return f"behind byte {at:,}: no record, but {data[:40]!r}"
                data, need = data[end + 4 :], int(length[1])
            head = data
    except _Cut as error:
        return f"behind byte {at:,}: {error}"
    if need > 0:
        return f"behind byte {at:,}: {need:,} bytes of the last record are missing"
    return f"behind byte {at:,}: ends in the head of a record" if head.strip() else ""


def _inflated(handle: Any, at: int, codec: str) -> Iterator[bytes]:
    """Decompressed blocks of at most 1 MB from a member, frame or byte to the end of the file.

    Raises:
        _Cut: it ends in the middle, or is damaged.
    """
    handle.seek(at)
    if codec == "gzip":
        yield from _gunzipped(handle)
    else:
        while block := handle.read(BLOCK):
            yield block


def _gunzipped(handle: Any) -> Iterator[bytes]:
    one = zlib.decompressobj(31)
    begun = False
    try:
        while data := handle.read(BLOCK):
            while data:
                out = one.decompress(data, BLOCK)
                begun = True
                if out:
                    yield out
                data = one.unconsumed_tail
                if one.eof:
                    data, begun = one.unused_data.lstrip(b"\0"), False
                    one = zlib.decompressobj(31)
    except zlib.error as error:
        raise _Cut(str(error)) from error
    if begun:
        raise _Cut("the gzip stream ends in the middle")


class _Blocks:
    """Blocks as a stream that ends where they break; what broke them is kept."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._have = b""
        self._place = 0
        self.fault: Broken | None = None

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end."""
        try:
            while not self._have:
                self._have = next(self._source)
        except StopIteration:
            return b""
        except Broken as error:
            self.fault = error
            return b""
        some, self._have = self._have[:size], self._have[size:]
        self._place += len(some)
        return some

    def tell(self) -> int:
        """Bytes read."""
        return self._place
