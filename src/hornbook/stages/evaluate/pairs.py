"""evaluate.pairs: two steps' texts for the same prompt, side by side, for evaluate.pairwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Artifact, Inputs, Makes, Source

SCHEMA = pa.schema(
    [(name, pa.string()) for name in (ID, TEXT, ORIGIN, PROMPT)]
    + [(f"pair.{name}", pa.string()) for name in ("text", "a", "b", "a_id", "b_id")]
)
_AT_ONCE = 20_000
"""Documents whose texts are held together; more are matched a share of the keys at a time."""


class Pairs(Source):
    """Matches the documents of two or more steps (`from: [one, other]`) that answer the same prompt.

    Documents belong together where their values of `by` are equal: `id` where the steps asked the same rows, as
    prompts keep their id. Of several documents with one value a step's first counts. Of more than two steps every
    two make a pair. What only one step has is left out: a text that was dropped cannot win or lose.

    A row is one pair: `text` is the one's text, `pair.text` the other's, `pair.a` and `pair.b` name the steps,
    `pair.a_id` and `pair.b_id` the documents; `prompt` is kept.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    by: str = knob(ID, help="column whose equal values make two documents a pair: id, prompt, seed …")

    def shards(self, inputs: Inputs) -> list[Any]:
        """Shares of the keys, so that no corpus is held at once."""
        many = max(1, -(-inputs.rows() // _AT_ONCE))
        return [[at, many] for at in range(many)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The pairs of a share of the keys, in the order of the first step's documents.

        Raises:
            UserError: fewer than two steps stand above, or the column is in neither.
        """
        sides = _sides(inputs)
        if len(sides) < 2:
            names = ", ".join(step.step for step, _ in sides) or "none"
            raise UserError(
                f"evaluate.pairs needs the documents of two steps, and got {names}", fix="from: [one, other]"
            )
        found = [(step.step, self._texts(parts, item)) for step, parts in sides]
        for (a, first), (b, second) in combinations(found, 2):
            rows = [_pair(a, b, key, row, second[key]) for key, row in first.items() if key in second]
            yield pa.Table.from_pylist(rows, SCHEMA)

    def _texts(self, parts: Sequence[Path], item: Any) -> dict[str, dict[str, Any]]:
        """Value of `by` → the first document that has it, of a share of the values."""
        from xxhash import xxh3_64_intdigest

        from hornbook.store.parts import pieces, schema_of

        at, many = item
        found: dict[str, dict[str, Any]] = {}
        for part in parts:
            names = schema_of(part).names
            if self.by not in names:
                raise UserError(
                    f"by: {self.by}: there is no such column", where=str(part.parent), fix="by: id, or prompt"
                )
            wanted = [name for name in dict.fromkeys((ID, TEXT, PROMPT, self.by)) if name in names]
            for piece in pieces(part, wanted):
                for row in piece.to_pylist():
                    key = str(row[self.by]) if row[self.by] is not None else ""
                    if not key or key in found or not (row.get(TEXT) or "").strip():
                        continue
                    if xxh3_64_intdigest(key.encode("utf-8", "surrogatepass")) % many == at:
                        found[key] = row
        return found


def _sides(inputs: Inputs) -> list[tuple[Artifact, list[Path]]]:
    """The steps whose documents flow in, each with its parts, in the order of `from:`."""
    by_folder = {artifact.folder: artifact for artifact in inputs.above}
    found: dict[Path, list[Path]] = {}
    for part in inputs.parts():
        found.setdefault(part.parent, []).append(part)
    return [(by_folder[folder], parts) for folder, parts in found.items()]


def _pair(a: str, b: str, key: str, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        ID: f"{key}/{a}/{b}",
        TEXT: one[TEXT],
        ORIGIN: f"{a} and {b}",
        PROMPT: one.get(PROMPT) or other.get(PROMPT),
        "pair.text": other[TEXT],
        "pair.a": a,
        "pair.b": b,
        "pair.a_id": str(one.get(ID)),
        "pair.b_id": str(other.get(ID)),
    }
