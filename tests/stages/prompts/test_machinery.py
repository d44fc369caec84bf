"""What all stages share that build prompts by templates: which prompts there are, what is in them, what is refused."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.engine.linting.prompts import PromptChecks
from hornbook.kernels import minhash
from hornbook.kernels.words import texts, words
from hornbook.stages.prompts._catalogue import find_templates, find_wording
from hornbook.stages.prompts._extracts import cleaned, cut, line
from hornbook.stages.prompts._templates import DRAWS
from hornbook.stages.prompts.blogpost import Blogpost
from hornbook.stages.prompts.lecture import Lecture
from hornbook.stages.prompts.textbook import Textbook
from hornbook.stages.prompts.wikihow import Wikihow
from tests.stages.prompts.forms import BARE, EXTRACT, SEED
from tests.stages.sources.given import Given, read_given

ROOT = Path(__file__).resolve().parents[3]
AUDIENCES = {"young_children", "middle_school", "high_school", "college", "researchers", "professionals"}
STAGES = {"textbook": Textbook, "blogpost": Blogpost, "wikihow": Wikihow, "lecture": Lecture}
EVERY = [(stage, language) for stage in STAGES for language in ("en", "zh")]


def prompts(tmp_path, rows, stage=Textbook, part=5, group=2, **knobs):
    table = pa.Table.from_pylist(rows, pa.schema(_fields(rows)))
    return read_given(stage(**knobs), Given(tmp_path, table, part=part, group=group))


def _fields(rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    passages = pa.list_(pa.struct([("text", pa.string()), ("source", pa.string()), ("score", pa.float64())]))
    return [(name, passages if name == "passages" else pa.string()) for name in names]


def titles(many):
    """Short seeds of a few words."""
    whose = ["Roman", "early", "urban", "polar", "tropical", "modern", "wooden", "forgotten", "common", "deep", "cold"]
    what = [
        "bridges",
        "bees",
        "glaciers",
        "coins",
        "sonnets",
        "enzymes",
        "tides",
        "fractions",
        "maps",
        "violins",
        "ants",
    ]
    how = [
        "and their makers",
        "in spring",
        "at night",
        "under pressure",
        "for beginners",
        "across borders",
        "by number",
    ]
    found = [" ".join(words) for words in itertools.product(whose, what, how)]
    return [
        {"id": f"t{at}", "text": text, "origin": "titles"}
        for at, text in enumerate(found[:: len(found) // many][:many])
    ]


def own(folder, body, name="mine", **front):
    """A template of a user's."""
    folder.mkdir(exist_ok=True)
    front = {"format": "mine", "language": "en", "needs": ["topic"], "source": "me"} | front
    head = "".join(f"{key}: {json.dumps(value)}\n" for key, value in front.items() if value is not None)
    (folder / f"{name}.jinja").write_text(f"---\n{head}---\n{body}\n", encoding="utf-8")
    return folder


def shingles(text):
    hashes, _ = minhash.shingles(words(*texts(pa.array([text], pa.large_string()))))
    return hashes


# -- what is shipped


