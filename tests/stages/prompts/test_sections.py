"""prompts.sections: each section knows the outline and the one before, prompts do not grow, and ends are honest."""

import json
import threading
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.core.asking import Reply
from hornbook.core.documents import with_columns
from hornbook.core.errors import UserError
from hornbook.core.rules import select
from hornbook.engine.recipe import check_data
from hornbook.stages.prompts._outlining import without_heading
from hornbook.stages.prompts.sections import Sections
from tests.contract import Example, run, table_of
from tests.corpus import HOSTILE
from tests.teachers.serving import chat, response, serving

SEEDS = [
    {"id": "s0", "text": "Friction", "origin": "test", "topic": "Friction", "language": None},
    {"id": "s1", "text": "Heat flows from what is warm to what is cold. " * 9, "origin": "test", "topic": None},
    {"id": "s2", "text": "光合作用", "origin": "test", "topic": None, "prompts.language": "zh"},
    {"id": "s3", "text": "", "origin": "test", "prompt": "Write about lenses.", "prompts.audience": "middle_school"},
    {"id": "s4", "text": " \n", "origin": "test"},
]
NAMES = sorted({name for row in SEEDS for name in row})
ROWS = [{name: row.get(name) for name in NAMES} for row in SEEDS]
EXAMPLE = Example(
    knobs={"sections": 4, "least": 2, "words": 100, "shortest": 440},
    rows=ROWS,
    teacher={"use": "scripted", "rule": "story"},
    golden={"1": "ac7b79453ecfa22140687aec6af6cc07"},
)
LONG = "A sentence of the section. " * 20


def outline(*titles, **more):
    sections = [{"title": title, "covers": f"what {title} is"} for title in titles]
    return Reply("k0", json.dumps({"title": "Light", "sections": sections} | more), "stop")


def piece(**row):
    return pa.table({"id": ["a"]} | {name: [value] for name, value in row.items()})


def chain(stage, *replies, **row):
    """All requests of one row that gets these replies, and the row with its marks and the reason it left for."""
    table = piece(**(row or {"text": "Light"}))
    asked, got = [next(stage.ask(table, "m"))], []
    for reply in replies:
        got.append(replace(reply, key=f"k{len(got)}"))
        more = stage.again(table.to_pylist()[0], asked, got)
        if more is None:
            break
        asked.append(more)
    last = replace(got[-1], before=tuple(got[:-1]))
    kept, dropped = select(with_columns(table, stage.take(table, [last])), stage.drops())
    reason = dropped["reason"].to_pylist()[0] if dropped.num_rows else None
    return asked, (kept.to_pylist() or dropped.to_pylist())[0], reason


def said(request):
    return request.messages[-1]["content"]


def text(which, **fields):
    return Reply("k", f"Text {which} begins here. {LONG}Text {which} ends here.", "stop", **fields)


def test_a_section_knows_the_outline_and_the_end_of_the_one_before():
    asked, row, reason = chain(Sections(keep=100), outline("Rays", "Mirrors", "Lenses"), text(1), text(2), text(3))
    assert reason is None
    assert len(asked) == 4
    assert asked[0].schema is not None
    assert asked[1].schema is None
    for at, request in enumerate(asked[1:], 1):
        assert all(title in said(request) for title in ("Rays", "Mirrors", "Lenses"))
        assert (f"Text {at - 1} ends here." in said(request)) == (at > 1)
        assert f"Text {at - 1} begins here." not in said(request)
        assert not any(f"Text {other} ends here." in said(request) for other in range(at - 1))
    assert [part.partition("\n")[0] for part in row["text"].split("## ")[1:]] == ["Rays", "Mirrors", "Lenses"]
    assert row["text"].startswith("# Light\n\n## Rays\n\nText 1 begins here.")
    assert (row["sections.planned"], row["sections.count"], row["sections.stopped"]) == (3, 3, None)


def test_sums_are_of_the_whole_chain():
    replies = [replace(r, prompt_tokens=10, completion_tokens=3) for r in (outline("A", "B", "C"), text(1), text(2))]
    _, row, _ = chain(Sections(), *replies, text(3, prompt_tokens=10, completion_tokens=3))
    assert (row["generate.prompt_tokens"], row["generate.tokens"], row["generate.tries"]) == (40, 12, 4)


def test_prompts_do_not_grow_with_what_was_written():
    stage = Sections(sections=30, keep=500, again_at_most=0)
    long = Reply("k", "word " * 5_000 + "x" * 10_000, "stop")
    titles = [f"T{n} {'t' * 300}" for n in range(30)]
    asked, row, _ = chain(stage, outline(*titles), *[long] * 30, text="a" * 10**6, context="b\n" * 10**5)
    assert row["sections.count"] == 30
    limit = 30 * 560 + 1000 + 500 + 20 * 210 + 2000
    assert all(len(said(request)) < limit for request in asked)
    assert abs(len(said(asked[5])) - len(said(asked[29]))) < 600


