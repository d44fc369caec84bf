"""sources.code: languages, licences and marks of files, from folders, archives and rows; bad archives are drops."""

from __future__ import annotations

import bz2
import email
import gzip
import io
import random
import tarfile
from importlib.metadata import distributions
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.stages.sources import _archives, _licences, _trees
from hornbook.stages.sources.code import Code
from hornbook.store.reading import File, streams
from tests.archives import tar, zipped
from tests.contract import Example
from tests.stages.sources.reading import read, reasons

SOME = Path(__file__).resolve().parent / "some_code"
EXAMPLE = Example(knobs={"path": str(SOME)}, golden={"1": "750948f9397b1608956b190023548e8f"})


def test_the_example():
    good, drops = read(Code.model_validate(EXAMPLE.knobs))
    rows = {row["id"]: row for row in good}
    told = {
        key: (row["repo"], row["path"], row["lang"], row["licence"], row["licence_from"]) for key, row in rows.items()
    }
    assert told == {
        "boat/package.json:1": ("boat", "package.json", "json", "ISC", "package.json"),
        "boat/sail.js:1": ("boat", "sail.js", "javascript", "ISC", "package.json"),
        "fox/LICENSE:1": ("fox", "LICENSE", "", "MIT", "LICENSE"),
        "fox/dig.py:1": ("fox", "dig.py", "python", "MIT", "LICENSE"),
        "fox/eat.c:1": ("fox", "eat.c", "c", "GPL-2.0-only", "header"),
        "fox/run:1": ("fox", "run", "python", "MIT", "LICENSE"),
    }
    assert rows["boat/sail.js:1"]["text"] == 'export const 帆 = "⛵";\n'
    assert rows["boat/sail.js:1"]["size"] == len('export const 帆 = "⛵";\n'.encode())
    assert sorted(reasons(drops)) == [
        ("boat/latin.py", "utf8"), ("boat/vendor/oar.js:1", "vendored"), ("fox/den_pb2.py:1", "generated"),
        ("fox/fur.png", "binary"),
    ]  # fmt: skip


def test_knobs_decide_what_leaves():
    marked, _ = read(Code(path=str(SOME), vendored="mark", generated="mark", errors="replace"))
    assert {row["path"]: row["sources.vendored"] for row in marked}["vendor/oar.js"] == "vendor"
    assert {row["path"] for row in marked} >= {"den_pb2.py", "latin.py"}
    kept, drops = read(Code(path=str(SOME), licences="permissive"))
    assert "eat.c" not in {row["path"] for row in kept}
    assert ("fox/eat.c:1", "licence") in reasons(drops)
    kept, drops = read(Code(path=str(SOME), languages=["Python"], vendored="mark"))
    assert {row["lang"] for row in kept} == {"python"}
    assert ("boat/sail.js", "language") in reasons(drops)
    assert len(read(Code(path=str(SOME), limit=2))[0]) == 2
    assert {row["repo"] for row in read(Code(path=str(SOME / "fox")))[0]} == {"fox"}


FILES = {f"fox-1.0/{path.relative_to(SOME / 'fox')}": path.read_bytes() for path in (SOME / "fox").iterdir()}


def stored(tmp_path: Path, name: str, data: bytes, **knobs):
    (tmp_path / name).write_bytes(data)
    return read(Code(path=str(tmp_path / name), **knobs))


