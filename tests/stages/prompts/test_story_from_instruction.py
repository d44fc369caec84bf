"""prompts.story_from_instruction: the instruction is there, stock openings are forbidden, and no two are alike."""

import re

import pytest

from hornbook.stages.prompts.story_from_instruction import StoryFromInstruction
from tests.contract import Example
from tests.stages.prompts.wordings import HAN, TOPICS, built, is_clean, seeds, share_alike

LONG = "Explain how a lock on a canal works. Say what the gates do first. " * 30
ROWS = [
    {"id": "a", "text": "Why does bread rise?", "origin": "test", "topic": "baking"},
    {"id": "b", "text": LONG, "origin": "test"},
    {"id": "c", "text": "", "origin": "test", "topic": "nothing to tell"},
    {"id": "d", "text": '{"a": 1} {{ x }} \x00', "origin": "test"},
]
EXAMPLE = Example(
    knobs={"per_seed": 3, "language": ["en", "zh"]}, rows=ROWS, golden={"1": "e48cab24891fb74ceaec02e385ac9829"}
)
FORMATS = {
    "young_children": {"young_children"},
    "morality": {"young_children", "middle_school", "high_school"},
    "problem_solving": {"middle_school", "high_school", "college", "professionals"},
    "forum": {"high_school", "college", "professionals"},
    "reddit": {"high_school", "college", "professionals"},
}
STOCK = {"en": re.compile("Once upon a time|no once upon a time"), "zh": re.compile("从前|很久很久以前")}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_format_has_its_audiences_and_all_forbid_stock_openings(language, tmp_path):
    said = "面包为什么会发起来？" if language == "zh" else "Why does bread rise?"
    rows = [{"id": "a", "text": said, "origin": "t", "topic": "烘焙" if language == "zh" else "baking"}]
    found = built(StoryFromInstruction(per_seed=60, language=language), tmp_path, rows)
    assert len(found) == 60
    ways: dict[str, set[str]] = {}
    for row in found:
        ways.setdefault(row["prompts.format"], set()).add(row["prompts.audience"])
        is_clean(row)
        assert said in row["prompt"]
        assert STOCK[language].search(row["prompt"]), row["prompt"]
    assert ways == FORMATS


def test_an_instruction_ends_with_a_sentence_within_a_thousand_characters(tmp_path):
    for row in built(StoryFromInstruction(per_seed=5), tmp_path, ROWS[1:2]):
        (shown,) = re.findall(r'"""\n(.*?)\n"""', row["prompt"], re.DOTALL)
        assert LONG.startswith(shown)
        assert 900 < len(shown) <= 1000
        assert shown.endswith(".")


def test_an_instruction_is_shown_even_where_a_topic_is_known(tmp_path):
    assert all("bread" in row["prompt"] for row in built(StoryFromInstruction(per_seed=9), tmp_path, ROWS[:1]))


def test_an_audience_changes_the_story_that_is_asked_for(tmp_path):
    stage = StoryFromInstruction(formats="morality", per_seed=30)
    long = {
        "young_children": "three to five paragraphs",
        "middle_school": "Five to eight",
        "high_school": "Eight to ten",
    }
    for row in built(stage, tmp_path, ROWS[:1]):
        assert long[row["prompts.audience"]] in row["prompt"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_short_instructions_make_prompts_that_differ(language, tmp_path):
    found = built(
        StoryFromInstruction(per_seed=14, language=language), tmp_path, seeds(HAN if language == "zh" else TOPICS)
    )
    assert share_alike([row["prompt"] for row in found]) < 0.01
