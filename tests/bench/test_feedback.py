"""The feedback benchmark's measures, on texts whose answer is known."""

from __future__ import annotations

import itertools

import pytest

from bench.feedback import COLLAPSED, PER, TEMPLATES, WANT, alike, asked, interval, scripted


def test_shares_of_openings_are_counted() -> None:
    texts = [f"Once upon a time {'x' if n % 2 else 'y'} ran off home w{n}." for n in range(40)]
    texts += [f"o{n} p{n} q{n} r{n}." for n in range(60)]
    found = alike(texts)
    assert found["value"] == found["common"] == pytest.approx(40)
    assert found["opening"] == "once upon a"
    assert found["top_8"] == pytest.approx(20)
    words = [text.rstrip(".").lower().split() for text in texts]
    pairs = {pair for some in words for pair in itertools.pairwise(some)}
    assert found["distinct_2"] == pytest.approx(len(pairs) / (40 * 8 + 60 * 3))


def test_an_opening_just_common_enough_counts() -> None:
    assert alike([f"a b c {n}" if n < 6 else f"d{n} e f" for n in range(100)])["common"] == pytest.approx(6)
    assert alike([f"a b c {n}" if n < 5 else f"d{n} e f" for n in range(100)])["common"] == 0


def test_the_scripted_teacher_collapses_for_some_templates() -> None:
    one, same, other = scripted(1), scripted(1), scripted(2)
    assert one == same != other
    assert len(one.rows) == len(one.replies) == WANT * PER
    stale = {row["prompts.template"] for row in one.rows if row["id"] in one.stale}
    assert len(stale) == COLLAPSED
    assert len({row["prompts.template"] for row in one.rows}) == TEMPLATES
    begins = [one.replies[row["prompt"]].startswith("Once upon a time there was a") for row in one.rows]
    assert begins == [row["id"] in one.stale for row in one.rows]


def test_prompts_for_the_teacher_are_all_different() -> None:
    assert len({row["prompt"] for row in asked()}) == len(asked()) == 708


def test_an_interval_is_students() -> None:
    assert interval([1.0, 2.0, 3.0]) == [2.0, pytest.approx(-0.4843, abs=1e-3), pytest.approx(4.4843, abs=1e-3)]
    assert interval([5.0]) == [5.0]
