"""Rules: kept + dropped = in, one reason each, the first rule names it, evidence shows the numbers."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.rules import Rule, select

ROWS = st.lists(st.tuples(st.none() | st.floats(allow_nan=True), st.none() | st.text(max_size=3)), max_size=30)


@given(ROWS, st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_kept_and_dropped_are_the_input(rows, low, high):
    table = pa.table(
        {
            "id": pa.array([str(n) for n in range(len(rows))], pa.string()),
            "score": pa.array([a for a, _ in rows], pa.float64()),
            "twin": pa.array([b for _, b in rows], pa.string()),
        }
    )
    rules = {"low": Rule("score", "<", low), "high": Rule("score", ">", high), "twin": Rule("twin", "is set")}
    kept, dropped = select(table, rules)
    assert sorted(kept["id"].to_pylist() + dropped["id"].to_pylist()) == sorted(table["id"].to_pylist())
    assert kept.schema == table.schema
    for row in dropped.to_pylist():
        hit = [name for name, rule in rules.items() if _hits(rule, row)]
        assert row["reason"] == hit[0]
        assert row["evidence"].startswith(rules[hit[0]].mark)
    for row in kept.to_pylist():
        assert not any(_hits(rule, row) for rule in rules.values())


def _hits(rule, row):
    value = row[rule.mark]
    if value is None:
        return False
    if rule.op == "is set":
        return True
    return value < rule.limit if rule.op == "<" else value > rule.limit


def test_evidence_names_mark_value_limit_and_proof():
    table = pa.table({"score": [0.41234], "item": ["arc_easy:7"]})
    _, dropped = select(table, {"contaminated": Rule("score", ">", 0.3, evidence="item")})
    assert dropped["evidence"].to_pylist() == ["score = 0.4123 > 0.3; arc_easy:7"]


def test_a_column_named_reason_is_no_trouble():
    table = pa.table({"reason": ["mine"], "n": [1]})
    kept, dropped = select(table, {"one": Rule("n", "==", 1)})
    assert kept.num_rows == 0
    assert dropped["reason"].to_pylist() == ["one"]
    kept, _ = select(table, {"one": Rule("n", "==", 2)})
    assert kept["reason"].to_pylist() == ["mine"]
