"""The journal: what was acknowledged is there after kill -9, writers never meet, failures are not replies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from hornbook.core.asking import Raw, Request
from hornbook.store.journal import Journal, JournalWriter


def request(n: int) -> Request:
    return Request("m", prompt=f"prompt {n}")


def test_answers_come_back(tmp_path):
    with JournalWriter(tmp_path) as writer:
        for n in range(3):
            writer.intend(request(n).key(), request(n)).result(10)
        writer.answer(request(0).key(), Raw(b'{"a": 1}', 0.5)).result(10)
        writer.fail(request(1).key(), "transport", "no route").result(10)
        reader = Journal(tmp_path)
        found = reader.find(request(n).key() for n in range(3))
    assert found[request(0).key()].raw == Raw(b'{"a": 1}', 0.5)
    assert found[request(1).key()].error == "transport"
    assert request(2).key() not in found
    counts = reader.counts()
    assert (counts["requests"], counts["replies"], counts["failed"], counts["unanswered"]) == (3, 1, 1, 1)
    assert reader.request(request(2).key())["prompt"] == "prompt 2"


def test_a_reply_outranks_a_tombstone_of_another_writer(tmp_path):
    key = request(0).key()
    with JournalWriter(tmp_path) as one, JournalWriter(tmp_path) as two:
        assert one.path != two.path
        one.fail(key, "transport", "").result(10)
        two.answer(key, Raw(b"yes", 1)).result(10)
        assert Journal(tmp_path).find([key])[key].raw == Raw(b"yes", 1)


def test_a_released_file_is_used_again(tmp_path):
    with JournalWriter(tmp_path) as one:
        first = one.path
    with JournalWriter(tmp_path) as two:
        assert two.path == first


CHILD = """
import sys
from pathlib import Path
from hornbook.core.asking import Raw, Request
from hornbook.store.journal import JournalWriter
with JournalWriter(Path(sys.argv[1])) as writer:
    n = 0
    while True:
        request = Request("m", prompt=f"prompt {n}")
        writer.intend(request.key(), request).result(10)
        writer.answer(request.key(), Raw(b"x" * 500, 0.1)).result(10)
        print(n, flush=True)
        n += 1
"""


@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_survives_kill_9(tmp_path, seed):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.05, 0.4))
    os.kill(child.pid, signal.SIGKILL)
    said = [int(line) for line in child.stdout.read().split() if line.isdigit()]
    child.stdout.close()
    child.wait()
    acknowledged = range(max(said, default=0) + 1)
    found = Journal(tmp_path).find(request(n).key() for n in acknowledged)
    assert len(found) == len(acknowledged)
    with JournalWriter(tmp_path) as writer:
        writer.fail(request(10**6).key(), "refusal", "").result(10)


def test_readers_that_look_while_a_writer_begins(tmp_path):
    """Readers open the files while they are being made; neither side may fail or wait for ever."""
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        stop = threading.Event()
        faults: list[Exception] = []
        looks = [threading.Thread(target=look, args=(folder, stop, faults)) for _ in range(2)]
        for one in looks:
            one.start()
        with JournalWriter(folder) as writer:
            writer.answer(request(turn).key(), Raw(b"yes", 1)).result(20)
        stop.set()
        for one in looks:
            one.join()
        assert faults == []
        assert request(turn).key() in Journal(folder).find([request(turn).key()])


def look(folder, stop, faults):
    """Look up a key until told to stop, with a fresh reader each time."""
    while not stop.is_set():
        reader = Journal(folder)
        try:
            reader.find(["x"])
        except Exception as error:
            faults.append(error)
        finally:
            reader.close()


def test_a_reply_is_kept_though_nobody_waits_for_it_any_more(tmp_path):
    with JournalWriter(tmp_path) as writer:
        futures = [writer.answer(request(n).key(), Raw(b"{}", 0.1)) for n in range(50)]
        for future in futures:
            assert not future.cancel()
        writer.answer(request(50).key(), Raw(b"{}", 0.1)).result(10)
    assert len(Journal(tmp_path).find(request(n).key() for n in range(51))) == 51
