"""The contract of a stage: five kinds, each a small class whose fields are its knobs.

A stage's name is its path: `quality.repetition` is `hornbook/stages/quality/repetition.py`, which
holds exactly one class of one of these kinds. There is no registry.

Columnar: a stage sees one *piece* at a time, a `pyarrow.Table` of at most 4,096 documents or 32 MB.
What it computes are *marks* (columns it adds or replaces); what leaves is said by *rules* on marks.
The two are kept apart: marks are computed with every threshold at its default, so no threshold can
reach into the scoring and a changed threshold never scores anything again.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.rules import Rule

Makes = Literal["documents", "tokens", "student", "exam", "page", "index"]


class Stage(BaseModel):
    """What all kinds share. Knobs are pydantic fields made with `hornbook.core.knobs.knob`.

    A knob named `seed` is filled with the recipe's seed where the recipe does not set it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    version: ClassVar[str] = "1"
    """Raise it whenever the same input would give other output; it is part of the step's key."""

    reads: ClassVar[tuple[str, ...] | None] = None
    """Columns the stage looks at; None for all. Others are not even decoded from disk."""

    instead_of_text: ClassVar[tuple[str, ...]] = ()
    """Columns that make a row of a file a document for it where there is no `text`, in `hornbook step`."""

    makes: ClassVar[Makes] = "documents"
    """What later steps can take from this one."""

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)
    """What must stand above this step in the recipe."""

    in_threads: ClassVar[bool] = False
    """Its work is done by what releases the interpreter's lock (kernels, pyarrow), so workers are threads."""

    reads_recipe: ClassVar[bool] = False
    """Whether the stage looks at the whole recipe (the report does); it is then part of the step's key."""

    def rests_on(self) -> Sequence[Path]:
        """Files that come with the stage and shape what it gives (templates, lists): part of the step's key."""
        return ()

    def drops(self) -> dict[str, Rule]:
        """Reason → rule, in order; the first rule that hits names the reason."""
        return {}

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Numbers (or lists of numbers) about the marks of one piece; the engine adds up those of all pieces."""
        return {}

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """What the manifest says of the step, as JSON; `sums` is what `measure` gave, added up."""
        return dict(sums)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished step, as a later stage may see it.

    Args:
        step: the step's name in the recipe.
        stage: the stage it used.
        makes: what it holds.
        folder: where.
        manifest: the content of its manifest.json.
    """

    step: str
    stage: str
    makes: Makes
    folder: Path
    manifest: Mapping[str, Any]


