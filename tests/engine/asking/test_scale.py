"""Ten times the prompts cost no more memory, and a finished run is found finished in seconds. All is real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import last_json
from tests.zero_server import counts_of, zero_server

RECIPE = """\
name: big
seed: 1
teacher: {{url: "{url}/v1", model: test, concurrency: 256}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 100
"""


def write(folder: Path, many: int, url: str) -> None:
    with (folder / "prompts.jsonl").open("w") as file:
        for n in range(many):
            file.write(f'{{"id": "p{n}", "prompt": "Write story {n} about a fox."}}\n')
    (folder / "recipe.yaml").write_text(RECIPE.format(url=url))


def run(folder: Path, timeout: float) -> tuple[dict, float, float]:
    """(what the run printed, its peak memory in MB, its seconds)."""
    began, peak = time.monotonic(), 0.0
    with (folder / "out.txt").open("w+") as out, (folder / "err.txt").open("w+") as err:
        child = subprocess.Popen(
            [sys.executable, "-m", "hornbook", "run", "recipe.yaml", "--json"],
            cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=out, stderr=err,
        )  # fmt: skip
        while child.poll() is None:
            assert time.monotonic() - began < timeout
            peak = max(peak, highest(child.pid))
            time.sleep(0.1)
        out.seek(0), err.seek(0)
        done = subprocess.CompletedProcess([], child.returncode, out.read(), err.read())
    return last_json(done), peak, time.monotonic() - began


def highest(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def grown(tmp_path: Path, few: int, many: int, timeout: float) -> tuple[float, float, float]:
    """Peak memory of both runs, and seconds to find the larger one finished."""
    peaks = []
    for number in (few, many):
        folder = tmp_path / str(number)
        folder.mkdir()
        with zero_server() as url:
            write(folder, number, url)
            found, peak, seconds = run(folder, timeout)
            assert counts_of(url)["posts"] == number
            assert found["documents"] == number
            facts = found["steps"][1]["facts"]
            print(f"\n{number:,} prompts: {peak:.0f} MB at most, {seconds:.1f} s, "
                  f"{number / facts['seconds']:,.0f} requests/s; load {os.getloadavg()[0]:.1f}")  # fmt: skip
            peaks.append(peak)
            _, _, again = run(folder, timeout)
            assert counts_of(url)["posts"] == number, "a finished run asked again"
    print(f"finished run of {many:,} prompts found finished in {again:.1f} s")
    return peaks[0], peaks[1], again


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_prompts(tmp_path):
    few, many, again = grown(tmp_path, 4_000, 16_000, 250)
    assert many < 1.2 * few
    assert again < 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_prompts_cost_the_memory_of_a_tenth(tmp_path):
    few, many, again = grown(tmp_path, 100_000, 1_000_000, 3000)
    assert many < 1.2 * few
    assert many < 300 + 30, "MB; libraries alone take 210"
    assert again < 10