@pytest.mark.parametrize("end", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.zst", ".zip"])
def test_every_archive_gives_what_the_folder_gives(tmp_path, end):
    import zstandard

    pack = {".tar": bytes, ".tar.bz2": bz2.compress, ".tar.zst": zstandard.compress}.get(end, gzip.compress)
    data = zipped(FILES) if end == ".zip" else pack(tar(FILES))
    good, drops = stored(tmp_path, f"fox-1.0{end}", data)
    folder, out = read(Code(path=str(SOME / "fox")))
    facts = ("path", "text", "lang", "licence", "licence_from", "size")
    ours = sorted([row[name] for name in facts] for row in good)
    assert ours == sorted([row[name] for name in facts] for row in folder)
    assert {row["repo"] for row in good} == {"fox-1.0"}
    assert sorted(drop["reason"] for drop in drops) == sorted(drop["reason"] for drop in out)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_is_read_as_tarfile_reads_it(tmp_path, form):
    draw = random.Random(form)
    files = {
        f"{'d' * 20}/" * draw.randint(1, 6) + f"{n}{'x' * draw.randint(0, 90)}": draw.randbytes(n * 37)
        for n in range(60)
    }
    if form != tarfile.USTAR_FORMAT:
        files["é狐" * 60] = b"long"
    path = tmp_path / "a.tar"
    path.write_bytes(tar(files, form))
    found = _archives.members(File(str(path), "a.tar", path.stat().st_size), 2**30, lambda name: True)
    assert [(member.name, member.data) for member in found] == list(files.items())


BAD_NAMES = ["../evil.py", "/etc/passwd", "a/../../evil.py", "C:\\evil.py", "..\\evil.py", "a\nb.py"]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("end", [".tar", ".zip"])
def test_names_that_lead_out_are_drops_with_their_byte(tmp_path, name, end):
    files = {"a/good.py": b"x = 1\n", name: b"evil\n"}
    good, drops = stored(tmp_path, f"a{end}", tar(files) if end == ".tar" else zipped(files))
    assert [row["text"] for row in good] == ["x = 1\n"]
    assert [drop["reason"] for drop in drops] == ["unsafe_path"]
    assert "byte" in drops[0]["evidence"]


def test_links_and_devices_are_no_documents(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("a.py")
        info.size = 2
        archive.addfile(info, io.BytesIO(b"1\n"))
    good, drops = stored(tmp_path, "a.tar", out.getvalue())
    assert ([row["path"] for row in good], drops) == (["a.py"], [])


def test_archives_that_break_keep_what_came_before(tmp_path):
    import zstandard

    files = {f"r/{n}.py": random.Random(n).randbytes(3000).hex().encode() for n in range(30)}
    whole = tar(files)
    for name, data in {
        "a.tar": whole[:60_000], "a.tar.gz": gzip.compress(whole)[:40_000],
        "a.tar.zst": zstandard.compress(whole)[:80_000],
    }.items():  # fmt: skip
        good, drops = stored(tmp_path, name, data)
        assert 3 <= len(good) < 30
        assert [row["text"] for row in good] == [text.decode() for text in files.values()][: len(good)]
        assert [drop["reason"] for drop in drops] == ["truncated"]
    good, drops = stored(tmp_path, "b.tar", whole[:7168] + b"x" * 7168 + whole[14336:])
    assert 25 < len(good) < 30
    assert [drop["reason"] for drop in drops] == ["corrupt"]
    assert "7,168" in drops[0]["evidence"] or "bytes" in drops[0]["evidence"]
    assert stored(tmp_path, "a.zip", zipped(files)[:-200])[1][0]["reason"] == "corrupt"
    half = bytearray(zipped(files))
    half[200:260] = b"\xff" * 60
    good, drops = stored(tmp_path, "c.zip", bytes(half))
    assert (len(good), [drop["reason"] for drop in drops]) == (29, ["corrupt"])


def test_bombs_are_drops(tmp_path, monkeypatch):
    import zstandard

    monkeypatch.setattr(streams, "FREE", 20 * 2**20)
    bomb = tar({"a/good.py": b"x = 1\n", "a/zeros.txt": b"\0" * 40_000_000, "a/after.py": b"y\n"})
    for name, data in {"a.tar.gz": gzip.compress(bomb), "a.tar.zst": zstandard.compress(bomb)}.items():
        good, drops = stored(tmp_path, name, data)
        assert [row["path"] for row in good] == ["good.py"]
        assert [drop["reason"] for drop in drops][-1] == "bomb"
    many = zipped({f"a/{n}.txt": b" " * 1_000_000 for n in range(40)})
    good, drops = stored(tmp_path, "a.zip", many)
    assert drops[-1]["reason"] == "bomb"
    assert len(good) < 25
    good, drops = stored(tmp_path, "b.zip", zipped({"a/zeros.bin": b"\0" * 19_000_000, "a/x.py": b"1\n"}))
    assert ([row["path"] for row in good], [drop["reason"] for drop in drops]) == (["x.py"], ["binary"])


EMPTY = {"a.tar": b"", "b.tar": b"\0" * 10_240, "c.tar.gz": b"", "d.zip": b"", "e.zip": b"\0" * 5000,
         "f.tar": b"no tar" * 999,
         "g.tar.gz": b"no gzip" * 99, "h.tar.zst": b"no zstd" * 99, "i.tar.bz2": b"no bzip" * 99}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_what_is_no_archive_is_one_drop(tmp_path, name):
    good, drops = stored(tmp_path, name, EMPTY[name])
    assert (good, len(drops)) == ([], 1)
    assert drops[0]["evidence"].startswith(name)


def test_rows_like_the_stacks(tmp_path):
    rows = [
        {"content": "x = 1\n", "max_stars_repo_path": "src/a.py", "max_stars_repo_name": "o/r",
         "max_stars_repo_licenses": ["MIT", "apache-2.0"], "ext": "py"},
        {"content": "v\n", "max_stars_repo_path": "vendor/b.py", "max_stars_repo_name": "o/r",
         "max_stars_repo_licenses": [], "ext": "py"},
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    good, drops = read(Code(path=str(tmp_path)))
    (row,) = good
    assert (row["text"], row["path"], row["lang"], row["repo"], row["licence"], row["sources.permissive"]) == (
        "x = 1\n", "src/a.py", "python", "o/r", "MIT AND Apache-2.0", True,
    )  # fmt: skip
    assert row["ext"] == "py"
    assert reasons(drops) == [("a.parquet:2", "vendored")]
    (tmp_path / "b.jsonl").write_bytes(
        orjson.dumps({"code": "狐 = 1", "language": "Ruby", "license": "gpl-3.0"}) + b"\n{"
    )
    good, drops = read(Code(path=str(tmp_path / "b.jsonl"), text_column="code"))
    assert [(row["lang"], row["licence"], row["sources.permissive"]) for row in good] == [("ruby", "GPL-3.0", False)]
    assert reasons(drops) == [("b.jsonl:2", "json")]


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [("MIT", True), ("GPL-3.0", False), ("MIT OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False), ("", False),
     ("(MIT OR Apache-2.0) AND BSD-3-Clause", True), ("Apache-2.0 WITH LLVM-exception", True)],
)  # fmt: skip
def test_permissive_is_what_can_be_met_by_permissive_licences(expression, permissive):
    assert _licences.is_permissive(expression) == permissive


def test_licence_texts_are_known_as_their_packages_say():
    """On every package installed beside the tests that has both a licence file and SPDX metadata."""
    right, wrong = 0, []
    for dist in distributions():
        said = email.message_from_string(str(dist.read_text("METADATA") or "")).get("License-Expression")
        files = [file for file in dist.files or [] if _licences.is_licence(file.name) and ".dist-info" in str(file)]
        if not said or len(files) != 1 or not Path(str(files[0].locate())).is_file():
            continue
        found = _licences.of_text(Path(str(files[0].locate())).read_text(encoding="utf-8", errors="replace"))
        if found and found in said.replace("-only", "").replace("-or-later", ""):
            right += 1
        else:
            wrong.append((dist.name, said, found))
    assert right >= 20, "too few packages to tell"
    assert right >= 0.9 * (right + len(wrong)), wrong


GENERATED = [
    ("a_pb2.py", "python", "x", True), ("yarn.lock", "", "x", True), ("a.py", "python", "# @generated by fox\n", True),
    ("a.go", "go", "// Code generated by stringer; DO NOT EDIT.\n", True), ("a.js", "javascript", "a;" * 400, True),
    ("a.py", "python", 'print("generated by hand")\n', False), ("a.py", "python", "x = 1\n# do not edit\n" * 1, True),
    ("a.py", "python", "\n" * 2000 + "# do not edit\n", False), ("狐.py", "python", "狐 = 1\n", False),
]  # fmt: skip


@pytest.mark.parametrize(("path", "lang", "text", "made"), GENERATED)
def test_what_a_program_wrote_is_known_by_its_signs(path, lang, text, made):
    assert (_trees.generated(path, lang, text) is not None) == made


@pytest.mark.parametrize(
    ("name", "data", "lang"),
    [("a.py", b"", "python"), ("a", b"#!/usr/bin/env -S python3 -u\n", "python"), ("a", b"#! /bin/bash\n", "shell"),
     ("a", b"#!/usr/local/bin/node\n", "javascript"), ("Makefile", b"", "make"), ("a", b"#!\xff\0", ""),
     ("a", b"", "")],
)  # fmt: skip
def test_languages_are_known_by_name_or_first_line(name, data, lang):
    assert _trees.language(name, data) == lang
