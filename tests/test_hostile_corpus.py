"""A corpus that means harm, through every source and every stage that marks, by the real program: nothing dies.

Each bad record is a drop that names its file and place; what stood before it is kept; kept + dropped = in; nothing is
written outside of the folder given.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import unicodedata
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from hornbook.core.stage import Across, Each
from hornbook.engine.finding import find_stage, stage_names
from hornbook.store.parts import pieces
from tests.archives import tar, zipped
from tests.commands import hornbook, last_json
from tests.contract import Example, example_of
from tests.corpus import HOSTILE, STORIES
from tests.hub_server import Hub

MB = 10_000_000
FOLDERS = ("quality.", "dedup.", "decontaminate.")
STAGES = [name for name in stage_names() if name.startswith(FOLDERS) and issubclass(find_stage(name), (Each, Across))]
EXTRAS = {"sources.html": "trafilatura", "sources.hub": "huggingface_hub", "sources.warc": "fastwarc"}


def scripts() -> dict[str, str]:
    """A text of up to 60 letters of every script that Unicode names letters of."""
    found: dict[str, list[str]] = {}
    for code in range(0x41, 0x32000):
        letter = chr(code)
        if letter.isalpha():
            name = unicodedata.name(letter, "").split(" ")[0]
            letters = found.setdefault(name, [])
            if len(letters) < 60:
                letters.append(letter)
    return {name: "".join(letters) for name, letters in found.items() if len(letters) >= 5}


def texts(size: int = MB) -> dict[str, str]:
    """Texts that have broken text tools, the long ones of `size` bytes."""
    long = {
        "long: one letter": "x" * size,
        "long: lines": "\n" * size,
        "long: words": "ha " * (size // 3),
        "long: digits": "0123456789" * (size // 10),
        "long: Chinese": "狐狸的纽扣" * (size // 15),
        "long: emoji": "👩‍👩‍👧‍👦" * (size // 25),
        "long: marks": "e" + "\u0301" * (size // 2),
        "long: NUL": "\0" * (size // 2),
        "long: symbols": "#…{}<>" * (size // 8),
        "long: mail": "a@b." * (size // 4),
    }
    return {f"hostile {k}": v for k, v in HOSTILE.items()} | {f"script {k}": v for k, v in scripts().items()} | long


def record(n: int, page: bytes) -> bytes:
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/{n}\r\n"
    head += f"WARC-Date: 2026-01-01T00:00:00Z\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/http; msgtype=response\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus: documents, tables, pages, archives of code and of the web, all of them bad."""
    home = tmp_path_factory.mktemp("hostile")
    _documents(home / "documents")
    _pages(home / "pages")
    _code(home / "code")
    _packages(home / "packages")
    _warcs(home / "warcs")
    return home


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _documents(folder: Path) -> None:
    good = b"".join(orjson.dumps({"id": name, "text": text}) + b"\n" for name, text in texts().items())
    bad = b'{broken\n[1]\n{"text": 5}\n{"text": "\xff\xfe"}\n{"text": "\\ud800"}\n\n' + b'{"a":' * 5000 + b"\n"
    plain = b"".join(orjson.dumps({"text": f"{n} {STORIES[n % 5]}"}) + b"\n" for n in range(3000))
    out = io.BytesIO()
    table = pa.table({"text": [f"{n} {STORIES[n % 5]}" for n in range(3000)]})
    pq.write_table(table, out, row_group_size=500, compression="zstd")
    parquet = out.getvalue()
    packed = gzip.compress(plain, mtime=0)
    wrong = bytearray(packed)
    wrong[len(wrong) // 2] ^= 0xFF
    damaged = bytearray(parquet)
    damaged[6000:6200] = b"\xaa" * 200
    files = {
        "a.jsonl": good + bad, "cut.jsonl.gz": packed[: len(packed) // 2], "wrong.jsonl.gz": bytes(wrong),
        "cut.jsonl.zst": zstandard.compress(plain * 20)[:-3000], "cut.parquet": parquet[:-500],
        "damaged.parquet": bytes(damaged), "zeros.parquet": b"\0" * 10_000, "empty.jsonl": b"", "empty.parquet": b"",
        "nul.txt": b"a\0b\n", "latin.txt": b"caf\xe9", "quote.csv": b'text,x\n"never closed,1\n' * 3,
        "short.csv": b"text,x\nonly one\ngood,1\n", "array.json": b'[{"text": "good"}, {"text": "good"}, {"te',
        "zeros.zip": zipped({"zeros": b"\0" * 30_000_000}), "none.jsonl.gz": b"no gzip at all",
        "bits.py": bytes(range(256)), "bomb.parquet": _bomb(), "bomb.jsonl.gz": gzip.compress(b"\0" * 300_000_000, 1),
    }  # fmt: skip
    _write(folder, files)


def _bomb() -> bytes:
    """A table of 25 kB with one text of 300 MB."""
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["x" * 300_000_000]}), out, compression="zstd", use_dictionary=False)
    return out.getvalue()


