"""A contender's command as a whole process, measured by `bench/measured.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.harness import Facts, Failed

MEASURED = Path(__file__).resolve().parent / "measured.py"


def run_measured(
    command: Sequence[str], place: Path, limit: float, environment: Mapping[str, str], cwd: Path | None = None
) -> tuple[Facts, str]:
    """Run a command to its end.

    Args:
        command: what is run.
        place: a folder for what it prints.
        limit: seconds it may take.
        environment: its environment, all of it.
        cwd: where it runs; `place` where not given.

    Returns:
        `wall`, `cpu` (seconds, of the whole process tree), `peak_mb`; and its standard output.

    Raises:
        Failed: it did not end in time, or with another exit code than 0.
    """
    out, errors = place / "stdout", place / "stderr"
    run = subprocess.run(
        [sys.executable, str(MEASURED), str(limit), str(out), str(errors), *command],
        cwd=cwd or place,
        env=dict(environment),
        stdout=subprocess.PIPE,
        check=True,
    )
    used = json.loads(run.stdout)
    if not used["ended"]:
        raise Failed(f"did not end within {limit:.0f} s")
    if used["code"]:
        last = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise Failed(f"exit code {used['code']}: {' '.join(last)[:300]}")
    facts = {"wall": used["wall"], "cpu": used["user"] + used["system"], "peak_mb": used["peak"] / 1e6}
    return facts, out.read_text(encoding="utf-8", errors="replace")
