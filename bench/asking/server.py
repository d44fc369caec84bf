"""The server of the tests that takes no time, and when it heard its first request and gave its last reply.

A process of its own: `python -m bench.asking.server [WORDS]` prints its port.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from contextlib import AbstractContextManager

from hornbook.engine.asking.loops import run
from tests.commands import serving
from tests.zero_server import Zero, http, serve

GREETING = 100
"""Bytes: a shorter body is no prompt of ours. curator asks once with no messages at all, long before it begins."""


class Timed(Zero):
    """Counts and times requests that carry a prompt."""

    asked = 0
    first = 0.0
    last = 0.0

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"get /times"):
            times = {"asked": Timed.asked, "seconds": Timed.last - Timed.first, "connections": Zero.connections}
            self.transport.write(http(json.dumps(times).encode()))
            return
        arrived = time.perf_counter()
        super()._answer(head)
        at = head.find(b"content-length:")
        if head.startswith(b"post") and at >= 0 and int(head[at + 15 :].split(b"\r\n", 1)[0]) >= GREETING:
            Timed.asked += 1
            Timed.first = Timed.first or arrived
            Timed.last = time.perf_counter()


def server(words: int = 60) -> AbstractContextManager[str]:
    """The address (without /v1) of a fresh server that runs while the block does."""
    return serving("bench.asking.server", str(words))


def times_of(url: str) -> dict[str, float]:
    """`asked` requests with a prompt, `seconds` from the first's arrival to the last's reply, `connections`."""
    with urllib.request.urlopen(f"{url}/times", timeout=10) as reply:
        found: dict[str, float] = json.load(reply)
    return found


if __name__ == "__main__":
    run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 60, Timed))
