"""Which short texts were not there before, over all of a source."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc


class Once:
    """Remembers 64 bits of each text without letter case and what ends it: some 60 MB a million texts."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def keys(self, column: Any) -> list[int]:
        """64-bit XXH3 of each text's form; C, C# and C++ stay three."""
        from xxhash import xxh3_64_intdigest

        from hornbook.kernels.words import normalise

        plain = pc.replace_substring_regex(normalise(column, "case"), r"[\s?!.？！。…]+$", "")
        return [xxh3_64_intdigest(text.encode()) for text in plain.to_pylist()]

    def fresh(self, key: int) -> bool:
        """Whether it is there for the first time."""
        if key in self._seen:
            return False
        self._seen.add(key)
        return True
