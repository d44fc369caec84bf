"""The corpora of the measurements: from archives to pieces, against an index in a folder."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from functools import partial

import pyarrow.parquet as pq
import pytest

from bench import corpus


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("a-1/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


A = {
    "a-1/two.py": "# 你好 🎉\n".encode(),
    "a-1/one.py": b"x = 1\n",
    "a-1/empty.py": b"",
    "a-1/latin.py": b"# caf\xe9\n",
    "a-1/large.py": b"x" * (corpus.LARGEST + 1),
    "a-1/largest.py": b"x" * corpus.LARGEST,
    "a-1/data.bin": b"x",
    "a-1/README.md": b"# A\n",
    "a-1/requirements.txt": b"numpy\n",
    "a-1/a.egg-info/SOURCES.txt": b"one.py\n",
}
B = {f"b-2/{n:03d}.py": f"n = {n}\n".encode() for n in range(100)} | {"b-2/docs/index.rst": b"B\n=\n"}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index over HTTP with two packages; its log of requests."""
    archives = {"a": ("a-1.tar.gz", tar_of(A)), "b": ("b-2.zip", zip_of(B))}
    seen, lines = [], []
    for package, (file, body) in archives.items():
        folder = tmp_path / "site" / "simple" / package
        folder.mkdir(parents=True)
        (folder / file).write_bytes(body)
        digest = hashlib.sha256(body).hexdigest()
        (folder / "index.html").write_text(f'<a href="{file}#sha256={digest}" data-x="y">{file}</a><br/>')
        lines.append(f"{package} {file} {digest}")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *what):
            seen.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (tmp_path / "corpus.txt").write_text("# pins\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(corpus, "PINS", tmp_path / "corpus.txt")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def rows(paths):
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_it_holds_the_wanted_files_and_no_others(tmp_path, index):
    corpus.make(tmp_path / "cache", "usual", lambda line: None)
    code = rows(corpus.pieces(tmp_path / "cache", "code"))
    want = {name: body for name, body in (A | B).items() if name.endswith(".py")}
    for left_out in ("a-1/empty.py", "a-1/latin.py", "a-1/large.py"):
        del want[left_out]
    assert [row["path"] for row in code] == sorted(want)
    assert all(row["text"].encode() == want[row["path"]] for row in code)
    assert len({row["id"] for row in code}) == len(code)
    prose = rows(corpus.pieces(tmp_path / "cache", "prose"))
    assert [row["path"] for row in prose] == ["a-1/README.md", "b-2/docs/index.rst"]
    assert corpus.facts(tmp_path / "cache")["code"] == {
        "files": len(want),
        "bytes": sum(map(len, want.values())),
        "pieces": 4,
    }


def test_the_same_list_gives_the_same_bytes(tmp_path, index):
    for name in ("one", "two"):
        corpus.make(tmp_path / name, "large", lambda line: None)
    for kind in corpus.ENDINGS:
        both = [corpus.pieces(tmp_path / name, kind, "large") for name in ("one", "two")]
        assert [p.read_bytes() for p in both[0]] == [p.read_bytes() for p in both[1]]
        assert len(both[0]) == corpus.PIECES[kind]
        sizes = [path.stat().st_size for path in both[0]]
        assert max(sizes) < 2.5 * min(sizes)


def test_what_is_there_is_not_fetched_again(tmp_path, index):
    corpus.make(tmp_path, "usual", lambda line: None)
    index.clear()
    corpus.make(tmp_path, "usual", lambda line: None)
    corpus.make(tmp_path, "large", lambda line: None)
    assert index == []


def test_another_archive_than_the_pinned_one_is_refused(tmp_path, index):
    (tmp_path / "site" / "simple" / "a" / "a-1.tar.gz").write_bytes(tar_of({"a-1/evil.py": b"x"}))
    told = []
    with pytest.raises(SystemExit, match="1 of 2 archives are missing: a"):
        corpus.make(tmp_path / "cache", "usual", told.append)
    assert any("sha256 differs" in line for line in told)
    with pytest.raises(corpus.Absent, match="--corpus"):
        corpus.pieces(tmp_path / "cache", "code")


def test_a_corpus_of_another_list_is_refused(tmp_path, index):
    corpus.make(tmp_path / "cache", "usual", lambda line: None)
    lines = corpus.PINS.read_text().splitlines()
    corpus.PINS.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(corpus.Absent):
        corpus.pieces(tmp_path / "cache", "code")


def test_a_package_is_no_more_than_its_share(tmp_path, index, monkeypatch):
    monkeypatch.setitem(corpus.SHARE, "code", 300)
    corpus.make(tmp_path / "cache", "usual", lambda line: None)
    mine = [row for row in rows(corpus.pieces(tmp_path / "cache", "code")) if row["path"].startswith("b-2")]
    assert 250 < sum(len(row["text"]) for row in mine) <= 300
    assert [row["path"] for row in mine] != sorted(B)[: len(mine)]  # a sample, not the first ones


def test_the_list_is_whole():
    pins = corpus._wanted("large")
    assert len(pins) > 400
    assert len({pin.package.lower() for pin in pins}) == len(pins) == len({pin.sha256 for pin in pins})
    assert all(len(pin.sha256) == 64 for pin in pins)
    assert corpus._wanted("usual") == pins[: corpus.COUNTS["usual"]]
