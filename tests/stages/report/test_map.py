from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.stages.report.map import Map
from tests.contract import Example
from tests.stages.cluster.sets import GROUPED, above, documents, names, step

EXAMPLE = Example(above=GROUPED, knobs={"points": 50})
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "{{script}} {{css}} {{title}}",
    "a\x00b\u202ec\u2066d\ud7ff\u2028e",
    "&lt;img src=x onerror=alert(1)&gt;",
    "",
]


def drawn(tmp_path, *artifacts, **knobs):
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    facts = Map(**knobs).run(above(*artifacts), folder, lambda share, words: None)
    page = (folder / "map.html").read_text(encoding="utf-8")
    (data,) = re.findall(r"^draw\((\{.*\})\);$", page, re.MULTILINE)
    return facts, page, json.loads(data)


def test_a_page_with_points_and_clusters(tmp_path):
    group = step(tmp_path, "group", [documents([1, 1, 0, None]), documents([1, 5])])
    label = step(tmp_path, "label", [names(["Bread", "Law"], [7, 2])])
    facts, _, data = drawn(tmp_path, group, label)
    assert facts == {"page": "map.html", "documents": 6, "drawn": 5, "clusters": 3}
    assert data["clusters"] == [
        {"id": 1, "topic": "Law", "score": 2, "size": 3},
        {"id": 0, "topic": "Bread", "score": 7, "size": 1},
        {"id": 5, "topic": None, "score": None, "size": 1},
    ]
    of = np.frombuffer(base64.b64decode(data["of"]), "<i4")
    assert of.tolist() == [0, 0, 1, 0, 2]
    places = np.frombuffer(base64.b64decode(data["places"]), "<u2").reshape(-1, 2)
    assert places[2].tolist() == [0, 0]
    assert places[4].tolist() == [65535, 65535]
    assert data["texts"][0] == "text 0 of 1"
    assert data["placed"] == 5


def test_names_may_stand_in_the_documents(tmp_path):
    table = documents([0, 0]).append_column("cluster.topic", pa.array(["Bread"] * 2))
    table = table.append_column("cluster.score", pa.array([4, 4], pa.int32()))
    _, _, data = drawn(tmp_path, step(tmp_path, "chosen", [table]))
    assert data["clusters"] == [{"id": 0, "topic": "Bread", "score": 4, "size": 2}]


def test_hostile_text_stays_text(tmp_path):
    table = documents([0] * len(HOSTILE), HOSTILE)
    table = table.set_column(0, "id", pa.array(HOSTILE))
    label = step(tmp_path, "label", [names([HOSTILE[0]], [3])])
    _, page, data = drawn(tmp_path, step(tmp_path, "group", [table]), label, title=HOSTILE[0])
    assert page.count("<script") == page.count("</script>") == 1
    assert data["texts"][0] == data["clusters"][0]["topic"] == HOSTILE[0]
    assert data["texts"][2] == HOSTILE[2]
    assert not re.search(r"[\x00\u202e\u2066]", "".join(data["texts"]))
    assert "http" not in page.replace("http-equiv", ""), "nothing is fetched"
    assert "innerHTML" not in page


def test_of_many_some_are_drawn_and_all_are_counted(tmp_path):
    group = step(tmp_path, "group", [documents([at % 4 for at in range(500)])])
    facts, page, data = drawn(tmp_path, group, points=40)
    assert (facts["documents"], facts["drawn"]) == (500, 40)
    assert [cluster["size"] for cluster in data["clusters"]] == [125] * 4
    assert drawn(tmp_path, group, points=40)[1] == page
    assert drawn(tmp_path, group, points=40, seed=1)[1] != page
    assert drawn(tmp_path, group, points=40, characters=3)[2]["texts"][0] == "tex"


def test_without_places_there_is_no_map(tmp_path):
    for table in (documents([None]), documents([0]).drop_columns(["cluster.x"])):
        with pytest.raises(UserError, match="no document has a place"):
            drawn(tmp_path, step(tmp_path, "group", [table]))


def test_the_page_is_whole():
    page = (Path(__file__).parents[3] / "src/hornbook/stages/report/map.html").read_text(encoding="utf-8")
    marks = re.findall(r"\{\{\w+\}\}", page)
    assert marks == ["{{title}}", "{{css}}", "{{script}}", "{{data}}"]
