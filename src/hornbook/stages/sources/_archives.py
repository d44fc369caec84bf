"""Archives member by member, nothing ever written to disk: tar (plain, gzip, bzip2, Zstandard) and zip.

Python's tarfile takes an archive that ends in the middle, or breaks behind its first header, for one that ends
there, and reads headers of any size into memory; so tar is read here, with the byte each header stands at.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import NamedTuple

from hornbook.store.reading import File
from hornbook.store.reading.streams import Broken, blocks, bomb, open_file

TARS = {".tar": "", ".tar.gz": "gzip", ".tgz": "gzip", ".tar.zst": "zstd", ".tar.bz2": "bz2", ".tbz2": "bz2"}
ZIPS = {".zip", ".whl", ".egg"}

_SECTOR = 512
_ATTRIBUTES = 2**20
"""Bytes of a header's names and attributes that are read; PATH_MAX is 4,096. Our choice."""
_HELD = "\0\n\r"
_ZIP_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError, ValueError,
    OverflowError, struct.error, IndexError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, or a place where the archive breaks.

    Args:
        name: as the archive has it, with `/`.
        data: its bytes, at most one more than wanted; empty where it was not wanted.
        size: its bytes, as the archive says.
        at: the byte of its header: in what is inside a tar, in the zip file.
        reason, detail: a fault; '' for none.
    """

    name: str
    data: bytes
    size: int
    at: int
    reason: str = ""
    detail: str = ""


def kind_of(name: str) -> str:
    """How the name of an archive ends, '' for what is none."""
    low = name.lower()
    return next((end for end in sorted([*TARS, *ZIPS], key=len, reverse=True) if low.endswith(end)), "")


def members(file: File, limit: int, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The regular files of an archive, in its order; links, folders and devices are left out.

    Args:
        file: local or remote; its name says how it is read.
        limit: bytes of a member that are read, and one more.
        wanted: by name, whether its bytes are.
    """
    end = kind_of(file.name)
    if file.size == 0:
        yield Member("", b"", 0, 0, "empty_file", "the file is empty")
        return
    try:
        if end in ZIPS:
            yield from _zipped(file, limit, wanted)
        else:
            yield from _tarred(replace(file, codec=TARS[end]), limit, wanted)
    except Broken as error:
        yield Member("", b"", 0, 0, error.reason, error.detail)


def unsafe(name: str) -> str:
    """Why a member's name leads out of the archive, '' where it does not."""
    if not name or name.startswith("/") or re.match("[A-Za-z]:", name):
        return "an absolute path"
    if ".." in PurePosixPath(name).parts:
        return "a path that leads out of the archive"
    return "control characters in its name" if any(letter in name for letter in _HELD) else ""


def _zipped(file: File, limit: int, wanted: Callable[[str], bool]) -> Iterator[Member]:
    total = 0
    with open_file(file) as handle:
        try:
            archive = zipfile.ZipFile(handle)
        except _ZIP_FAULTS as error:
            yield Member("", b"", 0, 0, "corrupt", f"no zip directory: {error}")
            return
        for info in archive.infolist():
            if info.is_dir() or (info.external_attr >> 28) not in (0, 8):
                continue
            one = Member(info.filename.replace("\\", "/"), b"", info.file_size, info.header_offset)
            if not wanted(one.name) or unsafe(one.name):
                yield one
                continue
            try:
                with archive.open(info) as member:
                    data = member.read(limit + 1)
                total += len(data)
                yield replace(one, data=data, size=max(info.file_size, len(data)))
            except _ZIP_FAULTS as error:
                reason = "encrypted" if info.flag_bits & 1 else "corrupt"
                yield replace(one, reason=reason, detail=f"{type(error).__name__}: {error}")
            if said := bomb(total, file.size):
                yield Member("", b"", 0, info.header_offset, "bomb", said)
                return


class _Header(NamedTuple):
    name: str
    size: int
    kind: bytes


def _tarred(file: File, limit: int, wanted: Callable[[str], bool]) -> Iterator[Member]:
    flow = _Flow(file)
    at, name = 0, ""
    try:
        for at, header, said in _headers(flow):
            if header is None:
                yield Member("", b"", 0, at, "truncated" if flow.done and "mark" in said else "corrupt", said)
                continue
            name = header.name
            if header.kind not in b"0\x007":
                flow.skip(header.size)
                continue
            read = wanted(name) and not unsafe(name)
            data = flow.take(min(header.size, limit + 1)) if read else b""
            flow.skip(header.size - len(data), inside=header.size)
            yield Member(name, data, header.size, at)
    except Broken as error:
        yield Member("", b"", 0, flow.place, error.reason, f"behind byte {flow.place:,} of what is inside: {error}")
    except _Ended as error:
        said = f"byte {at:,}: the member {name!r} ends {error.missing:,} bytes early"
        yield Member("", b"", 0, at, "truncated", said)