def _pages(folder: Path) -> None:
    story = "".join(f"<p>{text}</p>" for text in STORIES)
    files = {
        "good.html": f"<html><meta charset=utf-8><body><article>{story}</article></body></html>".encode(),
        "empty.html": b"", "nul.html": b"\0" * 100_000, "deep.html": b"<div>" * 40_000 + b"x",
        "tags.html": b"<p>w<p>" * 200_000, "long.html": b"x" * MB, "bytes.html": bytes(range(256)) * 4000,
        "entities.html": b"<p>&#xD800;&#0;&#x110000;" * 9_000, "cut.html.gz": gzip.compress(story.encode())[:-30],
        "scripts.html": ("<meta charset=utf-8><p>" + "<p>".join(scripts().values())).encode(),
        "bomb.html.gz": gzip.compress(b"<p>" + b" " * 200_000_000),
    }  # fmt: skip
    _write(folder, files)


def _code(folder: Path) -> None:
    files = {f"r/{n}.py": random.Random(n).randbytes(2000).hex().encode() + b"\n" for n in range(50)}
    evil = {"r/good.py": b"x = 1\n", "../evil.py": b"1\n", "/evil.py": b"1\n", "r/../../evil.py": b"1\n"}
    many = {f"r/{n}.py": b"x" * 900_000 for n in range(600)}
    _write(
        folder,
        {
            "cut.tar": tar(files)[:100_000], "cut.tar.gz": gzip.compress(tar(files))[:50_000],
            "evil.tar": tar(evil), "evil.zip": zipped(evil), "zeros.zip": zipped({"r/zeros.bin": b"\0" * 50_000_000}),
            "cut.zip": zipped(files)[:-100], "bomb.zip": zipped(many),
            "bomb.tar.zst": zstandard.compress(b"\0" * 400_000_000),
            "empty.tar.gz": b"", "no.zip": b"PK\3\4" * 100, "no.tar": b"no tar\n" * 1000,
            "tree/a.py": b"x = 1\n", "tree/nul.py": b"a\0b", "tree/latin.py": b"# caf\xe9\n", "tree/empty.py": b"",
            "tree/long.py": b"x" * MB, "tree/scripts.txt": "\n".join(scripts().values()).encode(),
        },
    )  # fmt: skip


def _packages(folder: Path) -> None:
    good = {"fox-1/fox.py": b"x = 1\n", "fox-1/nul.py": b"a\0b", "fox-1/latin.py": b"# caf\xe9\n", "../evil.py": b"1\n"}
    many = {f"fox-1/{n}.py": random.Random(n).randbytes(2000).hex().encode() + b"\n" for n in range(50)}
    _write(
        folder,
        {
            "good-1.tar.gz": gzip.compress(tar(good)), "cut-1.tar.gz": gzip.compress(tar(many))[:50_000],
            "empty-1.tar.gz": b"", "none-1.tar.gz": b"no gzip at all", "cut-1.zip": zipped(many)[:-100],
            "half-1.zip": zipped(many)[:-100], "bomb-1.tar.gz": gzip.compress(b"\0" * 400_000_000, 1),
        },
    )  # fmt: skip


