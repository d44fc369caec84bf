"""quality.code_style: programs of the wrong length, without a word of explanation, or that reach outside."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._reaching import REACHES, Seen, seen
from hornbook.stages.quality._repeating import share


class CodeStyle(Each):
    """Reads each Python program's tree, without running it, and drops what no textbook would print.

    Marks: int32 `style.lines` (that hold anything), `style.longest_function` (lines); float64 `style.comments`
    (share of characters in comments and docstrings), `style.documented` (share of functions and classes with a
    docstring; null where there is none of them); bool `style.hollow` (a function's body is `pass`, `...` or
    `raise NotImplementedError`), `style.star_import`, `style.third_party` (imports a package that is not of the
    standard library), and one each for what it reaches for: `style.network`, `style.files`, `style.processes`,
    `style.input`, `style.dynamic` (eval, exec, compile, __import__), `style.foreign` (ctypes, cffi). All but the
    first and `style.comments` are null where the text is no Python.

    It is a sieve for what is written plainly, not a wall: who wants to hide a socket can. Programs are run behind
    walls (quality.code_runs) whatever this stage says.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    min_lines: int = knob(0, help="fewest lines that hold anything", unit="lines", threshold=True, ge=0)
    max_lines: int | None = knob(
        200, help="most lines that hold anything; null for no limit; our choice", unit="lines", threshold=True, ge=0
    )
    max_function: int | None = knob(
        60, help="longest function; null for no limit", unit="lines", threshold=True, ge=1,
        source="Hornbook's own rule for itself",
    )  # fmt: skip
    min_comments: float | None = knob(
        None, help="least comments and docstrings; null for no limit", unit="share of characters", threshold=True,
        ge=0.0, le=1.0,
    )  # fmt: skip
    max_comments: float = knob(
        0.8, help="most comments and docstrings", unit="share of characters", threshold=True, ge=0.0, le=1.0,
        source="bigcode-project/bigcode-dataset, preprocessing/README.md, filter `comments`",
    )  # fmt: skip
    min_documented: float | None = knob(
        None, help="least functions and classes with a docstring; null for no limit", unit="share", threshold=True,
        ge=0.0, le=1.0,
    )  # fmt: skip
    hollow: bool = knob(True, help="drop programs with a function that does nothing", threshold=True)
    star_import: bool = knob(True, help="drop programs with `from x import *`", threshold=True)
    third_party: bool = knob(True, help="drop programs that import what is not of the standard library", threshold=True)
    reaching: tuple[str, ...] = knob(
        REACHES, help="drop programs that reach for these: network, files, processes, input, dynamic, foreign",
        threshold=True,
    )  # fmt: skip

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.code import code
        from hornbook.kernels.words import texts

        data, offsets = texts(piece.column(TEXT))
        counted = code(data, offsets, "python", edit=False)
        found = [seen(text) for text in piece.column(TEXT).to_pylist()]
        marks: dict[str, pa.Array] = {
            "style.lines": pa.array([one.lines for one in found], pa.int32()),
            "style.comments": pa.array(share(counted.comments, counted.chars), mask=np.asarray(counted.chars == 0)),
            "style.longest_function": pa.array([one.longest for one in found], pa.int32()),
            "style.documented": pa.array([one.documented for one in found], pa.float64()),
            "style.hollow": pa.array([one.hollow for one in found], pa.bool_()),
            "style.star_import": pa.array([one.star for one in found], pa.bool_()),
            "style.third_party": pa.array([one.third_party for one in found], pa.bool_()),
        }
        for name in REACHES:
            marks[f"style.{name}"] = pa.array([_reach(one, name) for one in found], pa.bool_())
        return pa.table(marks)

    def drops(self) -> dict[str, Rule]:
        rules = {"too_short": Rule("style.lines", "<", self.min_lines)} if self.min_lines else {}
        if self.max_lines is not None:
            rules["too_long"] = Rule("style.lines", ">", self.max_lines)
        if self.max_function is not None:
            rules["long_function"] = Rule("style.longest_function", ">", self.max_function)
        if self.min_comments is not None:
            rules["few_comments"] = Rule("style.comments", "<", self.min_comments)
        rules["many_comments"] = Rule("style.comments", ">", self.max_comments)
        if self.min_documented is not None:
            rules["undocumented"] = Rule("style.documented", "<", self.min_documented)
        switches = {"hollow": self.hollow, "star_import": self.star_import, "third_party": self.third_party}
        for name in (*(name for name, on in switches.items() if on), *self.reaching):
            rules[name] = Rule(f"style.{name}", "==", True)
        return rules


def _reach(one: Seen, name: str) -> bool | None:
    return None if one.reaches is None else name in one.reaches
