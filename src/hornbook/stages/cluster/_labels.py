"""Clusters with their names, told from the documents that flow into the same step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hornbook.core.errors import UserError
from hornbook.core.stage import Inputs
from hornbook.store.parts import pieces, schema_of

ID, TOPIC, SCORE, SIZE = "cluster.id", "cluster.topic", "cluster.score", "cluster.size"
_LIKE = 3
"""Names that are shown for one that is not there."""


@dataclass(frozen=True)
class Name:
    """What a cluster is called, and of what use it is; None where the teacher gave no answer."""

    topic: str | None
    score: int | None
    size: int


def parted(inputs: Inputs, who: str) -> tuple[list[Path], dict[int, Name]]:
    """(parts with documents that have `cluster.id`, cluster → its name).

    Rows with `cluster.size` and `cluster.topic` are clusters, as cluster.label leaves them; all others are documents.

    Raises:
        UserError: there are no clusters or no documents.
    """
    documents, names = [], {}
    for path in inputs.parts():
        columns = schema_of(path).names
        if SIZE in columns and TOPIC in columns:
            for piece in pieces(path, [ID, TOPIC, SCORE, SIZE]):
                for row in piece.to_pylist():
                    names[row[ID]] = Name(row[TOPIC], row[SCORE], row[SIZE])
        elif ID in columns:
            documents.append(path)
    for what, stage, there in (("documents", "cluster.group", documents), ("names", "cluster.label", names)):
        if not there:
            raise UserError(
                f"{who} needs the {what} of clusters, and there are none above it",
                where="the steps named in `from:`",
                fix=f"from: [GROUP, LABEL], the names of a cluster.group and a cluster.label step; {stage} is missing",
            )
    return documents, names


def listed(entries: Sequence[int | str], names: dict[int, Name], knob: str, who: str) -> set[int]:
    """The clusters that a list means: numbers, or topics whatever their case.

    Raises:
        UserError: an entry matches none; says which are like it.
    """
    by_topic = {_folded(name.topic): number for number, name in names.items() if name.topic is not None}
    found = set()
    for entry in entries:
        number = entry if isinstance(entry, int) else by_topic.get(_folded(entry))
        if number is None and isinstance(entry, str) and entry.strip().isdecimal() and len(entry) < 12:
            number = int(entry)
        if number not in names:
            raise UserError(
                f"{who}: {knob}: {entry!r} is no cluster",
                where=f"{len(names):,} clusters have names",
                fix=_hint(entry, names, by_topic),
            )
        found.add(number)
    return found


def apart(include: set[int], exclude: set[int], names: dict[int, Name], who: str) -> None:
    """See that no cluster is in both lists.

    Raises:
        UserError: one is.
    """
    if both := sorted(include & exclude):
        said = ", ".join(f"{names[number].topic!r} (cluster {number})" for number in both[:10])
        raise UserError(
            f"{who}: {said} {'stand' if len(both) > 1 else 'stands'} in both lists",
            where="include and exclude",
            fix="leave it in the one that is meant",
        )


def _hint(entry: int | str, names: dict[int, Name], by_topic: dict[str, int]) -> str:
    if isinstance(entry, int):
        return f"clusters have the numbers {min(names)} to {max(names)}"
    wanted = _folded(entry)
    held = [topic for topic in by_topic if wanted and (wanted in topic or topic in wanted)]
    like = list(dict.fromkeys([*held, *get_close_matches(wanted, list(by_topic), n=_LIKE, cutoff=0.5)]))
    said = ", ".join(repr(names[by_topic[topic]].topic) for topic in like[:_LIKE])
    return f"did you mean {said}?" if said else "the topics stand in the column cluster.topic of the label step"


def _folded(topic: str) -> str:
    return " ".join(topic.casefold().split())