def _headers(flow: _Flow) -> Iterator[tuple[int, _Header | None, str]]:
    """Where each header stands, with its long name in it; None and what is wrong where there should be one."""
    long: dict[str, str] = {}
    lost, mark = -1, False
    while True:
        at = flow.place
        sector = flow.take(_SECTOR)
        header = _header(sector)
        if len(sector) < _SECTOR:
            break
        if header is None:
            zeros = not sector.strip(b"\0")
            mark = mark or zeros
            lost = at if lost < 0 and not zeros else lost
            continue
        mark = False
        if lost >= 0:
            yield lost, None, f"bytes {lost:,} to {at:,} hold no tar header"
            lost = -1
        if header.kind in b"xLKg":
            long |= _attributes(flow, header)
            continue
        name = long.get("path", header.name).replace("\\", "/")
        size = int(long["size"]) if re.fullmatch("[0-9]{1,18}", long.get("size", "")) else header.size
        long = {}
        yield at, _Header(name, size, header.kind), ""
    if lost >= 0:
        yield lost, None, f"behind byte {lost:,} there is no tar header"
    elif not mark:
        yield flow.place, None, f"it ends at byte {flow.place:,} without its end mark"


class _Ended(Exception):
    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing


class _Flow:
    """Bytes in order, counted; more of them than an archive of that size may hold break it off."""

    def __init__(self, file: File) -> None:
        self._blocks = blocks(file)
        self._have = memoryview(b"")
        self._size = file.size
        self.place = 0
        self.done = False

    def _more(self) -> bool:
        block = next(self._blocks, b"")
        if said := bomb(self.place + len(block), self._size):
            raise Broken("bomb", said)
        self._have = memoryview(block)
        self.done = not block
        return bool(block)

    def take(self, size: int) -> bytes:
        """So many bytes; fewer at the end."""
        parts = []
        while size > 0 and (self._have or self._more()):
            some = self._have[:size]
            parts.append(some)
            self._have = self._have[len(some) :]
            size -= len(some)
            self.place += len(some)
        return b"".join(parts)

    def skip(self, size: int, inside: int | None = None) -> None:
        """Go on behind so many bytes and what fills the last sector (of a member of `inside` bytes).

        Raises:
            _Ended: there are not so many.
        """
        fill = -(size if inside is None else inside) % _SECTOR
        left = size
        while left > 0 and (self._have or self._more()):
            some = min(left, len(self._have))
            self._have = self._have[some:]
            left -= some
            self.place += some
        if left > 0:
            raise _Ended(left)
        self.take(fill)


def _header(sector: bytes) -> _Header | None:
    """What a sector says as a header, None if it is none (its checksum is wrong)."""
    if len(sector) < _SECTOR:
        return None
    told = _number(sector[148:156])
    if told != sum(sector) - sum(sector[148:156]) + 8 * 32:
        return None
    size = _number(sector[124:136])
    if size is None or size < 0:
        return None
    name = _text(sector[:100])
    if sector[257:262] == b"ustar" and (front := _text(sector[345:500])) and sector[257:265] != b"ustar  \0":
        name = f"{front}/{name}"
    return _Header(name, size, b"5" if name.endswith("/") and sector[156:157] in b"0\0" else sector[156:157])


def _number(raw: bytes) -> int | None:
    if raw[0] & 0x80:
        return int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
    digits = raw.strip(b"\0 ")
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else 0 if not digits else None


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _attributes(flow: _Flow, header: _Header) -> dict[str, str]:
    """The name or attributes that a header of its own brings for the next member."""
    raw = flow.take(min(header.size, _ATTRIBUTES))
    flow.skip(header.size - len(raw), inside=header.size)
    if header.kind == b"L":
        return {"path": _text(raw)}
    found = {}
    while header.kind == b"x" and (match := re.match(rb"(\d{1,7}) ([^=\n]+)=", raw)):
        length = int(match[1])
        found[match[2].decode("utf-8", "replace")] = raw[match.end() : max(0, length - 1)].decode("utf-8", "replace")
        raw = raw[max(length, match.end()) :]
    return {key: found[key] for key in ("path", "size") if key in found}
