"""prompts.qa: every format for every audience in either language, from an extract or two words of a topic."""

import pytest

from hornbook.stages.prompts.qa import Qa
from tests.contract import Example
from tests.stages.prompts.wordings import HAN, TOPICS, audiences_differ, built, is_clean, seeds, share_alike

AUDIENCES = ["young_children", "middle_school", "high_school", "college", "researchers", "professionals"]
FORMATS = ["dialogue", "diverse_qa", "quiz_lesson", "worked_problems"]
EXTRACT = "Air that is pressed together quickly becomes warm. A pump shows it. " * 8
ROWS = [
    {"id": "a", "text": "Friction", "origin": "test"},
    {"id": "b", "text": EXTRACT, "origin": "test", "topic": "heat", "context": "Pressure\nVolume\nEnergy"},
    {"id": "c", "text": None, "origin": "test", "topic": "The Silk Road"},
    {"id": "d", "text": "\u202e \n", "origin": "test"},
]
EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]}, rows=ROWS, golden={"1": "fd790c9ac08618d14c42ca0b82085821"}
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_format_is_there_for_every_audience(language, tmp_path):
    matter = "压缩空气，温度就会升高。打气筒就是这样。" * 12 if language == "zh" else EXTRACT
    topic = "热" if language == "zh" else "heat"
    rows = [
        {"id": "a", "text": "摩擦" if language == "zh" else "Friction", "origin": "t"},
        {"id": "b", "text": matter, "origin": "t", "topic": topic, "context": topic},
    ]
    rows[1]["passages"] = [{"text": matter, "source": "t", "score": 1.0}]
    found = built(Qa(per_seed=24, language=language), tmp_path, rows)
    for key in ("a", "b"):
        mine = [row for row in found if row["prompts.seed"] == key]
        assert {(row["prompts.format"], row["prompts.audience"]) for row in mine} == {
            (form, name) for form in FORMATS for name in AUDIENCES
        }
    for row in found:
        is_clean(row)
        assert (matter[:60] in row["prompt"]) == (row["prompts.seed"] == "b")
        assert row["prompts.topic"] is None or row["prompts.topic"] in row["prompt"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_audiences_have_words_of_their_own(language):
    audiences_differ("qa", language, AUDIENCES)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_two_words_of_a_topic_make_prompts_that_differ(language, tmp_path):
    found = built(Qa(per_seed=20, language=language), tmp_path, seeds(HAN if language == "zh" else TOPICS))
    prompts = [row["prompt"] for row in found]
    assert len(prompts) == 2000
    assert share_alike(prompts) < 0.01


def test_replies_can_be_told_apart(tmp_path):
    marks = {
        "diverse_qa": "Question:",
        "worked_problems": "Problem:",
        "quiz_lesson": '"Exercises"',
        "dialogue": "colon",
    }
    for row in built(Qa(per_seed=24), tmp_path, ROWS[:1]):
        assert marks[row["prompts.format"]] in row["prompt"]
