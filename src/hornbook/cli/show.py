"""Tables and documents on standard output, for an eye; text from outside is made harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hornbook.cli.safe import block, line, short

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_WIDTH = 100
"""Columns where the output is no terminal."""

_OWN_LINE = ("id", "text", "origin", "reason", "evidence", "prompt", "messages")


def console() -> Console:
    """Standard output, without any markup read into what is printed."""
    from rich.console import Console

    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found = Console(highlight=False, markup=False, emoji=False, width=PIPED_WIDTH)
    return found


def table(out: Console, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table. A head that begins with `>` is for numbers: flush right; one with `~` may wrap; or with `>~` both.

    Args:
        out: from `console()`.
        heads: column titles.
        rows: cells; None is shown as nothing, numbers with thousands separated.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for head in heads:
        wraps = "~" in head[:2]
        made.add_column(
            Text(head.lstrip(">~")),
            justify="right" if head.startswith(">") else "left",
            no_wrap=not wraps,
            overflow="fold" if wraps else "ellipsis",
        )
    for row in rows:
        made.add_row(*(Text(_cell(value)) for value in row))
    out.print(made)


def document(out: Console, row: Mapping[str, Any], *, letters: int = 600, marks: bool = True) -> None:
    """Print one document: id, where it is from, why it was dropped if it was, text, marks."""
    from rich.text import Text

    head = Text(line(str(row.get("id", "")), 60), style="bold")
    if row.get("origin"):
        head.append("  " + line(str(row["origin"]), 60), style="not bold dim")
    out.print(head)
    if row.get("reason"):
        said = f"dropped: {line(str(row['reason']))}"
        evidence = f" ({line(str(row['evidence']), 200)})" if row.get("evidence") else ""
        indented(out, said + evidence, 2, "red")
    if row.get("prompt") and row.get("prompt") != row.get("text"):
        indented(out, "prompt: " + block(str(row["prompt"]), letters), 2, "dim")
    indented(out, block(str(row.get("text") or ""), letters), 2)
    values = {name: value for name, value in row.items() if name not in _OWN_LINE and value is not None}
    if marks and values:
        said = " · ".join(f"{line(name, 40)} {short(value)}" for name, value in values.items())
        indented(out, said, 2, "dim")
    out.print()


def indented(out: Console, text: str | Text, by: int, style: str = "") -> None:
    """Print text that wraps, every line with a margin of `by` columns; `text` must be harmless already."""
    from rich.text import Text

    whole = Text(text, style=style) if isinstance(text, str) else text
    for part in whole.wrap(out, max(8, out.width - by)):
        part.rstrip()
        out.print(Text(" " * by).append_text(part), soft_wrap=True)


def heading(out: Console, text: str, *more: str) -> None:
    """A title, and facts beside it."""
    from rich.text import Text

    facts = "  ".join(part for part in more if part)
    out.print(Text.assemble((line(text, 100), "bold"), ("  " + facts if facts else "", "dim")))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else line(value, 400)
