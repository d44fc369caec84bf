"""report.page: one HTML file that says what a run made, what it lost, what it cost and how to do it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.store.files import whole

_FILE = "report.html"


class Page(Job):
    """Writes `report.html`: self-contained, no script, nothing fetched, text from outside made harmless.

    It reads the manifests of all steps above, the documents that came out once, and the drops once, in
    memory that does not grow with them. The same artifacts give the same page: its dates are those of
    the manifests, its samples are drawn by a hash of the id.

    Facts: `page` (the file's name), `documents`, `steps`.
    """

    version: ClassVar[str] = "2"
    makes: ClassVar[Makes] = "page"
    needs: ClassVar[tuple[Makes, ...]] = ("documents",)
    reads_recipe: ClassVar[bool] = True

    samples: int = knob(12, help="documents shown, drawn by a hash of the id", unit="documents", ge=0, le=200)
    examples: int = knob(3, help="dropped documents shown for each reason", unit="documents", ge=0, le=20)
    opening_words: int = knob(
        3, help="first words that make an opening, where no step marked `quality.opening`", unit="words", ge=1, le=20
    )

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        from hornbook.stages.report._gather import corpus
        from hornbook.stages.report._view import render

        found = corpus(inputs, self.samples, self.opening_words, lambda part, words: tick(0.6 * part, words))
        html = render(inputs, found, self.examples, lambda part, words: tick(0.6 + 0.4 * part, words))
        with whole(folder / _FILE) as draft:
            draft.write_text(html, encoding="utf-8")
        return {"page": _FILE, "documents": found.rows, "steps": len(inputs.above)}
