"""sources.outline: what is asked and what is not, what leaves the outline, and what no reply is good for."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pydantic import ValidationError

from hornbook.engine.recipe import check_data
from hornbook.stages.sources._courses import STOCK, generic
from hornbook.stages.sources.outline import Outline
from tests.contract import Example, run, table_of
from tests.corpus import HOSTILE, STORIES
from tests.teachers.serving import chat, response, serving

PAGE = (
    "Oceanography\nThis course covers the physics and chemistry of the sea, waves, tides, currents, and the life in it."
    " Prerequisites: calculus. Grading: weekly problem sets and a final exam."
)
UNITS = ["Course staff", "Sea water", "Waves", "2.3 Tides", "Grading", "Currents", "waves"]
EXAMPLE = Example(
    rows=[
        {"id": "sea", "text": PAGE, "origin": "x:1", "language": "en"},
        {"id": "thin", "text": "Thesis\nThis course. Repeatable for credit.", "origin": "x:2", "language": "en"},
        {
            "id": "zh",
            "text": "海洋学导论\n讲授海水的物理与化学性质、波浪、潮汐、洋流以及海洋生物的分布。",
            "origin": "x:3",
        },
        *({"id": key, "text": text, "origin": "x:9"} for key, text in HOSTILE.items()),
        *({"id": f"s{at}", "text": text, "origin": "x:10"} for at, text in enumerate(STORIES[:2])),
    ],
    golden={"1": "4f6db47572ffa20673b7aa3e091ad265"},
)


def outlined(tmp_path, handler, rows, **knobs):
    """The rows that stay, those that leave, and the requests that were paid."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "pages.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    def answer(call):
        if call.method == "GET":
            return [response(200, {"data": []})]
        found = handler(call.json()["messages"])
        return [response(*found) if isinstance(found, tuple) else response(200, chat(found))]

    with serving(answer) as server:
        steps = [{"use": "sources.files", "path": str(path)}, {"use": "sources.outline"} | knobs]
        teacher = {"url": server.url, "model": "m", "concurrency": 3}
        done = run(check_data({"name": "r", "teacher": teacher, "steps": steps}, "r.yaml"), tmp_path)[-1]
        paid = [call.json()["messages"] for call in server.posts()]
    kept, gone = table_of(done), table_of(done, "drops")
    return [] if kept is None else kept.to_pylist(), [] if gone is None else gone.to_pylist(), paid


def teacher(numbers, units=UNITS):
    """First an outline, then the numbers of what is administrative."""

    def said(messages):
        if "administrative" in messages[0]["content"]:
            return json.dumps({"administrative": numbers})
        return json.dumps({"title": "Oceans", "units": [{"title": one, "covers": f"About {one}."} for one in units]})

    return said


def test_an_outline_without_what_is_about_the_course(tmp_path):
    (row,), drops, paid = outlined(tmp_path, teacher([1]), [{"id": "sea", "text": PAGE}])
    assert drops == []
    assert row["outline.title"] == "Oceans"
    assert [(unit["title"], unit["context"]) for unit in row["outline.units"]] == [
        ("Sea water", None),
        ("Waves", "Sea water"),
        ("Tides", "Sea water; Waves"),
        ("Currents", "Sea water; Waves; Tides"),
    ], "numbers and doubles are gone, and what was removed is in nobody's context"
    assert row["outline.removed"] == ["Course staff", "Grading"]
    assert (row["outline.doubted"], row["outline.requests"], len(paid)) == (False, 2, 2)
    assert PAGE[20:100] in paid[0][0]["content"]
    assert "6. Currents" in paid[1][0]["content"]


def test_an_answer_that_would_remove_most_is_not_believed(tmp_path):
    (row,), _, _ = outlined(tmp_path, teacher([1, 2, 3, 4]), [{"id": "sea", "text": PAGE}])
    assert row["outline.doubted"] is True
    assert row["outline.removed"] == ["Grading"], "the rule holds all the same"
    (row,), _, paid = outlined(tmp_path / "once", teacher([1]), [{"id": "sea", "text": PAGE}], check=False)
    assert (row["outline.removed"], row["outline.doubted"], len(paid)) == (["Grading"], False, 1)


