"""Units of books and courses from their tables of contents, each knowing what came before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, REASON, TEXT
from hornbook.core.keys import random_for
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.stages.sources._earlier import BETWEEN, LEAST_DRAWN, MOST, MOST_DRAWN, told
from hornbook.stages.sources._gather import suffix, with_suffix
from hornbook.stages.sources._modules import beginning, modules_of
from hornbook.stages.sources._outlines import Node, Unreadable, nodes_of
from hornbook.stages.sources._units import ADMINISTRATIVE, LONGEST, administrative, patterns, titled
from hornbook.store.reading import File, expand, read_file

_COSMOPEDIA = "Cosmopedia (github.com/huggingface/cosmopedia, prompts/openstax/build_openstax_prompts.py)"
_SUFFIXES = {".xml", ".json", ".yaml", ".yml", ".md", ".markdown"}
SKIPPED = [
    r"by the end of th(e|is) (section|chapter|unit)",
    r"(in th(is|e) (section|chapter|unit),? )?you will (learn|be able)",
    r"the learning objectives in this",
    r"to help meet the multimodal needs",
    r"\[(OL|BL|AL)\]",
    r"(学习目标|本(章|节)(目标|要点))",
]
"""How paragraphs for teachers, and lists of objectives, begin in OpenStax's books."""


