"""quality.pii: mail addresses, IP addresses, telephone numbers and keys, counted."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._personal import Kind, counts


def _most(what: str) -> int | None:
    found: int | None = knob(None, help=f"most {what}; null for no limit", unit=what, threshold=True, ge=0)
    return found


class Pii(Each):
    """Counts what names or opens something of a person's; drops documents with too much of it. No text is changed.

    Marks, int64: `quality.mails`, `quality.ips`, `quality.phones`, `quality.keys`.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    max_mails: int | None = _most("mail addresses")
    max_ips: int | None = _most("IP addresses")
    max_phones: int | None = _most("telephone numbers")
    max_keys: int | None = _most("keys")

    def each(self, piece: pa.Table) -> pa.Table:
        kinds: tuple[Kind, ...] = ("mail", "ip", "phone", "key")
        return pa.table({f"quality.{kind}s": counts(piece.column(TEXT), kind) for kind in kinds})

    def drops(self) -> dict[str, Rule]:
        limits = {"mails": self.max_mails, "ips": self.max_ips, "phones": self.max_phones, "keys": self.max_keys}
        return {name: Rule(f"quality.{name}", ">", most) for name, most in limits.items() if most is not None}
