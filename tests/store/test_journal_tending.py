"""Compaction and redriving: nothing that counts is lost, whoever else is at work, however it ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.asking import Raw, Request
from hornbook.store.journal import Batch, Journal, JournalWriter
from hornbook.store.journal.tending import compact, redrive, settle_verdicts
from hornbook.store.journal.verify import verify


def request(n: int) -> Request:
    return Request("m", prompt=f"prompt {n}")


KEYS = [request(n).key() for n in range(12)]
ACTS = st.lists(
    st.tuples(st.sampled_from(["answer", "fail"]), st.integers(0, 11), st.integers(0, 2)), min_size=1, max_size=40
)


def state(folder) -> dict[str, tuple[bytes | None, str | None]]:
    journal = Journal(folder)
    found = {k: (None if e.raw is None else e.raw.body, e.error) for k, e in journal.find(KEYS).items()}
    journal.close()
    return found


@given(acts=ACTS)
@settings(deadline=None, max_examples=25)
def test_compaction_changes_nothing_that_is_found(tmp_path_factory, acts):
    """Any writes by three writers at once: after compaction the same is found, in one file, and replies outrank."""
    folder = tmp_path_factory.mktemp("journal")
    with JournalWriter(folder) as a, JournalWriter(folder) as b, JournalWriter(folder) as c:
        for at, (what, n, who) in enumerate(acts):
            writer = (a, b, c)[who]
            writer.intend(KEYS[n], request(n)).result(10)
            if what == "answer":
                writer.answer(KEYS[n], Raw(b"reply %d" % at, 0.1)).result(10)
            else:
                writer.fail(KEYS[n], "refusal", f"act {at}").result(10)
    before = state(folder)
    for n, key in enumerate(KEYS):
        own = [(what, at) for at, (what, m, _) in enumerate(acts) if m == n]
        if any(what == "answer" for what, _ in own):
            assert before[key] == (b"reply %d" % max(at for what, at in own if what == "answer"), None)
        else:
            assert before.get(key, (None, None))[1] == ("refusal" if own else None)
    done = compact(folder)
    assert state(folder) == before
    assert (done.files, done.busy, done.damaged) == (3, [], [])
    assert done.replies + done.tombstones == len(before)
    assert len(list(folder.glob("*.sqlite"))) == 1
    assert all(health.sound for health in verify(folder))
    records = {entry.key: body for entry, body in Journal(folder).records()}
    assert records == {key: request(KEYS.index(key)).canonical() for key in before}


def test_a_reader_that_was_there_before_finds_the_same(tmp_path):
    for n in range(3):
        with JournalWriter(tmp_path) as writer, JournalWriter(tmp_path) as other:
            writer.answer(KEYS[n], Raw(b"x", 0.1)).result(10)
            other.answer(KEYS[n + 3], Raw(b"y", 0.1)).result(10)
    journal = Journal(tmp_path)
    assert len(journal.find(KEYS)) == 6
    compact(tmp_path)
    assert len(journal.find(KEYS)) == 6
    with JournalWriter(tmp_path) as writer:
        writer.answer(KEYS[8], Raw(b"z", 0.1)).result(10)
        assert len(journal.find(KEYS)) == 7


def test_a_file_that_is_written_to_is_left_alone(tmp_path):
    with JournalWriter(tmp_path) as busy:
        busy.answer(KEYS[0], Raw(b"x", 0.1)).result(10)
        with JournalWriter(tmp_path) as idle:
            idle.answer(KEYS[1], Raw(b"y", 0.1)).result(10)
        done = compact(tmp_path)
        assert (done.files, done.busy) == (1, [busy.path.name])
        busy.answer(KEYS[2], Raw(b"z", 0.1)).result(10)
        assert len(state(tmp_path)) == 3


CHILD = """
import sys
from pathlib import Path
from hornbook.store.journal.tending import compact
while True:
    print(compact(Path(sys.argv[1])).files, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_compaction_that_is_killed_loses_nothing(tmp_path, seed):
    for part in range(3):
        with JournalWriter(tmp_path) as one, JournalWriter(tmp_path) as two:
            for at, writer in enumerate((one, two)):
                some = [request(1000 * part + 500 * at + n) for n in range(300)]
                writer.put(Batch(answers=[(r.key(), Raw(b"x" * 400, 0.1)) for r in some])).result(10)
    keys = [request(1000 * part + 500 * at + n).key() for part in range(3) for at in range(2) for n in range(300)]
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE)
    time.sleep(random.Random(seed).uniform(0.3, 1.5))
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert len(Journal(tmp_path).find(keys)) == 1800
    compact(tmp_path)
    assert len(Journal(tmp_path).find(keys)) == 1800
    assert len(list(tmp_path.glob("*.sqlite"))) == 1


def test_redriving_takes_out_one_class_and_keeps_the_replies_aside(tmp_path):
    with JournalWriter(tmp_path) as writer:
        writer.put(
            Batch(
                answers=[(KEYS[n], Raw(b"%d" % n, 0.1)) for n in range(4)],
                failures=[(KEYS[4], "transport", "gone"), (KEYS[5], "refusal", "no")],
            )
        ).result(10)
        writer.put(Batch(verdicts=[(KEYS[1], "parse", "bad"), (KEYS[2], "empty", "")])).result(10)
    said = redrive(tmp_path, "parse", act=False)
    assert said.keys == [KEYS[1]]
    assert len(state(tmp_path)) == 6
    redrive(tmp_path, "parse")
    assert set(state(tmp_path)) == set(KEYS[:6]) - {KEYS[1]}
    redrive(tmp_path, "transport", among={KEYS[5]})
    assert KEYS[4] in state(tmp_path)
    redrive(tmp_path, "transport")
    assert KEYS[4] not in state(tmp_path)
    (health,) = verify(tmp_path)
    assert health.gone == 1, "a reply that was paid for is kept until compaction"
    compact(tmp_path)
    assert verify(tmp_path)[0].gone == 0


def test_what_a_killed_run_left_unread_is_read_before_redriving(tmp_path):
    with JournalWriter(tmp_path) as writer:
        first = writer.put(Batch(answers=[(KEYS[0], Raw(b"good", 0.1)), (KEYS[1], Raw(b"bad", 0.1))])).result(10)
        writer.put(Batch(read=first, verdicts=[(KEYS[1], "parse", "")])).result(10)
        writer.put(Batch(answers=[(KEYS[2], Raw(b"bad", 0.1)), (KEYS[3], Raw(b"good", 0.1))])).result(10)
    read = []

    def verdict(key, raw):
        read.append(key)
        return ("parse", "said so") if raw.body == b"bad" else None

    assert settle_verdicts(tmp_path, verdict) == 2
    assert read == KEYS[2:4], "what was read before is not read again"
    assert settle_verdicts(tmp_path, verdict) == 0
    assert set(redrive(tmp_path, "parse").keys) == {KEYS[1], KEYS[2]}
