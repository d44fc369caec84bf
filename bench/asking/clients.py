"""Ours, the peers and the limit as whole processes that ask the same prompts of a server of their own."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import peers
from bench.asking.server import server, times_of
from bench.harness import Contender, Facts, Failed, Role
from tests.commands import ROOT

PEERS = ("curator", "data-designer", "distilabel")
"""Fastest first, so that where `--quick` runs out of time it is the best peer that was measured."""
CLIENTS = ("hornbook", "bare aiohttp", "bare on uvloop", *PEERS)
ROLES: dict[str, Role] = {
    "hornbook": "ours",
    "bare aiohttp": "limit",
    "bare on uvloop": "shown",
    "raw sockets": "shown",
}
MAX_TOKENS = 100
WORDS = ("amber", "basket", "candle", "dragon", "engine", "forest", "garden", "harbor", "island", "jacket", "kettle")
HERE = Path(__file__).resolve().parent
SCRIPTS = {
    "distilabel": HERE / "ask_distilabel.py",
    "curator": HERE / "ask_curator.py",
    "data-designer": HERE / "ask_data_designer.py",
    "bare aiohttp": HERE / "ask_bare.py",
    "bare on uvloop": HERE / "ask_bare.py",
    "raw sockets": HERE / "ask_raw.py",
}
SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "distilabel": ({"batch": 1}, {"batch": 4}, {"batch": 16}, {"batch": 1, "replicas": 2}),
    "curator": ({"concurrency": 1}, {"concurrency": 4}, {"concurrency": 0}),
    "data-designer": ({"buffer": 1000}, {"buffer": 10_000, "tasks": 4096}, {"buffer": 250, "groups": 8}),
    "bare aiohttp": ({"loop": "asyncio"},),
    "bare on uvloop": ({"loop": "uvloop"},),
}
"""What is tried for each; the first is used where nothing is tried (`--quick`). `batch` and `concurrency` are multiples
of the common concurrency, so that a peer may hold more in flight than ours does if that serves it."""
RECIPE = """\
name: bench
seed: 1
teacher: {{url: "{url}/v1", model: test, concurrency: {concurrency}}}
steps:
  - use: sources.prompts
    path: {prompts}
  - use: generate.complete
    max_tokens: {max_tokens}
"""


@dataclass(frozen=True)
class Work:
    """What everyone does.

    Args:
        prompts: JSONL with `id` and `prompt`.
        count: its lines.
        concurrency: requests in flight.
        scratch: folder for what they write.
    """

    prompts: Path
    count: int
    concurrency: int
    scratch: Path


@dataclass
class Place:
    """A folder and an address in which one client runs, once or, to see it resume, again."""

    folder: Path
    url: str
    limit: float
    again: bool = False
    facts: Facts = field(default_factory=dict)


def write_prompts(path: Path, count: int) -> Path:
    """Different prompts of about 300 letters, as a TinyStories-like recipe makes them; the same every time."""
    draw = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            words = ", ".join(draw.choice(WORDS) for _ in range(6))
            prompt = (
                f"Write a short story (three to five paragraphs) that uses only words a young child would understand. "
                f"Story {number} must hold the words {words}. The story should have a dialogue and a surprising end. "
                f"Remember to use simple words."
            )
            file.write(json.dumps({"id": f"p{number}", "prompt": prompt}) + "\n")
    return path


def sync_ms(folder: Path) -> float:
    """Milliseconds that a 4 kB append takes to be on the disk (median of 20): what a durable journal pays for."""
    taken = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(20):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 3)


def contender(name: str, work: Work, cache: Path, setting: dict[str, Any] | None = None) -> Contender:
    """One that takes turns: each turn is a fresh server, folder and process."""
    roles: dict[str, Role] = {
        "hornbook": "ours",
        "bare aiohttp": "limit",
        "bare on uvloop": "shown",
        "raw sockets": "shown",
    }
    role = roles.get(name, "peer")
    missing = None
    if role == "peer" and peers.python_of(name, cache) is None:
        missing = "not installed: python -m bench --install asking_overhead"
    chosen = setting or next(iter(SETTINGS.get(name, ({},))))

    def act(limit: float) -> Facts:
        with place(work, limit) as here:
            return ask(name, work, cache, chosen, here)

    return Contender(name, role, act, missing)


@contextmanager
def scratch_in(cache: Path) -> Iterator[Path]:
    """A folder beside the peers, because a journal in a memory file system would be durable for nothing."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=cache) as folder:
        yield Path(folder)