class Toc(Source):
    """Makes a document of every unit in tables of contents: OpenStax collections, course trees, Markdown headings.

    Rows: `id` (FILE:NUMBER), `text` (the unit's title), `origin`, `topic` (the title, behind its chapter's where the
    book has several of that title), `context` (titles of units before it, joined by "; ", null for the first),
    `extract` (the beginning of its text, where there is one), `language`, `toc.book`, `toc.path` (list of titles from
    the chapter to the unit), `toc.level` (int32, 1 is directly in the book), `toc.module` (an OpenStax module's name).

    Drops: `administrative` (preface, index, answer key …, with all below them), `untitled`, `too_long` (a title over
    300 characters); whole files: `doctype`, `xml`, `not_collection`, `json`, `yaml`, `no_units`, `too_deep`,
    `too_many`, and the faults of files as in sources.files.

    Raises:
        UserError: a path does not exist or holds no table of contents.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] = knob(
        help="files or folders: *.collection.xml of OpenStax, nested .yaml or .json, .md with headings"
    )
    modules: InputPath | list[InputPath] = knob(
        default_factory=list,
        help="texts of OpenStax modules: JSON Lines with id, title, text, or the folder modules/ of a repository",
    )
    units: Literal["leaves", "all"] = knob("leaves", help="leaves: what has nothing below it; all: chapters as well")
    before: Literal["book", "chapter"] = knob("book", help="where the units before a unit are looked for")
    most_before: int = knob(
        MOST, help="so many units before are all named; of more a sample is", ge=0, source=f"{_COSMOPEDIA}: 5"
    )
    sample_before: tuple[int, int] = knob(
        (LEAST_DRAWN, MOST_DRAWN),
        help="least and most units in a sample; the last one is always in it",
        source=f"{_COSMOPEDIA}: 2 to 5",
    )
    extract: int = knob(600, help="reference text of a unit", unit="characters", ge=0, source=f"{_COSMOPEDIA}: 600")
    skip: list[str] = knob(
        default_factory=lambda: list(SKIPPED),
        help="paragraphs that begin so (patterns, in any letter case) are no reference text; [] none",
    )
    administrative: list[str] = knob(
        default_factory=lambda: list(ADMINISTRATIVE),
        help="patterns of whole titles, without numbers and letter case, that name no subject; [] none",
    )
    language: str | None = knob(None, help="language of books that do not say theirs")
    seed: int = knob(0, help="of the samples; the recipe's seed where unset")

    _patterns = field_validator("administrative", "skip")(patterns)

    @field_validator("sample_before")
    @classmethod
    def _range(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= value[0] <= value[1]:
            raise ValueError("sample_before: [least, most], least at least 1")
        return value

    def shards(self, inputs: Inputs) -> list[Any]:
        """An item a file."""
        paths = [self.path] if isinstance(self.path, str) else list(self.path)
        return [asdict(file) for file in with_suffix(expand(paths, "code"), paths, _SUFFIXES)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The units of one file."""
        file = File(**item)
        for found in read_file(replace(file, kind="code")):
            if isinstance(found, Dropped):
                yield found
                continue
            try:
                text = found.column(TEXT)[0].as_py()
                nodes = nodes_of(text, suffix(file.name), file.name.rpartition("/")[2].partition(".")[0])
            except Unreadable as error:
                yield _broken(found, file.name, error)
                continue
            yield from self._units(nodes, file.name)

    def _units(self, nodes: list[Node], name: str) -> Iterator[pa.Table | Dropped]:
        paths = [self.modules] if isinstance(self.modules, str) else list(self.modules)
        modules = modules_of(paths, self.extract, self.skip) if any(node.key for node in nodes) else {}
        for node in nodes:
            title, text = modules.get(node.key, ("", ""))
            node.title = titled(node.title or title)
            node.text = text or beginning(node.text, self.extract, self.skip)
        rows: list[dict[str, Any]] = []
        starts = [at for at, node in enumerate(nodes) if node.level == 0]
        for first, last in zip(starts, [*starts[1:], len(nodes)], strict=True):
            rows += self._book(nodes[first:last], name, first)
        good = [row for row in rows if row[REASON] is None]
        bad = [row for row in rows if row[REASON] is not None]
        if good:
            yield pa.Table.from_pylist(good, schema=pa.schema(list(_SCHEMA)[:-2]))
        if bad:
            yield Dropped(pa.Table.from_pylist(bad, schema=_SCHEMA))

    def _book(self, nodes: list[Node], name: str, first: int) -> Iterator[dict[str, Any]]:
        """The rows of one book; its units are seen once, in their order, and the titles before each are kept apart."""
        book, *rest = nodes
        often = Counter(node.title for node in rest if node.leaf or self.units == "all")
        above: list[Node] = []
        closed: Node | None = None
        earlier: list[str] = []
        for at, node in enumerate(rest, first + 1):
            del above[node.level - 1 :]
            above.append(node)
            if len(above) == 1 and self.before == "chapter":
                earlier = []
            if closed is not None and any(one is closed for one in above[:-1]):
                fault: tuple[str, str] | None = ("administrative", f"below {closed.title}")
            else:
                fault = self._fault(node)
                closed = node if fault and fault[0] == "administrative" else None
            if not node.leaf and self.units == "leaves":
                continue
            path = [one.title for one in above]
            topic = ": ".join(title for title in path[-2:] if title) if often[node.title] > 1 else node.title
            draw = random_for(self.seed, "sources.toc", name, at)
            said = [] if fault else told(earlier, draw, self.most_before, self.sample_before)
            if not fault:
                earlier.append(topic)
            yield {
                ID: f"{name}:{at}",
                TEXT: node.title,
                ORIGIN: f"{name}:{at}",
                "topic": topic,
                "context": BETWEEN.join(said) or None,
                "extract": node.text or None,
                "language": (book.language or self.language or "").partition("-")[0] or None,
                "toc.book": book.title or name,
                "toc.path": path,
                "toc.level": node.level,
                "toc.module": node.key or None,
                REASON: fault[0] if fault else None,
                EVIDENCE: f"{name}:{at}: {fault[1]}" if fault else None,
            }

    def _fault(self, node: Node) -> tuple[str, str] | None:
        if not any(char.isalnum() for char in node.title):
            return (
                "untitled",
                f"no title{f' for the module {node.key}; name its text with modules' if node.key else ''}",
            )
        if len(node.title) > LONGEST:
            return "too_long", f"a title of {len(node.title):,} characters"
        hit = administrative(node.title, self.administrative)
        return ("administrative", f"{node.title} is named by {hit[:80]}") if hit else None


_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in (ID, TEXT, ORIGIN, "topic", "context", "extract", "language", "toc.book")),
        ("toc.path", pa.list_(pa.string())),
        ("toc.level", pa.int32()),
        *((name, pa.string()) for name in ("toc.module", REASON, EVIDENCE)),
    ]
)


def _broken(found: pa.Table, name: str, error: Unreadable) -> Dropped:
    said = {ID: name, TEXT: found.column(TEXT)[0].as_py()[:2_000], ORIGIN: name}
    said |= {REASON: error.reason, EVIDENCE: f"{name}: {error.detail}"}
    return Dropped(pa.table({key: pa.array([value], pa.string()) for key, value in said.items()}))
