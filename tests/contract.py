"""What a stage's own test file gives to the contract test: one example, and the digest of its output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """How to run a stage in the contract test.

    Args:
        knobs: the stage's knobs.
        rows: the documents above it; empty: the common corpus of `tests/corpus.py`. A source ignores them
            unless it needs documents.
        above: steps between the documents and the stage, as (stage, knobs).
        teacher: for a stage that asks: knobs of the scripted teacher.
        golden: stage version → digest of the output (`tests.contract.digest_of`); a change of output
            without a change of version turns the contract test red.
    """

    knobs: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    above: tuple[tuple[str, dict[str, Any]], ...] = ()
    teacher: dict[str, Any] = field(default_factory=dict)
    golden: dict[str, str] = field(default_factory=dict)
