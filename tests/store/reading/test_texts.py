"""Text, Markdown and code."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hornbook.store.reading import expand
from hornbook.store.reading.texts import lang_of
from tests.store.reading.helpers import gather, reasons, rows


def test_a_file_is_a_document_as_it_is(tmp_path: Path) -> None:
    text = "  one\r\n\n\ttwo \0 \u202e three\n\n"
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert rows(tmp_path / "a.txt") == (
        [{"id": "a.txt:1", "text": text, "origin": "a.txt:1", "path": "a.txt", "lang": "text"}], []
    )  # fmt: skip
    (tmp_path / "b.md.gz").write_bytes(gzip.compress(b"# hi"))
    ((row,), _) = rows(tmp_path / "b.md.gz")
    assert (row["text"], row["lang"]) == ("# hi", "markdown")


@pytest.mark.parametrize(
    ("split", "texts", "numbers", "blank"),
    [
        ("line", ["one", "two", "three<|endoftext|>four", "<|endoftext|>", "five<|endoftext|>"], [1, 2, 4, 5, 7], 2),
        ("blank-line", ["one\r\ntwo", "three<|endoftext|>four\n<|endoftext|>", "five<|endoftext|>"], [1, 4, 7], 0),
        ("delimiter", ["one\r\ntwo\n\nthree", "four", " \t\nfive"], [1, 2, 3], 0),
    ],
)
def test_ways_to_cut(tmp_path: Path, split: str, texts: list[str], numbers: list[int], blank: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\n\nthree<|endoftext|>four\n<|endoftext|>\n \t\nfive<|endoftext|>")
    good, drops = rows(path, split=split)
    assert [row["text"] for row in good] == texts
    assert [row["id"] for row in good] == [f"a.txt:{number}" for number in numbers]
    assert reasons(drops) == ["blank"] * blank


@pytest.mark.parametrize("split", ["line", "blank-line", "delimiter"])
def test_a_delimiter_across_blocks_and_documents_of_every_size(tmp_path: Path, split: str) -> None:
    glue = {"line": "\n", "blank-line": "\n\n", "delimiter": "<|endoftext|>"}[split]
    texts = ["x" * size for size in (1, 2**21 - 7, 5, 10_000_000, 3, 2**21 - 20, 9, 4_000_000)]
    path = tmp_path / "a.txt"
    path.write_text(glue.join(texts), encoding="utf-8")
    good, drops = rows(path, split=split)
    assert ([row["text"] for row in good], drops) == (texts, [])


@pytest.mark.parametrize("split", ["line", "blank-line", "delimiter"])
def test_what_is_longer_than_a_piece_is_one_drop(tmp_path: Path, split: str) -> None:
    glue = {"line": "\n", "blank-line": "\n\n", "delimiter": "<|endoftext|>"}[split]
    inner = "y" * 1000 + ("\n" if split == "blank-line" else " ")
    path = tmp_path / "a.txt"
    path.write_text(glue.join(["before", inner * 40_000, "after"]), encoding="utf-8")
    good, drops = rows(path, split=split)
    assert [row["text"] for row in good] == ["before", "after"]
    assert reasons(drops) == ["too_long"]
    assert "40,040,000 bytes" in drops[0]["evidence"] or "40,039,999 bytes" in drops[0]["evidence"]


@pytest.mark.parametrize("split", ["file", "line", "blank-line", "delimiter"])
def test_bytes_that_are_not_utf8(tmp_path: Path, split: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9")
    good, drops = rows(path, split=split)
    assert (good, reasons(drops)) == ([], ["utf8"])
    assert "byte 4 (0xe9" in drops[0]["evidence"]
    assert rows(path, split=split, errors="replace")[0][0]["text"] == "caf\ufffd"
    path.write_bytes(b"")
    assert reasons(rows(path, split=split)[1]) == ["empty_file"]


def test_a_truncated_text_keeps_no_half_document(tmp_path: Path) -> None:
    lines = [f"line {n * 7919 % 104729}" for n in range(2000)]
    packed = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "a.txt.gz"
    path.write_bytes(packed[: len(packed) // 2])
    good, drops = rows(path, split="line")
    assert [row["text"] for row in good] == lines[: len(good)]
    assert reasons(drops) == ["truncated"]
    assert lines[len(good)].startswith(drops[0]["text"])
    good, drops = rows(path)
    assert (good, reasons(drops)) == ([], ["truncated"])


def test_a_folder_of_code(tmp_path: Path) -> None:
    files = {
        "src/b.py": b"print('b')\n",
        "src/a.rs": b"fn main() {}\n",
        "Makefile": b"all:\n",
        "logo.png": b"\x89PNG\r\n\0\0",
        "big.c": b"/" * 300,
        "latin.c": b"// \xe9\n",
        "empty.py": b"",
        ".git/config": b"[core]",
        "node_modules/x/index.js": b"1",
        "src/__pycache__/b.pyc": b"\0",
        ".hidden.py": b"1",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    table, drops = gather(expand([str(tmp_path)]), max_bytes=200)
    assert table is not None
    assert [(row["id"], row["path"], row["lang"]) for row in table.to_pylist()] == [
        ("Makefile:1", "Makefile", "make"), ("src/a.rs:1", "src/a.rs", "rust"), ("src/b.py:1", "src/b.py", "python"),
    ]  # fmt: skip
    assert {d["origin"].split(":")[0]: d["reason"] for d in drops} == {
        "big.c": "too_long", "empty.py": "empty_file", "latin.c": "utf8", "logo.png": "binary",
    }  # fmt: skip


def test_languages() -> None:
    cases = {
        "a.py": "python",
        "A.PY.gz": "python",
        "x/Dockerfile": "dockerfile",
        "a.unknown": "",
        "CMakeLists.txt": "cmake",
    }
    assert {name: lang_of(name) for name in cases} == cases
