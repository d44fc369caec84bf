"""The shipped recipe cosmopedia, end to end: by a scripted teacher, and by the embedded one (slow)."""

from __future__ import annotations

import html
import importlib.util
import json
import re
from collections import Counter

import pytest

from hornbook.engine.recipe import load_recipe
from tests.commands import hornbook, last_json, write_jsonl
from tests.textbooks import ONE, again_is_cached, check_prompts, prose, rows_of, sets, teacher

if importlib.util.find_spec("wordllama") is None:
    pytest.skip("clusters and topics need hornbook[classify]", allow_module_level=True)

SPLITS = {
    "auto_math_text", "khanacademy", "openstax", "stanford", "wikihow", "stories", "web_samples_v1", "web_samples_v2",
}  # fmt: skip
SHEEP = "A farmer has seventeen sheep and all but nine of them run away over the hill. How many are left?"
POND = "A patch of lilies doubles in size every day and covers the whole pond on day forty-eight. When was it half?"
LABELS = (
    ("checkout", "Shop offers", 1),
    ("celebrity", "Celebrity gossip", 2),
    ("telescope", "Astronomy", 9),
    ("compost", "Gardening", 7),
    ("inflation|interest|insurance", "Personal finance", 7),
    ("yeast|Salt|egg", "Cooking", 6),
    ("list|binary|password", "Computing", 9),
    (".", "The human body", 8),
)
UNITS = [
    {"title": "First ideas", "covers": "what it is about"},
    {"title": "How the course is graded", "covers": "grades"},
    {"title": "Going deeper", "covers": "the hard part"},
    {"title": "Applications", "covers": "what it is good for"},
]


@pytest.fixture(scope="module")
def cosmopedia(tmp_path_factory):
    """Its folder, its settings and what it printed: seeds of one's own in two splits, exam items in their texts."""
    folder = tmp_path_factory.mktemp("cosmopedia")
    write_jsonl(folder / "exams_sheep.jsonl", [{"id": "sheep", "text": SHEEP}])
    write_jsonl(folder / "exams_pond.jsonl", [{"id": "pond", "text": POND}])
    (folder / "titles.txt").write_text("How to Count Sheep on a Hill\nHow to Whistle\nHow to Skip Stones\n")
    maths = [{"id": f"m{n}", "text": f"Theorem {n} on lilies. " + prose(900 + n)} for n in range(2)]
    write_jsonl(folder / "maths.jsonl", maths)
    label = [
        {"match": rf"({words}).*\"score\": N", "text": json.dumps({"topic": topic, "score": score})}
        for words, topic, score in LABELS
    ]
    lines = [
        *label,
        {"match": "are about how the course is run", "text": '{"administrative": [2]}'},
        {"match": "<course>", "text": json.dumps({"title": "A course", "units": UNITS})},
        {"match": "Count Sheep on a Hill", "text": f"{prose(1)} {SHEEP} {prose(2)}"},
        {"match": "Theorem 0 on lilies", "text": f"{prose(3)} {POND} {prose(4)}"},
    ]
    values = teacher(folder, lines) | {
        "titles.path": ["titles.txt"],
        "maths.path": ["maths.jsonl"],
        "auto_math_text.count": 2,
        "select.min_score": 4,
        "openings.max_share": 1,
        "decontaminate.against": ["exams_sheep.jsonl", "exams_pond.jsonl"],
        "tokenize.vocab": 300,
    }
    return folder, values, last_json(hornbook("run", "cosmopedia", *ONE, *sets(values), "--json", cwd=folder))


def test_all_eight_splits_come_through(cosmopedia):
    """Every split has prompts, and each of its prompts ends as a document or as a drop."""
    folder, _, found = cosmopedia
    run = folder / "runs" / "cosmopedia"
    asked = check_prompts(folder, "cosmopedia")
    prompts = Counter(row["prompts.split"] for row in asked)
    assert set(prompts) == SPLITS
    assert sum(prompts.values()) == 62
    final = Counter(row["prompts.split"] for row in rows_of(run, "final/part-*.parquet"))
    assert set(final) == SPLITS
    lost: Counter[str] = Counter()
    for step in ("generate", "length", "repetition", "openings", "dedup", "decontaminate"):
        lost += Counter(row["prompts.split"] for row in rows_of(run, f"*-{step}-*/dropped/part-*.parquet"))
    assert final + lost == prompts
    assert found["documents"] == sum(final.values())
    assert len({(row["prompts.template"], row["prompts.audience"]) for row in asked}) > 15


