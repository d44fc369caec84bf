"""sources.titles: what is cleaned, what leaves and why, languages of a few words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.stages.sources.titles import Titles
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.sources.reading import read, reasons

SOME = ["How to Bake Bread", "1. How to bake bread!", "如何系领带", "Wie man ein gutes Brot backt", "x", "--", ""]
EXAMPLE = Example(
    knobs={"path": "{tmp}/titles.jsonl", "languages": ["en", "zh"], "titles": SOME},
    files={
        "titles.jsonl": "".join(
            json.dumps({"title": text, "category": name}) + "\n"
            for name, text in (HOSTILE | {"ok": "Tie a Tie"}).items()
        )
    },
    golden={"1": "8a16f8a7d90250c9adf6ba7e45f5bfc6"},
)
SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "corpora"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("How to Tie a Tie: 12 Steps (with Pictures)", "How to Tie a Tie"),
        ("3 Ways to Save Money - wikiHow", "3 Ways to Save Money"),
        ("  7)   How\tto  swim.  ", "How to swim"),
        ("- Tom &amp; Jerry", "Tom & Jerry"),
        ("“How to Sleep”", "How to Sleep"),
        ("12、如何学习中文。", "如何学习中文"),
        ("## Life in the U.S.", "Life in the U.S."),
        ("left \u202eright\u202c", "left right"),
        ("2.5 Litres of Water", "2.5 Litres of Water"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_titles_are_cleaned_and_the_raw_one_is_kept(raw, clean):
    (row,), drops = read(Titles(titles=[raw]))
    assert (row["text"], row["topic"], drops) == (clean, clean, [])
    assert row["titles.raw"] == (raw if raw != clean else None)


def test_every_title_that_leaves_says_why():
    given = ["How to Bake Bread", "how to bake bread", "How to bake bread?", "…", "ab", "w" * 201, "中文", "Ёжик"]
    rows, drops = read(Titles(titles=given, languages=["en", "zh"]))
    assert [row["text"] for row in rows] == ["How to Bake Bread", "中文"]
    assert reasons(drops) == [
        ("titles:2", "duplicate"),
        ("titles:3", "duplicate"),
        ("titles:4", "blank"),
        ("titles:5", "short"),
        ("titles:6", "long"),
        ("titles:8", "language"),
    ]
    assert all(drop["evidence"] for drop in drops)


def test_a_title_counts_once_over_all_files_and_keeps_its_columns(tmp_path):
    (tmp_path / "a.txt").write_text("How to Swim\nHow to Dive\n")
    (tmp_path / "b.csv").write_text("title,views\nhow to dive,3\nHow to Row,4\n")
    rows, drops = read(Titles(path=[str(tmp_path / "a.txt"), str(tmp_path / "b.csv")]))
    assert [(row["id"], row["text"]) for row in rows] == [
        ("a.txt:1", "How to Swim"),
        ("a.txt:2", "How to Dive"),
        ("b.csv:3", "How to Row"),
    ]
    assert rows[-1]["views"] == "4"
    assert [drop["reason"] for drop in drops] == ["duplicate"]


@pytest.mark.parametrize(
    ("text", "languages", "found"),
    [
        ("Electric Potential", ["en"], "en"),
        ("微积分", ["en", "zh"], "zh"),
        ("微积分", ["en"], None),
        ("ひらがなの書き方", ["zh"], None),
        ("Введение в физику", ["en"], None),
        ("Wie bindet man eine Krawatte und warum", ["en"], None),
        ("Wie bindet man eine Krawatte und warum", ["en", "de"], "de"),
        ("1984", ["en"], "en"),
    ],
)
def test_a_language_goes_by_script_and_by_the_model_where_it_is_sure(text, languages, found):
    rows, drops = read(Titles(titles=[text], languages=languages))
    assert [row["language"] for row in rows] == ([found] if found else [])
    assert [drop["reason"] for drop in drops] == ([] if found else ["language"])


def test_of_real_english_titles_none_is_taken_for_another_language():
    """py3langid by itself takes a quarter of them for Latin, Swedish, pidgin …"""
    files = sorted(SHARED.glob("openstax_*.jsonl"))
    if not files:
        pytest.skip("../shared/data/corpora is not there: no real titles")
    _, drops = read(Titles(path=[str(path) for path in files], languages=["en"]))
    assert {drop["reason"] for drop in drops} <= {"duplicate"}


def test_languages_of_programs_stay_three():
    rows, _ = read(Titles(titles=["Learn C", "Learn C++", "Learn C#", "learn c++!"]))
    assert [row["text"] for row in rows] == ["Learn C", "Learn C++", "Learn C#"]


def test_what_cannot_work_is_refused_at_once():
    with pytest.raises(UserError, match="neither path nor titles"):
        read(Titles())
    for knobs in ({"titles": ["a"], "cut": ["("]}, {"titles": ["a"], "min_characters": 9, "max_characters": 5}):
        with pytest.raises(ValidationError):
            Titles(**knobs)
