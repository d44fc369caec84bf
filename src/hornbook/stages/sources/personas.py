"""People to write for, or to write as: from a file, or made up from lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, PIECE_ROWS, REASON, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.stages.sources._once import Once
from hornbook.stages.sources._people import lists_of
from hornbook.store.reading import File, expand, read_files

_FIELDS = ("kind", "who", "age", "place", "goal", "knowledge")


class Personas(Source):
    """Personas from a file, or made up: an occupation, an age, a place, a goal, and what is known of the subject.

    Made-up person n depends on the seed and n alone, and no two are equal: a permutation of all combinations is walked.

    Rows: `id` (`persona-en-0000017`, or the file's), `text` (a sentence), `origin`, `language`; of those made up
    `persona.kind` (adult, young), `persona.who`, `persona.age`, `persona.place`, `persona.goal`, `persona.knowledge`;
    of a file's its own columns.

    Drops, of a file's rows: `blank`, `long`, `duplicate`, and the faults of files as in sources.files.

    Raises:
        UserError: a path does not exist or holds no file.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] | None = knob(
        None, help="files with a persona a row (PersonaHub and the like); unset: made up from lists"
    )
    persona: str = knob("persona", help="the files' name for the column", source="PersonaHub, arXiv:2406.20094")
    count: int = knob(2000, help="how many are made up; of a file all are read", unit="personas", ge=1)
    languages: list[Literal["en", "zh"]] = knob(
        default_factory=lambda: ["en"], help="languages of those made up, in turn"
    )
    max_characters: int = knob(1000, help="longest persona of a file", unit="characters", ge=1)
    seed: int = knob(0, help="which are made up; the recipe's seed where unset")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not self.languages or len(set(self.languages)) != len(self.languages):
            raise ValueError("languages: each once, and at least one")
        each = -(-self.count // len(self.languages))
        for language in self.languages if self.path is None else ():
            if each > (most := lists_of(language).many):
                raise ValueError(f"count: {each:,} different personas are wanted in {language}, {most:,} can be had")
        return self

    def shards(self, inputs: Inputs) -> list[Any]:
        """Ranges of at most 4,096 numbers; of files one item, for a persona may be twice in different files."""
        if self.path is None:
            return [[at, min(at + PIECE_ROWS, self.count)] for at in range(0, self.count, PIECE_ROWS)]
        return [[asdict(file) for file in expand(self.path)]]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The personas of one range, or of the files."""
        if self.path is None:
            yield self._made(range(*item))
            return
        once = Once()
        for found in read_files([File(**file) for file in item], self.persona, split="line"):
            if isinstance(found, Dropped):
                yield found
            else:
                yield from self._sorted_out(found, once)

    def _made(self, numbers: range) -> pa.Table:
        rows = []
        for number in numbers:
            language = self.languages[number % len(self.languages)]
            person = lists_of(language).person(number // len(self.languages), self.seed)
            rows.append(
                {
                    ID: f"persona-{language}-{number // len(self.languages):07d}",
                    TEXT: person["text"],
                    ORIGIN: f"sources.personas:{number}",
                    "language": language,
                    **{f"persona.{name}": person[name] for name in _FIELDS},
                }
            )
        return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in rows[0]]))

    def _sorted_out(self, table: pa.Table, once: Once) -> Iterator[pa.Table | Dropped]:
        text = pc.utf8_trim_whitespace(pc.replace_substring_regex(table.column(TEXT), r"[\s\p{Z}\p{Cc}]+", " "))
        table = table.set_column(table.schema.get_field_index(TEXT), TEXT, text)
        sizes, words = pc.utf8_length(text).to_pylist(), pc.match_substring_regex(text, r"\p{L}").to_pylist()
        faults = []
        for size, word, key in zip(sizes, words, once.keys(text), strict=True):
            if not word:
                faults.append(("blank", "no letter in it"))
            elif size > self.max_characters:
                faults.append(("long", f"{size:,} characters > {self.max_characters:,}"))
            else:
                faults.append(("", "") if once.fresh(key) else ("duplicate", "equal to a persona before it"))
        bad = pa.array([bool(reason) for reason, _ in faults])
        yield table.filter(pc.invert(bad))
        if pc.any(bad).as_py():
            gone = table.filter(bad)
            gone = gone.drop_columns([name for name in (REASON, EVIDENCE) if name in gone.column_names])
            reason, said = zip(*(fault for fault in faults if fault[0]), strict=True)
            yield Dropped(gone.append_column(REASON, pa.array(reason)).append_column(EVIDENCE, pa.array(said)))
