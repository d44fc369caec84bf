"""The rows of prompts that become a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, PROMPT
from hornbook.stages.prompts._templates import Template


@dataclass(frozen=True)
class Way:
    """A way to ask: a template for an audience."""

    template: Template
    audience: str


class Page:
    """Prompts that become a table."""

    def __init__(self, split: str, stage: str, ways: Sequence[Way], carries: Sequence[str] = ()) -> None:
        self.split = split
        self.carries = carries
        self.name = split if split == stage else f"{split}-{stage}"
        self._names = {
            "prompts.template": [way.template.name for way in ways],
            "prompts.format": [way.template.front.format for way in ways],
            "prompts.audience": [way.audience for way in ways],
            "prompts.language": [way.template.front.language for way in ways],
        }
        self._clear()

    def _clear(self) -> None:
        self._prompts: list[str] = []
        self._ways: list[int] = []
        self._rows: list[int] = []
        self._variants: list[int] = []
        self._topics: list[str | None] = []
        self._ids: list[str | None] = []
        self._origins: list[str | None] = []
        self._carried: list[Sequence[str | None]] = []

    def add(
        self,
        prompt: str,
        way: int,
        row: int,
        variant: int,
        topic: str | None,
        seed: str | None,
        origin: str | None,
        carried: Sequence[str | None] = (),
    ) -> None:
        """One prompt; `carried` are its seed's values of the columns that it carries."""
        self._prompts.append(prompt)
        self._ways.append(way)
        self._rows.append(row)
        self._variants.append(variant)
        self._topics.append(topic)
        self._ids.append(seed)
        self._origins.append(origin)
        self._carried.append(carried)

    def size(self) -> int:
        """How many there are."""
        return len(self._prompts)

    def table(self) -> pa.Table:
        """All that there are, which are then gone from here."""
        split, name, string = self.split, self.name, pa.string()
        ways = pa.array(self._ways, pa.int32())
        ids = [f"{name}-{row:07d}-{variant:02d}" for row, variant in zip(self._rows, self._variants, strict=True)]
        columns: dict[str, pa.Array] = {
            ID: pa.array(ids, string),
            PROMPT: pa.array(self._prompts, string),
            ORIGIN: pa.array(self._origins, string),
        }
        columns |= {name: pa.array(values, string).take(ways) for name, values in self._names.items()}
        columns["prompts.seed"] = pa.array(self._ids, string)
        columns["prompts.topic"] = pa.array(self._topics, string)
        columns["prompts.split"] = pa.repeat(pa.scalar(split, string), len(ids))
        columns["prompts.variant"] = pa.array(self._variants, pa.int32())
        for at, carried in enumerate(self.carries):
            columns[carried] = pa.array([values[at] for values in self._carried], string)
        self._clear()
        return pa.table(columns)
