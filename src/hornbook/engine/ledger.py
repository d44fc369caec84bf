"""What a run has spent, in a file of 128 bytes that outlives a killed process."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

NAME = "spent"
SYNC_SECONDS = 1.0
"""How often what is written is forced to disk: a killed process loses nothing, a power cut at most this much."""

_SUMS = struct.Struct("<QddddQQ")
_CHECK = struct.Struct("<Q")
_SLOT = _SUMS.size + _CHECK.size
_SIZE = 2 * _SLOT


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over all executions of a run.

    Args:
        usd, tokens, hours: settled: money, prompt and reply tokens, wall time of asking.
        reserved_usd, reserved_tokens: the worst case of what is in flight and would be lost with the process.
        unsure_usd: of `usd`, what was in flight when a process died: asked for, never heard.
    """

    usd: float = 0.0
    tokens: int = 0
    hours: float = 0.0
    reserved_usd: float = 0.0
    reserved_tokens: int = 0
    unsure_usd: float = 0.0

    def after_a_death(self) -> Spent:
        """What was in flight when the process died may have been paid for: it counts as spent."""
        usd, tokens = self.usd + self.reserved_usd, self.tokens + self.reserved_tokens
        return Spent(usd, tokens, self.hours, unsure_usd=self.unsure_usd + self.reserved_usd)


class Ledger:
    """The file, open for one process; use as a context manager.

    Two records take turns, each with a number and a checksum, written through shared memory: the system
    owns every byte at once, so writing costs no call and a `kill -9` between any two instructions leaves
    at least the record before. A thread forces the file to disk every second.

    Args:
        path: the file; made where absent.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if os.fstat(handle).st_size < _SIZE:
                os.ftruncate(handle, _SIZE)
            self._map = mmap.mmap(handle, _SIZE)
        finally:
            os.close(handle)
        number, found = _newest(bytes(self._map))
        self._number = number
        self.spent = (found or Spent()).after_a_death()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sync, name="ledger", daemon=True)

    def __enter__(self) -> Self:
        self.write(self.spent)
        self._map.flush()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._map.flush()
        self._map.close()

    def write(self, spent: Spent) -> None:
        """Put down the sums as they are now; 2 µs."""
        self.spent = spent
        self._number += 1
        start = self._number % 2 * _SLOT
        self._map[start : start + _SLOT] = _packed(self._number, spent)

    def _sync(self) -> None:
        while not self._ended.wait(SYNC_SECONDS):
            self._map.flush()


def read_spent(path: Path) -> Spent | None:
    """What a ledger says, None where there is none. What is in flight is still in `reserved_usd`."""
    try:
        return _newest(path.read_bytes())[1]
    except OSError:
        return None


def _packed(number: int, s: Spent) -> bytes:
    sums = _SUMS.pack(number, s.usd, s.hours, s.reserved_usd, s.unsure_usd, s.tokens, s.reserved_tokens)
    return sums + _CHECK.pack(zlib.crc32(sums))


def _newest(content: bytes) -> tuple[int, Spent | None]:
    """(number, sums) of the newer record whose checksum is right; (0, None) where none is."""
    best: tuple[int, Spent | None] = (0, None)
    for start in range(0, len(content) - _SLOT + 1, _SLOT):
        sums, check = content[start : start + _SUMS.size], content[start + _SUMS.size : start + _SLOT]
        number, usd, hours, reserved_usd, unsure, tokens, reserved_tokens = _SUMS.unpack(sums)
        if number > best[0] and check == _CHECK.pack(zlib.crc32(sums)):
            best = (number, Spent(usd, tokens, hours, reserved_usd, reserved_tokens, unsure))
    return best
