"""sources.topics: children in rounds, what counts as new, when it ends, and whole trees through a real server."""

from __future__ import annotations

import json
import random
import re
from importlib.resources import files

import pytest
from pydantic import ValidationError

from hornbook.core.asking import Reply
from hornbook.engine.recipe import check_data
from hornbook.stages.sources._growing import Meanings, folded, names_in
from hornbook.stages.sources.topics import Topics
from tests.contract import Example, run, table_of
from tests.corpus import HOSTILE
from tests.teachers.serving import chat, response, serving

EXAMPLE = Example(
    knobs={"children": 3, "at_once": 2, "rounds": 4},
    rows=[
        {"id": "d1", "text": "Physics", "origin": "x:1", "language": "en"},
        {"id": "d2", "text": "烹饪", "origin": "x:2", "language": None},
        *({"id": key, "text": text[:3000], "origin": "x:9"} for key, text in list(HOSTILE.items())[:8]),
    ],
    golden={"1": "0d77fbd5f24f37cf9e1b37a3d79776e9"},
)
WORDS = [line.split("\t") for line in (files("hornbook.stages.sources") / "words.tsv").read_text("utf-8").splitlines()]
NOUNS = [word for word, part in WORDS if part == "noun"]


def wordy(prompt, many, sample=0):
    """Children of the topic in a prompt: three nouns each, drawn from the whole prompt; one in eight is an old one."""
    draw = random.Random(prompt + str(sample))
    known = re.search(r"known already: (.*?)\.\n", prompt)
    old = known[1].split("; ") if known else []
    names = [" ".join(draw.sample(NOUNS, 3)) for _ in range(many)]
    return [draw.choice(old).upper() if old and draw.random() < 0.125 else name for name in names]


def grown(tmp_path, handler, steps):
    """What a recipe's last step keeps and drops, and the requests that were paid for."""
    tmp_path.mkdir(exist_ok=True)

    def answer(call):
        if call.method == "GET":
            return [response(200, {"data": []})]
        found = handler(call.json()["messages"][-1]["content"])
        return [response(*found) if isinstance(found, tuple) else response(200, chat(found))]

    with serving(answer) as server:
        teacher = {"url": server.url, "model": "m", "concurrency": 16}
        done = run(check_data({"name": "r", "seed": 1, "teacher": teacher, "steps": steps}, "r.yaml"), tmp_path)
        paid = [call.json()["messages"][-1]["content"] for call in server.posts()]
    tables = [(table_of(one), table_of(one, "drops")) for one in done]
    return tables, paid


def once(tmp_path, handler, topics, **knobs):
    (kept, gone), paid = (tables := grown(
        tmp_path, handler, [{"use": "sources.titles", "titles": topics}, {"use": "sources.topics"} | knobs]
    ))[0][-1], tables[1]  # fmt: skip
    return [] if kept is None else kept.to_pylist(), [] if gone is None else gone.to_pylist(), paid


def said(*names):
    return json.dumps({"topics": list(names)})


def test_rounds_go_on_until_there_are_enough_and_say_what_is_known(tmp_path):
    rounds = iter([said("Heat", "Light", "heat"), said("Light", "Sound"), said("Waves", "Atoms", "Quarks")])
    (row,), _, paid = once(tmp_path, lambda _: next(rounds), ["Physics"], children=5, at_once=3)
    assert [child["text"] for child in row["topics.children"]] == ["Heat", "Light", "Sound", "Waves", "Atoms"]
    assert row["topics.children"][0] == {"text": "Heat", "path": ["Physics", "Heat"], "level": 1}
    assert len(paid) == 3
    assert "known already" not in paid[0]
    assert "known already: Heat; Light." in paid[1]
    assert "known already: Heat; Light; Sound." in paid[2]
    assert (row["topics.rounds"], row["topics.alike"]) == (3, 0)


def test_it_ends_where_the_teacher_repeats_itself(tmp_path):
    (row,), _, paid = once(tmp_path, lambda _: said("Heat", "HEAT ", "heats", "Physics"), ["Physics"], children=50)
    assert [child["text"] for child in row["topics.children"]] == ["Heat"]
    assert len(paid) == 3, "one that brought something, two in a row that did not"
    (_,), _, paid = once(tmp_path / "2", lambda _: said("Heat"), ["Physics"], children=50, stale=1)
    assert len(paid) == 2


def test_the_same_in_other_words_counts_once(tmp_path):
    names = ("Theory of probability", "Probability theory", "Baking bread", "Bread baking", "Baking cakes")
    (row,), _, _ = once(tmp_path, lambda _: said(*names), ["Mixed"], children=5, rounds=1)
    assert [child["text"] for child in row["topics.children"]] == [
        "Theory of probability",
        "Baking bread",
        "Baking cakes",
    ]
    assert row["topics.alike"] == 2
    (row,), _, _ = once(tmp_path / "2", lambda _: said(*names), ["Mixed"], children=5, rounds=1, epsilon=0)
    assert len(row["topics.children"]) == 5


def test_topics_that_look_alike_but_are_not_stay_two():
    pairs = [("Linear algebra", "Abstract algebra"), ("World War I", "World War II"), ("Mitosis", "Meiosis"),
             ("Organic chemistry", "Inorganic chemistry"), ("Kinetic energy", "Potential energy"),
             ("细胞分裂", "细胞膜"),
             ("宏观经济学", "微观经济学"), ("Newton's Second Law", "Newton's Third Law")]  # fmt: skip
    for one, two in pairs:
        assert Meanings("wordllama", 0.05, []).fresh([one, two]) == ([one, two], 0)
        assert folded(one) != folded(two)