class place:
    """A fresh folder and server for one client; both are gone afterwards."""

    def __init__(self, work: Work, limit: float) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=work.scratch))
        self.server = server()
        self.limit = limit

    def __enter__(self) -> Place:
        return Place(self.folder, self.server.__enter__(), self.limit)

    def __exit__(self, *error: Any) -> None:
        self.server.__exit__(*error)
        shutil.rmtree(self.folder, ignore_errors=True)


def ask(name: str, work: Work, cache: Path, setting: dict[str, Any], here: Place) -> Facts:
    """Run one client to its end and measure it.

    Returns:
        `value`: requests/s between the first request and the last reply as the server saw them; `whole`:
        requests/s of the whole process; `cpu_ms`: milliseconds of processor time (all processes, start to end)
        per request; `wall` seconds; `peak_mb`; ours also `asking_s`, the seconds its manifest gives.

    Raises:
        Failed: it did not end in time, failed, or did not bring every reply.
    """
    before = times_of(here.url)["asked"]
    command, environment = _command(name, work, cache, setting, here)
    out, errors = here.folder / "stdout", here.folder / "stderr"
    limit = min(here.limit, 1e6)
    run = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "measured.py"), str(limit), str(out), str(errors), *command],
        cwd=here.folder,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    used = json.loads(run.stdout)
    times = times_of(here.url)
    if not used["ended"]:
        raise Failed(f"did not end within {limit:.0f} s ({times['asked'] - before:,} of {work.count:,} asked)")
    if used["code"]:
        raise Failed(f"exit code {used['code']}: {_last_line(errors)}")
    said = json.loads(out.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1])
    facts: Facts = {
        "whole": work.count / used["wall"],
        "cpu_ms": (used["user"] + used["system"]) * 1000 / work.count,
        "wall": used["wall"],
        "peak_mb": used["peak"] / 1e6,
        "asked": times["asked"] - before,
        "connections": times["connections"],
    }
    if name == "hornbook":
        step = said["steps"][-1]["facts"]
        facts["asking_s"] = step["seconds"]
        said = {"rows": said["documents"], "texts": said["documents"]}
    if said["rows"] != work.count or said["texts"] != work.count:
        raise Failed(f"{said['texts']:,} replies in {said['rows']:,} rows of {work.count:,}: {_last_line(errors)}")
    if here.again:
        return facts
    if facts["asked"] < work.count:
        raise Failed(f"asked {facts['asked']:,} of {work.count:,}")
    return facts | {"value": work.count / times["seconds"]}


def best_setting(
    name: str, work: Work, cache: Path, tell: Callable[[str], None], limit: float
) -> tuple[dict[str, Any], list[Facts]]:
    """Try every setting once and keep the fastest (requests/s as the server sees them), with what each gave."""
    tried: list[Facts] = []
    for setting in SETTINGS[name]:
        try:
            facts = contender(name, work, cache, setting).act(limit)
            tried.append({"setting": setting, **{k: round(facts[k], 3) for k in ("value", "whole", "cpu_ms")}})
        except Failed as error:
            tried.append({"setting": setting, "value": 0.0, "trouble": str(error)})
        tell(f"tried {name} {setting}: {tried[-1]['value']:,.0f} requests/s {tried[-1].get('trouble', '')}")
    best = max(tried, key=lambda facts: facts["value"])
    return best["setting"], tried


def _command(
    name: str, work: Work, cache: Path, setting: dict[str, Any], here: Place
) -> tuple[Sequence[str], dict[str, str]]:
    job = {
        "url": here.url,
        "prompts": str(work.prompts),
        "count": work.count,
        "concurrency": work.concurrency,
        "max_tokens": MAX_TOKENS,
        "folder": str(here.folder),
        "resume": here.again,
        "settings": setting,
    }
    if name == "hornbook":
        recipe = here.folder / "bench.yaml"
        recipe.write_text(RECIPE.format(**job), encoding="utf-8")
        runs = str(here.folder / "runs")
        return [sys.executable, "-m", "hornbook", "run", str(recipe), "--runs", runs, "--json"], dict(os.environ)
    python = peers.python_of(name, cache) if name in PEERS else None
    environment = peers.environment(here.folder) if name in PEERS else dict(os.environ)
    return [str(python or sys.executable), str(SCRIPTS[name]), json.dumps(job)], environment


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else ""
