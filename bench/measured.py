"""Runs a command and measures all it leaves behind: wall time, processor time and memory of its whole process tree.

`python bench/measured.py SECONDS STDOUT STDERR COMMAND…` prints one JSON object. Standard library and psutil alone,
because it is started as a file; Linux gives everything, elsewhere orphans are missed and memory is the largest child's.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of linux/prctl.h: orphans of the command become our children, so that they are counted."""
LOOK_EVERY = 0.25
"""Seconds between two looks at the memory; a look costs 1 to 3 ms of this process, none of the command's."""
ORPHANS_MAY_TAKE = 5.0
"""Seconds that what outlives the command may take before it is ended."""


def adopt_orphans() -> None:
    """Become the parent of every orphan below; does nothing where the system has no such thing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def memory_of(pids: list[int]) -> int:
    """Bytes that processes hold together, shared pages counted once (PSS); resident size where PSS is not told."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            with contextlib.suppress(psutil.Error):
                total += psutil.Process(pid).memory_info().rss
    return total


class Memory(threading.Thread):
    """Looks at the tree's memory until told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Keep the most that was seen."""
        me = psutil.Process()
        while not self.ended.wait(LOOK_EVERY):
            with contextlib.suppress(psutil.Error):
                self.most = max(self.most, memory_of([child.pid for child in me.children(recursive=True)]))


def reap(until: float) -> None:
    """Wait for every child, adopted ones too; end what is still there after `until` (monotonic seconds)."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > until:
                for child in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        child.kill()
            time.sleep(0.01)


def measure(command: list[str], limit: float, out: Path, errors: Path) -> dict[str, float | int | bool]:
    """Run a command.

    Returns:
        `code`; `ended` (False: it took longer than `limit` seconds and was killed); `wall`, `user`, `system` in
        seconds; `peak` in bytes.
    """
    adopt_orphans()
    memory = Memory()
    began = time.monotonic()
    with out.open("wb") as to, errors.open("wb") as errors_to:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=to, stderr=errors_to)
        memory.start()
        try:
            code, ended = child.wait(limit), True
        except subprocess.TimeoutExpired:
            code, ended = -9, False
        wall = time.monotonic() - began
        reap(time.monotonic() + (ORPHANS_MAY_TAKE if ended else 0.0))
    memory.ended.set()
    memory.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = max(memory.most, used.ru_maxrss * unit)
    return {
        "code": code,
        "ended": ended,
        "wall": wall,
        "user": used.ru_utime,
        "system": used.ru_stime,
        "peak": peak,
    }


if __name__ == "__main__":
    found = measure(sys.argv[4:], float(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
    print(json.dumps(found))
