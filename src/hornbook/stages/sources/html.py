"""Documents from HTML files: the main text of each page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa

from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs
from hornbook.stages.sources._gather import Gather, first, need
from hornbook.stages.sources._paged import Paged
from hornbook.stages.sources._pages import PACKAGES, Refused, main_text
from hornbook.store.reading import File
from hornbook.store.reading.layout import shown
from hornbook.store.reading.streams import Broken, blocks

SUFFIXES = {".html", ".htm", ".xhtml", ".xht", ".shtml"}
_COLUMNS = {"path": pa.string(), "encoding": pa.string()}


class Html(Paged):
    """Reads HTML files and folders of them; a document is the main text of a page.

    Extractors, on the 990 annotated pages of Trafilatura's own evaluation (F1, precision, recall, pages a
    CPU second): trafilatura 0.920, 0.907, 0.934, 80; resiliparse 0.849, 0.764, 0.955, 627; all 0.696, 0.537,
    0.990, 845; readability 0.873 and jusText 0.786 are no faster than trafilatura.

    Columns: `path` (the file's name), `encoding` (what its bytes were read as). Faults: `no_text`, `html`,
    `too_long`, `too_many_tags`, `too_deep`, `binary`, `truncated`, `corrupt`, `unreadable`, `empty_file`.

    Raises:
        UserError: a path does not exist or holds no HTML file, or a package is missing.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] = knob(
        help="files, globs, folders (their .html, .htm, .xhtml, also .gz and .zst) or URLs: one, or a list"
    )

    def shards(self, inputs: Inputs) -> list[Any]:
        """Shares of about 128 MB; with `limit` one share."""
        need("sources.html", "web", *PACKAGES[self.extractor])
        return self.shares(self.path, SUFFIXES)

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The pages of one share."""
        return first(self._documents([File(**file) for file in item]), self.limit)

    def _documents(self, files: list[File]) -> Iterator[pa.Table | Dropped]:
        rows = Gather(_COLUMNS)
        for file in files:
            self._page(file, rows)
            yield from rows.flow()
        yield from rows.flow(end=True)

    def _page(self, file: File, rows: Gather) -> None:
        if file.fault:
            rows.fault(file.name, "unreadable", file.fault)
            return
        data = bytearray()
        try:
            for block in blocks(file):
                data += block
                if len(data) > self.max_bytes:
                    said = f"more than max_bytes = {self.max_bytes:,}"
                    rows.fault(file.name, "too_long", said, shown(bytes(data[:10_000])))
                    return
        except Broken as error:
            rows.fault(file.name, error.reason, error.detail, shown(bytes(data[:10_000])))
            return
        page = bytes(data)
        found = main_text(page, "", self.extractor, self.max_tags)
        if isinstance(found, Refused):
            rows.fault(file.name, found.reason, found.detail, shown(page[:10_000]))
        else:
            rows.add(f"{file.name}:1", found[0], file.name, found[1])
