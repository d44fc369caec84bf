"""Which files are meant, their names and their fingerprints."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from hornbook.core.errors import UserError
from hornbook.store.reading import expand, fingerprint
from hornbook.store.reading.prints import SETTLED_NS
from tests.store.reading.helpers import gather, reasons

LINE = b'{"text": "a"}\n'


def _make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(LINE)


def _names(*paths: object) -> list[str]:
    return [file.name for file in expand([str(path) for path in paths])]


def test_names_and_order(tmp_path: Path) -> None:
    _make(tmp_path, "b.jsonl", "a.jsonl", "sub/c.jsonl", "sub/.h/x.jsonl", ".h.jsonl", "sub/deep/d.txt")
    assert _names(tmp_path) == ["a.jsonl", "b.jsonl", "sub/c.jsonl", "sub/deep/d.txt"]
    assert _names(tmp_path / "*.jsonl") == ["a.jsonl", "b.jsonl"]
    assert _names(tmp_path / "**/*.jsonl") == ["a.jsonl", "b.jsonl", "sub/c.jsonl"]
    assert _names(tmp_path / "s*") == ["sub/c.jsonl", "sub/deep/d.txt"]
    assert _names(tmp_path / "b.jsonl", tmp_path) == ["b.jsonl", "a.jsonl", "sub/c.jsonl", "sub/deep/d.txt"]


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    _make(tmp_path, "x/y/a.jsonl", "z/y/a.jsonl", "b.jsonl")
    paths = (tmp_path / "x/y/a.jsonl", tmp_path / "z/y/a.jsonl", tmp_path / "b.jsonl")
    assert _names(*paths) == ["x/y/a.jsonl", "z/y/a.jsonl", "b.jsonl"]
    table, _ = gather(expand([str(path) for path in paths]))
    assert table is not None
    assert table.column("id").to_pylist() == ["x/y/a.jsonl:1", "z/y/a.jsonl:1", "b.jsonl:1"]


def test_a_folder_written_by_hornbook_is_its_parts(tmp_path: Path) -> None:
    _make(tmp_path, "manifest.json", "part-00000-000.parquet", "dropped/part-00000-000.parquet", "page.html")
    assert _names(tmp_path) == ["part-00000-000.parquet"]


def test_names_that_look_like_globs_or_are_not_unicode(tmp_path: Path) -> None:
    _make(tmp_path, "a[1].jsonl")
    assert _names(tmp_path / "a[1].jsonl") == ["a[1].jsonl"]
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl")).write_bytes(LINE)
    table, drops = gather(expand([str(tmp_path)]))
    assert table is not None
    assert sorted(table.column("id").to_pylist()) == ["\\xff.jsonl:1", "a[1].jsonl:1"]
    assert drops == []


MISSING = ["gone.jsonl", "gone/*.jsonl", "a.jsonl/b", "\0", "memory://gone/x.jsonl", "what://x", ""]


@pytest.mark.parametrize("path", MISSING)
def test_a_path_that_is_not_there_is_said_before_anything_is_read(tmp_path: Path, path: str) -> None:
    _make(tmp_path, "a.jsonl")
    given = path if "://" in path else f"{tmp_path}/{path}" if path else str(tmp_path / "empty")
    if not path:
        (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as caught:
        expand([str(tmp_path / "a.jsonl"), given])
    assert all((caught.value.what, caught.value.where, caught.value.fix))


def test_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        expand([str(tmp_path / "pipe.jsonl")])
    _make(tmp_path, "a.jsonl")
    (tmp_path / "broken.jsonl").symlink_to(tmp_path / "nowhere")
    _, drops = gather(expand([str(tmp_path)]))
    assert reasons(drops) == ["unreadable", "unreadable"]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder, and a process that may not read everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        _make(folder, "a.jsonl", "closed.jsonl", "closed.parquet", "closed.txt", "shut/b.jsonl")
        for closed in ("closed.jsonl", "closed.parquet", "closed.txt", "shut"):
            (folder / closed).chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            (folder / "shut").chmod(0o755)


def test_without_permission_files_and_folders_are_drops(nobody: Path) -> None:
    table, drops = gather(expand([str(nobody)]))
    assert table is not None
    assert table.num_rows == 1
    assert reasons(drops) == ["unreadable"] * 4
    assert {d["evidence"].split(":")[0] for d in drops} == {
        "closed.jsonl", "closed.parquet", "closed.txt", f"{nobody.name}/shut"
    }  # fmt: skip
    assert all("Permission denied" in d["evidence"] for d in drops)
    assert reasons(gather(expand([str(nobody / "shut")]))[1]) == ["unreadable"]
    prints = fingerprint([str(nobody)])
    assert sum("unreadable" in entry[2] for entry in prints) == 4


def test_remote_files_read_the_same() -> None:
    system = fsspec.filesystem("memory")
    root = "/hornbook-reading-test"
    for name in ("b.jsonl", "a.jsonl", "sub/c.txt", ".h/x.txt"):
        with system.open(f"{root}/{name}", "wb") as file:
            file.write(LINE)
    try:
        assert _names(f"memory:/{root}") == ["a.jsonl", "b.jsonl", "sub/c.txt"]
        assert _names(f"memory:/{root}/*.jsonl") == ["a.jsonl", "b.jsonl"]
        table, drops = gather(expand([f"memory:/{root}/b.jsonl"]))
        assert table is not None
        assert (table.column("id").to_pylist(), drops) == (["b.jsonl:1"], [])
        before = fingerprint([f"memory:/{root}"])
        with system.open(f"{root}/a.jsonl", "wb") as file:
            file.write(LINE.upper())
        assert fingerprint([f"memory:/{root}"]) != before
    finally:
        system.rm(root, recursive=True)


def test_a_fingerprint_changes_with_content_name_and_number(tmp_path: Path) -> None:
    _make(tmp_path, "a.jsonl", "b.jsonl")
    cache = tmp_path / ".cache" / "prints.json"
    seen = [fingerprint([str(tmp_path)], cache)]

    def changed() -> None:
        now = fingerprint([str(tmp_path)], cache)
        assert now == fingerprint([str(tmp_path)])
        assert now not in seen
        seen.append(now)

    (tmp_path / "a.jsonl").write_bytes(LINE.replace(b"a", b"b"))
    changed()
    _make(tmp_path, "c.jsonl")
    changed()
    (tmp_path / "c.jsonl").rename(tmp_path / "d.jsonl")
    changed()
    (tmp_path / "d.jsonl").unlink()
    assert fingerprint([str(tmp_path)], cache) == seen[1]
    assert [entry[:2] for entry in seen[0]] == [["a.jsonl", len(LINE)], ["b.jsonl", len(LINE)]]


def test_the_cache_is_used_and_never_fooled_by_a_time_set_back(tmp_path: Path) -> None:
    _make(tmp_path, "a.jsonl")
    path, cache = tmp_path / "a.jsonl", tmp_path / "cache.json"
    old = fingerprint([str(path)], cache)
    assert not cache.exists(), "a file that has only just changed may change again unseen"
    time.sleep(SETTLED_NS / 1e9 + 0.1)
    assert fingerprint([str(path)], cache) == old
    cache.write_text(cache.read_text().replace(old[0][2], "0" * 32))
    assert fingerprint([str(path)], cache)[0][2] == "0" * 32
    times = path.stat()
    path.write_bytes(LINE.swapcase())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    now = fingerprint([str(path)], cache)
    assert now != old
    assert now[0][2] != "0" * 32
    cache.write_text("{broken")
    assert fingerprint([str(path)], cache) == now
