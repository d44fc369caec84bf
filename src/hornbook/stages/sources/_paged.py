"""What the stages that read web pages have in common: how a page's text is found, and how files are shared out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hornbook.core.documents import PIECE_BYTES
from hornbook.core.knobs import knob
from hornbook.core.stage import Source
from hornbook.stages.sources._gather import with_suffix
from hornbook.stages.sources._pages import Extractor
from hornbook.store.reading import cut, expand


class Paged(Source):
    """A document is the main text of a page."""

    extractor: Extractor = knob(
        "trafilatura",
        help="of HTML. trafilatura: the best text; resiliparse: eight times as fast, keeps more of menus; all: "
        "every visible word",
        source="Trafilatura's evaluation pages, measured (docs/stages/sources.html.md)",
    )
    max_bytes: int = knob(
        5 * 2**20,
        ge=1,
        le=PIECE_BYTES,
        unit="bytes",
        help="longest page or text; longer ones are dropped",
        source="where Common Crawl cuts pages since 2025 (from memory)",
    )
    max_tags: int = knob(
        50_000,
        ge=1,
        unit="opening tags",
        help="most tags of a page; trafilatura takes up to 65 µs for each",
        source="our choice: the largest of 1,364 real pages has about 20,000 tags, opening and closing",
    )
    limit: int | None = knob(None, ge=1, unit="documents", help="stop after the first so many; unset reads all")

    def shares(self, path: str | list[str], suffixes: set[str]) -> list[Any]:
        """The files of these kinds below a path, in shares of about 128 MB; with `limit` one share."""
        paths = [path] if isinstance(path, str) else list(path)
        files = with_suffix(expand(paths, "code"), paths, suffixes)
        shares = cut(files) if self.limit is None else [files]
        return [[asdict(file) for file in share] for share in shares]
