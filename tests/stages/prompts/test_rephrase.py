"""prompts.rephrase: the bucket says the formats, segments are whole sentences within each format's window."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.stages.prompts._segments import read, segments
from hornbook.stages.prompts.rephrase import Rephrase
from tests.contract import Example
from tests.stages.prompts.wordings import built, is_clean
from tests.stages.sources.given import Given, read_given

HIGH = {"diverse_qa", "distill", "extract_knowledge", "knowledge_list"}
GOOD = " ".join(f"Sentence number {n} of this text says that water is wet in place {n}." for n in range(60))
ROWS = [
    {"id": "a", "text": GOOD, "origin": "test", "q": 15.0},
    {
        "id": "b",
        "text": "BUY NOW!!! Shoes were first made of bark. Click here to get yours.",
        "origin": "test",
        "q": 2.0,
    },
    {"id": "c", "text": "光合作用把光变成糖。它在叶子里发生。" * 9, "origin": "test", "q": 12.0},
    {"id": "d", "text": "Two words.", "origin": "test", "q": 19.0},
    {"id": "e", "text": GOOD, "origin": "test", "q": None},
    {"id": "f", "text": "\x00\u202e", "origin": "test", "q": 1.0},
]
EXAMPLE = Example(knobs={"mark": "q", "cap": 200}, rows=ROWS, golden={"1": "e3788424ffa17e2ef677b3766ab3c484"})


def prompts(folder, rows=ROWS[:1], **knobs):
    return built(Rephrase(**knobs), folder, rows)


def test_the_bucket_says_which_formats(tmp_path):
    assert {row["prompts.format"] for row in prompts(tmp_path / "a", bucket="low")} == {"wikipedia"}
    assert {row["prompts.format"] for row in prompts(tmp_path / "b", bucket="high")} == HIGH
    assert {row["prompts.format"] for row in prompts(tmp_path / "c")} == {"wikipedia", *HIGH}


def test_a_mark_decides_for_each_document(tmp_path):
    good, bad = read_given(Rephrase(mark="q"), Given(tmp_path, ROWS))
    formats: dict[str, set[str]] = {}
    for row in good:
        formats.setdefault(row["prompts.seed"], set()).add(row["prompts.format"])
        assert row["rephrase.bucket"] == ("low" if row["prompts.seed"] == "b" else "high")
    assert formats == {"a": HIGH, "b": {"wikipedia"}, "c": HIGH}
    assert {row["id"]: row["reason"] for row in bad} == {"d": "too_short", "e": "unscored", "f": "empty"}
    assert all(row["evidence"] for row in bad)


def test_a_mark_that_is_not_there_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no column `edu`"):
        read_given(Rephrase(mark="edu"), Given(tmp_path, ROWS))


def test_segments_are_in_their_window_and_together_the_text(tmp_path):
    stage = Rephrase(longest={"wikipedia": 60, "diverse_qa": 100}, shortest={"wikipedia": 20})
    found = prompts(tmp_path, longest={"wikipedia": 60, "diverse_qa": 100}, shortest={"wikipedia": 20})
    assert (stage.longest["distill"], stage.shortest["diverse_qa"]) == (1500, 22)
    for form, most in (("wikipedia", 60), ("diverse_qa", 100), ("distill", 1500)):
        mine = [row for row in found if row["prompts.format"] == form]
        assert " ".join(row["rephrase.source"] for row in mine) == GOOD
        assert [row["rephrase.segment"] for row in mine] == list(range(1, len(mine) + 1))
        for row in mine:
            assert row["rephrase.source"] in row["prompt"]
            assert row["rephrase.words"] == len(re.findall(r"\w+", row["rephrase.source"])) <= most
            assert row["rephrase.source"].endswith(".")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["One two three.", "Four?", "Five six seven eight.", "这是一句。", "No end", "\n\n"])),
    st.integers(1, 8), st.integers(3, 20),
)  # fmt: skip
def test_no_segment_leaves_its_window_and_none_overlap(parts, least, most):
    (of,) = read([" ".join(parts)])
    found = segments(of, min(least, most), most)
    at = 0
    for text, words in found:
        assert min(least, most) <= words <= most
        at = of.text.index(text, at) + len(text)
    if most >= max(of.words, default=0) and least == 1:
        assert sum(words for _, words in found) == sum(of.words)


def test_segments_are_about_as_long_as_each_other():
    (of,) = read([GOOD])
    sizes = [words for _, words in segments(of, 1, 400)]
    assert max(sizes) - min(sizes) < 40


@pytest.mark.parametrize("language", ["en", "zh"])
def test_prompts_are_clean_in_either_language(language, tmp_path):
    rows = [dict(ROWS[2 if language == "zh" else 0], id=f"x{n}") for n in range(12)]
    found = prompts(tmp_path, rows, language=language, longest={"distill": 60}, shortest={"distill": 2})
    for row in found:
        is_clean(row | {"prompt": row["prompt"].replace(row["rephrase.source"], "")})
        assert row["prompts.language"] == language


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_a_count_is_spread_over_the_documents(count, tmp_path):
    rows = [dict(ROWS[0], id=f"x{n}") for n in range(5)]
    found = prompts(tmp_path, rows, count=count, cap=60)
    assert len(found) == count
    assert len({row["prompts.seed"] for row in found}) == min(5, count)
    assert len({row["id"] for row in found}) == count


def test_a_cap_holds_for_every_format(tmp_path):
    assert all(row["rephrase.words"] <= 50 for row in prompts(tmp_path, cap=50))


@pytest.mark.parametrize("knobs", [{"longest": {"distill": 0}}, {"bucket": "middle"}, {"cap": 1}, {"per_seed": 1001}])
def test_bad_knobs_are_refused(knobs):
    with pytest.raises(ValidationError):
        Rephrase(**knobs)
