"""Titles as seeds: how-to titles, article titles, any list of names of things to write about."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, PIECE_ROWS, REASON, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.stages.sources._once import Once
from hornbook.stages.sources._tongues import tongues
from hornbook.store.reading import File, expand, read_files

Format = Literal["auto", "jsonl", "json", "parquet", "csv", "tsv", "text"]

_CUT = [
    r"(?i)\s*[:：]\s*\d+\s*(?:easy |simple |quick )?(?:steps|ways|methods|tips|个?步骤?)\b.*$",
    r"(?i)\s*\(with (?:pictures|examples|videos?)\)\s*$",
    r"(?i)\s*[-|–—]\s*wikihow\s*$",
]
"""What how-to sites put behind a title."""
_UNSEEN = r"[\p{Cc}\x{00AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2069}\x{FEFF}]+"
"""Control characters and marks of direction; joiners stay, words of some scripts need them."""
_CLEAN = (
    (_UNSEEN, " "),
    (r"[\s\p{Z}]+", " "),
    (r"^ ?(?:[-*•·▪–—] |#{1,6} |\(?\d{1,4}[.)] |\d{1,4}、)", ""),
)
_ENDS = (
    (r"^ ?[\"“”„«「『](.*)[\"“”»」』] ?$", r"\1"),
    (r"^([^.]*)\. ?$", r"\1"),
    (r"[ ,，;；:：。、]+$", ""),
    (r"^ +", ""),
)


class Titles(Source):
    """Reads titles, cleans them, and leaves out those that are empty, too short or long, foreign or there twice.

    Rows: `id` (the row's own, or FILE:LINE), `text` and `topic` (both the clean title), `origin`, `language` (one of
    `languages`; without these what the language model is sure of, else null), `titles.raw` (as it was, where cleaning
    changed it), and the file's other columns.

    Drops: `blank` (no letter or digit), `short`, `long`, `language`, `duplicate` (equal to an earlier one, letter case
    and what ends it aside), and the faults of files as in sources.files.

    Raises:
        UserError: a path does not exist or holds no file; there is neither `path` nor `titles`.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] = knob(
        default_factory=list, help="files, globs, folders or URLs; a line of a text file is a title"
    )
    titles: list[str] = knob(default_factory=list, help="titles in the recipe itself; they come before those of files")
    format: Format = knob("auto", help="how to read the files; auto goes by extension")
    title: str = knob("title", help="the files' name for the column with the title")
    languages: list[str] = knob(
        default_factory=list, help="languages that stay (en, zh …), by script, and by py3langid where it is sure"
    )
    min_characters: int = knob(3, help="shortest title; Chinese and Japanese characters count twice", ge=1)
    max_characters: int = knob(200, help="longest title", unit="characters", ge=1)
    cut: list[str] = knob(
        default_factory=lambda: list(_CUT), help="patterns (RE2) that are cut off, one after the other; [] none"
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError("min_characters is above max_characters")
        for pattern in self.cut:
            try:
                pc.replace_substring_regex(pa.array([""]), pattern, "")
            except pa.ArrowInvalid as error:
                raise ValueError(f"cut: {pattern!r} is no pattern: {error}") from error
        return self

    def shards(self, inputs: Inputs) -> list[Any]:
        """One item: a title may be twice in different files."""
        if not self.path and not self.titles:
            raise UserError(
                "sources.titles has neither path nor titles", fix="path: a file of titles, or titles: [How to …]"
            )
        paths = [self.path] if isinstance(self.path, str) else list(self.path)
        return [[asdict(file) for file in expand(paths, self.format)] if paths else []]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """All titles; 8 bytes and the room a set needs are kept of each, some 60 MB a million."""
        once = Once()
        for found in self._raw([File(**file) for file in item]):
            if isinstance(found, Dropped):
                yield found
            else:
                yield from self._sorted_out(found, once)

    def _raw(self, files: list[File]) -> Iterator[pa.Table | Dropped]:
        for at in range(0, len(self.titles), PIECE_ROWS):
            some = self.titles[at : at + PIECE_ROWS]
            names = pa.array([f"titles:{number}" for number in range(at + 1, at + 1 + len(some))])
            yield pa.table({ID: names, TEXT: pa.array(some, pa.string()), ORIGIN: names})
        yield from read_files(files, self.title, split="line")

    def _sorted_out(self, table: pa.Table, once: Once) -> Iterator[pa.Table | Dropped]:
        raw = table.column(TEXT)
        clean = cleaned(raw, self.cut)
        language, foreign = tongues(clean, self.languages)
        faults = [
            fault or (None if once.fresh(key) else ("duplicate", "equal to a title before it"))
            for fault, key in zip(self._faults(clean, foreign), once.keys(clean), strict=True)
        ]
        changed = pc.not_equal(raw, clean)
        table = table.set_column(table.schema.get_field_index(TEXT), TEXT, clean)
        rest = [name for name in table.column_names if name not in ("topic", "language", "titles.raw")]
        table = (
            table.select(rest).append_column("topic", clean).append_column("language", pa.array(language, pa.string()))
        )
        table = table.append_column("titles.raw", pc.if_else(changed, raw, pa.scalar(None, pa.string())))
        good = pa.array([fault is None for fault in faults])
        yield table.filter(good)
        if bad := [fault for fault in faults if fault is not None]:
            gone = table.filter(pc.invert(good))
            gone = gone.drop_columns([name for name in (REASON, EVIDENCE) if name in gone.column_names])
            reason, said = zip(*bad, strict=True)
            yield Dropped(gone.append_column(REASON, pa.array(reason)).append_column(EVIDENCE, pa.array(said)))

    def _faults(self, clean: pa.ChunkedArray, foreign: list[str]) -> Iterator[tuple[str, str] | None]:
        """What is wrong with each title itself."""
        wide = pc.count_substring_regex(clean, r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]").to_pylist()
        words = pc.match_substring_regex(clean, r"[\p{L}\p{N}]").to_pylist()
        for size, more, word, other in zip(pc.utf8_length(clean).to_pylist(), wide, words, foreign, strict=True):
            if not word:
                yield "blank", "no letter or digit in it"
            elif size + more < self.min_characters:
                yield "short", f"{size + more} characters < {self.min_characters}"
            elif size > self.max_characters:
                yield "long", f"{size:,} characters > {self.max_characters:,}"
            else:
                yield ("language", other) if other else None


def cleaned(column: pa.ChunkedArray, cut: list[str]) -> pa.ChunkedArray:
    """Titles without markup, numbering, control characters, and what stands around them on lists and sites."""
    column = column.cast(pa.string())
    if pc.any(pc.match_substring(column, "&")).as_py():
        column = pa.chunked_array([pa.array([html.unescape(text) for text in column.to_pylist()], pa.string())])
    for pattern, by in (*_CLEAN, *((pattern, "") for pattern in cut), *_ENDS):
        column = pc.replace_substring_regex(column, pattern, by)
    return column
