"""What templates may know of seeds, read from their columns: cleaned, cut, bounded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, REASON, TEXT
from hornbook.stages.prompts._extracts import cleaned, cut, line, says_something
from hornbook.stages.prompts._templates import NAMES, Template, variable

TOPIC, CLUSTER_TOPIC, CONTEXT, PASSAGES, SOURCE = "topic", "cluster.topic", "context", "passages", "source"
EXTRACT = "extract"
"""Reference text of a seed whose `text` is a title (sources.toc)."""
COLUMNS = (ID, TEXT, ORIGIN, TOPIC, CLUSTER_TOPIC, CONTEXT, EXTRACT, SOURCE, PASSAGES)
"""Columns of the seeds that every such stage looks at."""
_MOST_PASSAGES, _PASSAGE, _LINE, _LINES = 5, 600, 200, 200
"""Passages of a seed and characters of each; characters of a line of context and lines of it."""
Seed = dict[str, Any]


def read_seeds(
    piece: pa.Table, templates: Sequence[Template], limit: int, short: int, more: Mapping[str, Sequence[Any]]
) -> list[Seed]:
    """What templates may know of each seed, by variable; None for what it lacks.

    Args:
        piece: the seeds.
        templates: whose columns are read too.
        limit: characters of an extract at most.
        short: characters under which a text is a topic.
        more: further variables, a value a seed.
    """
    texts = strings(piece, TEXT, 2 * limit + 64)
    topics, clusters = strings(piece, TOPIC, 1000), strings(piece, CLUSTER_TOPIC, 1000)
    contexts, sources = strings(piece, CONTEXT, _LINE * _LINES), strings(piece, SOURCE, 500)
    extracts = strings(piece, EXTRACT, 2 * limit + 64)
    passages = piece.column(PASSAGES).to_pylist() if PASSAGES in piece.column_names else [None] * piece.num_rows
    own = {name for template in templates for name in template.columns}
    extra = {variable(name): _values(piece, name) for name in sorted(own)}
    extra |= {name: list(values) for name, values in more.items()}
    found: list[Seed] = []
    for at, raw in enumerate(texts):
        text = cut(cleaned(raw or ""), limit)
        text = text if says_something(text) else ""
        topic = _topic(topics[at], clusters[at])
        title = len(text) < short
        if title and not topic:
            topic = line(text)
        seed: Seed = {name: values[at] for name, values in extra.items()}
        seed["extract"] = (cut(cleaned(extracts[at] or ""), limit) if title else text) or None
        seed["text"] = text or None
        seed["topic"] = topic or None
        seed["context"] = context_of(contexts[at])
        seed["passages"] = passages_of(passages[at])
        seed["source"] = line(sources[at] or "") or None
        found.append(seed)
    return found


def fits(template: Template, have: frozenset[str]) -> bool:
    """Whether a seed has what a template needs; one that needs a topic alone is not for seeds with an extract."""
    needs = {variable(name) for name in template.needs}
    alone = "topic" in needs and needs <= {"topic", "source", "passages"}
    return needs <= have and not (alone and "extract" in have)


def unfit(piece: pa.Table, rows: list[int], have: Sequence[frozenset[str]], templates: Sequence[Template]) -> pa.Table:
    """Seeds with the reason why there is no prompt of them."""
    wanted = sorted({", ".join(sorted(template.needs)) for template in templates})
    says = f"templates need {' or '.join(wanted)}"
    empty = [not (mine & {"text", "topic"}) for mine in have]
    reasons = ["empty" if nothing else "no_template" for nothing in empty]
    evidence = [
        "no letter or digit in it" if nothing else f"it has {', '.join(sorted(mine & set(NAMES)))}; {says}"
        for nothing, mine in zip(empty, have, strict=True)
    ]
    table = piece.select([name for name in (ID, TEXT, ORIGIN) if name in piece.column_names]).take(pa.array(rows))
    return table.append_column(REASON, pa.array(reasons)).append_column(EVIDENCE, pa.array(evidence))


def strings(piece: pa.Table, name: str, most: int = 0) -> list[Any]:
    """A column of strings, each at most so many characters; None for all where it is not there."""
    if name not in piece.column_names:
        return [None] * piece.num_rows
    column = piece.column(name)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        column = column.cast(pa.string()) if not pa.types.is_nested(column.type) else pa.nulls(piece.num_rows)
    if most and not pa.types.is_null(column.type):
        column = pc.utf8_slice_codeunits(column, 0, most)
    return column.to_pylist()  # type: ignore[no-any-return]


def _values(piece: pa.Table, name: str) -> list[Any]:
    """A column that a template names: texts cleaned and bounded, all else as it is."""
    if name not in piece.column_names:
        return [None] * piece.num_rows
    kind = piece.schema.field(name).type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [None if text is None else cleaned(text) or None for text in strings(piece, name, 10_000)]
    return piece.column(name).to_pylist()  # type: ignore[no-any-return]


def _topic(own: str | None, cluster: str | None) -> str:
    """A seed's own topic, else its cluster's."""
    for text in (own, cluster):
        if text and says_something(text):
            return line(text)
    return ""


def context_of(context: str | None) -> list[str] | None:
    """What comes before a seed, a line each, without those that say nothing."""
    found = [line(one, _LINE) for one in re.split(r"\n|; ", context or "") if says_something(one)]
    return found or None


def passages_of(given: Any) -> list[dict[str, str]] | None:
    """Retrieved passages with a source, a few and short."""
    found = []
    for passage in given if isinstance(given, list) else ():
        text = passage.get("text") if isinstance(passage, dict) else None
        if isinstance(text, str) and says_something(text[: 2 * _PASSAGE]):
            source = line(str(passage.get("source") or ""))
            found.append({"text": cut(cleaned(text[: 2 * _PASSAGE]), _PASSAGE), "source": source})
    return found[:_MOST_PASSAGES] or None