def _warcs(folder: Path) -> None:
    page = "<meta charset=utf-8><body><p>" + "</p><p>".join(STORIES)
    records = [record(n, f"{page} {n}".encode()) for n in range(20)]
    members = [gzip.compress(one, mtime=0) for one in records]
    broken = members[5][:30] + b"\xff" * 40 + members[5][70:]
    _write(
        folder,
        {
            "cut.warc": b"".join(records)[:-400], "cut.warc.gz": b"".join(members)[:-100], "empty.warc": b"",
            "broken.warc.gz": b"".join([*members[:5], broken, *members[6:]]), "no.warc": b"no archive\n" * 1000,
            "cut.warc.zst": zstandard.compress(b"".join(records) * 20)[:-200], "zeros.warc": b"\0" * MB,
            "nul.warc": record(0, b"\0" * 10_000) + record(1, b"<p>" + b"\xff\xfe\0" * 1000),
            "long.warc": record(0, b"x" * MB) + record(1, f"{page} after".encode()),
        },
    )  # fmt: skip


EXPECTED: dict[str, tuple[str, dict[str, str]]] = {
    "sources.files": ("documents", {
        "a.jsonl": "json not_object no_text utf8 surrogate blank", "cut.jsonl.gz": "truncated", "wrong.jsonl.gz": "",
        "cut.jsonl.zst": "truncated", "cut.parquet": "corrupt", "damaged.parquet": "corrupt",
        "zeros.parquet": "corrupt",
        "empty.jsonl": "empty_file", "empty.parquet": "empty_file", "latin.txt": "utf8", "short.csv": "columns",
        "array.json": "json", "zeros.zip": "binary", "none.jsonl.gz": "corrupt", "bits.py": "binary",
        "bomb.parquet": "bomb", "bomb.jsonl.gz": "too_long",
    }),
    "sources.hub": ("documents", {
        "a.jsonl": "json not_object no_text utf8 surrogate blank", "cut.jsonl.gz": "truncated", "wrong.jsonl.gz": "",
        "cut.jsonl.zst": "truncated", "cut.parquet": "corrupt", "damaged.parquet": "corrupt",
        "zeros.parquet": "corrupt", "empty.jsonl": "empty_file", "empty.parquet": "empty_file", "latin.txt": "utf8",
        "short.csv": "columns", "array.json": "json", "none.jsonl.gz": "corrupt", "bomb.parquet": "bomb",
        "bomb.jsonl.gz": "too_long",
    }),
    "sources.html": ("pages", {
        "empty.html": "empty_file", "tags.html": "too_many_tags", "long.html": "too_long", "cut.html.gz": "truncated",
        "bomb.html.gz": "too_long",
    }),
    "sources.code": ("code", {
        "cut.tar": "truncated", "cut.tar.gz": "truncated", "evil.tar": "unsafe_path", "evil.zip": "unsafe_path",
        "zeros.zip": "binary", "cut.zip": "corrupt", "bomb.zip": "bomb", "bomb.tar.zst": "bomb",
        "empty.tar.gz": "empty_file",
        "no.zip": "corrupt", "no.tar": "corrupt", "tree/nul.py": "binary", "tree/latin.py": "utf8",
        "tree/empty.py": "empty_file", "tree/long.py": "too_long",
    }),
    "sources.pypi": ("packages", {
        "good-1.tar.gz": "binary utf8 unsafe_path", "cut-1.tar.gz": "truncated", "empty-1.tar.gz": "empty_file",
        "none-1.tar.gz": "corrupt", "half-1.zip": "corrupt", "bomb-1.tar.gz": "bomb",
    }),
    "sources.warc": ("warcs", {
        "cut.warc": "truncated", "cut.warc.gz": "truncated", "empty.warc": "empty_file", "broken.warc.gz": "corrupt",
        "no.warc": "corrupt", "cut.warc.zst": "truncated", "zeros.warc": "corrupt", "long.warc": "too_long",
    }),
}  # fmt: skip
"""Source → its folder, and for each bad file the reasons that its drops must have."""


