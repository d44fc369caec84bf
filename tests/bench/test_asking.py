"""The asking benchmarks without peers: ours, the bare loop and the server's ceiling, as real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest

from bench.asking import clients
from bench.asking.clients import Work, ask, contender, place, write_prompts
from bench.asking.server import GREETING, server, times_of
from bench.harness import Failed
from tests.commands import ROOT


@pytest.fixture
def work(tmp_path):
    return Work(write_prompts(tmp_path / "prompts.jsonl", 300), 300, 16, tmp_path)


def test_prompts_differ_and_are_the_same_every_time(tmp_path):
    one = write_prompts(tmp_path / "one.jsonl", 500).read_text()
    assert one == write_prompts(tmp_path / "two.jsonl", 500).read_text()
    rows = [json.loads(row) for row in one.splitlines()]
    assert len({row["prompt"] for row in rows}) == len({row["id"] for row in rows}) == 500
    assert all(len(row["prompt"]) > GREETING for row in rows)


def test_the_server_counts_prompts_not_greetings():
    with server() as url:
        for body in (b'{"messages": []}', json.dumps({"messages": [{"content": "x" * GREETING}]}).encode()):
            with urllib.request.urlopen(f"{url}/v1/chat/completions", data=body, timeout=10) as reply:
                assert json.load(reply)["choices"][0]["message"]["content"]
        found = times_of(url)
    assert found["asked"] == 1
    assert found["seconds"] >= 0


@pytest.mark.parametrize("name", ["hornbook", "bare aiohttp", "raw sockets"])
def test_everyone_asks_every_prompt_once(name, work, tmp_path):
    facts = contender(name, work, tmp_path / "no-peers").act(100.0)
    assert facts["asked"] == 300
    assert facts["value"] >= facts["whole"] > 0, "the span the server saw lies within the process"
    assert facts["cpu_ms"] > 0
    assert facts["peak_mb"] > 5


def test_a_finished_run_asks_nothing_again(work, tmp_path):
    with place(work, 100.0) as here:
        ask("hornbook", work, tmp_path, {}, here)
        here.again = True
        assert ask("hornbook", work, tmp_path, {}, here)["asked"] == 0


def test_lost_replies_are_no_result(work, tmp_path, monkeypatch):
    liar = tmp_path / "liar.py"
    liar.write_text('print(\'{"rows": 300, "texts": 299}\')')
    monkeypatch.setitem(clients.SCRIPTS, "bare aiohttp", liar)
    with pytest.raises(Failed, match=r"299 replies in 300 rows of 300"):
        contender("bare aiohttp", work, tmp_path).act(100.0)


def test_one_that_takes_too_long_is_no_result(work, tmp_path, monkeypatch):
    idler = tmp_path / "idler.py"
    idler.write_text("import time; time.sleep(60)")
    monkeypatch.setitem(clients.SCRIPTS, "bare aiohttp", idler)
    with pytest.raises(Failed, match=r"did not end within 2 s \(0 of 300 asked\)"):
        contender("bare aiohttp", work, tmp_path).act(2.0)


def test_without_peers_the_line_is_whole_and_says_what_is_missing(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench",
            "asking_overhead",
            "--quick",
            "--rounds",
            "1",
            "--cache",
            str(tmp_path / "none"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["peers"] == dict.fromkeys(clients.PEERS)
    assert line["ours"] > 0
    assert 0 < line["share_of_limit"] < 2
    assert done.stderr.count("not installed: python -m bench --install asking_overhead") >= 3
