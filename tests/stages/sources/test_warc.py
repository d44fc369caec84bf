"""sources.warc: pages and texts of archives; damage costs a record, and is said with its byte."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from hornbook.stages.sources.warc import Warc
from tests.contract import Example
from tests.stages.sources.reading import read, reasons

pytest.importorskip("fastwarc", reason="the extra `web` is not installed")
SOME = Path(__file__).resolve().parent / "some_warcs"
EXAMPLE = Example(knobs={"path": str(SOME)}, golden={"1": "c9ec394ba44b31d60dfaf9eca554d95f"})
LONG = " ".join(f"word{n} and so on" for n in range(40))


def record(n: int, text: str = LONG, status: str = "200 OK", coding: str = "") -> bytes:
    page = f"<html><body><article><h1>Page {n}</h1><p>{text}</p></article></body></html>".encode()
    page = gzip.compress(page) if coding == "gzip" else page
    more = f"Content-Encoding: {coding}\r\n" if coding else ""
    body = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n{more}\r\n".encode() + page
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/{n}\r\n"
    head += f"WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:x:{n}>\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/http; msgtype=response\r\n\r\n".encode() + body + b"\r\n\r\n"


RECORDS = [record(n, f"{n} {LONG}") for n in range(20)]
PLAIN = b"".join(RECORDS)
MEMBERS = [gzip.compress(one, mtime=0) for one in RECORDS]


def urls(rows):
    return [int(row["url"].rpartition("/")[2]) for row in rows]


def archive(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    return read(Warc(path=str(tmp_path / name), extractor="all"))


def test_the_example():
    good, drops = read(Warc.model_validate(EXAMPLE.knobs))
    assert [(row["id"], row["url"], row["status"], row["mime"], row["date"]) for row in good] == [
        ("pages.warc.gz:3", "http://a.example/fox", 200, "text/html", "2026-01-02T03:04:05Z"),
        ("pages.warc.gz:4", "http://a.example/zh", 200, "text/html", "2026-01-02T03:04:05Z"),
        ("pages.warc.gz:7", "http://a.example/t.txt", 200, "text/plain", "2026-01-02T03:04:05Z"),
        ("text.wet:2", "http://a.example/fox", None, "text/plain", "2026-01-02T03:04:05Z"),
    ]
    assert "蓝色的纽扣" in good[1]["text"]
    assert good[2]["text"] == "Plain words, naïve and true.\n"
    assert good[3]["text"] == "The fox and the button 狐狸"
    assert reasons(drops) == [
        ("pages.warc.gz:5", "status"), ("pages.warc.gz:6", "mime"), ("text.wet:3", "utf8"), ("text.wet:4", "truncated"),
    ]  # fmt: skip
    data = (SOME / "pages.warc.gz").read_bytes()
    assert zlib.decompressobj(31).decompress(data[good[0]["offset"] :]).count(b"http://a.example/fox") == 1


@pytest.mark.parametrize("form", ["plain", "members", "one member", "frames", "one frame"])
def test_every_form_gives_the_same_pages(tmp_path, form):
    import zstandard

    forms = {
        "plain": ("a.warc", PLAIN),
        "members": ("a.warc.gz", b"".join(MEMBERS)),
        "one member": ("a.warc.gz", gzip.compress(PLAIN)),
        "frames": ("a.warc.zst", b"".join(zstandard.compress(one) for one in RECORDS)),
        "one frame": ("a.warc.zst", zstandard.compress(PLAIN)),
    }
    good, drops = archive(tmp_path, *forms[form])
    assert (urls(good), drops) == (list(range(20)), [])
    assert [int(row["id"].rpartition(":")[2]) for row in good] == list(range(1, 21))


def test_pages_that_are_packed_are_unpacked_and_bombs_are_not(tmp_path):
    good, drops = archive(tmp_path, "a.warc", record(0, coding="gzip") + record(1, "0" * 50_000_000, coding="gzip"))
    assert urls(good) == [0]
    assert reasons(drops) == [("a.warc:2", "too_long")]


@pytest.mark.parametrize("cut", [1, 7, 300, 2_000])
@pytest.mark.parametrize("form", ["plain", "members", "frames"])
def test_a_file_that_ends_in_the_middle_says_so(tmp_path, form, cut):
    import zstandard

    pack = {"plain": bytes, "members": lambda one: gzip.compress(one, mtime=0), "frames": zstandard.compress}[form]
    whole = pack(RECORDS[0]) + pack(RECORDS[1])
    name = {"plain": "a.warc", "members": "a.warc.gz", "frames": "a.warc.zst"}[form]
    size = len(whole) - min(cut, len(pack(RECORDS[1])) - 5)
    good, drops = archive(tmp_path, name, whole[:size])
    if form == "plain" and cut == 1:  # the last line break alone
        assert (urls(good), drops) == ([0, 1], [])
        return
    assert urls(good)[:1] == [0]
    assert len(drops) == 1
    assert drops[0]["reason"] == ("corrupt" if form == "plain" and cut == 2_000 else "truncated")  # "WARC/" is no head
    assert "byte" in drops[0]["evidence"]


@pytest.mark.parametrize("form", ["plain", "members"])
def test_damage_costs_the_record_it_is_in(tmp_path, form):
    if form == "plain":
        head = RECORDS[7].replace(b"WARC/1.0", b"XXXX/1.0")
        data = b"".join([*RECORDS[:7], head, *RECORDS[8:]])
    else:
        broken = MEMBERS[7][:40] + b"\xff" * 60 + MEMBERS[7][100:]
        data = b"".join([*MEMBERS[:7], broken, *MEMBERS[8:]])
    good, drops = archive(tmp_path, "a.warc" if form == "plain" else "a.warc.gz", data)
    assert set(range(20)) - set(urls(good)) <= {6, 7}
    assert 7 not in urls(good)
    assert [drop["reason"] for drop in drops] == ["corrupt"]
    assert "bytes" in drops[0]["evidence"]
    ids = [row["id"] for row in good + drops]
    assert len(ids) == len(set(ids))


GARBAGE = {
    "empty": b"", "zeros": b"\0" * 1_000_000, "text": b"no archive\n" * 1000, "marks": b"WARC/1.0\r\n" * 200_000,
    "heads": b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 99999999999999999999\r\n\r\n" * 100,
    "negative": b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: -5\r\n\r\n" * 100,
    "magics": b"\x1f\x8b\x08" * 3_000_000, "random": random.Random(1).randbytes(500_000),
    "header": b"WARC/1.0\r\nWARC-Type: " + b"a" * 5_000_000,
}  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_one_drop_or_few(tmp_path, name):
    good, drops = archive(tmp_path, f"{name}.warc", GARBAGE[name])
    assert good == []
    assert 1 <= len(drops) <= 100


def test_damaged_bytes_never_kill_the_process(tmp_path):
    """In a process of its own: FastWARC is C++, where a fault would be no exception."""
    code = f"""
