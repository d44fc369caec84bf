"""Real processes of the real program, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def hornbook(*args: str | Path, cwd: Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `hornbook …` and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "hornbook", *map(str, args)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def begin(*args: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Begin `hornbook …` in a process group of its own, to be interrupted or killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "hornbook", *map(str, args)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def serving(module: str, *args: str) -> Iterator[str]:
    """The address of a server that runs while the block does, in a process of its own that prints its port first."""
    child = subprocess.Popen([sys.executable, "-m", module, *args], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def last_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON object that `--json` prints last."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