def rows_of(out: Path, which: str) -> list[dict[str, Any]]:
    folder = out if which == "kept" else out / "dropped"
    return [
        row for part in sorted(folder.glob("part-*.parquet")) for piece in pieces(part) for row in piece.to_pylist()
    ]


def counted(manifest: dict[str, Any]) -> None:
    assert manifest["kept"] + manifest["dropped"] == manifest["rows_in"]
    assert sum(manifest["reasons"].values()) == manifest["dropped"]


PEAK = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "hornbook", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(done.returncode)
"""


def peak_of(*args: str | Path, cwd: Path, **env: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """`hornbook …`, and the MB of the largest of its processes."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, args)],
        cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done, int(done.stderr.split()[-1])


def knobs_of(source: str, folder: Path, hub: Hub) -> list[str]:
    """Where the source finds what is in the folder."""
    if source == "sources.hub":
        hub.push("hostile/documents", {path.name: path.read_bytes() for path in folder.iterdir()})
        return ["path=hf://datasets/hostile/documents"]
    if source == "sources.pypi":
        names = sorted({path.name.split("-")[0] for path in folder.iterdir()})
        return [f"packages={json.dumps([f'{name}==1' for name in names])}", f"index={folder}"]
    return [f"path={folder}"]


@pytest.mark.timeout(280)
@pytest.mark.parametrize("source", EXPECTED)
def test_sources_say_each_bad_record_and_keep_the_others(source, hostile, tmp_path, hub):
    if source in EXTRAS:
        pytest.importorskip(EXTRAS[source], reason="an extra is not installed")
    folder, expected = EXPECTED[source]
    knobs = knobs_of(source, hostile / folder, hub)
    before = sorted(hostile.rglob("*"))
    arguments = ("step", source, *knobs, "--out", tmp_path / "out", "--workers", "2", "--json")
    done, peak = peak_of(*arguments, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    manifest = last_json(done)
    assert peak < 1_000, "MB of the largest process"
    counted(manifest)
    assert manifest["kept"] > 0
    drops = rows_of(tmp_path / "out", "dropped")
    for file, reasons in expected.items():
        mine = [
            drop
            for drop in drops
            if drop["origin"].startswith((f"{file}:", f"{file}/", f"{file}@")) or drop["origin"] == file
        ]
        assert mine, f"{file} has no drop"
        assert set(reasons.split()) <= {drop["reason"] for drop in mine}, (file, [drop["reason"] for drop in mine])
        assert all(file in drop["evidence"] or drop["reason"] in ("vendored", "generated") for drop in mine)
    assert sorted(hostile.rglob("*")) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "cache"}


def test_what_is_good_in_a_bad_file_is_kept(hostile, tmp_path):
    hornbook(
        "step", "sources.files", f"path={hostile / 'documents'}", "columns=[]", "--out", tmp_path / "out", cwd=tmp_path
    )
    kept = rows_of(tmp_path / "out", "kept")
    names = {row["id"]: row["text"] for row in kept}
    assert {name: names.get(name) == text for name, text in texts().items()} == dict.fromkeys(texts(), True)
    for file, least in (
        ("cut.jsonl.gz", 500),
        ("cut.jsonl.zst", 2_000),
        ("damaged.parquet", 1_500),
        ("array.json", 2),
    ):
        assert sum(row["origin"].startswith(f"{file}:") for row in kept) >= least, file


