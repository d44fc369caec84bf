"""Names of functions with typed signatures, from a grammar: no teacher needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import field_validator, model_validator

from hornbook.core.documents import ID, ORIGIN, PIECE_ROWS, TEXT
from hornbook.core.errors import nearest
from hornbook.core.knobs import knob, local_path
from hornbook.core.stage import Inputs, Source
from hornbook.stages.sources._grammar import DIFFICULTIES, drawn, families


class Names(Source):
    """Names of functions to be written, with typed signatures: some 120,000 different ones over 13 topics.

    phi-1's exercises differ because each is about another function name (arXiv:2306.11644, section 2.3). Here names are
    drawn from a grammar (verb, kind, noun, restriction; each word with its parameters and a level), in turn from every
    bucket of topic and difficulty. Name n depends on the knobs and n alone, and none comes twice. A teacher that can
    proposes its own: sources.signatures.

    Rows: `id` (`name-0000017`), `text` and `code.signature` (`def count_even_numbers(numbers: list[int]) -> int:`),
    `origin`, `entry_point` (the name), `code.topic`, `code.difficulty` (easy, medium, hard), `language`.
    """

    version: ClassVar[str] = "1"

    count: int = knob(1000, help="names", unit="names", ge=1)
    topics: list[str] = knob(default_factory=list, help="of shipped:code/topics.jsonl, those to draw from; [] all 13")
    difficulties: list[Literal["easy", "medium", "hard"]] = knob(
        default_factory=lambda: list(DIFFICULTIES), help="by what the words of a name ask for"
    )
    language: Literal["en", "zh"] = knob("en", help="of the topic, and of prompts made of it; names are English")
    seed: int = knob(0, help="of the draw; the recipe's seed where unset")

    @field_validator("topics")
    @classmethod
    def _known(cls, given: list[str]) -> list[str]:
        have = [family.topic for family in families()]
        for name in given:
            if name not in have:
                like = nearest(name, have)
                raise ValueError(f"no topic `{name}`; " + (f"did you mean `{like}`?" if like else ", ".join(have)))
        return given

    @model_validator(mode="after")
    def _enough(self) -> Self:
        most = len(self._drawn())
        if self.count > most:
            raise ValueError(f"count: {self.count:,} different names are wanted, {most:,} can be had")
        return self

    def rests_on(self) -> Sequence[Path]:
        """The grammar and the topics."""
        return [
            Path(str(resources.files(__package__) / "names.yaml")),
            *(Path(local_path(f"shipped:code/{name}.jsonl")) for name in ("topics", "topics_zh")),
        ]

    def shards(self, inputs: Inputs) -> list[Any]:
        """Ranges of at most 4,096 numbers."""
        return [[at, min(at + PIECE_ROWS, self.count)] for at in range(0, self.count, PIECE_ROWS)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The names of one range."""
        first, last = item
        rows = self._drawn()[first:last].tolist()
        said = [families()[family].said(number) for family, number, _ in rows]
        topics = _wording(self.language)
        lines = pa.array([line for _, line in said], pa.string())
        yield pa.table(
            {
                ID: pa.array([f"name-{number:07d}" for number in range(first, last)], pa.string()),
                TEXT: lines,
                ORIGIN: pa.array([f"sources.names:{number}" for number in range(first, last)], pa.string()),
                "entry_point": pa.array([name for name, _ in said], pa.string()),
                "code.signature": lines,
                "code.topic": pa.array([topics[families()[family].topic] for family, _, _ in rows], pa.string()),
                "code.difficulty": pa.array([DIFFICULTIES[kind] for _, _, kind in rows], pa.string()),
                "language": pa.repeat(pa.scalar(self.language, pa.string()), last - first),
            }
        )

    def _drawn(self) -> Any:
        topics = self.topics or [family.topic for family in families()]
        return drawn(tuple(topics), tuple(self.difficulties), self.seed)


@lru_cache(maxsize=2)
def _wording(language: str) -> dict[str, str]:
    """English topic → the topic in a language."""
    names = [
        [
            json.loads(line)["text"]
            for line in Path(local_path(f"shipped:code/{file}.jsonl")).read_text("utf-8").splitlines()
        ]
        for file in ("topics", "topics_zh" if language == "zh" else "topics")
    ]
    return dict(zip(*names, strict=True))
