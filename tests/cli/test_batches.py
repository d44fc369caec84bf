"""`hornbook journal batches`: what is at a provider is shown, and what is gone can be forgotten."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest

from hornbook.store.intents import Book, Intent
from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.faulty_server import counts_of, faulty_server, totals_of

RECIPE = """\
name: batched
teacher: {{url: "{url}/v1", model: test, batch: openai, batch_requests: 4, batch_wait: 0.2, max_tokens: 20}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
"""


def listed(here, *more):
    return last_json(hornbook("journal", "batches", "--json", *more, cwd=here))["batches"]


def test_what_a_killed_run_left_is_listed_and_one_of_it_forgotten(tmp_path):
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(8)])
    with faulty_server(batch={"seconds": 6.0}) as url:
        (tmp_path / "recipe.yaml").write_text(RECIPE.format(url=url), encoding="utf-8")
        child = begin("run", "recipe.yaml", cwd=tmp_path)
        until = time.monotonic() + 60
        while totals_of(url)["batches"] < 2 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()

        found = listed(tmp_path)
        assert [(b["requests"], b["state"], b["stands"]) for b in found] == [(4, "open", "at the provider")] * 2
        assert {b["batch"] for b in found} == {"batch_000001", "batch_000002"}
        shown = hornbook("journal", "batches", cwd=tmp_path).stdout
        assert found[0]["client"] in shown
        assert "8 requests at" in shown
        assert max(map(len, shown.splitlines())) <= 100

        plan = last_json(hornbook("plan", "recipe.yaml", "--json", cwd=tmp_path))["steps"][1]
        assert plan["requests"] == 0
        assert any("8 more are in batches under way" in said for said in plan["says"])

        wrong = hornbook("journal", "batches", "--forget", found[0]["client"][:-1] + "x", cwd=tmp_path)
        assert wrong.returncode == 2
        assert f"did you mean {found[0]['client']}" in wrong.stderr
        gone = last_json(hornbook("journal", "batches", "--forget", found[0]["batch"], "--json", cwd=tmp_path))
        assert gone == {"forgotten": found[0]["client"], "batch": found[0]["batch"], "requests": 4}
        assert [b["client"] for b in listed(tmp_path)] == [found[1]["client"]]
        assert Counter(b["state"] for b in listed(tmp_path, "--all")) == {"open": 1, "forgotten": 1}

        done = last_json(hornbook("run", "recipe.yaml", "--json", cwd=tmp_path))
        assert done["documents"] == 8
        assert Counter(counts_of(url)["paid"].values()) == {1: 4, 2: 4}, (
            "what was forgotten is asked again, the rest not"
        )
    assert listed(tmp_path) == []
    assert "no batch is under way" in hornbook("journal", "batches", cwd=tmp_path).stdout
    assert Counter(b["state"] for b in listed(tmp_path, "--all")) == {"done": 2, "forgotten": 1}


def test_every_state_is_said_in_words(tmp_path):
    journal = tmp_path / "runs" / "journal"
    with Book(journal) as book:
        for number in range(6):
            intent = Intent(f"client-{number}", "openai", "http://h/v1", "/v1/chat/completions", 1, 1, 0.5, 9)
            book.file(intent.client).write_bytes(b"")
            book.record(intent, [f"key-{number}"])
        book.sending("client-1")
        book.created("client-2", "b2", sure=False)
        book.created("client-3", "b3", sure=True)
        book.over("client-4", "refused", "no such model \x1b[31m")
        book.over("client-5")
    assert [entry["stands"] for entry in listed(tmp_path, "--all")] == [
        "not sent yet",
        "sent, but no answer was heard: the next run looks for it",
        "perhaps this one: its results will tell",
        "at the provider",
        "refused: no such model \x1b[31m",
        "done",
    ]
    shown = hornbook("journal", "batches", "--all", cwd=tmp_path)
    assert shown.returncode == 0
    assert "\x1b" not in shown.stdout


def test_a_batch_is_not_forgotten_while_a_run_has_the_book(tmp_path):
    with Book(tmp_path / "runs" / "journal") as book:
        book.record(Intent("c", "openai", "http://h/v1", "/v1/completions", 1, 1, 0.0, 9), ["k"])
        done = hornbook("journal", "batches", "--forget", "c", cwd=tmp_path)
        assert done.returncode == 2
        assert "another process" in done.stderr
        assert [entry.client for entry in book.open()] == ["c"]


@pytest.mark.parametrize("args", [[], ["--forget", "c"]])
def test_without_a_journal_it_says_so(args, tmp_path):
    done = hornbook("journal", "batches", *args, cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no journal" in done.stderr
    assert not (tmp_path / "runs").exists()
