"""What a keeper does once, so that the runs forked from it need not. Standard library alone: this runs in the walls."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from hornbook.sandbox.judging import judge
from hornbook.sandbox.serving import serve

PROGRAM = """def total(numbers: list[int]) -> int:
    '''Sum.

    >>> total([1, 2])
    3
    '''
    found = 0
    for number in numbers:
        found += number
    return found
"""
CHECKS = """assert total([1, 2]) == 3
assert total([]) == 0
"""
TIMES = 10
"""Python 3.11 specialises what it has run eight times (PEP 659)."""


def practise(report: Callable[[dict[str, Any]], None], times: int = TIMES) -> None:
    """Do a few runs of our own in this very process.

    What they look up is then in the caches that a forked process begins with, and their code is specialised: a fork
    writes less, and each page it writes to is a copy. A sixth of a run's processor time (LOG.md).

    Args:
        report: what the runs' reports are given to.
    """
    before = sys.stdout, sys.stderr, sys.modules["__main__"], sys.argv
    for _ in range(times):
        mine, other = socket.socketpair()
        thread = threading.Thread(target=serve, args=(PROGRAM, mine.fileno(), report))
        thread.start()
        judge(CHECKS, other.fileno(), report)
        other.close()
        thread.join()
        mine.close()
    sys.stdout, sys.stderr, sys.modules["__main__"], sys.argv = before
