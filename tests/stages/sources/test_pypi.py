"""sources.pypi: archives from indexes, checked, kept, never run."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.core.errors import HornbookError, UserError
from hornbook.stages.sources import _index
from hornbook.stages.sources.pypi import Pypi
from tests.contract import Example
from tests.stages.sources.reading import read, reasons

SOME = Path(__file__).resolve().parent / "some_index"
FOX = SOME / "fox_tales-1.0.tar.gz"
EXAMPLE = Example(
    knobs={"packages": ["Fox.Tales==1.0"], "index": str(SOME)}, golden={"1": "a06eff6afadd013aa6b5a0580f4e1c4c"}
)
SHA = hashlib.sha256(FOX.read_bytes()).hexdigest()


class _Pages(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        index = self.server.index
        index.asked.append(self.path)
        if index.login and self.headers.get("Authorization") != "Basic Zm94Om15IGRlbg==":
            self.send_error(401)
            return
        kind, body = index.pages.get(self.path, (None, b""))
        if kind is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Index:
    """A package index over real HTTP."""

    def __init__(self, sha=SHA, form="html", body=None):
        href = f"../../files/{FOX.name}"
        page = f'<!DOCTYPE html><a href="{href}#sha256={sha}">x</a><a href="fox_tales-1.0-py3-none-any.whl">w</a>'
        files = [{"filename": FOX.name, "url": href, "hashes": {"sha256": sha}}]
        api = "application/vnd.pypi.simple.v1+json"
        self.pages = {
            "/simple/fox-tales/": ("text/html", page.encode())
            if form == "html"
            else (api, json.dumps({"files": files}).encode()),
            f"/files/{FOX.name}": ("application/gzip", FOX.read_bytes() if body is None else body),
        }
        self.asked: list[str] = []
        self.login = False

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
        self.server.index = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/simple"
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "cache"


def test_the_example():
    good, drops = read(Pypi.model_validate(EXAMPLE.knobs))
    assert [(row["repo"], row["licence"], row["licence_from"]) for row in good] == [
        ("fox-tales-1.0", "Apache-2.0", "PKG-INFO")
    ] * 3
    assert [row["id"].rpartition("/")[2] for row in good] == ["PKG-INFO:1", "setup.py:1", "__init__.py:1"]
    assert "狐狸" in good[2]["text"]
    assert [reason for _, reason in reasons(drops)] == ["unsafe_path"]


@pytest.mark.parametrize("form", ["html", "json"])
def test_fetched_once_from_an_index_and_kept(form, monkeypatch):
    with Index(form=form) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        first = read(Pypi(packages=["fox-tales==1.0"]))
        assert index.asked == ["/simple/fox-tales/", f"/files/{FOX.name}"]
        assert read(Pypi(packages=[f"fox_tales==1.0.0 --hash=sha256:{SHA}"])) == first
        assert len(index.asked) == 2
    assert first == read(Pypi.model_validate(EXAMPLE.knobs))


def test_what_is_not_what_the_index_says_is_refused(monkeypatch, cache):
    with Index(body=b"another archive") as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        with pytest.raises(HornbookError, match="SHA-256"):
            read(Pypi(packages=["fox-tales==1.0"]))
    assert not [path for path in cache.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    with Index() as index, pytest.raises(UserError, match="with that SHA-256"):
        read(Pypi(packages=[f"fox-tales==1.0 --hash=sha256:{'0' * 64}"], index=index.url))


def test_the_next_index_is_asked_and_a_login_stays_out_of_sight(monkeypatch):
    with Index() as index:
        index.login = True
        host = index.url.removeprefix("http://")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://fox:my%20den@{host.replace('/simple', '/none')}")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"http://fox:my%20den@{host}")
        stage = Pypi(packages=["fox-tales==1.0"])
        assert "den" not in json.dumps(stage.shards(None))
        assert len(read(stage)[0]) == 3


def test_mistakes_are_said(monkeypatch):
    for wrong in ("requests", "requests>=2", "requests==2 ; x", "../x==1", ""):
        with pytest.raises(ValidationError):
            Pypi(packages=[wrong])
    with Index() as index:
        for wrong in ("fox-tales==1.1", "no-such==1"):
            with pytest.raises(UserError, match="no source archive"):
                Pypi(packages=[wrong], index=index.url).shards(None)
    with pytest.raises(HornbookError, match="cannot ask"):
        Pypi(packages=["fox-tales==1.0"], index=index.url).shards(None)


def test_pips_files_are_read_as_pip_reads_them(tmp_path, monkeypatch):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one.example/simple\nfind_links = /a\n  /b\n[install]\nno-index = 1\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    found = _index.settings()
    assert (found.indexes[0], found.links) == ("https://one.example/simple", ("/a", "/b"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://two.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://three.example/simple https://four.example/simple")
    assert [url[8:11] for url in _index.settings().indexes] == ["two", "thr", "fou"]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert _index.settings().indexes == ()


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [("1.0", "1.0.0", True), ("1.0rc1", "1.0.rc1", True), ("v1.2", "1.2", True), ("1.10", "1.1", False),
     ("1.0.post1", "1.0-post1", True), ("1.0", "1.0rc1", False), ("2024.01.02", "2024.1.2", True)],
)  # fmt: skip
def test_versions_are_one_however_they_are_spelled(one, two, same):
    assert _index.same(one, two) == same
