"""Reading a source as the engine does, in this process: shards through JSON, rules, documents and drops."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pyarrow as pa

from hornbook.core.rules import select
from hornbook.core.stage import Dropped, Inputs, Source


def read(stage: Source) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All documents, and all drops."""
    nothing = cast(Inputs, None)
    good: list[pa.Table] = []
    bad: list[pa.Table] = []
    for item in orjson.loads(orjson.dumps(stage.shards(nothing))):
        for found in stage.read(item, nothing):
            if isinstance(found, Dropped):
                bad.append(found.table)
                continue
            kept, dropped = select(found, stage.drops()) if stage.drops() else (found, found.slice(0, 0))
            good.append(kept)
            bad.append(dropped)
    return [row for table in good for row in table.to_pylist()], [row for table in bad for row in table.to_pylist()]


def reasons(drops: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(id, reason) of each drop."""
    return [(drop["id"], drop["reason"]) for drop in drops]
