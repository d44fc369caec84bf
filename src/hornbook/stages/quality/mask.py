"""quality.mask: personal data and keys replaced in the text."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.stage import Each
from hornbook.stages.quality._personal import KINDS, Kind, counts, masked

_BIGCODE = "bigcode-project/bigcode-dataset, pii/ner/pii_redaction/utils.py"


class Mask(Each):
    """Replaces what `quality.pii` counts by a tag. Of the filter stages this one changes text, and says so in a mark.

    Replaces the column `text`; marks `quality.masked` (int64, how many places were replaced). Drops nothing.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    kinds: list[Kind] = knob(default_factory=lambda: list(KINDS), help="what is replaced: mail, ip, phone, key")
    mail: str = knob("<EMAIL>", help="what stands for a mail address", source=_BIGCODE)
    ip: str = knob("<IP_ADDRESS>", help="what stands for an IP address")
    phone: str = knob("<PHONE>", help="what stands for a telephone number")
    key: str = knob("<KEY>", help="what stands for a key", source=_BIGCODE)

    def each(self, piece: pa.Table) -> pa.Table:
        text, found = piece.column(TEXT), None
        for kind in KINDS:
            if kind in self.kinds:
                some = counts(text, kind)
                found = some if found is None else pc.add(found, some)
                text = pa.chunked_array([masked(text, kind, getattr(self, kind))])
        none = pa.array([0] * piece.num_rows, pa.int64())
        return pa.table({TEXT: text, "quality.masked": none if found is None else found})
