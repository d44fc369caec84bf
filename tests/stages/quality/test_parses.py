from __future__ import annotations

import pyarrow as pa

from hornbook.stages.quality.parses import Parses
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.driving import documents, mark, outcome

PROGRAMS = {
    "good": "def double(x):\n    return 2 * x\n\nclass A:\n    def m(self):\n        async def g(): pass\n",
    "broken": "def double(x)\n    return 2 * x\n",
    "other": "def triple(x):\n    return 3 * x\n",
    "bound": "double = lambda x: 2 * x\n",
    "inside": "def outer():\n    def double(x): return 2 * x\n",
    "prose": "Here is the function you asked for:",
}
EXAMPLE = Example(
    rows=[{"id": key, "text": text, "entry_point": "double"} for key, text in PROGRAMS.items()]
    + [{"id": "none", "text": "x = 1", "entry_point": None}],
    golden={"1": "00bb93d3b4c2c82a3bf7fce3ee2aa126"},
)


def table() -> pa.Table:
    rows = documents(list(PROGRAMS.values()), list(PROGRAMS))
    return rows.append_column("entry_point", pa.array(["double"] * rows.num_rows))


def test_what_is_no_program_or_another_one_is_dropped() -> None:
    kept, gone = outcome(Parses(), table(), size=2)
    assert kept == ["good", "bound"]
    assert {key: reason for key, (reason, _) in gone.items()} == {
        "broken": "syntax", "other": "undefined", "inside": "undefined", "prose": "syntax",
    }  # fmt: skip
    assert gone["broken"][1] == "code.fault = line 1: expected ':'"
    assert gone["other"][1] == "code.missing = double"


def test_without_a_name_asked_for_only_the_grammar_counts() -> None:
    rows = table().drop_columns(["entry_point"])
    assert outcome(Parses(), rows)[0] == ["good", "other", "bound", "inside"]
    assert outcome(Parses(needs_entry_point=False), table())[0] == ["good", "other", "bound", "inside"]
    assert outcome(Parses(min_functions=2), rows)[0] == ["good", "inside"]


def test_definitions_are_counted_at_any_depth() -> None:
    marks = mark(Parses(), table()).to_pylist()
    assert [(row["code.functions"], row["code.classes"]) for row in marks] == [
        (3, 1), (None, None), (1, 0), (0, 0), (2, 0), (None, None),
    ]  # fmt: skip


def test_hostile_text_is_a_row_like_any_other() -> None:
    kept, gone = outcome(Parses(), documents(list(HOSTILE.values())))
    assert len(kept) + len(gone) == len(HOSTILE)
