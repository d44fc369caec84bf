"""Bytes of a file in bounded blocks, decompressed, up to the very byte where it breaks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from hornbook.core.errors import HornbookError
from hornbook.store.reading.places import File
from hornbook.store.reading.remote import filesystem

BLOCK = 2 * 2**20
"""Bytes read at once. 1 to 2 MB parse fastest, they stay in the processor's cache (8 MB: -25 %)."""

RATIO = 200
"""Times its size that a file may hold before it is taken for a bomb. Text packs 3 to 10 times; our choice."""
FREE = 256 * 2**20
"""Bytes that may come out of any file."""

HEAD = 8_000
"""Bytes kept of a record too long to be held."""


def bomb(total: int, size: int) -> str:
    """What to say where so many bytes come out of so few, '' where that may be."""
    if total <= max(FREE, RATIO * size) or size < 0:
        return ""
    return f"more than {total // 2**20:,} MB come out of {size:,} bytes"


class Broken(Exception):
    """A file that cannot be read any further.

    Args:
        reason: unreadable, truncated, corrupt, empty_file.
        detail: what the system or the decompressor said.
        rest: what had been read of the record it broke in.
        number: that record's line or number, set by who counts; 0 is the file as a whole.
    """

    def __init__(self, reason: str, detail: str, rest: bytes = b"") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.rest = rest
        self.number = 0


@dataclass(frozen=True, slots=True)
class Long:
    """A record too long to be held: its first bytes and its size."""

    head: bytes
    size: int


def open_file(file: File) -> Any:
    """A binary handle with read, seek and close, local or remote.

    Raises:
        Broken: it cannot be opened.
        HornbookError: a remote file cannot be reached: that is the network's fault, and would be another
            result another time, so it must not be written down as the file's.
    """
    try:
        if file.remote:
            system, path = filesystem(file.path)
            return system.open(path, "rb")
        return io.FileIO(file.path, "r")
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise Broken("unreadable", error.strerror or str(error)) from error
    except OSError as error:
        raise _failed(file, error) from error


def _failed(file: File, error: Exception) -> Exception:
    if file.remote:
        fix = "run again; what was done is kept"
        return HornbookError(f"cannot read {file.path}: {error}", where=file.path, fix=fix)
    return Broken("unreadable", str(error))


def blocks(file: File) -> Iterator[bytes]:
    """The file's bytes (of its share, decompressed) in blocks of at most 2 MB.

    Raises:
        Broken: after every byte that could be had was given; also for a file without a byte.
    """
    any_bytes = False
    for block in _inflated(file) if file.codec else _plain(file):
        any_bytes = True
        yield block
    if not any_bytes and file.start == 0:
        raise Broken("empty_file", "the file is empty")


def _plain(file: File) -> Iterator[bytes]:
    left = file.stop - file.start if file.stop >= 0 else None
    with open_file(file) as handle:
        try:
            if file.start:
                handle.seek(file.start)
            while left is None or left > 0:
                block: bytes = handle.read(BLOCK if left is None else min(BLOCK, left))
                if not block:
                    return
                if left is not None:
                    left -= len(block)
                yield block
        except OSError as error:
            raise _failed(file, error) from error


def _inflated(file: File) -> Iterator[bytes]:
    """Decompressed blocks; several members or frames one after the other are one stream."""
    done = 0
    with open_file(file) as handle, _stream(handle, file) as stream:
        while True:
            try:
                block = stream.read(BLOCK)
            except OSError:
                break
            if not block:
                return
            done += len(block)
            yield block
    yield from _salvaged(file, done)


def _stream(handle: Any, file: File) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(handle, mode="r"), file.codec)


def _salvaged(file: File, done: int) -> Iterator[bytes]:
    """What a broken stream still gives after `done` bytes, read byte by byte up to the fault."""
    rest = bytearray()
    with open_file(file) as handle, _stream(handle, file) as stream:
        try:
            while done:
                done -= len(stream.read(min(BLOCK, done)))
            while byte := stream.read(1):
                rest += byte
                if len(rest) == BLOCK:
                    yield bytes(rest)
                    rest.clear()
        except OSError as error:
            fault = error
        else:
            fault = OSError("the stream could be read the second time")
    if rest:
        yield bytes(rest)
    said = str(fault)
    if "Truncated" in said:
        raise Broken("truncated", f"the {file.codec} stream ends in the middle") from fault
    if file.remote and "decompress" not in said and "inflate" not in said:
        raise _failed(file, fault)
    raise Broken("corrupt", said.replace("\n", " ")) from fault


def records(source: Iterator[bytes], end: bytes, limit: int) -> Iterator[list[bytes | Long]]:
    """Cut a stream of blocks at `end` (a newline, a delimiter), a list of records a block.

    An empty record after the last `end` is none. A record of more than `limit` bytes is not held but counted.

    Raises:
        Broken: from `source`, with the record it broke in.
    """
    carry, skipped = b"", None
    keep = len(end) - 1
    try:
        for block in source:
            data = carry + block if carry else block
            found: list[bytes | Long] = []
            if skipped is not None:
                at = data.find(end)
                if at < 0:
                    carry = data[len(data) - keep :]
                    skipped = Long(skipped.head, skipped.size + len(data) - len(carry))
                    continue
                found.append(Long(skipped.head, skipped.size + at))
                data, skipped = data[at + len(end) :], None
            *some, carry = data.split(end)
            if len(data) > limit:
                found += [Long(one[:HEAD], len(one)) if len(one) > limit else one for one in some]
            else:
                found += some
            if found:
                yield found
            if len(carry) > limit:
                skipped = Long(carry[:HEAD], len(carry) - keep)
                carry = carry[len(carry) - keep :]
    except Broken as error:
        error.rest = carry if skipped is None else skipped.head
        raise
    if skipped is not None:
        yield [Long(skipped.head, skipped.size + len(carry))]
    elif carry:
        yield [carry]