class Inputs(Protocol):
    """What stands above a step: finished artifacts, nearest last."""

    above: Sequence[Artifact]
    recipe: Mapping[str, Any]
    """The resolved recipe, for a stage that says `reads_recipe`; else empty."""

    def nearest(self, makes: Makes) -> Artifact:
        """The nearest artifact above that makes the wanted thing."""
        ...

    def documents(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The documents above, piece by piece, in order."""
        ...

    def parts(self) -> list[Path]:
        """The files of the documents above, in order, for a source that reads them piece by piece in many workers."""
        ...

    def rows(self) -> int:
        """How many documents there are above."""
        ...


class Dropped:
    """Rows a source could not use: a table with `reason` and `evidence` (file and place)."""

    __slots__ = ("table",)

    def __init__(self, table: pa.Table) -> None:
        self.table = table


class Source(Stage):
    """Brings documents in: from files, dumps and hubs, or made from what stands above."""

    needs: ClassVar[tuple[Makes, ...]] = ()

    @abc.abstractmethod
    def shards(self, inputs: Inputs) -> list[Any]:
        """Work items (JSON values), each readable on its own by any worker."""

    @abc.abstractmethod
    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The documents of one item, as tables of any size; broken records as `Dropped`."""


class Each(Stage):
    """Marks and filters, each document on its own."""

    @abc.abstractmethod
    def each(self, piece: pa.Table) -> pa.Table:
        """The columns this stage adds or replaces, row for row."""


@dataclass(frozen=True, slots=True)
class Round:
    """One map and reduce of an `Across`.

    Args:
        reads: columns that `map` looks at; None for all.
        map: (piece, number of its first row, facts about its rows from the round before, sorted by `row`; in
            the first round with that column alone) → rows with `partition`, an integer ≥ 0. The engine
            brings rows of one value together; how many values share a `reduce` grows with the corpus.
        reduce: (rows of a share of the partitions in document order, number of all documents) → facts with the
            column `row` (int64), the document they are about. A document may have several.
    """

    reads: tuple[str, ...] | None
    map: Callable[[pa.Table, int, pa.Table], pa.Table]
    reduce: Callable[[pa.Table, int], pa.Table]


class Across(Stage):
    """What needs the whole corpus, in bounded memory: deduplication, caps, selection.

    `map` every piece to rows with an integer column `partition`; the engine brings the rows of a
    partition together, in document order; `reduce` turns them into facts about documents, rows with
    the integer column `row`; the engine brings the facts back to their pieces; `apply` makes marks.
    A stage that needs more than one exchange says so with `rounds`.
    """

    @abc.abstractmethod
    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """Rows with `partition` (any integers ≥ 0). `row` is the piece's first row number."""

    @abc.abstractmethod
    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """Facts with `row` (int64) from some partitions; `total` is the number of documents. There may be no rows."""

    def rounds(self) -> tuple[Round, ...]:
        """What is done, first to last: `map` and `reduce` once, unless the stage says otherwise."""
        return (Round(self.reads, lambda piece, row, _: self.map(piece, row), self.reduce),)

    @abc.abstractmethod
    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """The columns this stage adds or replaces; `facts` are the last round's of this piece, sorted by `row`.

        They have all the columns of `reduce` even where they have no rows.
        """


class Ask(Stage):
    """Generation, annotation, judging: what needs a teacher."""

    varied: ClassVar[bool] = True
    """Whether replies should differ from each other, and are watched for it; False for scores and verdicts."""

    chooses: ClassVar[tuple[str, ...]] = ()
    """Columns by which `chosen` tells; none for a stage that asks about all documents."""

    def chosen(self, piece: pa.Table) -> Sequence[bool]:
        """Which documents of a piece, that has at least the columns in `chooses`, are asked about.

        The others are left alone on purpose; a chosen one that gives no request is a fault.
        """
        return [True] * piece.num_rows

    @abc.abstractmethod
    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """Exactly one request a row, in order; None where the row gives none (it fails as `rejected`).

        Must depend on nothing but its arguments and knobs: it is called again to read the replies.
        """

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """What to ask next for a row whose last request has its reply; None where the row is done.

        A stage that overrides it asks in rounds, each row at its own pace. It must depend on nothing but its
        arguments and knobs, and not on `Reply.seconds`: it is called again to read the replies. The reply
        that `take` gets is then the last one, the earlier ones are in its `before`.

        Args:
            row: the row's columns among those in `reads`.
            asked: all requests for this row so far, at least one.
            replies: what came back, as many; the last may have `error` set. A `transport` failure ends the
                row without asking here.
        """
        return None

    def in_rounds(self) -> bool:
        """Whether a row may be asked for more than once: `again` is called where it is so."""
        return type(self).again is not Ask.again

    def ahead(self) -> Sequence[Ahead] | None:
        """What may follow a row's first request, in its order, all that can be; None where nobody can know.

        From this and the first requests `hornbook plan` says what a step will cost, and at most.
        """
        return None if self.in_rounds() else ()

    def outcome(self, reply: Reply) -> str | None:
        """Of a stage in rounds: the text that a row's replies come to, None where they are of no use.

        It is what is watched for sameness, and what `want` counts.

        Args:
            reply: the last one, the earlier ones in its `before`.
        """
        return reply.text if reply.error is None else None

    @abc.abstractmethod
    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The columns this stage adds or replaces; `replies` are in the order of the rows."""


class Job(Stage):
    """Work on a folder: tokenize, train, evaluate, report."""

    def beside(self) -> bool:
        """Whether such steps may be done side by side, each in a process of its own: where one needs one core."""
        return False

    @abc.abstractmethod
    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        """Do the work, resuming from what `folder` holds, and return facts (JSON).

        Args:
            inputs: what stands above.
            folder: where to write; the engine writes the manifest there when this returns.
            tick: called with the share done (0 to 1) and a few words, for the progress view.
        """


Kind = Source | Each | Across | Ask | Job
KINDS: tuple[type[Stage], ...] = (Source, Each, Across, Ask, Job)
