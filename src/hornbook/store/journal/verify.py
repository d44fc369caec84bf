"""Reading every record of a journal, and telling which are damaged."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hornbook.store.journal.reader import reading
from hornbook.store.journal.records import KEY_BYTES, Damaged, entry, files_of, mark, unpack_intents


@dataclass
class Health:
    """What was found in one file.

    Args:
        file: its name.
        replies, tombstones, intents, gone: sound records.
        damaged: records whose checksum does not fit.
        error: why the file, or the rest of it, cannot be read; '' where it can.
    """

    file: str
    replies: int = 0
    tombstones: int = 0
    intents: int = 0
    gone: int = 0
    damaged: int = 0
    error: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damaged and not self.error

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"sound": self.sound}


def verify(folder: Path) -> list[Health]:
    """Check all records of all files: SQLite's own structure, every checksum, every compressed body.

    Args:
        folder: the journal's.
    """
    return [_check(path) for path in files_of(folder)]


def _check(path: Path) -> Health:
    health = Health(path.name)
    try:
        connection = reading(path)
        if connection is None:
            return health
        try:
            _read(connection, health)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        health.error = str(error)
    if health.sound:
        mark(path).unlink(missing_ok=True)
    return health


def _read(connection: sqlite3.Connection, health: Health) -> None:
    said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        health.error = str(said)
    columns = "key, at, seconds, body, sum, class, detail"
    for table in ("replies", "gone"):
        for row in connection.execute(f"SELECT {columns} FROM {table}"):
            try:
                found = entry(row)
            except Damaged:
                health.damaged += 1
                continue
            if table == "gone":
                health.gone += 1
            elif found.raw is None:
                health.tombstones += 1
            else:
                health.replies += 1
    for row in connection.execute("SELECT many, keys, body, sum FROM intents"):
        try:
            health.intents += sum(1 for _ in unpack_intents(*row))
        except Damaged:
            health.damaged += max(1, len(row[1]) // KEY_BYTES)
