"""What became of each split of a corpus: prompts, drops, tokens, and exam items by split and exam."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import REASON
from hornbook.core.stage import Artifact, Inputs
from hornbook.stages.report._gather import dropped
from hornbook.stages.report._show import label
from hornbook.store.parts import pieces, schema_of

SPLIT, TOKENS = "prompts.split", "generate.tokens"
EXAM, ITEM = "decontaminate.benchmark", "decontaminate.item"
MOST = 40
"""Splits shown; the smaller ones after them are one row."""
REST = "all others"


@dataclass
class Splits:
    """Documents by split.

    Args:
        prompts: split → prompts made for it.
        left: split → documents that came out.
        tokens: split → tokens of them, as the teacher counted.
        lost: step → split → documents it dropped.
        hits: (split, exam) → documents dropped for it.
        items: (split, exam) → different items of the exam among them.
    """

    prompts: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    lost: dict[str, Counter[str]] = field(default_factory=dict)
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    items: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The splits, in the order of the recipe."""
        return list(self.prompts)

    def exams(self) -> list[str]:
        """The exams that any split held items of, the most frequent first."""
        found: Counter[str] = Counter()
        for (_, exam), many in self.hits.items():
            found[exam] += many
        return [exam for exam, _ in found.most_common()]

    def heads(self) -> list[str]:
        """The heads of the columns of `rows`, those of numbers with a # before them."""
        return ["split", "#prompts", *(f"#{label(step)}" for step in self.lost), "#documents", "#share", "#tokens"]

    def exam_heads(self) -> list[str]:
        """The heads of the table of exams."""
        return ["split", *(f"#{label(exam)}" for exam in self.exams())]

    def rows(self) -> list[tuple[str, int, list[int], int, int]]:
        """(split, prompts, dropped by each step that dropped any, documents, tokens); at most `MOST` and the rest."""
        every = [
            (name, self.prompts[name], [lost[name] for lost in self.lost.values()], self.left[name], self.tokens[name])
            for name in self.names()
        ]
        shown, rest = every[:MOST], every[MOST:]
        if rest:
            lost = [sum(column) for column in zip(*(row[2] for row in rest), strict=True)]
            shown.append((REST, sum(r[1] for r in rest), lost, sum(r[3] for r in rest), sum(r[4] for r in rest)))
        return shown


def splits(inputs: Inputs) -> Splits | None:
    """The splits of what stands above; None where the prompts name none."""
    made = [a for a in inputs.above if a.stage.startswith("prompts.") and a.manifest.get("kind") == "source"]
    found = Splits()
    for artifact in made:
        for piece in _read(artifact, (SPLIT,)):
            found.prompts.update(_counts(piece))
    if not found.prompts:
        return None
    for artifact in inputs.above:
        if artifact.makes == "documents" and artifact not in made and artifact.manifest.get("dropped"):
            _lost(artifact, found)
    for piece in inputs.documents([SPLIT, TOKENS]):
        found.left.update(_counts(piece))
        if TOKENS in piece.column_names and SPLIT in piece.column_names:
            sums = piece.group_by(SPLIT).aggregate([(TOKENS, "sum")]).to_pylist()
            found.tokens.update({row[SPLIT]: row[f"{TOKENS}_sum"] or 0 for row in sums if row[SPLIT]})
    return found


def _lost(artifact: Artifact, found: Splits) -> None:
    """What a step dropped, by split, and by exam where it looked for exams."""
    lost: Counter[str] = Counter()
    for piece in dropped(artifact, (SPLIT, REASON, EXAM, ITEM)):
        lost.update(_counts(piece))
        if not {SPLIT, EXAM, ITEM} <= set(piece.column_names) or not artifact.stage.startswith("decontaminate."):
            continue
        for row in piece.filter(pc.is_valid(piece.column(EXAM))).select([SPLIT, EXAM, ITEM]).to_pylist():
            if row[SPLIT] is not None:
                place = (row[SPLIT], row[EXAM])
                found.hits[place] += 1
                found.items.setdefault(place, set()).add(row[ITEM])
    if lost:
        found.lost[artifact.step] = lost


def _read(artifact: Artifact, columns: Sequence[str]) -> Iterator[pa.Table]:
    for entry in artifact.manifest.get("parts", []):
        part = artifact.folder / entry["file"]
        if SPLIT in schema_of(part).names:
            yield from pieces(part, columns)


def _counts(piece: pa.Table) -> Mapping[str, int]:
    if SPLIT not in piece.column_names:
        return {}
    found = piece.column(SPLIT).drop_null().value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in found}
