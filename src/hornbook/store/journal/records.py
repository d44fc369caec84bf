"""The form of a journal file: its tables, how records are packed, and their checksums.

`replies` holds a row a request that ended: the raw reply, or (`body` null) the tombstone of a failure.
`class` says why a reply is of no use, null where it is good or unread; `state.read` is the number up to
which replies were read. `intents` holds a row a commit: the requests about to be sent, packed together,
for they are alike and so shrink to a tenth. `gone` holds replies taken out by `hornbook journal redrive`.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash
import zstandard

from hornbook.core.asking import Raw

FORMAT = 2
KEY_BYTES = 16
SMALL = 256
"""Bytes; a shorter reply is kept as it is: zstd saves less than its frame costs."""
LEVEL = 1
"""zstd's: 5 µs for a reply of 800 bytes, measured; level 3 saves 3 % more for twice the time."""
INTENT_PACK = 512
"""Requests in one row of `intents` at most."""

COLUMNS = "key, at, seconds, body, sum, class, detail, intent"
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS replies (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, at REAL NOT NULL, seconds REAL NOT NULL,
    body BLOB, sum INTEGER, class TEXT, detail TEXT, intent INTEGER
);
CREATE INDEX IF NOT EXISTS replies_class ON replies (class) WHERE class IS NOT NULL;
CREATE TABLE IF NOT EXISTS intents (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, many INTEGER NOT NULL, keys BLOB NOT NULL, body BLOB NOT NULL,
    sum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS gone (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL, at REAL NOT NULL, seconds REAL NOT NULL,
    body BLOB, sum INTEGER, class TEXT, detail TEXT, intent INTEGER
);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO state VALUES ('read', 0);
PRAGMA user_version = {FORMAT};
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal holds for one request.

    Args:
        key: the request's key.
        raw: the reply as it came, or None for a failure that brought none.
        error: class of the failure, or None.
        detail: its evidence.
        at: when it was written, in seconds since 1970.
        verdict: class of a reply that came but was of no use when read, or None.
    """

    key: str
    raw: Raw | None
    error: str | None = None
    detail: str = ""
    at: float = 0.0
    verdict: str | None = None


class Damaged(Exception):
    """A record whose checksum does not fit, or which cannot be unpacked."""


def raw_key(key: str) -> bytes:
    """A key as it is stored: 16 bytes; what is no key fits no record."""
    try:
        return bytes.fromhex(key)
    except ValueError:
        return key.encode("utf-8", "replace")


def checksum(key: bytes, body: bytes) -> int:
    """64-bit XXH3 of a record as a signed integer (SQLite knows no other)."""
    return xxhash.xxh3_64_intdigest(key + body) - 2**63


def pack(bodies: Sequence[bytes]) -> list[bytes]:
    """Bodies as they are stored, each on its own: a byte that says how, then the data.

    Compressed in one call, in which other threads go on.
    """
    large = [body for body in bodies if len(body) > SMALL]
    squeezed = iter(_compress(large))
    return [b"z" + next(squeezed) if len(body) > SMALL else b"r" + body for body in bodies]


def unpack(stored: bytes) -> bytes:
    """A body from its stored form.

    Raises:
        Damaged: it is none.
    """
    if stored[:1] == b"r":
        return stored[1:]
    try:
        return zstandard.decompress(stored[1:])
    except (zstandard.ZstdError, MemoryError) as error:
        raise Damaged(str(error)) from error


def pack_intents(bodies: Sequence[bytes]) -> bytes:
    """Requests, packed together: their lengths, then the requests."""
    lengths = struct.pack(f"<{len(bodies)}I", *map(len, bodies))
    return zstandard.ZstdCompressor(level=LEVEL).compress(lengths + b"".join(bodies))


def unpack_intents(many: int, keys: bytes, body: bytes, total: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, request's JSON) of every request of a pack.

    Raises:
        Damaged: the checksum does not fit.
    """
    whole = isinstance(keys, bytes) and isinstance(body, bytes) and isinstance(many, int)
    if not whole or checksum(keys, body) != total or len(keys) != many * KEY_BYTES:
        raise Damaged("the checksum of a pack of requests does not fit")
    data = zstandard.decompress(body)
    at = 4 * many
    for number, length in enumerate(struct.unpack_from(f"<{many}I", data)):
        yield keys[number * KEY_BYTES : (number + 1) * KEY_BYTES], data[at : at + length]
        at += length


def check(row: Sequence[Any]) -> None:
    """Make sure that a row of (key, at, seconds, body, sum, class, detail) is as it was written.

    Raises:
        Damaged: the checksum does not fit.
    """
    key, at, seconds, body, total, kind, _ = row
    if not isinstance(key, bytes) or not isinstance(at, float):
        raise Damaged("a record has no key")
    if body is None:
        if total != checksum(key, str(kind).encode()):
            raise Damaged(f"the checksum of the tombstone of {key.hex()} does not fit")
    elif not isinstance(body, bytes) or not isinstance(seconds, float) or total != checksum(key, body):
        raise Damaged(f"the checksum of the reply to {key.hex()} does not fit")


def entry(row: Sequence[Any]) -> Entry:
    """The entry of a row of (key, at, seconds, body, sum, class, detail).

    Raises:
        Damaged: the checksum does not fit.
    """
    check(row)
    key, at, seconds, body, _, kind, detail = row
    said = str(detail or "")
    if body is None:
        return Entry(key.hex(), None, str(kind), said, at)
    return Entry(key.hex(), Raw(unpack(body), seconds), None, said, at, None if kind is None else str(kind))


def format_of(connection: sqlite3.Connection) -> int:
    """The number of a file's form; 0 while its writer has not made the tables yet."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def check_tables(connection: sqlite3.Connection) -> None:
    """Make sure that a file's tables are those of this form, and that no text in it can stop a reader.

    Raises:
        sqlite3.DatabaseError: they are not: the first page is damaged.
    """
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(SCHEMA)
        wanted = set(model.execute("SELECT sql FROM sqlite_master"))
    if not wanted <= set(connection.execute("SELECT sql FROM sqlite_master")):
        raise sqlite3.DatabaseError("its tables are damaged")


def mark(path: Path) -> Path:
    """The file whose presence says that damage was found in a journal file: it is written to no more."""
    return path.with_suffix(".damaged")


def files_of(folder: Path) -> list[Path]:
    """The journal's files, in order."""
    return sorted(folder.glob("writer-*.sqlite"))


def _compress(bodies: list[bytes]) -> Iterator[bytes]:
    compressor: Any = zstandard.ZstdCompressor(level=LEVEL)
    if len(bodies) < 2 or not hasattr(compressor, "multi_compress_to_buffer"):  # not in zstandard's cffi form
        yield from map(compressor.compress, bodies)
    else:
        yield from (segment.tobytes() for segment in compressor.multi_compress_to_buffer(bodies))