@pytest.mark.parametrize(("stage", "language"), EVERY)
def test_every_template_renders_for_every_audience(stage, language):
    found = find_templates(stage, [language])
    assert {name for template in found for name in template.audiences} == AUDIENCES
    for template in found:
        for audience in template.audiences:
            assert {"phrase.begin", "phrase.end"} <= set(template.slots[audience])
            assert ("phrase.hidden" in template.slots[audience]) == ("extract" in template.needs)
            for numbers in ([0] * (DRAWS + 1), [2**32 - 1] * (DRAWS + 1), list(range(0, 2**32, 2**32 // 49))):
                needed = {name: SEED[name] for name in template.needs}
                for seed in (SEED, BARE | needed):
                    said = template.render(dict(seed), audience, numbers)
                    assert not re.search(r"None|\{\{|\}\}|\{%|  |\n\n\n| \.", said), said
                    assert ("two centuries" in said) == ("forester" in said) == (seed is SEED)
                    bare = said.replace(EXTRACT, "")
                    if language == "en":
                        assert 120 < len(bare.split()) < 380
                    else:
                        assert 250 < len(bare) < 1100
                        assert not re.search("[一-鿿][,;:?!(]|[,;:?!)][一-鿿]", bare), bare


@pytest.mark.parametrize("stage", STAGES)
def test_languages_have_the_same_formats_and_slots(stage):
    english, chinese = find_wording(stage, "en"), find_wording(stage, "zh")
    assert {t.front.format for t in find_templates(stage, ["en"])} == {
        t.front.format for t in find_templates(stage, ["zh"])
    }
    assert {name: set(slots) for name, slots in english.audiences.items()} == {
        name: set(slots) for name, slots in chinese.audiences.items()
    }
    assert set(english.phrases) == set(chinese.phrases)
    for said in (english, chinese):
        for slots in (said.phrases, *said.audiences.values()):
            assert all(len(set(ways)) == len(ways) >= 3 for ways in slots.values())


@pytest.mark.parametrize(("stage", "language"), EVERY)
def test_an_audience_changes_the_substance(stage, language):
    """The same seed, the same draws: what two audiences are asked has less in common than apart, extract left out."""
    for template in find_templates(stage, [language]):
        for at in (0, 2**31):
            numbers = [at] * (DRAWS + 1)
            said = {name: template.render(SEED | {"passages": None}, name, numbers) for name in template.audiences}
            said = {name: text.replace(EXTRACT, "") for name, text in said.items()}
            for one, two in itertools.combinations(said, 2):
                assert minhash.jaccard(shingles(said[one]), shingles(said[two])) < 0.5, (template.name, one, two)
    slots = find_wording(stage, language).audiences
    for slot in set(next(iter(slots.values()))) - {"length"}:
        every = [way for name in slots for way in slots[name][slot]]
        assert len(set(every)) == len(every), f"{slot}: two audiences are told the same"
    assert len({tuple(slots[name]["length"]) for name in slots}) == len(slots)


# -- which prompts there are


def test_prompts_of_a_seed_are_distinct_and_use_every_way_before_any_twice(tmp_path):
    rows = titles(3)
    ways = sum(len(t.audiences) for t in find_templates("textbook", ["en"]) if t.needs == {"topic"})
    found, _ = prompts(tmp_path, rows, per_seed=3 * ways)
    assert len({row["prompt"] for row in found}) == len(found) == 9 * ways
    for seed in ("t0", "t1", "t2"):
        mine = [(row["prompts.template"], row["prompts.audience"]) for row in found if row["prompts.seed"] == seed]
        for turn in range(3):
            assert len(set(mine[turn * ways : (turn + 1) * ways])) == ways


def test_a_template_that_cannot_vary_gives_one_prompt_a_seed_and_audience(tmp_path):
    folder = own(tmp_path / "own", "Write about {{ topic }}.", audience=["college", "researchers"])
    found, _ = prompts(tmp_path / "in", titles(2), templates=[str(folder)], shipped=False, per_seed=9)
    assert [row["prompt"] for row in found] == [f"Write about {row['text']}." for row in titles(2)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_short_seeds_give_no_near_duplicates(tmp_path, language):
    found, _ = prompts(tmp_path, titles(400), part=400, group=400, per_seed=12, language=language, stage=Wikihow)
    said = [row["prompt"] for row in found]
    checks = PromptChecks("x", len(said), 0, 1)
    checks.piece(said, [0] * len(said), [True] * len(said))
    told = checks.findings(lambda rows: [str(row) for row in rows], lambda rows: {row: said[row] for row in rows})
    assert len(said) == 4800
    assert [one.what for one in told] == []


def test_a_prompt_depends_on_seed_number_and_variant_alone(tmp_path):
    rows = [*titles(7), {"id": "x", "text": EXTRACT, "origin": "o", "cluster.topic": "Trees"}]
    one, _ = prompts(tmp_path / "one", rows, part=8, group=8, per_seed=5)
    two, _ = prompts(tmp_path / "two", rows, part=3, group=1, per_seed=5)
    few, _ = prompts(tmp_path / "few", rows, part=8, group=8, per_seed=2)
    assert one == two
    assert few == [row for row in one if row["prompts.variant"] < 2]
    assert one[5]["id"] == "textbook-0000001-00"
    other, _ = prompts(tmp_path / "other", rows, per_seed=5, seed=1)
    assert {row["prompt"] for row in one}.isdisjoint(row["prompt"] for row in other)


@pytest.mark.parametrize("count", [1, 2, 5, 11, 20, 99])
def test_a_count_takes_seeds_from_everywhere(tmp_path, count):
    rows = titles(10)
    every, _ = prompts(tmp_path / "every", rows, per_seed=2)
    some, _ = prompts(tmp_path / "some", rows, per_seed=2, count=count)
    assert len(some) == min(20, count)
    assert all(row in every for row in some)
    numbers = sorted({int(row["id"].split("-")[1]) for row in some})
    assert len(numbers) == min(10, -(-count // 2))
    assert max(np.diff([-1, *numbers, 10])) <= -(-10 // len(numbers)) + 1


def test_rows_say_where_they_are_from(tmp_path):
    knobs = {"language": ["en", "zh"], "audiences": "college", "formats": "lesson_rigorous", "per_seed": 2}
    found, _ = prompts(tmp_path, titles(2), split="web", **knobs)
    assert list(found[0]) == [
        "id", "prompt", "origin", "prompts.template", "prompts.format", "prompts.audience", "prompts.language",
        "prompts.seed", "prompts.topic", "prompts.split", "prompts.variant",
    ]  # fmt: skip
    for row in found:
        assert row["id"].startswith("web-textbook-")
        assert row["prompts.split"] == "web"
        assert (row["prompts.audience"], row["prompts.format"]) == ("college", "lesson_rigorous")
        assert row["prompts.topic"] in row["prompt"]
    assert {row["prompts.language"] for row in found} == {"en", "zh"}


# -- seeds


def test_an_empty_seed_is_dropped_with_its_reason(tmp_path):
    rows = [{"id": str(at), "text": text, "origin": "o", "topic": topic} for at, (text, topic) in enumerate(
        [("", None), ("\n", None), ("\x00\u202e", None), ("!!! ...", ""), (None, None), ("", "Ants"), ("Bees", None)]
    )]  # fmt: skip
    found, gone = prompts(tmp_path, rows)
    assert [row["prompts.topic"] for row in found] == ["Ants", "Bees"]
    assert [(row["id"], row["reason"]) for row in gone] == [(str(at), "empty") for at in range(5)]
    assert all(row["evidence"] for row in gone)


def test_a_seed_that_no_template_is_for_is_dropped(tmp_path):
    _, gone = prompts(tmp_path, titles(1), formats=["textbook_narrative"])
    assert [row["reason"] for row in gone] == ["no_template"]
    assert gone[0]["evidence"] == "it has text, topic; templates need extract"


def test_a_long_seed_is_an_extract_and_never_a_topic_alone(tmp_path):
    rows = [{"id": "x", "text": EXTRACT, "origin": "o", "cluster.topic": "Trees", "context": None}]
    found, _ = prompts(tmp_path, rows, per_seed=60)
    assert all("stripped every nine years" in row["prompt"] for row in found)
    rows = [
        {"id": "x", "text": EXTRACT, "origin": "o", "cluster.topic": None, "context": "First\nSecond", "topic": "Cork"}
    ]
    found, _ = prompts(tmp_path / "unit", rows, formats="course_unit", per_seed=20)
    given = ["stripped every nine years" in row["prompt"] for row in found]
    assert 0 < sum(given) < 20
    assert all("- First\n- Second" in row["prompt"] for row in found)


@pytest.mark.parametrize("text", [
    "{{ 7 * 7 }} {% for x in y %} {{ topic.__class__ }} {% endpick %}", "{{ '' }}", "#}{# {% raw %}", "${x} {x} %s",
])  # fmt: skip
def test_what_a_seed_says_is_never_evaluated(tmp_path, text):
    rows = [
        {"id": "a", "text": text + " about ants", "origin": "o", "topic": None, "context": None},
        {"id": "b", "text": f"{text} {EXTRACT}", "origin": "o", "topic": text + "ants", "context": text},
    ]
    found, gone = prompts(tmp_path, rows, per_seed=12)
    assert gone == []
    assert all(text in row["prompt"] for row in found)
    assert not any("49" in row["prompt"] for row in found)


def test_hostile_texts(tmp_path):
    rows = [
        {
            "id": "huge",
            "text": "a" * 10_000_000,
            "origin": "o",
            "topic": "b" * 10_000_000,
            "context": "c\n" * 3_000_000,
        },
        {
            "id": "marks",
            "text": "\u202eabc\x00\x07\ufeff" * 400,
            "origin": "o",
            "topic": "\u2066x\n\n\ty",
            "context": None,
        },
        {"id": "lines", "text": "word\n" * 900, "origin": "o", "topic": None, "context": "\n\n\n"},
        {
            "id": "scripts",
            "text": "".join(map(chr, range(0x370, 0xD000, 7))),
            "origin": None,
            "topic": "𝔛",
            "context": "،",
        },
    ]
    found, gone = prompts(tmp_path, rows, group=1, per_seed=8)
    assert gone == []
    assert {row["prompts.seed"] for row in found} == {"huge", "marks", "lines", "scripts"}
    assert all(len(row["prompt"]) < 6000 for row in found)
    assert not any(re.search("[\x00\x07\u202e\u2066\ufeff]", row["prompt"]) for row in found)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_topic_is_given_as_often_as_asked(tmp_path, share):
    rows = [
        {"id": str(n), "text": f"{n}. {EXTRACT}", "origin": "o", "cluster.topic": "Trees and forests"}
        for n in range(400)
    ]
    found, _ = prompts(tmp_path, rows, part=400, group=400, topic_share=share)
    there = [row["prompts.topic"] == "Trees and forests" for row in found]
    assert there == ["Trees and forests" in row["prompt"] for row in found]
    assert sum(there) == pytest.approx(400 * share, abs=3.5 * (400 * share * (1 - share)) ** 0.5)


def test_of_what_came_before_a_few_units_are_named_and_none_piles_up(tmp_path):
    units = [f"Unit {chr(65 + n)} of it" for n in range(12)]
    rows = [
        {"id": str(n), "text": f"Part {n} of the course", "origin": "o", "context": "\n".join(units[:n])}
        for n in range(12)
    ]
    found, _ = prompts(tmp_path, rows, formats="course_unit", per_seed=6)
    named = {row["id"]: [unit for unit in units if f"- {unit}" in row["prompt"]] for row in found}
    for row in found:
        number, have = int(row["prompts.seed"]), named[row["id"]]
        assert have == units[:number] if number <= 5 else 2 <= len(have) <= 5
        assert have == [unit for unit in units[:number] if unit in have]
    assert len({tuple(have) for key, have in named.items() if key.startswith("textbook-0000011")}) > 2


def test_passages_stand_in_the_prompt_with_their_sources(tmp_path):
    passages = [{"text": f"Fact {n}. " * 200, "source": f"Book {n}", "score": 1.0} for n in range(9)]
    found, _ = prompts(tmp_path, [{"id": "a", "text": "Cork", "origin": "o", "passages": passages}], per_seed=6)
    for row in found:
        assert [n for n in range(9) if f"[Book {n}] Fact {n}. Fact" in row["prompt"]] == [0, 1, 2, 3, 4]
        assert re.search("source", row["prompt"].split("[Book 0]")[0])
        assert len(row["prompt"]) < 5 * 620 + 3000


# -- cutting


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet='ab .!?。！\n"”D1r', max_size=200), most=st.integers(5, 120))
@example(text="No end here at all", most=7)
def test_a_cut_is_a_beginning_of_at_most_so_much(text, most):
    found = cut(text, most)
    assert text.startswith(found)
    assert len(found) <= max(most, len(text) if len(text) <= most else most)
    assert cut(found, most) == found


@pytest.mark.parametrize(("text", "most", "wanted"), [
    ("One two three. Four five six. Seven", 31, "One two three. Four five six."),
    ("He saw Dr. Smith and Mr. Bo of the U.S. army there. Then", 47, "He saw Dr. Smith and Mr. Bo of the U.S. army"),
    ("They met. He saw Dr. Smith and more", 20, "They met."),
    ("今天天气很好。我们去公园玩。晚上回家吃饭", 18, "今天天气很好。我们去公园玩。"),
    ("他问：“你去吗？”我说去。后来就没有下文了", 14, "他问：“你去吗？”我说去。"),
    ('"Is it so?" she asked him. "It is." And then nothing came', 36, '"Is it so?" she asked him. "It is."'),
    ("no sentence ends in this one and it goes on", 20, "no sentence ends in"),
    ("x" * 50, 20, "x" * 20),
    ("It costs 3.50 euros now. And more is to come", 30, "It costs 3.50 euros now."),
])  # fmt: skip
def test_a_cut_is_at_the_end_of_a_sentence(text, most, wanted):
    assert cut(text, most) == wanted


def test_texts_are_cleaned():
    assert cleaned("\n a\r\nb\x00\n \n\n\nc\u202e ") == "a\nb\n\nc"
    assert line(" Ants\n and\tbees. ") == "Ants and bees"
    assert line("U.S...") == "U.S..."
    assert len(line("word " * 100)) <= 200


# -- a user's own templates


def test_own_templates_replace_and_join_the_shipped_ones(tmp_path):
    folder = own(
        tmp_path / "own",
        "Mine, on {{ topic }}, for {{ audience.name }}.",
        name="lesson_engaging",
        format="lesson_engaging",
    )
    own(folder, "More on {{ topic }}.", name="more", format="more")
    (folder / "notes.md").write_text("not a template")
    found, _ = prompts(tmp_path / "in", titles(2), templates=[str(folder)], per_seed=40)
    by = {row["prompts.template"]: row["prompt"] for row in found}
    assert by["lesson_engaging"].startswith("Mine, on ")
    assert by["more"].startswith("More on ")
    assert {"lesson_rigorous", "lesson_practical"} < set(by)
    only, _ = prompts(
        tmp_path / "only", titles(2), templates=[str(folder)], shipped=False, formats="more", audiences="college"
    )
    assert [row["prompt"] for row in only] == [f"More on {row['text']}." for row in titles(2)]
    own(folder, "Other on {{ topic }}.", name="more", format="more!")
    later, _ = prompts(tmp_path / "later", titles(1), templates=[str(folder)], formats="more!")
    assert later[0]["prompt"].startswith("Other on")


def test_a_language_of_ones_own(tmp_path):
    body = (
        "{{ audience.leser }}: {% pick %}Schreib{% or %}Verfasse{% endpick %} etwas über {{ topic }}. {{ phrase.kurz }}"
    )
    folder = own(tmp_path / "own", body, language="de", name="aufsatz")
    (folder / "worte.yaml").write_text(
        "language: de\naudiences:\n  kinder: {leser: [Für Kinder]}\n  alte: {leser: [Für Alte]}\n"
        "phrases:\n  kurz: [Kurz!]\n",
        encoding="utf-8",
    )
    found, _ = prompts(tmp_path / "in", titles(1), templates=[str(folder)], language="de", per_seed=4)
    assert {row["prompt"].split(":")[0] for row in found} == {"Für Kinder", "Für Alte"}
    assert len(found) == 4
    with pytest.raises(UserError, match="no template of the language `fr`") as caught:
        prompts(tmp_path / "fr", titles(1), templates=[str(folder)], language="fr")
    assert "de, en, zh" in caught.value.fix


def test_columns_that_a_template_needs_or_uses(tmp_path):
    body = "{{ topic }} in {{ outline_unit_title }}{% if level %} ({{ level }}){% endif %}"
    folder = own(tmp_path / "own", body, needs=["topic", "outline.unit_title"], uses=["level"])
    rows = [
        {"id": "a", "text": "Ants", "origin": "o", "outline.unit_title": "Insects", "level": "2"},
        {"id": "b", "text": "Bees", "origin": "o", "outline.unit_title": "Insects", "level": None},
        {"id": "c", "text": "Cats", "origin": "o", "outline.unit_title": None, "level": "1"},
    ]
    found, gone = prompts(tmp_path / "in", rows, templates=[str(folder)], shipped=False, audiences="college")
    assert [row["prompt"] for row in found] == ["Ants in Insects (2)", "Bees in Insects"]
    assert [(row["id"], row["reason"]) for row in gone] == [("c", "no_template")]


FRONT = "---\nformat: f\nlanguage: en\nneeds: [topic]\nsource: me\n---\n"
MISTAKES = {
    "no front matter": ("Write about {{ topic }}", 1, "no front matter"),
    "a key is missing": (FRONT.replace("source: me\n", "") + "x", 2, "`source` is missing"),
    "a key is unknown": (FRONT.replace("source: me\n", "source: me\nneed: [a]\n") + "x", 6, "`need` is unknown"),
    "a wrong type": (FRONT.replace("[topic]", "7") + "x", 4, "`needs` is wrong"),
    "no YAML": (FRONT.replace("[topic]", "[topic") + "x", 5, "not YAML"),
    "an audience without wording": (FRONT.replace("source", "audience: [colege]\nsource") + "x", 5, "`colege` has no"),
    "an unknown variable": (FRONT + "a\n{{ topik }}", 8, "nothing is named `topik`, did you mean `topic`?"),
    "a variable not in needs": (FRONT + "{% if outline_unit %}b{% endif %}", 7, "nothing is named `outline_unit`"),
    "an unknown slot": (FRONT + "a\nb\n{{ audience.readers }}", 9, "`audience.readers` has no wording for y"),
    "an unknown phrase": (FRONT + "{{ phrase.beginn }}", 7, "`phrase.beginn` has no wording in en, did you mean"),
    "an unknown part": (FRONT + "\n{% part extracts %}", 8, "no part `extracts`"),
    "an unknown tag": (FRONT + "{% pik %}", 7, "pik"),
    "pick without its end": (FRONT + "{% pick %}a{% or %}b", 7, "endpick"),
    "another template included": (FRONT + "{% include 'x' %}", 7, ""),
    "nothing printed": (FRONT + "a\n\n{{ extract }}", 9, "a variable is printed that this seed does not have"),
    "an attribute of nothing": (FRONT + "{{ passages[0].text }}", 7, "None"),
    "the sandbox left": (FRONT + "{{ topic.__class__.__mro__ }}", 7, "unsafe"),
    "a filter unknown": (FRONT + "{{ topic | shout }}", 7, "shout"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_template_is_told_with_its_line(tmp_path, mistake):
    text, number, says = MISTAKES[mistake]
    path = tmp_path / "mine.jinja"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        prompts(tmp_path / "in", titles(1), templates=[str(path)], shipped=False)
    assert caught.value.where == f"{path}:{number}", caught.value
    assert says in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(("text", "line_number", "says"), [
    ("language: en\naudience: {}\n", 2, "`audience` is unknown"),
    ("language: en\nphrases:\n  begin: Go\n", 3, "`phrases.begin` is wrong"),
    ("language: en\nphrases:\n  begin: []\n", None, "has an empty alternative, or none"),
    ("phrases: {}\n", 1, "`language` is missing"),
    ("language: [en\n", 2, "not YAML"),
])  # fmt: skip
def test_a_mistake_in_a_wording_is_told_with_its_line(tmp_path, text, line_number, says):
    path = tmp_path / "words.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        prompts(tmp_path / "in", titles(1), templates=[str(path)])
    assert caught.value.where == (f"{path}:{line_number}" if line_number else str(path)), caught.value
    assert says in caught.value.what


@pytest.mark.parametrize(("knobs", "says"), [
    ({"audiences": ["colege"]}, "no template for the audience `colege`"),
    ({"formats": ["lesson_rigor"]}, "no format `lesson_rigor`"),
])  # fmt: skip
def test_unknown_names_are_told_with_the_nearest_right_one(tmp_path, knobs, says):
    with pytest.raises(UserError, match=says) as caught:
        prompts(tmp_path, titles(1), **knobs)
    assert "did you mean" in caught.value.fix


def test_seeds_without_text_or_topic_are_refused(tmp_path):
    with pytest.raises(UserError, match="`text` or `topic`"):
        prompts(tmp_path, [{"id": "a", "name": "x"}])


def test_real_extracts_are_cut_at_sentences(tmp_path):
    path = ROOT.parent / "shared" / "data" / "corpora" / "wikipedia_excerpts.jsonl"
    if not path.exists():
        pytest.skip("no ../shared/data beside the checkout")
    with path.open(encoding="utf-8") as file:
        real = [json.loads(row)["text"].strip() for row in itertools.islice(file, 2000)]
    long = [text for text in real if len(text) > 500]
    ends = [cut(cleaned(text), 400)[-1] for text in long]
    assert len(long) > 100
    assert sum(end in ".!?\"”')" for end in ends) > 0.8 * len(ends)
