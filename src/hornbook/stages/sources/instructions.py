"""Instructions that people gave a model, as seeds: UltraChat, OpenHermes, Alpaca, ShareGPT and the like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, REASON, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.stages.sources._tongues import tongues
from hornbook.stages.sources._turns import COLUMNS, Shape, first_turn
from hornbook.store.reading import File, cut, expand, read_file

Format = Literal["auto", "jsonl", "json", "parquet", "csv", "tsv"]
_COSMOPEDIA = "Cosmopedia (github.com/huggingface/cosmopedia, prompts/stories/filter_openhermes.py)"
_EXTRACT = "Cosmopedia, prompts/stories/build_openhermes_stories_prompts.py: EXTRACT_SIZE"
_NAMES = {
    "english": "en", "chinese": "zh", "mandarin": "zh", "german": "de", "french": "fr", "spanish": "es",
    "italian": "it", "portuguese": "pt", "russian": "ru", "japanese": "ja", "korean": "ko", "arabic": "ar",
    "hindi": "hi", "dutch": "nl",
    "turkish": "tr", "polish": "pl", "vietnamese": "vi", "ukrainian": "uk", "swedish": "sv", "英语": "en", "中文": "zh",
}  # fmt: skip
_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in (
            ID, TEXT, ORIGIN, "language", "instruction.category", "instruction.source", "instruction.shape",
            REASON, EVIDENCE,
        )
    ]
)  # fmt: skip


class Instructions(Source):
    """Reads the first thing a person asked in each row of an instruction set, and leaves out what makes no story.

    What a row is, is seen from its keys: chats (`conversations`, `messages`, `data`), `instruction` with `input`,
    `task` with `input`, `prompt`, `question`.

    Rows: `id` (the row's own, or FILE:LINE), `text` (the first user's turn, at most `characters` of it), `origin`,
    `language`, `instruction.category`, `instruction.source` (the row's, else the file's name), `instruction.shape`
    (conversations, messages, turns, alpaca, question, task, prompt).

    Drops: `no_instruction`, `near_empty`, `source`, `category`, `language`, and the faults of files as in
    sources.files.

    Raises:
        UserError: a path does not exist or holds no file.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] = knob(help="files, globs, folders (with all below) or URLs")
    format: Format = knob("auto", help="how to read them; auto goes by extension")
    shape: Shape | None = knob(None, help="what the rows are, where their keys mislead; unset: seen row by row")
    instruction: str | None = knob(None, help="the column with the instruction, where it has another name than any set")
    category: str = knob("category", help="the column with the category; where a row has none, its `task`")
    source: str = knob("source", help="the column that says where a row is from")
    without_sources: list[str] = knob(
        default_factory=lambda: ["camelai", "glaive-code-assist"], help="sources that leave", source=_COSMOPEDIA
    )
    without_categories: list[str] = knob(
        default_factory=lambda: ["rp", "gtkm", "coding", "wordgame", "riddle"],
        help="categories that leave",
        source=_COSMOPEDIA,
    )
    only_sources: list[str] = knob(default_factory=list, help="the only sources that stay; none: all")
    only_categories: list[str] = knob(default_factory=list, help="the only categories that stay; none: all")
    languages: list[str] = knob(
        default_factory=lambda: ["en"],
        help="languages that stay, by the row's `language` where it has one, else by script and model; none: all",
        source=f"{_COSMOPEDIA}: English",
    )
    characters: int = knob(
        1000, help="so much of an instruction's beginning is kept", unit="characters", ge=1, source=_EXTRACT
    )
    min_characters: int = knob(
        20, help="shortest instruction; Chinese, Japanese and Korean characters count three times", ge=1
    )

    def shards(self, inputs: Inputs) -> list[Any]:
        """Shares of about 128 MB."""
        paths = [self.path] if isinstance(self.path, str) else list(self.path)
        return [[asdict(file) for file in share] for share in cut(expand(paths, self.format))]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The instructions of one share."""
        given = [self.instruction] if self.instruction else []
        columns = [*COLUMNS, *given, self.category, self.source, "language"]
        for one in item:
            file = File(**one)
            for found in read_file(file, "text", (), columns=columns):
                if isinstance(found, Dropped):
                    yield found
                else:
                    yield from self._sorted_out(found, PurePosixPath(file.name).name.partition(".")[0])

    def _sorted_out(self, table: pa.Table, name: str) -> Iterator[pa.Table | Dropped]:
        rows = [self._row(row, name) for row in table.to_pylist()]
        said, foreign = tongues(pa.array([row[TEXT] for row in rows], pa.string()), self.languages)
        for row, language, other in zip(rows, said, foreign, strict=True):
            own = row["language"]
            row["language"] = own or language
            wrong = other
            if own and self.languages:
                wrong = "" if own in self.languages else f"its language is {own}"
            reason, detail = row.pop("fault")
            if not reason and wrong:
                reason, detail = "language", wrong
            row[REASON], row[EVIDENCE] = reason or None, f"{row[ID]}: {detail}" if reason else None
        if good := [row for row in rows if row[REASON] is None]:
            yield pa.Table.from_pylist(good, schema=pa.schema(list(_SCHEMA)[:-2]))
        if bad := [row for row in rows if row[REASON] is not None]:
            yield Dropped(pa.Table.from_pylist(bad, schema=_SCHEMA))

    def _row(self, row: dict[str, Any], name: str) -> dict[str, Any]:
        shape: str | None
        if self.instruction:
            value = row.get(self.instruction)
            text, shape = (value.strip() if isinstance(value, str) else ""), "prompt"
        else:
            text, shape = first_turn(row, self.shape)
        text = _cut(text, self.characters)
        category, source = _said(row.get(self.category)) or _said(row.get("task")), _said(row.get(self.source)) or name
        language = (_said(row.get("language")) or "").casefold()
        return {
            ID: row[ID],
            TEXT: text,
            ORIGIN: row[ORIGIN],
            "language": _NAMES.get(language, language.partition("-")[0]) or None,
            "instruction.category": category,
            "instruction.source": source,
            "instruction.shape": shape,
            "fault": self._fault(text, category, source),
        }

    def _fault(self, text: str, category: str | None, source: str) -> tuple[str, str]:
        """(reason, detail), ('', '') where a row stays."""
        if not text:
            return "no_instruction", "nothing in it that a person asked"
        size = sum(3 if char >= "\u2e80" else 1 for char in text[: self.min_characters])
        if size < self.min_characters or not any(char.isalpha() for char in text):
            return "near_empty", f"{len(text)} characters, or no letter"
        if source in self.without_sources or (self.only_sources and source not in self.only_sources):
            return "source", f"its source is {source}"
        if category in self.without_categories or (self.only_categories and category not in self.only_categories):
            return "category", f"its category is {category}"
        return "", ""


def _cut(text: str, characters: int) -> str:
    """The beginning of a text, not cut within a word where there are spaces near."""
    if len(text) <= characters:
        return text
    said = text[: characters + 1]
    at = max(said.rfind(" "), said.rfind("\n"))
    return said[: at if at > characters // 2 else characters].rstrip()


def _said(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
