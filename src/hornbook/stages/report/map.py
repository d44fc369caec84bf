"""report.map: documents as points on a page, coloured by cluster, to be looked at in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.store.files import whole

_FILE = "map.html"


class Map(Job):
    """Writes `map.html`: one self-contained page, nothing fetched, text from outside made harmless.

    Reads documents with `cluster.x`, `cluster.y` and `cluster.id`, and where there are any the names of clusters:
    columns `cluster.topic` and `cluster.score` of the documents (cluster.select), or the rows of cluster.label, with
    `from: [GROUP, LABEL]`. Memory: the points drawn.

    Facts: `page` (the file's name), `documents`, `drawn`, `clusters`.

    Raises:
        UserError: no document has a place on the map.
    """

    makes: ClassVar[Makes] = "page"
    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    points: int = knob(
        30_000, help="documents drawn, by chance where there are more", unit="documents", ge=1, le=200_000
    )
    characters: int = knob(200, help="so much of a document's beginning is shown", unit="characters", ge=0, le=2000)
    title: str = knob("Map of documents", help="what stands above it")
    seed: int = knob(0, help="which documents are drawn")

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        from hornbook.stages.report._mapping import page, points_of

        found = points_of(inputs, self.points, self.characters, self.seed, lambda part: tick(0.9 * part, "reading"))
        with whole(folder / _FILE) as draft:
            draft.write_text(page(found, self.title), encoding="utf-8")
        return {"page": _FILE, "documents": found.documents, "drawn": len(found.texts), "clusters": len(found.clusters)}
