"""What is run behind walls, within which limits, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "syntax", "error", "assertion", "timeout", "memory", "output", "blocked", "exited"]
"""pass: it ran to its end and every check held. syntax: it does not compile. error: it raised. assertion: a check did
not hold. timeout, memory, output: a limit. blocked: a wall. exited: it ended before its end, or before its checks'."""

Wall = Literal["network", "files", "secrets", "processes", "signals", "kernel", "memory", "time", "output", "disk"]
"""network: no socket of any family. files: nothing is written outside its own folder. secrets: home folder, environment
and other processes cannot be read. processes: it starts none. signals: none reach others. kernel: no ptrace, mounts,
keyrings, io_uring and the like. memory, time, output, disk: the limits hold whatever it does."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take.

    Args:
        seconds: time that it runs or sleeps; waiting for a busy processor is not counted.
        memory: MB of memory above what an idle interpreter takes (nanochat, execution.py: 256).
        output: bytes of standard output and error together.
        disk: MB in its folder; `files` of them at most.
        threads: at most, its first one included.
    """

    seconds: float = 3.0
    memory: int = 256
    output: int = 1 << 20
    disk: int = 16
    files: int = 256
    threads: int = 16


@dataclass(frozen=True, slots=True)
class Program:
    """A program and what is to hold of it.

    Args:
        text: Python.
        checks: Python that is run after it on what it defined, in a process of its own that the program cannot
            reach; empty for none.
        draw: seed of its hash order and of `random`: another run may be given another.
    """

    text: str
    checks: str = ""
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Args:
        verdict: see `Verdict`.
        error: class of the exception, name of the signal or of the limit; empty where it passed.
        message: the exception's, cut, without addresses of objects.
        line: of the program, or of the checks where `in_checks`; 0 where there is none.
        in_checks: whether it ended in the checks rather than in the program.
        output: beginning of its standard output and error.
        seconds: counted as in `Limits`.
        cpu: seconds of processor time.
        memory: MB at its peak.
    """

    verdict: Verdict
    error: str = ""
    message: str = ""
    line: int = 0
    in_checks: bool = False
    output: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
