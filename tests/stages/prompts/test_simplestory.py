"""prompts.simplestory: every parameter is drawn evenly, stands in the prompt and in its column."""

from collections import Counter

import pytest
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.stages.prompts.simplestory import PARAMETERS, Simplestory
from tests.contract import Example
from tests.stages.prompts.wordings import is_clean, share_alike
from tests.stages.sources.given import Given

EXAMPLE = Example(knobs={"count": 40, "language": ["en", "zh"]}, golden={"1": "67c1ccdb055abb827f2ad7e3b11c49ac"})
LISTS = "".join(f"{name}: [{name}-one, {name}-two]\n" for name in PARAMETERS)


class Nothing:
    """No documents above."""

    def parts(self):
        return []


def prompts(inputs=None, **knobs):
    stage, inputs = Simplestory(**knobs), inputs or Nothing()
    return [row for item in stage.shards(inputs) for table in stage.read(item, inputs) for row in table.to_pylist()]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_drawn_stands_in_the_prompt(language):
    for row in prompts(count=200, language=language):
        is_clean(row)
        drawn = {name: row[f"simplestory.{name}"] for name in PARAMETERS}
        assert all(value is None or value in row["prompt"] for value in drawn.values()), (drawn, row["prompt"])
        assert row["prompts.topic"] == drawn["topic"]
        assert row["prompts.language"] == language


def test_a_prompt_depends_on_seed_and_number_alone():
    assert prompts(count=30)[:10] == prompts(count=10)
    stage = Simplestory(count=10_000)
    assert stage.shards(Nothing()) == [[0, 4096], [4096, 8192], [8192, 10_000]]
    (some,) = stage.read([9_990, 9_995], Nothing())
    (last,) = stage.read([8192, 10_000], Nothing())
    assert last.slice(9_990 - 8192, 5).equals(some)
    assert prompts(count=10, seed=1) != prompts(count=10)


def test_over_ten_million_prompts_are_possible_and_few_are_alike():
    for language in ("en", "zh"):
        lists = Simplestory(language=language)._lists_of[language]
        possible = 1
        for name in PARAMETERS:
            assert len(set(lists[name])) == len(lists[name]) or name == "letter", f"{name} has an item twice"
            possible *= len(set(lists[name]))
        assert possible > 10**12
    found = [row["prompt"] for row in prompts(count=3000, language=["en", "zh"])]
    assert len(set(found)) == 3000
    assert share_alike(found) < 0.01


def test_draws_are_even_and_shares_are_kept():
    rows = prompts(count=4000, least_paragraphs=2, most_paragraphs=5)
    counts = Counter(row["simplestory.style"] for row in rows)
    expected = 4000 / 40
    assert len(counts) == 40
    assert sum((n - expected) ** 2 / expected for n in counts.values()) < 73, "above the 99.9 % point of chi-square"
    assert set(Counter(row["simplestory.paragraphs"] for row in rows)) == {2, 3, 4, 5}
    for name, share in (("grammar", 0.5), ("persona", 0.67)):
        given = sum(row[f"simplestory.{name}"] is not None for row in rows)
        assert given == pytest.approx(4000 * share, abs=3.3 * 1000**0.5)


@pytest.mark.parametrize("share", [0, 1])
def test_shares_at_their_ends(share):
    rows = prompts(count=50, grammar_share=share, persona_share=share)
    assert all((row["simplestory.grammar"] is not None) == bool(share) for row in rows)


def test_words_of_seeds_are_used_where_there_are_seeds(tmp_path):
    seeds = Given(tmp_path, [{"id": f"w{n}", "text": word} for n, word in enumerate(["fox", "lamp", "", "run", "red"])])
    for row in prompts(seeds, count=40, words=3):
        assert 1 <= len(row["simplestory.words"]) <= 3
        assert all(f'"{word}"' in row["prompt"] for word in row["simplestory.words"])
        assert len(row["simplestory.seeds"]) == len(row["simplestory.words"])
    assert not any(row["simplestory.words"] for row in prompts(seeds, count=5, words=0))
    with pytest.raises(UserError, match="has none"):
        prompts(Given(tmp_path / "empty", [{"id": "a", "text": " "}]), count=1)


def test_own_lists_take_the_place_of_the_shipped(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(LISTS)
    (row,) = prompts(count=1, lists={"en": str(path)}, grammar_share=1)
    assert row["simplestory.grammar"].startswith("grammar-")
    path.write_text(LISTS.replace("theme-two", "1"))
    with pytest.raises(UserError, match="`theme`"):
        prompts(count=1, lists={"en": str(path)})
    with pytest.raises(UserError, match="`xx`"):
        prompts(count=1, language="xx")


@pytest.mark.parametrize("knobs", [{"language": []}, {"least_paragraphs": 4, "most_paragraphs": 3}, {"count": 0}])
def test_bad_knobs_are_refused(knobs):
    with pytest.raises(ValidationError):
        Simplestory(**knobs)
