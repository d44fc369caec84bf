"""The Chinese benchmark: copies are as like as it says, and ours is judged by the pairs it writes."""

from __future__ import annotations

import random

import pyarrow.parquet as pq

from bench.chinese import COPIES, LIKE, SHORTEST, _finding, changed, likeness, write
from bench.minhash import contenders, prepared

LETTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜金生丽水玉出昆冈"


def texts(many: int):
    draw = random.Random(7)
    for _ in range(many):
        yield "".join(draw.choices(LETTERS, k=SHORTEST + draw.randrange(200)))


def test_copies_are_near_and_no_text_is_twice(tmp_path):
    copies = write(tmp_path / "some.parquet", texts(50))
    table = pq.read_table(tmp_path / "some.parquet")
    assert 10 < len(copies) <= min(50, COPIES)
    assert table.num_rows == 50 + len(copies) == len(set(table["text"].to_pylist()))
    text = dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
    assert all(LIKE <= likeness(text[copy], text[original]) < 1 for copy, original in copies.items())
    assert table["id"].to_pylist() != sorted(table["id"].to_pylist())


def test_likeness_is_of_runs_of_five():
    assert likeness(LETTERS, LETTERS) == 1.0
    assert likeness("一二三四五六", "一二三四五七") == 1 / 3
    assert likeness(LETTERS, changed(LETTERS, random.Random(1))) < 1.0


def test_ours_finds_what_theory_says(tmp_path):
    copies = write(tmp_path / "some.parquet", texts(60))
    given = prepared([str(tmp_path / "some.parquet")], tmp_path)
    ours = next(c for c in contenders(given, tmp_path) if c.role == "ours")
    found = _finding(ours, given, copies).act(100.0)
    assert found["value"] >= 90  # 16 bands of 8 find 95 % of those that are alike to 0.8, more of the others
    assert found["removed"] == round(found["value"] * len(copies) / 100)
    assert LIKE == 0.8
