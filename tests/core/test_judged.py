"""What judges' facts say in tables: agreement beside every score, nothing of other steps' facts."""

from __future__ import annotations

from hornbook.core.judged import agreement, kappa, score, share, shown, tables

ONE = {
    "mean": 3.123, "interval": [2.86, 3.4], "agreement": {"kappa": 0.5, "kappa_quadratic": None, "alpha": 0.7},
    "documents": 1200, "failed": 3,
}  # fmt: skip
PAIR = {
    "a_rate": 0.61, "interval": [0.5, 0.7], "pairs": 40, "ties": 4, "consistent": 0.9, "position_bias": 0.1,
    "kappa": 0.8,
}  # fmt: skip


def test_no_score_without_its_agreement():
    (table,) = tables({"judge": "x", "judged": {"clear": ONE}})
    assert table.rows == (("clear", "3.12 [2.86, 3.40]", "κ 0.50, weighted κ –, α 0.70", "1,200", "3"),)
    assert len(table.heads) == len(table.rows[0])
    one = ONE | {"agreement": "not measured: one reading (judges: 1)"}
    assert tables({"judge": "x", "judged": {"clear": one}})[0].rows[0][2].startswith("not measured")


def test_pairs_show_what_the_order_did():
    (table,) = tables({"judge": "", "pairs": {"a / b": PAIR}})
    assert table.rows == (("a / b", "40", "61.0 % [50.0, 70.0]", "4", "90.0 %", "10.0 %", "0.80"),)
    assert len(table.heads) == len(table.rows[0])


def test_judges_side_by_side():
    facts = {
        "documents": 9,
        "scores": [ONE | {"criterion": "clear", "judge": "x"}],
        "two": [
            {"criterion": "clear", "judges": ["x", "y"], "documents": 9, "same": 0.5, "kappa": 0.1,
             "kappa_quadratic": 0.2, "interval": [0.0, None], "mean_difference": -0.25},
        ],
        "all": [{"criterion": "clear", "judges": ["x", "y", "z"], "documents": 8, "fleiss": 0.3, "alpha": None}],
        "verdicts": [{"judges": ["x", "y"], "pairs": 5, "same": 0.8, "kappa": None}],
    }  # fmt: skip
    found = tables(facts)
    assert [len(table.rows) for table in found] == [1, 1, 1, 1]
    assert all(len(row) == len(table.heads) for table in found for row in table.rows)
    assert found[1].rows[0][-2:] == ("0.20 [0.00, –]", "-0.25")
    assert shown(facts) == {"scores", "two", "all", "verdicts"}


def test_other_steps_facts_are_left_alone():
    for facts in (
        {},
        {"pairs": 7},
        {"pairs": {"x": 1}, "judged": 3},
        {"all": [1], "two": 2},
        {"judge": "", "pairs": {}},
    ):
        assert tables(facts) == []
        assert shown(facts) == set()


def test_what_is_not_known_is_a_dash():
    assert (score(None), score({"mean": None}), share(None), kappa(None)) == ("–", "–", "–", "–")
    assert agreement({}) == "–"
