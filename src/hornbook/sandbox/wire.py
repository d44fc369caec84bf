"""Frames on the channel between a program's process and the judge of its checks.

A frame is four bytes of length, big-endian, and JSON in UTF-8. Nothing that comes is believed: a frame that is too
long, cut off or no JSON ends the talk, and whoever waited for it fails.
"""

from __future__ import annotations

import json
import json.encoder
import os
from collections.abc import Callable
from typing import Any

LONGEST = 32 << 20
"""Bytes of the longest frame: a list of some million numbers. Ours; the memory of a run bounds what is made of it."""

_encoder = json.JSONEncoder(check_circular=False, separators=(",", ":"))
_decoder: Any = json.JSONDecoder()
_scan = _decoder.scan_once


def _quick() -> Callable[[Any], str]:
    """The encoder, made once rather than for each message, where the interpreter has it in C."""
    make, quote = getattr(json.encoder, "c_make_encoder", None), json.encoder.encode_basestring_ascii
    if make is None:
        return _encoder.encode
    run = make(None, _encoder.default, quote, None, ":", ",", False, False, True)
    return lambda tree: "".join(run(tree, 0))


_encode = _quick()


class Gone(BaseException):
    """The other side closed the channel, or does not keep to its form. No `except Exception` of checks stops it."""


class TooMuch(ValueError):
    """A value that does not fit on the channel: too deep or too large."""


class Line:
    """One end of a stream socket. Frames are read whole; one thread at a time."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.gone = False
        self._held = b""

    def send(self, tree: Any) -> None:
        """Send a tree of JSON values.

        Raises:
            TooMuch: it is longer than `LONGEST` or nested deeper than the interpreter's stack; nothing was sent.
            Gone: nobody reads it.
        """
        try:
            body = _encode(tree).encode()
        except RecursionError:
            raise TooMuch("nested too deep to be sent") from None
        if len(body) > LONGEST:
            raise TooMuch(f"{len(body):,} bytes are too many to be sent: at most {LONGEST:,}")
        left = memoryview(len(body).to_bytes(4, "big") + body)
        try:
            while left:
                left = left[os.write(self.fd, left) :]
        except OSError:
            raise self.lost("the channel was closed") from None

    def receive(self) -> Any:
        """The next frame's tree.

        Raises:
            Gone: the channel was closed, or what came is no frame.
        """
        if self.gone:
            raise Gone("the channel was closed")
        held = self._held or self._more()
        while len(held) < 4:
            held += self._more()
        end = 4 + int.from_bytes(held[:4], "big")
        if end > LONGEST + 4:
            raise self.lost("a frame is too long")
        if len(held) < end:
            parts, have = [held], len(held)
            while have < end:
                parts.append(self._more())
                have += len(parts[-1])
            held = b"".join(parts)
        self._held = held[end:]
        try:
            text = held[4:end].decode()
            tree, stop = _scan(text, 0)
        except (ValueError, StopIteration, RecursionError):
            raise self.lost("a frame is no JSON") from None
        if stop != len(text):
            raise self.lost("a frame is no JSON")
        return tree

    def lost(self, why: str) -> Gone:
        self.gone = True
        return Gone(why)

    def _more(self) -> bytes:
        try:
            got = os.read(self.fd, 1 << 18)
        except OSError:
            got = b""
        if not got:
            raise self.lost("the channel was closed")
        return got
