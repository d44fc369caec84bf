"""sources.toc: what a unit knows of those before it, what no subject is, and files that mean harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.stages.sources._units import titled
from hornbook.stages.sources.toc import Toc
from tests.contract import Example
from tests.stages.sources.reading import read, reasons

XML = """<?xml version="1.0"?>
<col:collection xmlns:col="http://cnx.rice.edu/collxml" xmlns:md="http://cnx.rice.edu/mdml" xml:lang="en">
  <metadata><md:title>Sound &amp; Light</md:title><md:language>en</md:language></metadata>
  <col:content>
    <col:module document="m1"/>
    <col:subcollection><md:title>Waves</md:title><col:content>
      <col:module document="m2"/><col:module document="m3"/>
      <col:subcollection><md:title>Appendix</md:title>
        <col:content><col:module document="m2"/></col:content></col:subcollection>
    </col:content></col:subcollection>
    <col:subcollection><md:title>Light</md:title><col:content>
      <col:module document="m4"/><col:module document="m9"/>
    </col:content></col:subcollection>
  </col:content>
</col:collection>"""
MODULES = [
    {"id": "m1", "title": "Preface", "text": "Thanks."},
    {
        "id": "m2",
        "title": "Introduction",
        "text": "By the end of this section you will cry.\n\nA wave " + "is long " * 200,
    },
    {"id": "m3", "title": "Pitch", "text": "High and low."},
    {"id": "m4", "title": "Introduction", "text": "Light is quick."},
]
YAML = """
title: 烹饪入门
language: zh
units:
  - title: 第一章 刀工
    units: [切菜, {title: 磨刀, extract: 磨刀要用磨刀石。}]
  - 第二章 火候:
      - 炒
      - 炖
  - 参考文献
