"""report.page, split by split: what the two tables say is what became of each split's prompts."""

from __future__ import annotations

import pytest

from hornbook.stages.report._splits import MOST, REST, Splits, splits
from hornbook.store.artifacts import Above, artifact_at
from tests.contract import run
from tests.stages.report.branches import recipe

ITEM = "The little turtle walked across the wide green field to find the lost golden key of the old king"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two splits of three and two prompts, one of each with an exam item in its seed, said back by the teacher."""
    folder = tmp_path_factory.mktemp("splits")
    return run(recipe(folder, {"north": [ITEM, "Rain", "Wind"], "south": [ITEM, "Sand"]}, ITEM), folder)


def above(made) -> Above:
    steps = [artifact_at(a.folder, a.step) for a in made if a.makes == "documents"]
    return Above(steps, steps[-1:])


def test_prompts_less_drops_are_documents_in_every_split(made):
    found = splits(above(made))
    assert found is not None
    assert found.names() == ["north", "south"]
    assert dict(found.prompts) == {"north": 3, "south": 2}
    for name, prompts, lost, left, _ in found.rows():
        assert prompts - sum(lost) == left == found.left[name]


def test_exam_items_are_counted_by_split_and_exam(made):
    found = splits(above(made))
    assert found is not None
    assert found.exams() == ["exam"]
    assert dict(found.hits) == {("north", "exam"): 1, ("south", "exam"): 1}
    assert {place: len(items) for place, items in found.items.items()} == dict.fromkeys(found.hits, 1)


def test_the_page_shows_both_tables(made):
    page = next(a for a in made if a.makes == "page").folder / "report.html"
    html = page.read_text(encoding="utf-8")
    assert 'id="splits"' in html
    assert html.count(">1 (1)<") == 2


def test_a_recipe_without_splits_has_no_such_section(made, tmp_path):
    step = next(a for a in made if a.step == "seeds-north")
    assert splits(Above([step], [step])) is None


def test_many_splits_are_summed_up_in_a_last_row():
    found = Splits()
    for number in range(MOST + 5):
        found.prompts[f"s{number:03d}"] = 2
        found.left[f"s{number:03d}"] = 1
    rows = found.rows()
    assert len(rows) == MOST + 1
    assert rows[-1] == (REST, 10, [], 5, 0)
