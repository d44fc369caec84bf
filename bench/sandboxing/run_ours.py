"""Completions through hornbook's sandbox: `python run_ours.py PROBLEMS SAMPLES RESULTS WORKERS`."""

from __future__ import annotations

import sys
import time

from files import keep, parts, tell

from hornbook.sandbox.pool import Sandbox
from hornbook.sandbox.values import Limits, Outcome, Program


def main(problems: str, samples: str, results: str, workers: int) -> None:
    """Run them all; starting and ending the sandbox is in the seconds."""
    began = time.perf_counter()
    programs = (Program(text, checks) for text, checks in parts(problems, samples))
    with Sandbox(Limits(seconds=3.0), workers=workers) as sandbox:
        keep(results, map(said, sandbox.run_all(programs)))
    tell(time.perf_counter() - began)


def said(outcome: Outcome) -> tuple[bool, str]:
    """Whether it passed, and the verdict with its reason."""
    return outcome.verdict == "pass", f"{outcome.verdict} {outcome.error} {outcome.message}".strip()


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