"""
EXAMPLE = Example(
    knobs={"path": ["{tmp}/a.collection.xml", "{tmp}/b.yaml", "{tmp}/c.md"], "modules": "{tmp}/modules.jsonl"},
    files={
        "a.collection.xml": XML,
        "b.yaml": YAML,
        "c.md": "# Bread\n## 1. Dough\nFlour, water.\n## Oven\n### Heat\n### Steam\n## Glossary\n### Crumb\n",
        "modules.jsonl": "".join(json.dumps(row) + "\n" for row in MODULES),
    },
    golden={"1": "9bc7199d42c077e811d4d74f182e306d"},
)
SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def toc(tmp_path, text, name="a.yaml", **knobs):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read(Toc(path=str(tmp_path / name), **knobs))


def test_an_openstax_collection(tmp_path):
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in MODULES))
    rows, drops = toc(tmp_path, XML, "a.xml", modules=str(tmp_path / "m.jsonl"))
    assert [row["text"] for row in rows] == ["Introduction", "Pitch", "Introduction", "Introduction"]
    assert [row["topic"] for row in rows] == [
        "Waves: Introduction",
        "Pitch",
        "Appendix: Introduction",
        "Light: Introduction",
    ]
    assert [row["toc.path"] for row in rows][:2] == [["Waves", "Introduction"], ["Waves", "Pitch"]]
    assert [row["toc.level"] for row in rows] == [2, 2, 3, 2]
    assert {row["toc.book"] for row in rows} == {"Sound & Light"}
    assert rows[0]["extract"].startswith("A wave is long")
    assert 590 <= len(rows[0]["extract"]) <= 600
    assert rows[1]["context"] == "Waves: Introduction"
    assert [(d["text"], d["reason"]) for d in drops] == [("Preface", "administrative"), ("", "untitled")]
    assert "m9" in drops[1]["evidence"]


def test_trees_in_yaml_in_json_and_as_others_write_them(tmp_path):
    rows, drops = toc(tmp_path, YAML)
    assert [row["text"] for row in rows] == ["切菜", "磨刀", "炒", "炖"]
    assert [row["toc.path"][0] for row in rows] == ["刀工", "刀工", "火候", "火候"]
    assert {row["language"] for row in rows} == {"zh"}
    assert rows[1]["extract"] == "磨刀要用磨刀石。"
    assert [drop["text"] for drop in drops] == ["参考文献"]
    khan = [{"name": "Maths", "children": [{"label": "Sets", "lessons": [{"name": "Union"}, {"name": "Difference"}]}]}]
    rows, _ = toc(tmp_path, json.dumps(khan), "k.json")
    assert [(row["toc.book"], row["toc.path"]) for row in rows] == [
        ("Maths", ["Sets", "Union"]),
        ("Maths", ["Sets", "Difference"]),
    ]
    rows, _ = toc(tmp_path, json.dumps({"Motion": ["Speed", "Force"], "Heat": {"Warm": ["Steam"]}}), "physics.json")
    assert [row["toc.path"] for row in rows] == [["Motion", "Speed"], ["Motion", "Force"], ["Heat", "Warm", "Steam"]]
    assert {row["toc.book"] for row in rows} == {"physics"}


def test_markdown_headings_and_lists_of_links(tmp_path):
    rows, drops = toc(tmp_path, EXAMPLE.files["c.md"], "c.md")
    assert [(row["text"], row["toc.book"], row["toc.level"]) for row in rows] == [
        ("Dough", "Bread", 1),
        ("Heat", "Bread", 2),
        ("Steam", "Bread", 2),
    ]
    assert rows[0]["extract"] == "Flour, water."
    assert [(drop["text"], drop["evidence"].split(": ")[-1]) for drop in drops] == [("Crumb", "below Glossary")]
    book = "# Summary of Rust\n- [Start](a.md)\n  - [Install](b.md)\n  - [Hello](c.md)\n- [Types](d.md)\n- not a link\n"
    rows, _ = toc(tmp_path, book + "```\n# no heading\n```\n", "SUMMARY.md")
    assert [row["toc.path"] for row in rows] == [["Start", "Install"], ["Start", "Hello"], ["Types"]]


def test_a_unit_is_told_of_few_before_it_the_last_among_them_and_nothing_gathers(tmp_path):
    """Cosmopedia's script appended to one string for all units of a book."""
    names = [f"Unit {chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(300)]
    rows, _ = toc(tmp_path, json.dumps({"title": "Book", "units": names}), "a.json")
    drawn = set()
    for at, row in enumerate(rows):
        said = row["context"].split("; ") if row["context"] else []
        places = [names.index(title) for title in said]
        assert places == sorted(places), "in their order"
        assert all(place < at for place in places), "what comes later is not known"
        if at <= 5:
            assert places == list(range(at))
        else:
            assert 2 <= len(said) <= 5
            assert places[-1] == at - 1
            drawn.add(tuple(at - place for place in places))
    assert len(drawn) > 250, "each unit has a draw of its own"
    again, _ = toc(tmp_path, json.dumps({"title": "Book", "units": names}), "a.json")
    other, _ = toc(tmp_path, json.dumps({"title": "Book", "units": names}), "a.json", seed=1)
    assert again == rows
    assert [row["context"] for row in other] != [row["context"] for row in rows]
    assert max(len(row["context"] or "") for row in rows) < 60


def test_before_may_mean_the_chapter_alone(tmp_path):
    tree = json.dumps(
        {"title": "B", "units": [{"title": "One", "units": ["a", "b"]}, {"title": "Two", "units": ["c", "d"]}]}
    )
    rows, _ = toc(tmp_path, tree, "a.json", before="chapter")
    assert [row["context"] for row in rows] == [None, "a", None, "c"]
    rows, _ = toc(tmp_path, tree, "a.json", units="all")
    assert [row["text"] for row in rows] == ["One", "a", "b", "Two", "c", "d"]


def test_what_names_no_subject_leaves_with_all_below_it_and_no_unit_is_told_of_it(tmp_path):
    tree = {
        "title": "B",
        "units": ["Preface", "Atoms", {"title": "Answer Key", "units": ["Chapter 1"]}, "Index of Refraction"],
    }
    rows, drops = toc(tmp_path, json.dumps(tree), "a.json")
    assert [(row["text"], row["context"]) for row in rows] == [("Atoms", None), ("Index of Refraction", "Atoms")]
    assert [drop["reason"] for drop in drops] == ["administrative"] * 2
    rows, drops = toc(tmp_path, json.dumps(tree), "a.json", administrative=["atoms"])
    assert [drop["text"] for drop in drops] == ["Atoms"]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Chapter 3: Forces", "Forces"),
        ("2.1 Vectors", "Vectors"),
        ("3. Heat", "Heat"),
        ("Part IV — The Atom", "The Atom"),
        ("第十二章、细胞", "细胞"),
        ("5.导数", "导数"),
        ("3 Ways to Win", "3 Ways to Win"),
        ("Partial Derivatives", "Partial Derivatives"),
        ("Unit Conversion", "Unit Conversion"),
        ("Chapter 1", "Chapter 1"),
        ("Lesson Planning", "Lesson Planning"),
    ],
)
def test_numbers_are_no_part_of_a_title(raw, clean):
    assert titled(raw) == clean


