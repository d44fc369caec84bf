"""quality.code: the rules of The Stack and StarCoder for program files."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._repeating import share

_BASIC = "bigcode-project/bigcode-dataset, preprocessing/README.md (as Codex, arXiv:2107.03374)"
_COMMENTS = "bigcode-project/bigcode-dataset, preprocessing/README.md, filter `comments`"
_STACK2 = "StarCoder 2 and The Stack v2, arXiv:2402.19173"


class Code(Each):
    """Marks files whose lines, letters, comments or data say that nobody wrote them, and drops them.

    Marks: int64 `quality.code_lines`, `quality.longest_line` (characters), `quality.encoded_run` (bytes of the longest
    run of encoded data); float64 `quality.mean_line` (characters), `quality.alpha`, `quality.alnum` (shares of
    characters that are letters, letters or digits, of any script), `quality.comment_share` (of characters, null where
    `comments` is none), `quality.encoded_share` (of bytes); `quality.generated` (bool: one of the first five lines
    says so).
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    comments: Literal["none", "hash", "python", "slashes"] = knob(
        "python", help="how comments look: # ; # and docstrings; // and /* */; none takes no share"
    )
    do_not_edit: bool = knob(False, help="`do not edit` too says that a file was generated")
    max_lines: int = knob(100_000, help="most lines", unit="lines", source=_STACK2, threshold=True, ge=0)
    max_mean_line: float = knob(
        100.0, help="most characters a line on average", unit="characters", source=_BASIC, threshold=True, ge=0.0
    )
    max_line: int = knob(1000, help="longest line", unit="characters", source=_BASIC, threshold=True, ge=0)
    min_alnum: float = knob(
        0.25, help="least letters and digits", unit="share of characters", source=_BASIC, threshold=True, ge=0.0, le=1.0
    )
    min_alpha: float = knob(
        0.25, help="least letters", unit="share of characters", source=_STACK2, threshold=True, ge=0.0, le=1.0
    )
    min_comments: float | None = knob(
        None, help="least comments; null for no limit, BigCode's is 0.01", unit="share of characters", source=_COMMENTS,
        threshold=True, ge=0.0, le=1.0,
    )  # fmt: skip
    max_comments: float = knob(
        0.8, help="most comments", unit="share of characters", source=_COMMENTS, threshold=True, ge=0.0, le=1.0
    )
    max_encoded_run: int = knob(
        1024, help="longest run of encoded data", unit="bytes", source=_STACK2, threshold=True, ge=0
    )
    max_encoded: float = knob(
        0.5, help="most encoded data", unit="share of bytes", source=_STACK2, threshold=True, ge=0.0, le=1.0
    )
    generated: bool = knob(True, help="drop files that say they were generated", source=_STACK2, threshold=True)

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.code import code
        from hornbook.kernels.words import texts

        data, offsets = texts(piece.column(TEXT))
        seen = code(data, offsets, self.comments, edit=self.do_not_edit)
        none = np.full(piece.num_rows, self.comments == "none")
        empty = seen.chars == 0
        return pa.table(
            {
                "quality.code_lines": seen.lines,
                "quality.mean_line": seen.chars / np.maximum(1, seen.lines),
                "quality.longest_line": seen.longest,
                "quality.alnum": pa.array(share(seen.alnum, seen.chars), mask=empty),
                "quality.alpha": pa.array(share(seen.alpha, seen.chars), mask=empty),
                "quality.comment_share": pa.array(share(seen.comments, seen.chars), mask=none | empty),
                "quality.encoded_run": seen.run,
                "quality.encoded_share": share(seen.encoded, np.diff(offsets)),
                "quality.generated": pa.array(seen.generated > 0),
            }
        )

    def drops(self) -> dict[str, Rule]:
        rules = {
            "many_lines": Rule("quality.code_lines", ">", self.max_lines),
            "long_lines": Rule("quality.mean_line", ">", self.max_mean_line),
            "long_line": Rule("quality.longest_line", ">", self.max_line),
            "few_alphanumeric": Rule("quality.alnum", "<", self.min_alnum),
            "few_letters": Rule("quality.alpha", "<", self.min_alpha),
        }
        if self.min_comments is not None:
            rules["few_comments"] = Rule("quality.comment_share", "<", self.min_comments)
        rules["many_comments"] = Rule("quality.comment_share", ">", self.max_comments)
        rules["encoded_run"] = Rule("quality.encoded_run", ">", self.max_encoded_run)
        rules["encoded_share"] = Rule("quality.encoded_share", ">", self.max_encoded)
        if self.generated:
            rules["generated"] = Rule("quality.generated", "==", True)
        return rules
