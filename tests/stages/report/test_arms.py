"""report.arms: what is told, what is not, and the same words in terminal and page."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from hornbook.core import compared
from hornbook.core.errors import UserError
from hornbook.core.stage import Artifact
from hornbook.stages.report.arms import Arms
from tests.contract import Example
from tests.stages.above import Above

EXAMPLE = Example(
    knobs={"arms": {"all": {"17": ["above-1", "above-2"]}}},
    above=(
        ("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),
        ("train.student", {"depth": 1, "context": 32, "tokens": 600, "threads": 1}),
        ("evaluate.bits", {"prime_mb": 0.0, "resamples": 10}),
    ),
)


def above_of(arms, tokens=None):
    """Finished students and exams: arm → one mapping of facts for each seed."""
    above, steps = Above([]), {}
    for arm, seeds in arms.items():
        for seed, facts in enumerate(seeds):
            train, exam = f"{arm}.s{seed}.train", f"{arm}.s{seed}.exam"
            many = (tokens or {}).get(arm, 1000)
            above.above.append(Artifact(train, "train.student", "student", None, {"facts": {"tokens_seen": many}}))
            above.above.append(Artifact(exam, "evaluate.any", "exam", None, {"facts": facts}))
            steps.setdefault(arm, {})[str(seed)] = [train, exam]
    return above, steps


def bits(*values):
    return [{"bits_per_byte": value, "gzip_bits_per_byte": 3.0} for value in values]


def made(folder, arms, tokens=None, **knobs):
    above, steps = above_of(arms, tokens)
    return above.run(Arms(arms=steps, **knobs), folder)


def difference(facts, arm):
    return next(one for one in facts["differences"] if one["arm"] == arm)


def test_clear_differences_are_told_and_others_are_not(tmp_path):
    """Less is better of bits: one arm is lower at every seed, one higher, one up and down."""
    facts = made(
        tmp_path,
        {
            "raw": bits(2.00, 2.10, 2.05),
            "good": bits(1.50, 1.61, 1.55),
            "bad": bits(2.50, 2.60, 2.56),
            "like": bits(2.20, 2.00, 2.06),
        },
    )
    assert [difference(facts, arm)["told"] for arm in ("good", "bad", "like")] == ["better", "worse", ""]
    assert [one["score"] for one in facts["scores"]] == ["bits_per_byte"]
    assert facts["arms"]["raw"]["exam: bits_per_byte"]["mean"] == pytest.approx(2.05)
    assert facts["trained"] == {"raw": [1000], "good": [1000], "bad": [1000], "like": [1000]}
    text = " ".join(compared.sentences(facts))
    assert "good is better than raw (−0.497" in text
    assert "bad is worse than raw" in text
    assert "nothing can be said of like against raw" in text
    assert json.loads((tmp_path / "arms.json").read_text())["arms"] == json.loads(json.dumps(facts["arms"]))
    assert pq.read_table(tmp_path / "arms.parquet").num_rows == 12


def test_more_comparisons_ask_for_more(tmp_path):
    """p of one arm stays, but what is made of it does not: Holm's factor is the number of comparisons."""
    two = {"raw": bits(2.0, 2.1, 2.05), "good": bits(1.95, 2.04, 2.002)}
    alone = difference(made(tmp_path / "two", two), "good")
    many = two | {f"arm{n}": bits(2.1 + n, 2.0 + n, 2.1) for n in range(4)}
    among = difference(made(tmp_path / "many", many), "good")
    assert alone["p"] == among["p"] == alone["adjusted"] < 0.01
    assert among["adjusted"] == pytest.approx(5 * alone["p"])
    assert (alone["told"], among["told"]) == ("better", "")


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_tell_nothing(tmp_path, seeds):
    facts = made(tmp_path, {"raw": bits(2.0, 2.1)[:seeds], "good": bits(1.0, 1.1001)[:seeds]})
    one = difference(facts, "good")
    assert one["told"] == ""
    assert (one["p"] is None) == (seeds == 1)
    assert "too few to say anything" in compared.sentences(facts)[1]


def test_shares_are_shown_with_both_intervals(tmp_path):
    """pass@1 with the exam's own interval; another share with a count of items alone gets Wilson's."""
    seeds = [{"pass@1": s, "pass@1_interval": [s - 0.05, s + 0.05], "accuracy": 0.5, "n": 100} for s in (0.1, 0.14)]
    facts = made(tmp_path, {"raw": seeds})
    cell = facts["arms"]["raw"]["exam: pass@1"]
    assert cell["over_items"] == [pytest.approx(0.07), pytest.approx(0.17)]
    assert facts["arms"]["raw"]["exam: accuracy"]["over_items"] == [
        pytest.approx(0.4038, abs=1e-3),
        pytest.approx(0.5962, abs=1e-3),
    ]
    table = compared.tables(facts)[0]
    assert table.rows[0][2] == "12.0 % [0.0, 37.4]; items [7.0, 17.0]"


def test_arms_with_other_numbers_of_tokens_are_flagged(tmp_path):
    facts = made(tmp_path, {"raw": bits(2, 2.1, 2.2), "long": bits(1, 1.1, 1.3)}, {"raw": 1000, "long": 3000})
    assert compared.sentences(facts)[0].startswith(
        "The arms were not trained on as many tokens (raw 1,000, long 3,000)"
    )


def test_another_arm_to_compare_with(tmp_path):
    arms = {"raw": bits(2.0, 2.1, 2.3), "tuned": bits(1.0, 1.1, 1.2), "twice": bits(0.9, 1.0, 1.1)}
    facts = made(tmp_path, arms, over={"twice": "tuned"})
    assert [(one["arm"], one["over"]) for one in facts["differences"]] == [
        ("tuned", "raw"), ("twice", "raw"), ("twice", "tuned"),
    ]  # fmt: skip


def test_mistakes_are_told(tmp_path):
    above, steps = above_of({"raw": bits(1.0, 1.1), "good": bits(1.0, 1.2)})
    del steps["good"]["1"]
    with pytest.raises(UserError, match="good has the seeds 0, not 0, 1"):
        above.run(Arms(arms=steps), tmp_path)
    above, steps = above_of({"raw": [{"loss": 2.0}]})
    with pytest.raises(UserError, match="no exam above has one of the scores"):
        above.run(Arms(arms=steps), tmp_path)
    with pytest.raises(UserError, match="`gone` does not stand above"):
        above.run(Arms(arms={"raw": {"0": ["gone"]}}), tmp_path)
    with pytest.raises(UserError, match="no such arm"):
        above.run(Arms(arms=steps, over={"raw": "rw"}), tmp_path)


def test_facts_of_other_steps_show_nothing():
    for facts in ({}, {"arms": {}}, {"scores": [], "two": []}):
        assert compared.tables(facts) == compared.sentences(facts) == []
        assert compared.shown(facts) == set()