import random, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
from tests.stages.sources.test_warc import PLAIN, MEMBERS, Warc, read
import zstandard
draw, base = random.Random(7), [PLAIN[:9000], b"".join(MEMBERS[:8]), zstandard.compress(PLAIN[:9000])]
for n in range(600):
    data = bytearray(draw.choice(base))
    for _ in range(draw.randint(1, 15)):
        at = draw.randrange(len(data))
        how = draw.random()
        if how < 0.5: data[at] = draw.randrange(256)
        elif how < 0.7: del data[at : at + draw.randrange(300)]
        elif how < 0.9: data[at:at] = draw.randbytes(draw.randrange(60))
        else: data[at:at] = b"Content-Length: %d\\r\\n" % draw.choice([-1, 0, 2**31, 2**63, 10**30])
    Path("x.warc").write_bytes(bytes(data))
    read(Warc(path="x.warc", extractor="all"))
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr[-2000:]


def test_limit_takes_the_first(tmp_path):
    (tmp_path / "a.warc").write_bytes(PLAIN)
    good, _ = read(Warc(path=[str(tmp_path / "a.warc"), str(SOME)], extractor="all", limit=5))
    assert urls(good) == list(range(5))


def test_the_same_as_warcio_reads(tmp_path):
    warcio = pytest.importorskip("warcio.archiveiterator", reason="warcio is not installed")
    data = b"".join(MEMBERS)
    theirs = [
        one.rec_headers.get_header("WARC-Target-URI")
        for one in warcio.ArchiveIterator(io.BytesIO(data))
        if one.rec_type == "response"
    ]
    assert [row["url"] for row in archive(tmp_path, "a.warc.gz", data)[0]] == theirs
