"""sources.spread: one document for each element, what it keeps of its parent, what is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from hornbook.core.documents import PIECE_BYTES
from hornbook.core.errors import UserError
from hornbook.core.stage import Dropped
from hornbook.stages.sources.spread import Spread
from tests.contract import Example
from tests.stages.sources.given import Given, read_given

UNITS = [
    {"title": "Vectors", "covers": "arrows", "context": ""},
    {"title": "Forces", "covers": "pushes", "context": "Vectors"},
]
ROWS = [
    {"id": "a", "text": "a page", "origin": "x:1", "language": "en", "many": 2, "units": UNITS, "tags": ["p", "q"]},
    {"id": "b", "text": "b page", "origin": "x:2", "language": "zh", "many": 0, "units": [], "tags": None},
    {"id": "c", "text": "c page", "origin": "x:3", "language": None, "many": 1, "units": None, "tags": ["r", "", "s"]},
]
EXAMPLE = Example(knobs={"column": "units"}, rows=ROWS, golden={"1": "be409aa2c49e059980d334f14be753d9"})


def spread(tmp_path, rows, **knobs):
    return read_given(Spread(**knobs), Given(tmp_path / "above", rows))


def test_a_struct_becomes_a_document_with_its_fields_beside_it(tmp_path):
    rows, drops = spread(tmp_path, ROWS, column="units")
    first, second = rows
    assert (first["id"], first["text"], first["origin"]) == ("a/1", "Vectors", "x:1")
    assert (second["id"], second["text"], second["context"]) == ("a/2", "Forces", "Vectors")
    assert [row["unit_covers"] for row in rows] == ["arrows", "pushes"]
    assert [(row["spread.parent"], row["spread.at"], row["spread.of"]) for row in rows] == [("a", 1, 2), ("a", 2, 2)]
    assert [(d["id"], d["reason"], d["evidence"]) for d in drops] == [
        ("b", "no_items", "units is empty"),
        ("c", "no_items", "units is missing"),
    ]


def test_strings_become_texts_and_blank_ones_leave_with_their_number(tmp_path):
    rows, drops = spread(tmp_path, ROWS, column="tags")
    assert [(row["id"], row["text"]) for row in rows] == [("a/1", "p"), ("a/2", "q"), ("c/1", "r"), ("c/3", "s")]
    assert [row["spread.of"] for row in rows] == [2, 2, 3, 3]
    assert [(d["id"], d["reason"]) for d in drops] == [("b", "no_items"), ("c/2", "blank")]
    assert drops[1]["evidence"] == "element 2 of c"


def test_of_the_parent_the_plain_columns_are_kept_but_its_text(tmp_path):
    rows, _ = spread(tmp_path, ROWS, column="tags")
    assert set(rows[0]) == {"id", "text", "origin", "language", "many"} | {
        f"spread.{n}" for n in ("parent", "at", "of")
    }
    assert [row["language"] for row in rows] == ["en", "en", None, None]
    some, _ = spread(tmp_path / "2", ROWS, column="tags", keep=["text", "units"])
    assert some[0]["spread.text"] == "a page"
    assert some[0]["units"] == UNITS
    assert "many" not in some[0]


def test_a_childs_own_language_goes_before_its_parents(tmp_path):
    rows = [{"id": "a", "text": "", "language": "en", "kids": [{"text": "x", "language": "zh"}, {"text": "y"}]}]
    table = pa.Table.from_pylist(rows)
    found, _ = spread(tmp_path, table, column="kids")
    assert [row["language"] for row in found] == ["zh", "en"]


def test_field_and_prefix_are_knobs(tmp_path):
    rows, _ = spread(tmp_path, ROWS, column="units", field="covers", prefix="course.")
    assert [(row["text"], row["course.title"]) for row in rows] == [("arrows", "Vectors"), ("pushes", "Forces")]
    kids = [{"id": "t", "text": "", "topics.children": [{"text": "x", "path": ["t", "x"], "level": 2}]}]
    found, _ = spread(tmp_path / "2", kids, column="topics.children", prefix="topics.")
    assert (found[0]["topics.path"], found[0]["topics.level"]) == (["t", "x"], 2)
    found, _ = spread(tmp_path / "3", kids, column="topics.children")
    assert found[0]["topics.children_path"] == ["t", "x"]


def test_order_and_content_do_not_depend_on_how_the_rows_lie(tmp_path):
    rows = [{"id": f"r{n}", "text": "", "kids": [f"{n}.{m}" for m in range(n % 5)]} for n in range(60)]
    one = read_given(Spread(column="kids"), Given(tmp_path / "one", rows, part=60, group=60))
    many = read_given(Spread(column="kids"), Given(tmp_path / "many", rows, part=7, group=3))
    assert one[0] == many[0]
    assert [row["text"] for row in one[0]] == [kid for row in rows for kid in row["kids"]]
    assert {d["id"] for d in one[1]} == {row["id"] for row in rows if not row["kids"]}


def test_a_big_parent_with_many_children_fills_no_memory(tmp_path):
    """What is kept of a parent is copied for each child: tables must stay within a piece."""
    rows = [{"id": "big", "text": "", "note": "n" * 400_000, "kids": [f"k{n}" for n in range(200)]}]
    inputs = Given(tmp_path, rows)
    stage = Spread(column="kids")
    tables = [found for item in stage.shards(inputs) for found in stage.read(item, inputs)]
    assert not any(isinstance(table, Dropped) for table in tables)
    assert max(table.nbytes for table in tables) <= PIECE_BYTES + 500_000
    assert sum(table.num_rows for table in tables) == 200


def test_lists_of_numbers_and_of_no_type_and_of_fixed_size(tmp_path):
    numbers = pa.table({"id": ["a", "b"], "text": ["", ""], "l": pa.array([[1, None], [3]], pa.list_(pa.int64()))})
    rows, drops = spread(tmp_path / "1", numbers, column="l")
    assert [row["text"] for row in rows] == ["1", "3"]
    assert [d["id"] for d in drops] == ["a/2"]
    fixed = pa.table({"id": ["a", "b"], "text": ["", ""], "l": pa.array([["x", "y"], None], pa.list_(pa.string(), 2))})
    rows, drops = spread(tmp_path / "2", fixed, column="l")
    assert [row["id"] for row in rows] == ["a/1", "a/2"]
    assert [d["id"] for d in drops] == ["b"]
    nothing = pa.table({"id": ["a"], "text": [""], "l": pa.nulls(1)})
    rows, drops = spread(tmp_path / "3", nothing, column="l")
    assert (rows, [d["reason"] for d in drops]) == ([], ["no_items"])


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"column": "unit"}, "did you mean units?"),
        ({"column": "language"}, "not a list"),
        ({"column": "units", "field": "titel"}, "field: title"),
        ({"column": "units", "keep": ["languag"]}, "did you mean language?"),
    ],
)
def test_what_is_not_there_is_said_with_the_nearest_name(tmp_path, knobs, says):
    with pytest.raises(UserError) as error:
        spread(tmp_path, ROWS, **knobs)
    assert says in str(error.value)
