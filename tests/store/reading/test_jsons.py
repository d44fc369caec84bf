"""JSON Lines and JSON: what is written is read, every fault is a drop with its line."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.documents import PIECE_BYTES
from tests.corpus import rows as corpus
from tests.store.reading.helpers import read, reasons, rows

GOOD = b'{"text": "good"}\n'


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".jsonl.gz", ".jsonl.zst", ".json.gz", ".json.zst"])
def test_the_corpus_comes_back_from_every_container(tmp_path: Path, suffix: str) -> None:
    data = b"".join(orjson.dumps(row) + b"\n" for row in corpus())
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(Path(suffix).suffix, bytes)
    path = tmp_path / f"corpus{suffix}"
    path.write_bytes(pack(data))
    assert rows(path) == (corpus(), [])


@pytest.mark.parametrize("indent", [None, 2])
def test_json_arrays_objects_and_values_in_a_row(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(corpus(), indent=indent, ensure_ascii=indent is None), encoding="utf-8")
    assert rows(path) == (corpus(), [])
    path.write_text(json.dumps(corpus()[0], indent=indent), encoding="utf-8")
    assert rows(path) == (corpus()[:1], [])
    path.write_text("\n".join(json.dumps(row, indent=indent) for row in corpus()), encoding="utf-8")
    assert rows(path) == (corpus(), [])


FAULTS = {
    b"{broken": "json",
    b'{"text": "a"} {"text": "b"}': "json",
    b'{"text": "cut': "json",
    b'{"text": NaN}': "json",
    b'{"text": "raw\x00nul"}': "json",
    b"[" * 5000 + b"]" * 5000: "json",
    b"[1, 2]": "not_object",
    b'"text"': "not_object",
    b"null": "not_object",
    b"{}": "no_text",
    b'{"other": 1}': "no_text",
    b'{"text": null}': "no_text",
    b'{"text": 5}': "no_text",
    b'{"text": ["a"]}': "no_text",
    b'{"text": "\xff\xfe"}': "utf8",
    b'{"text": "\xed\xa0\x80"}': "utf8",
    b'{"text": "\xc3"}': "utf8",
    b'{"text": "\\ud800 alone"}': "surrogate",
    b'{"text": "x", "more": "\\udfff"}': "surrogate",
    b"": "blank",
    b"  \t\r": "blank",
}


@pytest.mark.parametrize("line", FAULTS, ids=lambda line: repr(line[:30]))
def test_a_fault_costs_its_line_alone_and_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(GOOD + line + b"\n" + GOOD)
    good, drops = rows(path)
    assert [row["id"] for row in good] == ["f.jsonl:1", "f.jsonl:3"]
    (drop,) = drops
    assert drop["reason"] == FAULTS[line]
    assert drop["evidence"].startswith("f.jsonl, line 2: ")
    assert drop["origin"] == drop["id"] == "f.jsonl:2"
    assert drop["text"][:4] == line.decode("utf-8", "replace")[:4]
    assert len(drop["text"]) <= 2_000


def test_every_fault_in_one_file_kept_and_dropped_are_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(GOOD + line + b"\r\n" for line in FAULTS) + GOOD.strip())
    good, drops = rows(path)
    assert reasons(drops) == list(FAULTS.values())
    assert len(good) + len(drops) == 2 * len(FAULTS) + 1
    assert len({row["id"] for row in good} | {row["id"] for row in drops}) == 2 * len(FAULTS) + 1


def test_faults_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(
        b'{"text": "a\xffb"}\n{"text": "a\\ud800b", "n": 1}\n{"text": NaN}\n{"text": "\xff',
    )
    good, drops = rows(path, errors="replace")
    assert [row["text"] for row in good] == ["a\ufffdb", "a\ufffdb"]
    assert reasons(drops) == ["json", "json"]


def test_nul_and_every_script_are_text(tmp_path: Path) -> None:
    texts = ["a\0b", *("".join(map(chr, range(c, c + 97))) for c in range(0x20, 0xD700, 97)), "\U0010ffff\ufffe"]
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts))
    good, drops = rows(path)
    assert ([row["text"] for row in good], drops) == (texts, [])


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_a_line_of_ten_megabytes(tmp_path: Path, suffix: str) -> None:
    texts = ["short", "x" * 10_000_000, "é" * 3_000_000, "end"]
    path = tmp_path / f"f{suffix}"
    lines = [orjson.dumps({"text": text}) for text in texts]
    path.write_bytes(b"[" + b",".join(lines) + b"]" if suffix == ".json" else b"\n".join(lines))
    good, drops = rows(path)
    assert ([row["text"] for row in good], drops) == (texts, [])


def test_a_line_longer_than_a_piece_is_one_drop(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with path.open("wb") as file:
        file.write(GOOD + b'{"text": "')
        for _ in range(40):
            file.write(b"y" * 2**20)
        file.write(b'"}\n' + GOOD)
    good, drops = rows(path)
    assert [row["id"] for row in good] == ["f.jsonl:1", "f.jsonl:3"]
    assert [(d["reason"], d["id"]) for d in drops] == [("too_long", "f.jsonl:2")]
    assert f"{40 * 2**20 + 12:,}" in drops[0]["evidence"]
    assert PIECE_BYTES < 40 * 2**20


def test_max_bytes_counts_utf8(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"text": "éééé"}\n{"text": "ééééé"}\n{"text": "ab"}\n', encoding="utf-8")
    good, drops = rows(path, max_bytes=8)
    assert [row["text"] for row in good] == ["éééé", "ab"]
    assert [(d["id"], d["text"]) for d in drops] == [("f.jsonl:2", "ééééé")]


@pytest.mark.parametrize(("compress", "codec"), [(gzip.compress, "gz"), (zstandard.compress, "zst")])
@pytest.mark.parametrize("size", [200, 50_000])
def test_a_truncated_stream_keeps_what_was_whole(tmp_path: Path, compress: Any, codec: str, size: int) -> None:
    lines = [orjson.dumps({"text": f"{at * 7919 % 104729} {'ab' * (at % 50)}"}) for at in range(size)]
    packed = compress(b"\n".join(lines) + b"\n")
    path = tmp_path / f"f.jsonl.{codec}"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    good, drops = rows(path)
    assert [row["text"] for row in good] == [json.loads(line)["text"] for line in lines[: len(good)]]
    assert reasons(drops) == ["truncated"]
    if codec == "gz" or size > 1000:
        assert len(good) > size // 3
        assert drops[0]["evidence"].startswith(f"f.jsonl.{codec}, line {len(good) + 1}: ")


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_streams_that_are_none(tmp_path: Path, codec: str) -> None:
    path = tmp_path / f"zeros.jsonl.{codec}"
    path.write_bytes(bytes(5000))
    assert reasons(rows(path)[1]) == ["corrupt"]
    path.write_bytes(b"")
    assert reasons(rows(path)[1]) == ["empty_file"]
    middle = bytearray({"gz": gzip.compress, "zst": zstandard.compress}[codec](GOOD * 9 + corpus_bytes()))
    middle[len(middle) // 2] ^= 0xFF
    path.write_bytes(middle)
    assert "corrupt" in reasons(rows(path)[1])


def corpus_bytes() -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in corpus())


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_a_bomb_of_zeros_is_one_drop(tmp_path: Path, codec: str) -> None:
    path = tmp_path / f"bomb.jsonl.{codec}"
    path.write_bytes({"gz": gzip.compress, "zst": zstandard.compress}[codec](bytes(100 * 2**20)))
    good, drops = rows(path)
    assert (good, reasons(drops)) == ([], ["too_long"])


def test_many_members_are_one_stream(tmp_path: Path) -> None:
    for codec, compress in (("gz", gzip.compress), ("zst", zstandard.compress)):
        path = tmp_path / f"f.jsonl.{codec}"
        path.write_bytes(b"".join(compress(GOOD) for _ in range(5)))
        assert len(rows(path)[0]) == 5


@pytest.mark.parametrize(
    ("data", "kept", "reason"),
    [
        (b'[{"text": "a"}, {"text": "b"}', 2, "json"),
        (b'[{"text": "a"}, {"text": "b"', 1, "json"),
        (b'[{"text": "a"}, {broken}, {"text": "b"}]', 1, "json"),
        (b'[{"text": "a"}] more', 1, "json"),
        (b'[{"text": "a"}, 5, {"text": "b"}]', 2, "not_object"),
        (b'[{"text": "a"}, {"text": "\xff"}, {"text": "b"}]', 2, "utf8"),
        (b'[{"text": "a"}, {"text": "\\ud800"}, {"text": "b"}]', 2, "surrogate"),
        (b"[" * 50_000, 0, "json"),
        (b'{\n"text": 5\n}', 0, "no_text"),
        (b" ", 0, "blank"),
        (b"", 0, "empty_file"),
    ],
)
def test_faults_in_json_files(tmp_path: Path, data: bytes, kept: int, reason: str) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(data)
    good, drops = rows(path)
    assert (len(good), reasons(drops)) == (kept, [reason])
    assert drops[0]["evidence"].startswith("f.json")


def test_types_are_kept_where_they_agree(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    lines = [
        {"text": "a", "n": 1, "f": 1.5, "b": True, "l": [1, 2], "s": {"x": 1}, "when": "2024-01-01T00:00:00"},
        {"text": "b", "n": None, "f": 2, "b": False, "l": [], "s": {"y": ["z"]}, "late": "c"},
    ]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    table, _ = read(path)
    assert table is not None
    assert table.schema.remove_metadata() == pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("origin", pa.string()),
            ("n", pa.int64()),
            ("f", pa.float64()),
            ("b", pa.bool_()),
            ("l", pa.list_(pa.int64())),
            ("s", pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))])),
            ("when", pa.string()),
            ("late", pa.string()),
        ]
    )


def test_types_that_disagree_are_text_wherever_the_piece_ends(tmp_path: Path) -> None:
    values: list[Any] = [1, "one", 2.5, None, [1], {"a": 1}, True, 2**70, -(2**63) - 1, 2**64 - 1]
    said = ["1", "one", "2.5", None, "[1]", '{"a":1}', "true", str(2**70), str(-(2**63) - 1), str(2**64 - 1)]
    path = tmp_path / "f.jsonl"
    near = [{"text": "x", "v": value} for value in values]
    path.write_text("".join(json.dumps(row) + "\n" for row in near), encoding="utf-8")
    assert [row["v"] for row in rows(path)[0]] == said
    far = [row for value in values for row in [{"text": "x", "v": value}] * 5000]
    path.write_text("".join(json.dumps(row) + "\n" for row in far), encoding="utf-8")
    assert [row["v"] for row in rows(path)[0]][::5000] == said


def test_numbers_beyond_64_bits_keep_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    big = 123456789012345678901234567890
    path.write_text(f'{{"text": "a", "n": {big}, "f": 1e300}}\n{{"text": "b", "n": 7, "f": 1.5}}\n')
    good, drops = rows(path)
    assert [(row["n"], row["f"]) for row in good] == [(str(big), 1e300), ("7", 1.5)]
    path.write_text('{"text": "a", "n": ' + "9" * 6000 + "}\n" + '{"text": "b", "n": 1e400}\n{"text": "c"}\n')
    good, drops = rows(path)
    assert len(good) + len(drops) == 3
    assert good[-1]["text"] == "c"


def test_objects_with_endless_keys_are_json_and_rows_with_them_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    counts = {f"word{n}": n for n in range(400)}
    path.write_bytes(orjson.dumps({"text": "a", "counts": counts, "none": {}}) + b"\n")
    (row,) = rows(path)[0]
    assert (json.loads(row["counts"]), row["none"]) == (counts, "{}")
    path.write_bytes(b"".join(orjson.dumps({"text": "a", f"key{n}": n}) + b"\n" for n in range(1500)))
    good, drops = rows(path)
    assert (len(good), set(reasons(drops))) == (999, {"columns"})
    deep: Any = "end"
    for _ in range(200):
        deep = [deep]
    path.write_bytes(orjson.dumps({"text": "a", "deep": deep}) + b"\n")
    assert json.loads(rows(path)[0][0]["deep"]) == deep


def test_ids_and_origins_that_rows_bring_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"text":"a","id":7}\n{"text":"b"}\n{"text":"c","id":""}\n{"text":"d","id":"d","origin":"o"}\n')
    good, _ = rows(path)
    assert [(row["id"], row["origin"]) for row in good] == [
        ("7", "f.jsonl:1"), ("f.jsonl:2", "f.jsonl:2"), ("f.jsonl:3", "f.jsonl:3"), ("d", "o"),
    ]  # fmt: skip


def test_other_names_for_text_and_id(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"text": "old", "id": 1, "content": "new", "key": "k", "x": 1, "y": 2}\n')
    (row,) = rows(path, text_column="content", id_column="key")[0]
    assert row == {
        "id": "k", "text": "new", "origin": "f.jsonl:1", "text.input": "old", "id.input": 1, "x": 1, "y": 2,
    }  # fmt: skip
    (row,) = rows(path, text_column="content", id_column="key", columns=["y"])[0]
    assert row == {"id": "k", "text": "new", "origin": "f.jsonl:1", "y": 2}


def test_reserved_names_pass(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    line = {"text": "a", "row": 1, "partition": 2, "reason": "r", "evidence": "e", "": 3, "quality.x": 4, "\0": 5}
    path.write_bytes(orjson.dumps(line) + b"\n")
    (row,) = rows(path)[0]
    assert {name: row[name] for name in line} == line


def test_prompts_need_a_prompt_or_messages(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}]
    path = tmp_path / "f.jsonl"
    path.write_text(
        '{"prompt": "p", "x": 1}\n'
        + json.dumps({"messages": turns})
        + '\n{"messages": "[]", "prompt": 5}\n{"text": "t"}\n'
    )
    good, drops = rows(path, need=("prompt", "messages"))
    assert [row["prompt"] for row in good] == ["p", None, None]
    assert [row["messages"] and json.loads(row["messages"]) for row in good] == [None, turns, []]
    assert drops[0]["evidence"] == "f.jsonl, line 4: no `prompt` among text; no `messages` among text"


_scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_values = st.recursive(
    _scalars | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=6,
)
_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda key: key not in {"id", "text", "origin"}
)


def _same(read: Any, wrote: Any) -> bool:
    """Equal, as itself, as the text that mixed columns hold, or with nulls for the keys an object lacks."""
    if isinstance(wrote, dict) and isinstance(read, dict):
        return all(_same(read.get(key), wrote.get(key)) for key in read.keys() | wrote.keys())
    if isinstance(wrote, list) and isinstance(read, list):
        return len(read) == len(wrote) and all(map(_same, read, wrote))
    if isinstance(read, float) and isinstance(wrote, int) and not isinstance(wrote, bool):
        return read == float(wrote)
    if isinstance(read, str) and not isinstance(wrote, str):
        return _same(orjson.loads(read), wrote)
    return read == wrote and isinstance(read, bool) == isinstance(wrote, bool)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_words, st.dictionaries(_keys, _values, max_size=4)), min_size=1, max_size=12))
def test_what_is_written_is_read(made: list[tuple[str, dict[str, Any]]]) -> None:
    wrote = [{"text": text} | rest for text, rest in made]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in wrote), encoding="utf-8")
        good, drops = rows(path)
        array = Path(folder, "f.json")
        array.write_text(json.dumps(wrote, ensure_ascii=False), encoding="utf-8")
        again, _ = rows(array)
    assert not drops
    assert len(good) == len(wrote)
    for read_row, row in zip(good, wrote, strict=True):
        assert all(_same(read_row.get(key), row.get(key)) for key in (read_row.keys() | row.keys()) - {"id", "origin"})
    strip = [{k: v for k, v in row.items() if k not in {"id", "origin"}} for row in good]
    assert strip == [{k: v for k, v in row.items() if k not in {"id", "origin"}} for row in again]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")) | st.just(GOOD.strip()), max_size=8))
def test_kept_and_dropped_are_the_lines_of_any_bytes(lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.jsonl")
        path.write_bytes(data)
        good, drops = rows(path)
    assert len(good) + len(drops) == max(1, len(lines))
    assert len(good) == lines.count(GOOD.strip())
