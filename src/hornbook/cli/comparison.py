"""A comparison of data sets on standard output: its tables, and what may be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hornbook.core import compared

if TYPE_CHECKING:
    from rich.console import Console


def show(out: Console, facts: Mapping[str, Any], *, whole: bool = False) -> None:
    """Print a comparison's table and sentences; nothing for the facts of other steps.

    Args:
        whole: every difference as well.
    """
    from hornbook.cli.safe import block
    from hornbook.cli.show import heading, indented, table

    for one in compared.tables(facts)[: None if whole else 1]:
        heading(out, one.title)
        out.print()
        table(out, [f">~{head[1:]}" if head[0] == ">" else f"~{head}" for head in one.heads], one.rows)
        out.print()
    for sentence in compared.sentences(facts):
        indented(out, block(sentence, 4000), 0)
    if compared.compared(facts):
        out.print()
