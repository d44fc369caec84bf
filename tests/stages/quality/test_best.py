"""quality.best: of each group the best stays, whatever the pieces, and every other says what it was dropped for."""

from __future__ import annotations

import math
from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.core.keys import KEY_HEX
from hornbook.engine.keys import keys_of
from hornbook.stages.quality.best import Best
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.driving import mark, outcome

PROMPTS = [*HOSTILE.values()][:4]
EXAMPLE = Example(
    knobs={"column": "judge.score", "keep": 1},
    rows=[
        {"id": f"d{at}", "text": f"Reply {at}.", "origin": "x", "prompt": prompt, "judge.score": score}
        for at, (prompt, score) in enumerate(
            [(prompt, score) for prompt in PROMPTS for score in (3.5, None, 7.0)] + [(None, 1.0), (None, 9.0)]
        )
    ],
    golden={"1": "2a5a79fb59092e91cd5a6a2d88dacc41"},
)
SCORES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 3).map(float))


def table(rows: list[tuple[str | None, float | None]]) -> pa.Table:
    groups, scores = [group for group, _ in rows], [score for _, score in rows]
    ids = [f"d{at}" for at in range(len(rows))]
    columns = {"prompt": pa.array(groups, pa.string()), "score": pa.array(scores, pa.float64(), from_pandas=False)}
    return pa.table({"id": pa.array(ids, pa.string()), "text": pa.array(ids, pa.string())} | columns)


@settings(deadline=None, max_examples=120)
@given(
    st.lists(st.tuples(st.sampled_from([None, "", "a", "b", "ü\u202e"]), SCORES), min_size=1, max_size=25),
    st.integers(1, 26),
    st.integers(1, 3),
    st.sampled_from(["high", "low"]),
)
def test_of_each_group_the_best_stay(rows, size: int, keep: int, prefer: str) -> None:
    stage = Best(column="score", keep=keep, prefer=prefer)
    groups = defaultdict(list)
    for at, (group, score) in enumerate(rows):
        sign = 1 if prefer == "high" else -1
        value = -math.inf if score is None or math.isnan(score) else sign * score
        groups[group].append((-value, at))
    kept, gone = outcome(stage, table(rows), size)
    wanted = [at for _, at in groups.get(None, [])]
    for group, members in groups.items():
        ordered = [at for _, at in sorted(members)]
        wanted += ordered[:keep] if group is not None else []
        for at in ordered[keep:] if group is not None else []:
            reason, evidence = gone[f"d{at}"]
            assert reason == "not_best"
            assert f"d{ordered[0]}" in evidence
    assert kept == [f"d{at}" for at in sorted(wanted)]
    marks = mark(stage, table(rows), size).to_pylist()
    for (group, _), row in zip(rows, marks, strict=True):
        assert row["quality.best_among"] == (len(groups[group]) if group is not None else None)
        assert (row["quality.best_rank"] == 1) == (group is not None and row["quality.best_of"] is None)


def test_groups_may_be_numbers_and_scores_whole_numbers() -> None:
    documents = pa.table({"id": ["a", "b", "c"], "text": ["", "", ""], "seed": [1, 1, 2], "n": [3, 4, 1]})
    assert outcome(Best(column="n", by="seed"), documents)[0] == ["b", "c"]
    assert outcome(Best(column="n", by="seed", prefer="low"), documents)[0] == ["a", "c"]


def test_how_many_stay_is_a_threshold() -> None:
    one, two = (keys_of("quality.best", Best(column="n", keep=keep), []) for keep in (1, 2))
    assert one.marks == two.marks
    assert one.step != two.step
    assert len(one.step) == KEY_HEX


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"column": "none"}, "no column `none`"),
        ({"column": "score", "by": "none"}, "no column `none`"),
        ({"column": "prompt"}, "`prompt` is no number"),
        ({"column": "score", "by": "many"}, "`many` cannot name a group"),
    ],
)
def test_columns_that_cannot_be_used_are_a_users_mistake(knobs: dict[str, str], said: str) -> None:
    documents = table([("a", 1.0)]).append_column("many", pa.array([[1]]))
    with pytest.raises(UserError, match=said):
        mark(Best(**knobs), documents)
