"""dedup.names: the first of names that say the same is kept, whatever the pieces."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.kernels.signatures import meaning_of, tokens_of
from hornbook.stages.dedup.names import Names
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.driving import outcome

NAMES = ["find_max", "max_of_list", "getMaximum", "sum_all", "total", "is_prime", "count_words", "word_count", "", None]
EXAMPLE = Example(
    rows=[
        {"id": f"n{at}", "text": f"def {name}(x):", "origin": "n", "entry_point": name}
        for at, name in enumerate([*NAMES, *(text[:300] for text in HOSTILE.values()), "find_max"])
    ],
    golden={"1": "36fe172618238e55a18506ecf53cd3ac"},
)


def table(names):
    ids = [f"d{at}" for at in range(len(names))]
    return pa.table({"id": ids, "text": ids, "entry_point": pa.array(names, pa.string())})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(NAMES), max_size=20), st.sampled_from(["words", "meaning"]), st.integers(1, 9))
def test_the_first_of_names_that_say_the_same_is_kept(names, by, size):
    if not names:
        return
    form = meaning_of if by == "meaning" else lambda name: " ".join(tokens_of(name))
    first = {}
    for at, name in enumerate(names):
        if name:
            first.setdefault(form(name), f"d{at}")
    wanted = [f"d{at}" for at, name in enumerate(names) if not name or first[form(name)] == f"d{at}"]
    kept, gone = outcome(Names(by=by), table(names), size)
    assert kept == wanted
    assert {reason for reason, _ in gone.values()} <= {"same_name"}
    assert all(evidence.endswith(first[form(names[int(key[1:])])]) for key, (_, evidence) in gone.items())


def test_words_in_another_order_are_the_same_by_meaning_alone():
    assert outcome(Names(), table(["count_words", "word_count"]))[0] == ["d0"]
    assert outcome(Names(by="words"), table(["count_words", "word_count"]))[0] == ["d0", "d1"]


def test_without_names_it_says_what_is_missing():
    with pytest.raises(UserError, match="entry_point"):
        outcome(Names(), pa.table({"id": ["a"], "text": ["b"]}))
