from __future__ import annotations

import json
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.classifying.task import IS_TEST, Task, auroc, label


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_auroc_is_the_share_of_pairs_in_order(rows):
    good = [score for score, yes in rows if yes]
    bad = [score for score, yes in rows if not yes]
    if good and bad:
        share = sum((a > b) + (a == b) / 2 for a in good for b in bad) / (len(good) * len(bad))
        found = auroc(np.array([score for score, _ in rows], float), np.array([yes for _, yes in rows]))
        assert found == pytest.approx(share)


def test_nobody_is_judged_on_what_it_learned_from(tmp_path, capsys):
    rows = [
        {"id": f"{n:x}", "text": f"text {n}", "path": f"p-1.0/{'tests' if n % 3 else 'src'}/f{n}.py"} for n in range(90)
    ]
    path = tmp_path / "0.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=20)
    learned: list[str] = []

    def fit(texts, labels):
        learned.extend(texts)
        assert [bool(label) for label in labels] == [int(text.split()[1]) % 3 > 0 for text in texts]
        # Right on what is new, wrong on what was learned: only a judge that leaves that out gives 1.
        known = set(texts)
        right = {row["text"]: float(label(row["path"])) for row in rows}
        return lambda column: np.array([1 - right[t] if t in known else right.get(t, 0.0) for t in column.to_pylist()])

    Task([str(path)], 30, 0).run(fit)
    facts = json.loads(capsys.readouterr().out)
    least = sorted(rows, key=lambda row: zlib.crc32(row["id"].encode()))[:30]
    assert learned == [row["text"] for row in least]
    assert (facts["auroc"], facts["documents"]) == (1.0, 90)


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("a/tests/x.py", True),
        ("a/test_x.py", True),
        ("a/x_test.py", True),
        ("a/conftest.py", True),
        ("a/latest.py", False),
    ],
)
def test_which_files_are_tests(path, test):
    assert bool(IS_TEST.search(path)) is test