def test_no_children_and_failures_are_reasons(tmp_path):
    def handler(prompt):
        if "Law" in prompt:
            return 400, {"error": {"message": "no"}}
        return "I do not know." if "Music" in prompt else said("Heat")

    rows, drops, paid = once(tmp_path, handler, ["Physics", "Music", "Law"], children=1)
    assert [row["text"] for row in rows] == ["Physics"]
    assert [(drop["text"], drop["reason"]) for drop in drops] == [("Music", "no_children"), ("Law", "rejected")]
    assert all(drop["evidence"] for drop in drops)
    assert sum("Music" in prompt for prompt in paid) == 2


@pytest.mark.parametrize(
    ("text", "finish", "names"),
    [
        ('{"topics": ["Heat", " **Light** ", "3. Sound.", "", 7, "x"]}', "stop", ["Heat", "Light", "Sound"]),
        ('Sure!\n```json\n["Heat", "Light"]\n```', "stop", ["Heat", "Light"]),
        ('{"subtopics": [{"name": "Heat"}, {"title": "Light"}]}', "stop", ["Heat", "Light"]),
        ('{"topics": ["Heat", "Light", "Sou', "length", ["Heat", "Light"]),
        ('{"topics": ["Heat", "Light", "Sou', "stop", []),
        ('{"topics": "Heat"}', "stop", []),
        ('{"topics": ["' + "long " * 40 + '"]}', "stop", []),
        ('{"topics": ["…", "ha ha ha", "1.0.0.1.a", "go go"]}', "stop", ["go go"]),
        ("[" * 5000, "stop", []),
        ("", "stop", []),
    ],
)
def test_what_replies_hold(text, finish, names):
    assert names_in(Reply("k", text, finish))[0] == names


def test_levels_are_steps_and_each_knows_its_path(tmp_path):
    def handler(prompt):
        topic = re.search(r"belong to: (.*?)\. ", prompt.replace("\n", " "))[1]
        words = (("rivers", "stones"), ("sand", "mud"), ("old", "new"))[topic.count(" ")]
        return said(*(f"{topic} {word}" for word in words))

    steps = [
        {"use": "sources.titles", "titles": ["Earth"], "languages": ["en"]},
        {"use": "sources.topics", "name": "a", "children": 2, "epsilon": 0},
        {"use": "sources.spread", "name": "b", "column": "topics.children", "prefix": "topics."},
        {"use": "sources.topics", "name": "c", "children": 2, "epsilon": 0},
        {"use": "sources.spread", "name": "d", "column": "topics.children"},
        {"use": "sources.topics", "name": "e", "children": 2, "epsilon": 0},
        {"use": "sources.spread", "name": "f", "column": "topics.children"},
    ]
    tables, paid = grown(tmp_path, handler, steps)
    second, third, last = (tables[at][0].to_pylist() for at in (2, 4, 6))
    assert [row["topics.path"] for row in second] == [["Earth", "Earth rivers"], ["Earth", "Earth stones"]]
    assert third[1]["topics.children_path"] == ["Earth", "Earth rivers", "Earth rivers mud"]
    assert {len(row["topics.children_path"]) for row in last} == {4}
    assert {row["topics.children_level"] for row in last} == {3}
    assert {row["language"] for row in last} == {"en"}
    assert len({row["id"] for row in last}) == 8
    for kind, many in (("topics, each a chapter", 1), ("subtopics", 2), ("single concepts", 4)):
        assert sum(kind in prompt for prompt in paid) == many
    assert any("It is a part of Earth › Earth rivers." in prompt for prompt in paid)


def tree(children):
    level = {"use": "sources.topics", "children": children, "at_once": 12}
    spread = {"use": "sources.spread", "column": "topics.children", "prefix": "topics."}
    alike = {"use": "dedup.semantic", "epsilon": 0.05}
    return [
        {"use": "sources.titles", "path": "shipped:domains.txt", "languages": ["en"]},
        *(
            step | {"name": f"{step['use'].partition('.')[2]}{at}"}
            for at in range(2)
            for step in (level, spread, alike)
        ),
    ]


def test_a_tree_from_the_shipped_domains(tmp_path):
    steps = tree(3)
    steps[0] = {"use": "sources.titles", "titles": ["Physics", "Music", "Law", "Cooking"]}
    tables, _ = grown(tmp_path, lambda prompt: said(*wordy(prompt, 4)), steps)
    texts = tables[-1][0]["text"].to_pylist()
    assert 33 <= len(texts) <= 36
    assert len({folded(text) for text in texts}) == len(texts)


def test_the_shipped_domains():
    from hornbook.stages.sources.titles import Titles
    from tests.stages.sources.reading import read

    for language in ("en", "zh"):
        rows, drops = read(Titles(path="shipped:domains.txt", languages=[language]))
        assert 55 <= len(rows) <= 65
        assert {drop["reason"] for drop in drops} == {"language"}
        names = [row["text"] for row in rows]
        assert Meanings("wordllama", 0.05, []).fresh(names) == (names, 0)


@pytest.mark.slow
def test_twenty_thousand_distinct_topics_from_sixty_domains(tmp_path):
    tables, paid = grown(tmp_path, lambda prompt: said(*wordy(prompt, 12)), tree(20))
    texts = tables[-1][0]["text"].to_pylist()
    print(len(tables[0][0]), "domains", len(tables[3][0]), "topics", len(texts), "subtopics", len(paid), "requests")
    assert len(tables[0][0]) <= 60
    assert len(texts) >= 20_000
    assert len({folded(text) for text in texts}) == len(texts)


def test_what_cannot_work_is_refused():
    for knobs in ({"embedding": "nonsense"}, {"epsilon": 1.0}, {"children": 0}):
        with pytest.raises(ValidationError):
            Topics(**knobs)
