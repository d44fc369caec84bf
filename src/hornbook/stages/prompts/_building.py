"""Prompts built from seeds by templates: what all such stages share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import field_validator

from hornbook.core.documents import ID, ORIGIN, PIECE_ROWS, TEXT
from hornbook.core.errors import UserError, nearest
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Makes, Source
from hornbook.stages.prompts._catalogue import load_templates, shipped_files
from hornbook.stages.prompts._drawing import draws, key_for, orders
from hornbook.stages.prompts._page import Page, Way
from hornbook.stages.prompts._seeds import COLUMNS, TOPIC, Seed, fits, read_seeds, strings, unfit
from hornbook.stages.prompts._templates import DRAWS

_COSMOPEDIA = "Cosmopedia, build_web_prompts.py"
_TRIES = 8
"""Draws of a prompt that came out as an earlier one of its seed."""
_APART = 2**32
"""Between the draws of one prompt and those made instead of them."""
_BLOCK = 16_384
"""Prompts that are drawn for at a time."""


class Built(Source):
    """A stage that builds prompts from seeds by its templates; a subclass may be nothing but a docstring.

    Templates are `templates/LANGUAGE/STAGE/*.jinja`, where STAGE is the last part of the stage's name. A subclass
    may say more of a seed by `reads_also` and `more`.

    Rows: `id` (`SPLIT-STAGE-0000017-02`, or `STAGE-…` where no split is named: the seed's number, and which prompt
    of it), `prompt`, `origin` (the seed's), `prompts.template`, `prompts.format`, `prompts.audience`,
    `prompts.language`, `prompts.seed`, `prompts.topic`, `prompts.split`, `prompts.variant`.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)
    reads_also: ClassVar[tuple[str, ...]] = ()
    """Columns of the seeds that `more` looks at."""
    carries: ClassVar[tuple[str, ...]] = ()
    """Columns of text that a prompt has of its seed."""

    audiences: list[str] | None = knob(
        None, help="who is written for: young_children, middle_school, high_school, college, researchers, "
        "professionals, or those of your own wording; unset: all",
        source="Cosmopedia's four audiences, and professionals and high school",
    )  # fmt: skip
    formats: list[str] | None = knob(None, help="formats of the templates to use; unset: all")
    language: list[str] = knob(
        default_factory=lambda: ["en"], help="languages of the prompts: codes that templates are there for"
    )
    per_seed: int = knob(
        1, help="distinct prompts of a seed: other templates and audiences each, and when there are no more of them "
        "the same in other words", unit="prompts", ge=1, le=10_000,
        source="Cosmopedia makes up to 12",
    )  # fmt: skip
    count: int | None = knob(
        None, help="prompts at most, from seeds spread over all there are; unset: per_seed of every seed",
        unit="prompts", ge=1,
    )  # fmt: skip
    extract_characters: int = knob(
        1000, help="of a seed's text at most, to the end of the last whole sentence", unit="characters", ge=50,
        le=1_000_000, source=f"{_COSMOPEDIA}: 1,000",
    )  # fmt: skip
    short_characters: int = knob(
        200, help="a seed shorter than this is a topic to write about, not an extract", unit="characters", ge=0
    )
    topic_share: float = knob(
        0.5, help="how often a prompt with an extract is given its topic too", unit="share of prompts", ge=0, le=1,
        source=f"{_COSMOPEDIA}: 0.5",
    )  # fmt: skip
    split: str | None = knob(None, help="name of this part of the data, the beginning of ids; unset: the stage's name")
    templates: list[InputPath] = knob(
        default_factory=list,
        help="templates and wordings of your own, files or folders; one with a shipped one's name takes its place",
    )
    shipped: bool = knob(True, help="use the shipped templates too")
    seed: int = knob(0, help="of the draws; the recipe's seed where unset")

    @field_validator("language", "audiences", "formats", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("language", "audiences", "formats")
    @classmethod
    def _something(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError("name at least one, and none twice")
        return value

    @classmethod
    def stage(cls) -> str:
        """The last part of the stage's name."""
        return cls.__module__.rpartition(".")[2]

    def rests_on(self) -> Sequence[Path]:
        """The shipped templates and wordings of its languages."""
        return shipped_files(self.stage(), self.language)

    def more(self, piece: pa.Table) -> Mapping[str, Sequence[Any]]:
        """Further variables of the templates, for each row of a piece of seeds; none means the seed has none.

        Args:
            piece: the seeds, with those of `reads_also` that are there.
        """
        return {}

    def shards(self, inputs: Inputs) -> list[Any]:
        """Row groups of the seeds: number of the part, of the group in it, and of its first row among all.

        Raises:
            UserError: a template, audience or format is wrong, or no column is there that a seed could be in.
        """
        from hornbook.store.parts import group_sizes, schema_of

        self._ways()
        items: list[list[int]] = []
        first = 0
        for part, path in enumerate(inputs.parts()):
            names = schema_of(path).names
            if not {TEXT, TOPIC, *self.reads_also} & set(names):
                raise UserError(
                    f"prompts.{self.stage()} needs seeds with the column `text` or `topic`, and there is neither",
                    where=f"the step above; it has {', '.join(names)}",
                    fix="put a step of sources.* above it, or rows with `text`",
                )
            for group, rows in enumerate(group_sizes(path)):
                items.append([part, group, first])
                first += rows
        ends = [item[-1] for item in items[1:]] + [first]
        seeds = self._spread(first)
        return [item for item, end in zip(items, ends, strict=True) if end * seeds // first > item[-1] * seeds // first]

    def _spread(self, total: int) -> int:
        """Of how many seeds prompts are made."""
        return total if self.count is None else min(total, -(-self.count // self.per_seed))

    def _wanted(self, rows: NDArray[np.int64], total: int) -> NDArray[np.int64]:
        """How many prompts are made of each seed: all of `per_seed`, or with `count` of every so-manieth seed."""
        if self.count is None:
            return np.full(rows.size, self.per_seed, np.int64)
        seeds = self._spread(total)
        before, after = rows * seeds // total, (rows + 1) * seeds // total
        return np.where(before < after, np.clip(self.count - before * self.per_seed, 0, self.per_seed), 0)

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The prompts of one row group of seeds, at most 4,096 a table."""
        from hornbook.store.parts import pieces

        part, group, first = item
        ways = self._ways()
        extra = [name for way in ways for name in way.template.columns]
        columns = dict.fromkeys([*COLUMNS, *self.reads_also, *self.carries, *extra])
        total = inputs.rows() if self.count is not None else 0
        page = Page(self.split or self.stage(), self.stage(), ways, self.carries)
        for piece in pieces(inputs.parts()[part], list(columns), only=group):
            rows = np.arange(first, first + piece.num_rows)
            wanted = self._wanted(rows, total)
            some = np.flatnonzero(wanted)
            step = max(1, _BLOCK // self.per_seed)
            for at in range(0, some.size, step):
                block = some[at : at + step]
                yield from self._built(piece.take(pa.array(block)), rows[block], wanted[block], ways, page)
        if page.size():
            yield page.table()

    def _ways(self) -> list[Way]:
        """All templates with all their audiences, of those that are wanted."""
        found = load_templates(self.stage(), self.language, self.templates, ship=self.shipped, formats=self.formats)
        have = list(dict.fromkeys(audience for template in found for audience in template.audiences))
        for name in self.audiences or ():
            if name not in have:
                like = nearest(name, have)
                raise UserError(
                    f"prompts.{self.stage()} has no template for the audience `{name}`",
                    where="audiences",
                    fix=(f"did you mean `{like}`? " if like else "") + f"there are {', '.join(have)}",
                )
        wanted = set(self.audiences or have)
        return [Way(template, name) for template in found for name in template.audiences if name in wanted]

    def _built(
        self,
        piece: pa.Table,
        rows: NDArray[np.int64],
        wanted: NDArray[np.int64],
        ways: Sequence[Way],
        page: Page,
    ) -> Iterator[pa.Table | Dropped]:
        """Prompts of some seeds, and the seeds that none could be made of."""
        templates = [way.template for way in ways]
        limits = self.extract_characters, self.short_characters
        seeds = read_seeds(piece, templates, *limits, self.more(piece))
        given = [frozenset(name for name, value in seed.items() if value) for seed in seeds]
        fitting = {have: [at for at, way in enumerate(ways) if fits(way.template, have)] for have in set(given)}
        order = self._order(rows, int(wanted.max()), [fitting[have] for have in given], len(ways))
        key = key_for(self.seed, "prompts", self.stage(), "words")
        starts = np.cumsum(wanted) - wanted
        variants = np.arange(int(wanted.sum())) - np.repeat(starts, wanted)
        numbers = draws(key, np.repeat(rows, wanted), variants, DRAWS + 1).tolist()
        carried = [strings(piece, name) for name in self.carries]
        ids, origins, firsts = strings(piece, ID), strings(piece, ORIGIN), starts.tolist()
        left: list[int] = []
        for at, seed in enumerate(seeds):
            if not fitting[given[at]]:
                left.append(at)
                continue
            made: set[str] = set()
            row = int(rows[at])
            for variant in range(int(wanted[at])):
                way = order[at][variant]
                drawn = numbers[firsts[at] + variant]
                said, topic = self._said(ways[way], seed, drawn)
                for attempt in range(_TRIES if said in made else 0):
                    which = np.array([variant + (attempt + 1) * _APART])
                    drawn = draws(key, rows[at : at + 1], which, DRAWS + 1)[0].tolist()
                    said, topic = self._said(ways[way], seed, drawn)
                    if said not in made:
                        break
                if said and said not in made:
                    made.add(said)
                    mine = [values[at] for values in carried]
                    page.add(said, way, row, variant, topic, ids[at], origins[at], mine)
            if page.size() >= PIECE_ROWS:
                yield page.table()
        if left:
            yield Dropped(unfit(piece, left, [given[at] for at in left], templates))

    def _said(self, way: Way, seed: Seed, drawn: list[int]) -> tuple[str, str | None]:
        """A prompt, and the topic that is in it."""
        hidden = drawn[DRAWS] >= self.topic_share * 2**32
        if hidden and seed["topic"] and seed["extract"] and "topic" not in way.template.needs:
            seed = seed | {"topic": None}
        return way.template.render(seed, way.audience, drawn), seed["topic"]

    def _order(
        self, rows: NDArray[np.int64], most: int, fitting: Sequence[Sequence[int]], ways: int
    ) -> list[list[int]]:
        """Which way each prompt of each seed takes: shuffled, all that fit before any comes again."""
        key = key_for(self.seed, "prompts", self.stage(), "ways")
        least = min((len(fit) for fit in fitting if fit), default=1)
        turns = [orders(key, rows, np.full(rows.size, turn), ways).tolist() for turn in range(-(-most // least))]
        found: list[list[int]] = []
        for at, fit in enumerate(fitting):
            if len(fit) == ways:
                found.append([way for turn in turns for way in turn[at]])
            else:
                mine = set(fit)
                found.append([way for turn in turns for way in turn[at] if way in mine])
        return found
