"""Damage: what is whole is read whatever lies around it, what is not is never given out, and `verify` says which."""

from __future__ import annotations

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.asking import Raw, Request
from hornbook.store.journal import Batch, Journal, JournalWriter
from hornbook.store.journal.records import Damaged, checksum, entry, pack, pack_intents, unpack, unpack_intents
from hornbook.store.journal.verify import verify


def request(n: int) -> Request:
    return Request("m", prompt=f"prompt {n}")


def body(n: int) -> bytes:
    return b'{"n": %d, "text": "%s"}' % (n, b"word " * 100)


def fill(folder, first: int, last: int):
    """A file with replies to some requests; its path."""
    with JournalWriter(folder) as writer:
        numbers = range(first, last)
        writer.put(Batch(intents=[(request(n).key(), request(n).canonical()) for n in numbers])).result(10)
        writer.put(Batch(answers=[(request(n).key(), Raw(body(n), 0.5)) for n in numbers])).result(10)
        return writer.path


@given(st.lists(st.binary(max_size=3000), max_size=8))
@settings(deadline=None, max_examples=60)
def test_bodies_come_back_from_their_packed_form(bodies):
    assert [unpack(stored) for stored in pack(bodies)] == bodies


@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.binary(max_size=300)), min_size=1, max_size=20))
@settings(deadline=None, max_examples=60)
def test_requests_come_back_from_their_pack(pairs):
    keys, packed = b"".join(key for key, _ in pairs), pack_intents([body for _, body in pairs])
    assert list(unpack_intents(len(pairs), keys, packed, checksum(keys, packed))) == pairs


@given(st.binary(min_size=1, max_size=800), st.integers(min_value=0), st.integers(1, 255))
@settings(deadline=None, max_examples=100)
def test_no_changed_byte_is_given_out(data, at, flip):
    (stored,) = pack([data])
    key = bytes(16)
    bad = bytearray(stored)
    bad[at % len(bad)] ^= flip
    row = (key, 1.0, 0.5, bytes(bad), checksum(key, stored), None, None)
    try:
        entry(row)
    except Damaged:
        return
    raise AssertionError("a damaged record was given out")


def test_a_changed_record_is_as_if_it_never_came(tmp_path):
    path = fill(tmp_path, 0, 5)
    db = sqlite3.connect(path)
    db.execute("UPDATE replies SET body = zeroblob(40) WHERE key = ?", [bytes.fromhex(request(2).key())])
    db.commit()
    db.close()
    said: list[str] = []
    found = Journal(tmp_path, said.append).find(request(n).key() for n in range(5))
    assert set(found) == {request(n).key() for n in (0, 1, 3, 4)}
    assert len(said) == 1
    assert "writer-0000" in said[0]
    assert len(Journal(tmp_path).settled([request(n).key() for n in range(5)])) == 4, "it will be asked again"
    (health,) = verify(tmp_path)
    assert (health.replies, health.damaged, health.sound) == (4, 1, False)


def test_a_file_of_rubbish_hides_no_other_and_is_not_written_to(tmp_path):
    (tmp_path / "writer-0000.sqlite").write_bytes(b"this is no database " * 500)
    assert fill(tmp_path, 0, 3).name == "writer-0001.sqlite"
    said: list[str] = []
    journal = Journal(tmp_path, said.append)
    for _ in range(3):
        assert len(journal.find(request(n).key() for n in range(3))) == 3
    assert len(said) == 1, "it is said once"
    assert journal.counts()["replies"] == 3
    assert [health.sound for health in verify(tmp_path)] == [False, True]


def test_around_damaged_pages_the_rest_is_found(tmp_path):
    path = fill(tmp_path, 0, 2000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    found = Journal(tmp_path).find(request(n).key() for n in range(2000))
    assert 1500 < len(found) < 2000
    assert all(found[request(n).key()].raw.body == body(n) for n in range(2000) if request(n).key() in found)
    (health,) = verify(tmp_path)
    assert not health.sound


def test_a_writer_that_comes_upon_damage_goes_on_in_a_new_file(tmp_path):
    path = fill(tmp_path, 0, 2000)
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    new = fill(tmp_path, 5000, 5100)
    assert new != path
    assert len(Journal(tmp_path).find(request(n).key() for n in range(5000, 5100))) == 100


def test_a_torn_log_loses_no_synced_commit_before_the_tear(tmp_path):
    """The tail of SQLite's log cut off anywhere: all commits before the cut are there, and writing goes on."""
    with JournalWriter(tmp_path / "whole") as writer:
        for n in range(20):
            writer.answer(request(n).key(), Raw(body(n), 0.5)).result(10)
        log = writer.path.with_name(writer.path.name + "-wal").read_bytes()
        base = writer.path.read_bytes()
    before = 0
    for share in (0.3, 0.6, 0.9, 0.999):
        folder = tmp_path / str(share)
        folder.mkdir()
        (folder / "writer-0000.sqlite").write_bytes(base)
        (folder / "writer-0000.sqlite-wal").write_bytes(log[: int(len(log) * share)])
        found = Journal(folder).find(request(n).key() for n in range(20))
        assert before <= len(found) < 20
        assert set(found) == {request(n).key() for n in range(len(found))}, "the first commits, without a hole"
        before = len(found)
        assert fill(folder, 50, 52).name == "writer-0000.sqlite"
    assert before >= 15