@pytest.fixture(
    scope="module",
    params=[pytest.param(MB // 5, id="2 MB"), pytest.param(MB, id="10 MB", marks=pytest.mark.slow)],
)
def documents(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile texts as good documents, two of each, in one file."""
    path = tmp_path_factory.mktemp("documents") / "all.parquet"
    rows = [{"id": f"{name} {copy}", "text": text} for copy in range(2) for name, text in texts(request.param).items()]
    rows += [{"id": f"story {n}", "text": text} for n, text in enumerate(STORIES)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=16)
    return path


def with_columns_of(example: Example, documents: Path, folder: Path) -> Path:
    """The documents with the columns that the stage's own example has besides, their values in turn."""
    names = {name for row in example.rows for name in row} - {"id", "text", "origin"}
    if not names:
        return documents
    table = pq.read_table(documents)
    for name in sorted(names):
        values = [row.get(name) for row in example.rows]
        turns = -(-table.num_rows // len(values))
        table = table.append_column(name, pa.array((values * turns)[: table.num_rows]))
    pq.write_table(table, folder / "documents.parquet", row_group_size=16)
    return folder / "documents.parquet"


@pytest.mark.timeout(280)
@pytest.mark.parametrize("stage", STAGES)
def test_stages_are_total_over_hostile_text(stage, documents, tmp_path):
    example = example_of(stage)
    for name, content in example.files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    knobs = [
        f"{name}={json.dumps(_placed(value, tmp_path), ensure_ascii=False)}" for name, value in example.knobs.items()
    ]
    above = with_columns_of(example, documents, tmp_path)
    for at, (use, more) in enumerate(example.above):
        extra = [f"{name}={json.dumps(_placed(value, tmp_path))}" for name, value in more.items()]
        done = hornbook("step", use, above, *extra, "--out", tmp_path / f"above-{at}", cwd=tmp_path, timeout=250)
        if done.returncode:
            pytest.skip(f"{stage} stands on {use}, which does not run alone here: {done.stderr.splitlines()[0]}")
        above = tmp_path / f"above-{at}"
    arguments = ("step", stage, above, *knobs, "--out", tmp_path / "out", "--workers", "1", "--json")
    manifest = last_json(hornbook(*arguments, cwd=tmp_path, timeout=250))
    counted(manifest)
    failed = [
        (drop["id"], drop["evidence"][:300])
        for drop in (rows_of(tmp_path / "out", "dropped") if "error" in manifest["reasons"] else ())
        if drop["reason"] == "error" and drop["evidence"].startswith("hornbook.error")
    ]
    assert not failed, "the stage itself failed on these"
    kept, dropped = rows_of(tmp_path / "out", "kept"), rows_of(tmp_path / "out", "dropped")
    assert all(drop["evidence"] for drop in dropped)
    if not example.above:
        ids = sorted(row["id"] for row in kept + dropped)
        assert ids == sorted(
            [f"{name} {copy}" for copy in range(2) for name in texts()] + [f"story {n}" for n in range(5)]
        )


def _placed(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return value.replace("{tmp}", str(folder))
    if isinstance(value, (list, tuple)):
        return [_placed(one, folder) for one in value]
    if isinstance(value, dict):
        return {key: _placed(one, folder) for key, one in value.items()}
    return value


def test_there_are_letters_of_every_script():
    found = scripts()
    assert len(found) >= 100
    assert {"LATIN", "CJK", "THAI", "ARABIC", "DEVANAGARI", "HANGUL", "CUNEIFORM", "EGYPTIAN"} <= set(found)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", ["sources.code", "sources.warc"])
def test_a_gigabyte_in_half_of_one(source, tmp_path):
    """The largest process of `hornbook step` on an archive that holds 1 GB, one worker."""
    if source in EXTRAS:
        pytest.importorskip(EXTRAS[source], reason="the extra `web` is not installed")
    path = tmp_path / ("a.tar.gz" if source == "sources.code" else "a.warc.gz")
    lines = [f"word{n} = {n * 7919}  # {STORIES[n % 5]}\n" for n in range(1500)]
    with gzip.open(path, "wb", compresslevel=1) as out:
        for n in range(4000):
            page = "".join(lines[(n * k) % 1500] for k in range(1, 1500)).encode()
            if source == "sources.code":
                info = tarfile.TarInfo(f"r/{n}.py")
                info.size = len(page)
                out.write(info.tobuf(tarfile.PAX_FORMAT) + page + b"\0" * (-len(page) % 512))
            else:
                out.write(record(n, b"<p>" + page))
        out.write(b"\0" * 10_240 if source == "sources.code" else b"")
    arguments = ["step", source, f"path={path}", "--out", str(tmp_path / "out"), "--workers", "1"]
    arguments += ["extractor=all"] if source == "sources.warc" else []
    done, peak = peak_of(*arguments, cwd=tmp_path)
    assert "4,000 kept" in done.stdout + done.stderr
    assert peak < 500