@pytest.mark.parametrize("error", ["refusal", "filter", "rejected", "length"])
def test_what_cannot_be_mended_ends_the_text_and_keeps_what_there_is(error):
    broken = Reply("k", error=error, detail="said no")
    asked, row, reason = chain(Sections(), outline("A", "B", "C"), text(1), text(2), broken)
    assert len(asked) == 4
    assert reason is None
    assert (row["sections.count"], row["generate.error"]) == (2, None)
    assert error in row["sections.stopped"]
    assert "“C”" in row["sections.stopped"]
    _, row, reason = chain(Sections(), outline("A", "B", "C"), text(1), broken)
    assert (reason, row["sections.count"]) == ("unfinished", 1)
    _, row, reason = chain(Sections(), outline("A", "B", "C"), broken)
    assert (reason, row["generate.error"]) == (error, error)


def test_a_transport_failure_is_never_a_finished_text():
    _, row, reason = chain(Sections(), outline("A", "B", "C"), text(1), text(2), Reply("k", error="transport"))
    assert reason == "transport"
    assert row["sections.count"] == 2


@pytest.mark.parametrize("tries", [0, 1, 3])
def test_what_is_of_no_use_is_asked_for_again_and_then_the_text_ends(tries):
    empty = Reply("k", " ", "stop")
    stage = Sections(again_at_most=tries)
    asked, row, reason = chain(stage, outline("A", "B", "C"), text(1), *[empty] * 9)
    assert len(asked) == 3 + tries
    assert [request.sample for request in asked[2:]] == list(range(tries + 1))
    assert len({request.key() for request in asked}) == len(asked)
    assert reason == "unfinished"
    asked, row, reason = chain(stage, *[Reply("k", "No.", "stop")] * 9)
    assert (len(asked), reason) == (1 + tries, "parse")
    if tries:
        _, row, reason = chain(stage, outline("A", "B", "C"), empty, text(1), text(2), text(3))
        assert (row["sections.count"], reason) == (3, None)


@pytest.mark.parametrize(
    ("reply", "titles"),
    [
        ('Sure:\n```json\n{"sections": ["1. A", "2) B", "## C"]}\n```', ["A", "B", "C"]),
        ('{"title": "T", "sections": [{"title": "A"}, {"title": "a"}, {"title": "B"}, {"title": "C", "covers": 3}]}',
         ["A", "B", "C"]),
        ('{"title": 3, "sections": [{"title": "A\\nB"}, {"title": ""}, {"title": "C"}, {"title": "D"}]}',
         ["A B", "C", "D"]),
        ('{"sections": ["A", "B"]}', None),
        ('{"sections": "A"}', None),
        ('[1, 2]', None),
        ('{"title": "T", "sections": [{"ti', None),
    ],
)  # fmt: skip
def test_outlines_are_read_as_far_as_they_can_be(reply, titles):
    _, row, _ = chain(Sections(again_at_most=0), Reply("k", reply, "stop"))
    found = row["sections.outline"] and [one["title"] for one in json.loads(row["sections.outline"])["sections"]]
    assert found == titles


def test_an_outline_has_no_more_sections_than_asked_for():
    asked, row, _ = chain(Sections(sections=3), outline(*"ABCDEFG"), text(1), text(2), text(3))
    assert (row["sections.planned"], len(asked)) == (3, 4)


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("## Lenses\n\nGlass bends light.", "Glass bends light."),
        ("**Section 3: Lenses**\nGlass bends light.", "Glass bends light."),
        ("3. Lenses:\nGlass bends light.", "Glass bends light."),
        ("第三节 Lenses\n玻璃", "玻璃"),
        ("Lenses bend light.\nSo do drops.", "Lenses bend light.\nSo do drops."),
    ],
)
def test_a_title_said_again_is_taken_off(reply, kept):
    assert without_heading(reply, "Lenses") == kept


def test_a_section_that_was_cut_ends_with_a_sentence():
    cut = Reply("k", LONG + "And then it", "length")
    _, row, _ = chain(Sections(), outline("A", "B", "C"), cut, text(2), text(3))
    assert "And then it" not in row["text"]
    assert "of the section.\n\n## B" in row["text"]


def test_a_ready_prompt_is_the_task_and_keeps_who_it_is_for():
    row = {
        "text": "",
        "prompt": "Explain lenses with sand.",
        "prompts.audience": "young_children",
        "prompts.topic": "x",
    }
    asked, row, _ = chain(Sections(), outline("A", "B", "C"), text(1), text(2), text(3), **row)
    assert all("Explain lenses with sand." in said(request) for request in asked)
    assert row["prompt"] == "Explain lenses with sand."
    assert (row["prompts.audience"], row["prompts.topic"], row["prompts.language"]) == ("young_children", "x", "en")
    told = [said(next(Sections(audience=a).ask(piece(text="Light"), "m"))) for a in ("young_children", "researchers")]
    assert told[0] != told[1]


def test_a_seed_gets_the_columns_of_prompts():
    asked, row, _ = chain(Sections(), outline("A", "B", "C"), text(1), text(2), text(3), text="Light", context="Dark")
    assert row["prompt"] == said(asked[0])
    assert "Dark" in row["prompt"]
    assert (row["prompts.seed"], row["prompts.topic"], row["prompts.split"]) == ("a", "Light", "sections")


