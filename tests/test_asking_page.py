"""`docs/asking.md` is true: its commands are run as they stand there, against servers that count."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.commands import ROOT, write_jsonl
from tests.faulty_server import counts_of, faulty_server

PAGE = (ROOT / "docs" / "asking.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

VLLM = """\
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.say({"data": [{"id": "my-model"}]})

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        open(f"asked-{port}", "a").write(".")
        self.say({"choices": [{"message": {"content": f"From {port}."}, "finish_reason": "stop"}],
                  "usage": {"prompt_tokens": 5, "completion_tokens": 3}})

    def say(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def blocks(language: str, title: str, before: str) -> list[str]:
    """Code of one language between two headings."""
    part = PAGE[PAGE.index(title) : PAGE.index(before)]
    return [code for name, code in BLOCK.findall(part) if name == language]


def program(folder: Path, name: str, *words: str) -> None:
    """A command that is found first."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    program(folder, "hornbook", sys.executable, "-m", "hornbook")
    return os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"} | more


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    (recipe,) = blocks("yaml", "## In five minutes", "### Stop, resume")
    first, again, seen, redriven = (
        *blocks("sh", "## In five minutes", "### Stop, resume"),
        *blocks("sh", "### Stop, resume", "### See what"),
        *blocks("sh", "### See what", "### Ask again"),
        *blocks("sh", "### Ask again", "### Several"),
    )
    env = surroundings(tmp_path)

    def do(commands: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    with faulty_server(faults={"empty": 0.1}, seed=3, model="my-model") as url:
        (tmp_path / "mine.yaml").write_text(recipe.replace("http://localhost:8000", url), encoding="utf-8")
        assert "20 requests asked, 0 from the journal" in do(first)
        assert Counter(counts_of(url)["paid"].values()) == {1: 200}
        do(again)
        assert Counter(counts_of(url)["paid"].values()) == {2: 200, 1: 50}, "once for each max_tokens, and the new ones"
        said = do(seen)
        assert "450 requests: 450 replies, 0 failed, 0 without an answer" in said
        assert said.rstrip().endswith("MB") or '"request"' in said
        kept = documents(tmp_path)
        assert kept < 250, "some replies were empty"
        do(redriven)
        assert sum(counts_of(url)["paid"].values()) == 450 + 250 - kept, "exactly those were asked again"
    assert documents(tmp_path) > kept


def documents(folder: Path) -> int:
    """How many there are, where the page says they are, and that they are in order."""
    tables = [pq.read_table(path) for path in sorted((folder / "runs" / "mine" / "final").glob("part-*.parquet"))]
    names = [int(name[1:]) for table in tables for name in table.column("id").to_pylist()]
    assert names == sorted(names)
    return len(names)


def a_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "flock", "curl", "sed"))), reason="needs bash, flock, curl, sed")
@pytest.mark.slow
def test_the_slurm_script_of_the_page_brings_servers_and_takes_them_away(tmp_path: Path) -> None:
    (script,) = blocks("bash", "### Servers that come and go", "### Coming from")
    (teacher,) = blocks("yaml", "### Servers that come and go", "### Coming from")
    (recipe,) = blocks("yaml", "## In five minutes", "### Stop, resume")
    (tmp_path / "servers.sh").write_text(script, encoding="utf-8")
    (tmp_path / "vllm.py").write_text(VLLM, encoding="utf-8")
    program(tmp_path, "vllm", sys.executable, str(tmp_path / "vllm.py"))
    program(tmp_path, "hostname", "echo 127.0.0.1 #")
    (tmp_path / "mine.yaml").write_text(re.sub(r"^teacher:.*\n", teacher, recipe, flags=re.MULTILINE), encoding="utf-8")
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Fox {n}."} for n in range(3000)])
    ports = sorted({a_port(), a_port()})

    def begin(*words: str, **more: str) -> subprocess.Popen[bytes]:
        env = surroundings(tmp_path, **more)
        return subprocess.Popen(words, cwd=tmp_path, env=env, stderr=subprocess.PIPE, start_new_session=True)

    run = begin("hornbook", "run", "mine.yaml")
    jobs = [begin("bash", "servers.sh", SLURM_ARRAY_TASK_ID=str(port - 8000)) for port in ports]
    try:
        assert run.wait(100) == 0, run.stderr and run.stderr.read().decode()
        assert sorted((tmp_path / "servers.txt").read_text().split()) == [f"http://127.0.0.1:{p}/v1" for p in ports]
        asked = [len((tmp_path / f"asked-{port}").read_text()) for port in ports]
        assert sum(asked) == 3000
        for job in jobs:
            job.send_signal(signal.SIGTERM)
            job.wait(20)
        assert (tmp_path / "servers.txt").read_text() == ""
    finally:
        for job in [run, *jobs]:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
            if job.stderr is not None:
                job.stderr.close()
    until = time.monotonic() + 10
    while any(_open(port) for port in ports) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(_open(port) for port in ports), "the servers ended with their jobs"


def _open(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
