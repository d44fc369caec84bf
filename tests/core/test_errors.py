"""Errors say what, where and fix, keep their exit code, and cross process borders whole."""

from __future__ import annotations

import pickle

import pytest

from hornbook.core.errors import BudgetStop, HornbookError, Interrupted, UserError, nearest


@pytest.mark.parametrize(("kind", "code"), [(HornbookError, 1), (UserError, 2), (BudgetStop, 3), (Interrupted, 130)])
def test_exit_codes(kind, code):
    assert kind("x").exit_code == code


def test_reads_as_in_the_design():
    error = UserError("max_lines = 1.3 is above 1", where="bad.yaml:14, step 2 (quality)", fix="max_lines: 0 to 1")
    assert str(error).splitlines() == [
        "error: max_lines = 1.3 is above 1",
        "  where  bad.yaml:14, step 2 (quality)",
        "  fix    max_lines: 0 to 1",
    ]


def test_survives_pickling():
    error = pickle.loads(pickle.dumps(BudgetStop("spent", where="here", fix="more")))
    assert (type(error), error.what, error.where, error.fix) == (BudgetStop, "spent", "here", "more")


def test_nearest():
    assert nearest("qualty", ["quality", "dedup"]) == "quality"
    assert nearest("zzz", ["quality"]) == ""
