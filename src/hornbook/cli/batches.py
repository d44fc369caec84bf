"""`hornbook journal batches`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hornbook.cli.common import journal_folder, json_option, print_json, runs_option

if TYPE_CHECKING:
    from hornbook.store.intents import Entry


@click.command()
@click.option("--all", "every", is_flag=True, help="Batches that are over, too.")
@click.option("--forget", metavar="CLIENT", help="Give a batch up: its requests may be asked again.")
@runs_option
@json_option
def batches(every: bool, forget: str | None, runs: Path, as_json: bool) -> None:
    """List the batches at providers whose replies are not in the journal yet, and forget one that is gone.

    CLIENT is the batch's id in the first column, or the provider's. Forget only what is gone for good at the
    provider: what still comes of it is not fetched, and its requests are asked, and paid, again.

    \b
      hornbook journal batches
      hornbook journal batches --all --json
      hornbook journal batches --forget 3f0c9a2be41d7786a05c1e9d
    """
    from hornbook.store.intents import entries

    folder = journal_folder(runs)
    if forget is not None:
        _forget(folder, forget, as_json)
        return
    found = [entry for entry in entries(folder) if every or entry.state == "open"]
    if as_json:
        print_json({"batches": [_facts(entry) for entry in found]})
    elif found:
        _show(found)
    else:
        click.echo("no batches" if every else "no batch is under way")


def _forget(folder: Path, name: str, as_json: bool) -> None:
    """Give one batch up.

    Raises:
        UserError: no open batch has that name, or a run has the book.
    """
    from hornbook.core.errors import UserError, nearest
    from hornbook.store.intents import Book

    with Book(folder) as book:
        names = {known: i for i in book.open() for known in (i.client, i.batch) if known}
        if name not in names:
            like = nearest(name, names)
            raise UserError(
                f"no batch {name!r} is under way",
                where="--forget",
                fix=f"did you mean {like}?" if like else "`hornbook journal batches` lists them",
            )
        intent = names[name]
        book.over(intent.client, "forgotten")
    if as_json:
        print_json({"forgotten": intent.client, "batch": intent.batch, "requests": intent.count})
        return
    click.echo(f"forgotten: {intent.client}; the next run asks its {intent.count:,} requests again")


def _facts(entry: Entry) -> dict[str, Any]:
    from hornbook.cli.safe import plain

    i = entry.intent
    found: dict[str, Any] = plain(
        {
            "client": i.client,
            "batch": i.batch,
            "api": i.api,
            "url": i.url,
            "requests": i.count,
            "attempt": i.attempt,
            "most_usd": i.usd,
            "recorded": entry.at,
            "sent": i.sent,
            "state": entry.state,
            "note": entry.note,
            "stands": entry.stands(),
        }
    )
    return found


def _show(found: list[Entry]) -> None:
    from hornbook.cli.meter import money, spell
    from hornbook.cli.show import console, table

    out, now = console(), time.time()
    heads = ["client", "~batch", ">requests", ">at most", ">age", "~how it stands"]
    rows = [
        [
            entry.intent.client,
            entry.intent.batch,
            entry.intent.count,
            money(entry.intent.usd),
            spell(max(0.0, now - entry.at)),
            entry.stands(),
        ]
        for entry in found
    ]
    table(out, heads, rows)
    waiting = [entry.intent for entry in found if entry.state == "open"]
    if waiting:
        many = sum(intent.count for intent in waiting)
        places = ", ".join(sorted({intent.url for intent in waiting}))
        out.print(f"\n{many:,} requests at {places}: run their recipe again to fetch the replies")
