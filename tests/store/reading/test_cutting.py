"""However files are shared out, rows, ids and drops are the same; memory does not grow with the file."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from dataclasses import asdict
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.store.reading import File, cut, expand
from tests.store.reading.helpers import gather


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.just(b'{"text": "good", "n": 1}'), max_size=60), st.integers(1, 400))
def test_cut_lines_give_what_the_file_gives(lines: list[bytes], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.jsonl")
        path.write_bytes(b"\n".join(lines))
        files = expand([folder])
        shares = cut(files, size)
        flat = [File(**orjson.loads(orjson.dumps(asdict(file)))) for share in shares for file in share]
        assert gather(flat) == gather(files)
        assert sum(max(0, f.stop - f.start) if f.stop >= 0 else f.size for f in flat) == path.stat().st_size


def test_big_files_are_cut_about_evenly(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"text": "x" * (n * 7919 % 3000)}) + b"\n" for n in range(12_000)))
    shares = cut(expand([str(path)]), 2**21)
    sizes = [file.stop - file.start for (file,) in shares]
    assert len(sizes) > 7
    assert all(2**21 <= size < 2**21 + 3100 for size in sizes[:-1])
    one, _ = gather(expand([str(path)]))
    many, _ = gather([file for share in shares for file in share])
    assert one is not None
    assert one.equals(many)


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"text": [f"{n * 7919}" for n in range(5000)]}), path, row_group_size=300)
    files = expand([str(path)])
    shares = cut(files, 10_000)
    assert len(shares) > 3
    assert gather([file for share in shares for file in share]) == gather(files)


def test_small_files_are_put_together_in_order(tmp_path: Path) -> None:
    for n in range(50):
        (tmp_path / f"{n:02d}.txt").write_text("x" * 100)
    files = expand([str(tmp_path)])
    shares = cut(files, 1000)
    assert [len(share) for share in shares] == [10] * 5
    assert [file for share in shares for file in share] == files
    assert len(cut(files * 100)) == -(-5000 // 1024)


def test_what_cannot_be_cut_stays_whole(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.csv", "c.jsonl.gz", "d.json"):
        (tmp_path / name).write_bytes(b"broken\n" * 100)
    assert [len(share) for share in cut(expand([str(tmp_path)]), 10)] == [1] * 4


def _write_big(path: Path) -> None:
    """200,001 documents, 200 MB; Parquet as one row group."""
    words = "word " * 200
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, pa.schema([("text", pa.string())])) as out:
            texts = [f"{n * 7919 % 200_001} {words}" for n in range(200_001)]
            out.write_table(pa.table({"text": texts}), row_group_size=len(texts))
        return
    with path.open("wb") as raw:
        file = zstandard.ZstdCompressor().stream_writer(raw) if path.suffix == ".zst" else raw
        array = path.suffix == ".json"
        file.write(b"[" if array else b"")
        for n in range(200):
            line = orjson.dumps({"text": f"{n} {words}", "n": n, "tags": ["a", "b"]}) + (b",\n" if array else b"\n")
            file.write(line * 1000)
        file.write(orjson.dumps({"text": "end"}) + (b"]" if array else b"\n"))
        if file is not raw:
            file.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("suffix", ["jsonl", "json", "jsonl.zst", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    """200 MB read by a process of its own stay under 400 MB, of which the libraries are 100 MB."""
    path = tmp_path / f"big.{suffix}"
    _write_big(path)
    code = f"""
        from pathlib import Path
        from hornbook.store.reading import expand, read_file
        from hornbook.core.stage import Dropped
        seen = 0
        for file in expand([{str(path)!r}]):
            for found in read_file(file):
                assert not isinstance(found, Dropped), found.table.to_pylist()
                seen += found.num_rows
        status = Path("/proc/self/status").read_text().splitlines()
        print(seen, *(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    seen, megabytes = map(int, done.stdout.split())
    assert seen == 200_001
    assert megabytes < 400