BOMB = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><collection><title>&b;</title></collection>'
FETCH = (
    '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><collection><module><title>&a;</title></module></collection>'
)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.xml", BOMB, "doctype"),
        ("a.xml", FETCH, "doctype"),
        ("a.xml", "<collection>" + "<subcollection>" * 50_000, "too_deep"),
        ("a.xml", "<html><p>", "not_collection"),
        ("a.xml", "<collection><title>x</title>", "xml"),
        ("a.json", "[" * 2_000_000, "json"),
        ("a.json", '{"title":"x","units":[' * 200 + "]}" * 200, "too_deep"),
        ("a.json", "[" + '"x",' * 300_000 + '"x"]', "too_many"),
        ("a.json", "3", "no_units"),
        ("a.yaml", "[" * 500, "too_deep"),
        ("a.yaml", "a: [\x01", "yaml"),
        ("a.yaml", "x" * 2_000_000, "too_long"),
        ("a.md", "no heading", "no_units"),
    ],
)
def test_files_that_mean_harm_or_nothing_are_dropped_whole(tmp_path, name, text, reason):
    rows, drops = toc(tmp_path, text, name)
    assert (rows, reasons(drops)) == ([], [(name, reason)])


def test_aliases_of_yaml_do_not_multiply(tmp_path):
    laughs = "a: &a [x, y]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    rows, _ = toc(tmp_path, laughs)
    assert [row["text"] for row in rows] == ["x", "y"]


def test_modules_as_cnxml(tmp_path):
    (tmp_path / "modules" / "m5").mkdir(parents=True)
    (tmp_path / "modules" / "m5" / "index.cnxml").write_text(
        '<document xmlns="http://cnx.rice.edu/cnxml" xmlns:md="http://cnx.rice.edu/mdml"><title>Echoes</title><metadata>'
        "<md:content-id>m5</md:content-id><md:title>Echoes</md:title></metadata><content><para>Sound <term>comes</term>"
        " back.</para><para>Twice.</para></content></document>"
    )
    book = '<collection><content><module document="m5"/></content></collection>'
    (row,), _ = toc(tmp_path, book, "b.xml", modules=str(tmp_path / "modules"))
    assert (row["text"], row["extract"]) == ("Echoes", "Sound comes back. Twice.")


def test_real_books_of_openstax():
    if not (SHARED / "outlines").exists():
        pytest.skip("../shared/data/outlines is not there: no real tables of contents")
    modules = sorted(str(path) for path in (SHARED / "corpora").glob("openstax_*.jsonl"))
    rows, drops = read(Toc(path=str(SHARED / "outlines"), modules=modules))
    assert len(rows) + len(drops) == 213 + 2
    assert {drop["reason"] for drop in drops} == {"administrative", "untitled"}
    assert {drop["text"] for drop in drops} == {"Preface", "Chapter summary", ""}
    assert all(row["extract"] for row in rows)
    assert max(row["context"].count("; ") for row in rows if row["context"]) == 4
    assert len({row["topic"] for row in rows}) == len(rows)


def test_mistakes_are_said(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match=r"no \.json"):
        Toc(path=str(tmp_path)).shards(None)
    for knobs in ({"administrative": ["("]}, {"sample_before": [3, 2]}, {"sample_before": [0, 2]}):
        with pytest.raises(ValidationError):
            Toc(path="x", **knobs)
