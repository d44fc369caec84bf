"""Program and judge in two forked processes without walls: the talk alone is under test.

A warm interpreter forks both, as a process without threads and with little in it; `run` asks it, one run at a time.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITE = json.JSONEncoder().encode


@functools.cache
def warm() -> subprocess.Popen[str]:
    """The interpreter that forks; it ends when its standard input is closed."""
    src = str(Path(__file__).resolve().parents[2] / "src")
    err = None if os.environ.get("FORKED_STDERR") else subprocess.DEVNULL
    started = subprocess.Popen(
        [sys.executable, "-I", __file__, src], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True
    )

    def stop() -> None:
        for pipe in (started.stdin, started.stdout):
            if pipe is not None:
                pipe.close()
        started.wait()

    atexit.register(stop)
    return started


def run(program: str, checks: str, seconds: float = 15.0) -> dict[str, Any]:
    """How a run ended: the program's own end where it is not `pass`, else the checks'."""
    asked = warm()
    assert asked.stdin is not None
    assert asked.stdout is not None
    asked.stdin.write(WRITE([program, checks, seconds]) + "\n")
    asked.stdin.flush()
    return json.loads(asked.stdout.readline())


def forked(program: str, checks: str, seconds: float) -> dict[str, Any]:
    """The same, in this process's own children."""
    from hornbook.sandbox.judging import judge
    from hornbook.sandbox.serving import serve

    ours, theirs = socket.socketpair()
    tasks: dict[str, Callable[[Any], None]] = {
        "program": lambda report: serve(program, ours.fileno(), report),
        "judge": lambda report: judge(checks, theirs.fileno(), report),
    }
    pids, pipes, texts = [], {}, {}
    for name, task in tasks.items():
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            (theirs if name == "program" else ours).close()
            _child(task, write)
        os.close(write)
        pids.append(pid)
        pipes[read], texts[name] = name, b""
    ours.close()
    theirs.close()
    stop = time.monotonic() + seconds
    while pipes and ("judge" in pipes.values() or not texts["program"]) and time.monotonic() < stop:
        for fd in select.select(list(pipes), [], [], max(0.0, stop - time.monotonic()))[0]:
            got = os.read(fd, 65536)
            texts[pipes[fd]] += got
            if not got:
                os.close(fd)
                del pipes[fd]
    late = "judge" in pipes.values()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    for fd in pipes:
        os.close(fd)
    ends = {n: json.loads(t.split(b"\n")[0]) if t.strip() else {"verdict": "exited"} for n, t in texts.items()}
    if ends["program"]["verdict"] != "pass":
        return {**ends["program"], "in_checks": False}
    return {"verdict": "timeout"} if late else {**ends["judge"], "in_checks": True}


def _child(task: Callable[[Any], None], write: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        task(lambda told: os.write(write, WRITE(told).encode() + b"\n"))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    import asyncio
    import dataclasses
    import unittest.mock
    from typing import Any

    import hornbook.sandbox.judging
    import hornbook.sandbox.serving

    del asyncio, dataclasses, Any
    assert unittest.mock
    assert hornbook.sandbox.judging
    assert hornbook.sandbox.serving
    for line in sys.stdin:
        print(WRITE(forked(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