def test_pages_that_say_nothing_cost_nothing(tmp_path):
    rows = [
        {"id": "stock", "text": "Independent study\nThis course may be repeated for credit. Prerequisites: consent."},
        {"id": "title", "text": "Seminar"},
        {"id": "empty", "text": "  \n"},
        {"id": "long title", "text": "The History of Navigation in the Pacific"},
        {"id": "zh", "text": "毕业论文\n本课程学分:6。待定"},
    ]
    kept, drops, paid = outlined(tmp_path, teacher([]), rows)
    assert [row["id"] for row in kept] == ["long title"]
    assert [(drop["id"], drop["reason"]) for drop in drops] == [
        (name, "generic") for name in ("stock", "title", "empty", "zh")
    ]
    assert len(paid) == 2
    assert all(drop["outline.requests"] == 0 and drop["evidence"] for drop in drops)


@pytest.mark.parametrize(
    ("title", "text", "enough"),
    [
        ("Algebra", "", False),
        ("Introduction to Abstract Algebra II", "", True),
        ("Algebra", "Topics include: TBA. Instructor consent required.", False),
        ("Algebra", "This course covers groups, rings and fields.", True),
        ("近世代数", "群、环、域与伽罗瓦理论初步", True),
        ("近世代数", "本课程待定", False),
    ],
)
def test_what_says_too_little(title, text, enough):
    assert (generic(title, text, STOCK) == "") == enough


def test_useless_replies_are_asked_again_and_then_leave(tmp_path):
    def stubborn(messages):
        return "I would rather not." if len(messages) < 3 else teacher([])(messages)

    (row,), _, paid = outlined(tmp_path, stubborn, [{"id": "sea", "text": PAGE}])
    assert [len(messages) for messages in paid] == [1, 3, 1, 3]
    assert len(row["outline.units"]) == 5
    rows = [{"id": "sea", "text": PAGE}, {"id": "hopeless", "text": f"Sand and stones\n{PAGE}"}]

    def poor(messages):
        return '{"units": ["One"]}' if "Sand" in messages[0]["content"] else teacher([])(messages)

    (row,), (drop,), paid = outlined(tmp_path / "2", poor, rows)
    assert (row["id"], drop["id"], drop["reason"], len(paid)) == ("sea", "hopeless", "no_outline", 4)
    assert "1 different units, 4 are wanted" in drop["evidence"]


def test_a_second_answer_that_never_comes_keeps_the_outline(tmp_path):
    def silent(messages):
        return "…" if "administrative" in messages[0]["content"] else teacher([])(messages)

    (row,), _, _ = outlined(tmp_path, silent, [{"id": "sea", "text": PAGE}])
    assert (row["outline.doubted"], row["outline.removed"], row["outline.requests"]) == (True, ["Grading"], 3)


def test_chinese_pages_are_asked_in_chinese(tmp_path):
    text = "海洋学导论\n讲授海水的物理与化学性质、波浪、潮汐、洋流以及海洋生物的分布。"
    (row,), _, paid = outlined(
        tmp_path, teacher([], ["第一章 海水", "潮汐", "洋流", "考核方式", "波浪"]), [{"id": "zh", "text": text}]
    )
    assert "教材提纲" in paid[0][0]["content"]
    assert [unit["title"] for unit in row["outline.units"]] == ["海水", "潮汐", "洋流", "波浪"]


def test_requests_are_the_same_whenever_they_are_made():
    piece = pa.table({"id": ["sea"], "text": [PAGE]})
    one, two = (next(iter(Outline().ask(piece, "m"))) for _ in range(2))
    assert one == two
    assert one.schema["properties"]["units"]["minItems"] == 4


def test_what_cannot_work_is_refused():
    for knobs in ({"least": 9, "most": 3}, {"administrative": ["("]}, {"stock": ["["]}):
        with pytest.raises(ValidationError):
            Outline(**knobs)