def test_passages_stand_in_every_prompt():
    passages = [{"text": f"Fact {n}. " * 100, "source": "book", "score": 1.0} for n in range(9)]
    asked, _, _ = chain(Sections(), outline("A", "B", "C"), text(1), text(2), text="Light", passages=passages)
    assert all("Fact 2." in said(request) and "Fact 3." not in said(request) for request in asked)


def test_chinese_prompts_are_chinese():
    stage, replies = Sections(language="zh", audience="high_school"), (text(1), text(2), text(3))
    asked, row, _ = chain(stage, outline("叶", "水", "糖"), *replies, text="光合作用")
    assert all("节" in said(request) and "Write" not in said(request) for request in asked)
    assert "## 水" in row["text"]


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(list(HOSTILE.values())),
    st.lists(st.sampled_from([*HOSTILE.values(), "", "{}", '{"sections": [[]]}', LONG]), min_size=1, max_size=6),
)
def test_hostile_replies_and_seeds_end(matter, replies):
    stage, table = Sections(), piece(text=matter, context=matter)
    if next(stage.ask(table, "m")) is not None:
        got = [Reply("k", one[:10_000], "stop") for one in replies]
        _, row, _ = chain(stage, *got, text=matter, context=matter)
        assert (row["text"] == "") == (row["generate.error"] is not None)


@pytest.mark.parametrize("tries", [0, 2])
def test_a_plan_knows_of_every_request_there_can_be(tries):
    stage = Sections(sections=3, again_at_most=tries)
    empty = [Reply("k", "", "stop")] * tries
    asked, _, _ = chain(
        stage, *empty, outline("A", "B", "C"), *empty, text(1), *empty, text(2), *empty, text(3), text="Light"
    )
    assert len(asked) == 1 + len(stage.ahead()) == 4 * (1 + tries)


def test_own_templates_take_the_place_of_the_shipped(tmp_path):
    front = "format: section\nlanguage: en\nneeds: [section]\nsource: me"
    body = "Now {{ section.title }} for {{ audience.who }}."
    (tmp_path / "section.jinja").write_text(f"---\n{front}\n---\n{body}")
    asked, _, _ = chain(Sections(templates=[str(tmp_path)]), outline("A", "B", "C"), text(1))
    assert said(asked[1]).startswith("Now A for ")


@pytest.mark.parametrize("knobs", [{"sections": 2, "least": 3}, {"sections": 0}, {"again_at_most": 4}, {"words": 1}])
def test_bad_knobs_are_refused(knobs):
    with pytest.raises(ValidationError):
        Sections(**knobs)


@pytest.mark.parametrize("knobs", [{"language": "xx"}, {"audience": "colege"}])
def test_what_has_no_wording_is_a_users_mistake(knobs):
    with pytest.raises(UserError, match=r"xx|colege"):
        next(Sections(**knobs).ask(piece(text="Light"), "m"))


class Writer:
    """Gives an outline and sections, refuses the third section of every other book, and counts what it is paid for."""

    def __init__(self):
        self.paid, self.lock = Counter(), threading.Lock()

    def __call__(self, call):
        if call.method == "GET":
            return [response(200, {"data": []})]
        body = call.json()
        with self.lock:
            self.paid[json.dumps(body["messages"])] += 1
        if "response_format" in body:
            return [response(200, chat(outline("Rays", "Mirrors", "Lenses").text))]
        said = body["messages"][0]["content"]
        if "section 3 of 3" in said and int(said.partition("Topic ")[2][0]) % 2:
            return [response(200, chat(None, refusal="I will not."))]
        return [response(200, chat(text(len(self.paid)).text))]


def test_through_a_real_server_each_section_is_paid_once_and_replayed_for_nothing(tmp_path):
    path, writer = tmp_path / "seeds.jsonl", Writer()
    path.write_text("".join(json.dumps({"id": f"s{n}", "text": f"Topic {n}"}) + "\n" for n in range(8)))

    def recipe(url, **knobs):
        steps = [{"use": "sources.files", "path": [str(path)]}, {"use": "prompts.sections"} | knobs]
        teacher = {"url": url, "model": "m", "concurrency": 5}
        return check_data({"name": "r", "teacher": teacher, "steps": steps}, "r.yaml")

    with serving(writer) as server:
        table = table_of(run(recipe(server.url), tmp_path)[-1])
        assert table["sections.count"].to_pylist() == [3, 2] * 4
        assert [(said or "").partition(":")[0] for said in table["sections.stopped"].to_pylist()] == ["", "refusal"] * 4
        assert table["generate.tries"].to_pylist() == [4] * 8
        assert (len(writer.paid), set(writer.paid.values())) == (32, {1})
        whole = run(recipe(server.url, min_sections=3), tmp_path)[-1]
        assert whole.manifest["reasons"] == {"unfinished": 4}
        longer = run(recipe(server.url, max_tokens=800, shortest=81), tmp_path)[-1]
        assert longer.manifest["kept"] == 8
        assert sum(writer.paid.values()) == 32 + 24, "outlines are asked for once, sections of another length anew"