def test_units_of_courses_know_what_came_before_and_none_is_administrative(cosmopedia):
    folder, _, _ = cosmopedia
    run = folder / "runs" / "cosmopedia"
    units = rows_of(run, "*-units-*/part-*.parquet")
    assert {row["text"] for row in units} == {"First ideas", "Going deeper", "Applications"}
    asked = [row for row in rows_of(run, "*-stanford-*/part-*.parquet") if row["prompts.topic"] == "Applications"]
    assert all("Going deeper" in row["prompt"] for row in asked if row["prompts.format"] == "course_unit")
    books = rows_of(run, "*-openstax-*/part-*.parquet")
    texts = {row["text"]: row["extract"] for row in rows_of(run, "*-books-*/part-*.parquet")}
    of_web = [row for row in books if row["prompts.format"] != "course_unit"]
    assert all(texts[row["prompts.topic"]][:80] in row["prompt"] for row in of_web if row["prompts.topic"])


def test_clusters_of_no_use_give_no_prompt(cosmopedia):
    """Adverts and gossip are told by their clusters' scores, and no prompt comes from them."""
    folder, _, _ = cosmopedia
    run = folder / "runs" / "cosmopedia"
    gone = rows_of(run, "*-select-*/dropped/part-*.parquet")
    assert {row["label"] for row in gone} == {"advert", "gossip"}
    assert {row["reason"] for row in gone} == {"low_score"}
    seeds = {row["prompts.seed"] for step in ("web_v1", "web_v2") for row in rows_of(run, f"*-{step}*/part-*.parquet")}
    assert len(seeds) > 10
    assert not [seed for seed in seeds if seed.startswith(("advert", "gossip"))]
    assert (next(run.glob("*-map-*")) / "map.html").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        ({"select.exclude": ["Astrology"]}, "Astronomy"),
        ({"select.exclude": ["Astronomy"], "select.include": ["astronomy"]}, "both"),
    ],
)
def test_lists_of_topics_are_checked(cosmopedia, lists, says):
    """Cosmopedia shipped a list whose entry matched nothing, and topics that stood in two."""
    folder, values, _ = cosmopedia
    done = hornbook("run", "cosmopedia", *ONE, *sets(values | lists | {"name": "lists"}), cwd=folder)
    assert done.returncode == 2
    assert "select" in done.stderr
    assert says in done.stderr


def test_planted_items_stand_in_the_table_by_split_and_exam(cosmopedia):
    folder, _, _ = cosmopedia
    page = (folder / "runs" / "cosmopedia" / "report.html").read_text(encoding="utf-8")
    section = re.search(r'<section id="splits".*?</section>', page, re.DOTALL)
    assert section is not None
    rows = [
        [
            html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>.*?</tr>", section[0], re.DOTALL)
    ]
    head = next(row for row in rows if "exams_sheep" in row)
    exams = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows[rows.index(head) + 1 :]}
    assert set(exams) == SPLITS
    assert exams["wikihow"] == {"exams_sheep": "1 (1)", "exams_pond": "0"}
    assert exams["auto_math_text"] == {"exams_sheep": "0", "exams_pond": "1 (1)"}
    assert set(exams["stories"].values()) == {"0"}
    assert {row[0] for row in rows[: rows.index(head)]} >= SPLITS


def test_cosmopedia_again(cosmopedia):
    folder, values, found = cosmopedia
    again_is_cached("cosmopedia", folder, values, found)


def test_the_small_cosmopedia_differs_in_its_prompts_alone():
    """Step by step the same, so that it cannot drift; and its templates know every audience they are asked for."""
    large, small = load_recipe("cosmopedia"), load_recipe("cosmopedia_small")
    assert [(step.name, step.use, step.above) for step in large.steps] == [
        (step.name, step.use, step.above) for step in small.steps
    ]
    for one, other in zip(large.steps, small.steps, strict=True):
        a, b = one.stage.model_dump(), other.stage.model_dump()
        differ = {name for name in a if a[name] != b[name]}
        assert differ <= {"templates", "shipped", "formats", "repetition_penalty"}, one.name
        assert (b.get("shipped") is False) == (one.use.startswith("prompts.")), one.name


@pytest.mark.slow
def test_cosmopedia_by_the_embedded_teacher(tmp_path, smollm):
    """Everything works; what so small a teacher is worth is another matter (docs/textbooks.md)."""
    pytest.importorskip("xllamacpp", reason="the embedded teacher needs hornbook[local]")
    counts = dict.fromkeys(("auto_math_text", "khanacademy", "openstax", "stanford", "wikihow", "stories"), 1)
    counts |= {"web_v1": 1, "web_v1_blogposts": 1, "web_v1_wikihow": 1, "web_v2": 1, "web_v2_blogposts": 1}
    values = {f"{step}.count": many for step, many in counts.items()} | {
        "generate.max_tokens": 60,
        "length.min_words": 0,
        "repetition.max_lines": 1,
        "openings.max_share": 1,
        "tokenize.vocab": 300,
    }
    found = last_json(hornbook("run", "cosmopedia", *ONE, *sets(values), "--json", cwd=tmp_path, timeout=1500))
    asked = check_prompts(tmp_path, "cosmopedia")
    assert {row["prompts.split"] for row in asked} == SPLITS
    assert found["documents"] >= 1
    again_is_cached("cosmopedia", tmp_path, values, found)
