"""`hornbook journal`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hornbook.cli.batches import batches
from hornbook.cli.common import journal_folder, json_option, print_json, runs_option


@click.group(short_help="what was asked and answered: stats, verify, compact, export, redrive, batches")
def command() -> None:
    """The journal of all requests and replies, shared by all runs of a folder.

    \b
      hornbook journal stats
      hornbook journal verify
      hornbook journal compact
      hornbook journal export --out asked.jsonl.zst
      hornbook journal redrive --class parse --run stories
      hornbook journal batches
    """


command.add_command(batches)


@command.command(short_help="Count requests, replies and failures, by class.")
@runs_option
@json_option
def stats(runs: Path, as_json: bool) -> None:
    """Count requests, replies and failures, by class.

    \b
      hornbook journal stats --json
    """
    from hornbook.store.journal import Journal
    from hornbook.store.journal.records import files_of

    folder = journal_folder(runs)
    journal = Journal(folder, lambda line: click.echo(line, err=True))
    try:
        counts, classes = journal.counts(), journal.classes()
    finally:
        journal.close()
    sizes = {path.name: path.stat().st_size for path in files_of(folder)}
    found = {
        **{name: counts[name] for name in ("requests", "replies", "failed", "unanswered")},
        "classes": classes,
        "files": [{"file": name, "bytes": size} for name, size in sizes.items()],
        "bytes": sum(sizes.values()),
        "damaged": {path.name: what for path, what in journal.damaged.items()},
    }
    if as_json:
        print_json(found)
        return
    click.echo(f"{counts['requests']:,} requests: {counts['replies']:,} replies, {counts['failed']:,} failed, "
               f"{counts['unanswered']:,} without an answer")  # fmt: skip
    if classes:
        click.echo(f"  {'class':<10} {'useless replies':>16} {'no reply':>10}")
    for kind, many in classes.items():
        click.echo(f"  {kind:<10} {many['replies']:>16,} {many['failed']:>10,}")
    click.echo(f"{_many(len(sizes), 'file')} in {folder}, {sum(sizes.values()) / 1e6:,.1f} MB")


@command.command(short_help="Check every record; exit code 1 where one is damaged.")
@runs_option
@json_option
def verify(runs: Path, as_json: bool) -> None:
    """Read every record and check its checksum; exit code 1 where something is damaged.

    What is damaged counts as never answered: the next run asks it again.

    \b
      hornbook journal verify
    """
    from hornbook.core.errors import HornbookError
    from hornbook.store.journal.verify import verify as check

    folder = journal_folder(runs)
    found = check(folder)
    if as_json:
        print_json({"sound": all(health.sound for health in found), "files": [health.facts() for health in found]})
    else:
        for health in found:
            click.echo(f"{health.file}: {_state(health)}; sound are {health.intents:,} requests, "
                       f"{health.replies:,} replies, {health.tombstones:,} failures")  # fmt: skip
        if not found:
            click.echo(EMPTY.format(folder))
    bad = [health.file for health in found if not health.sound]
    if bad:
        raise HornbookError(
            f"{len(bad)} of {len(found)} files of the journal are damaged: {', '.join(bad)}",
            where=str(folder),
            fix="nothing has to be done: what cannot be read is asked again, and paid; or put back a copy",
        )


@command.command(short_help="Merge all files into one, without what is superseded.")
@runs_option
@json_option
def compact(runs: Path, as_json: bool) -> None:
    """Merge the files of all writers into one, without superseded records and without what `redrive` took out.

    Files that a run is writing to, and damaged ones, are left as they are.

    \b
      hornbook journal compact
    """
    from dataclasses import asdict

    from hornbook.store.journal.tending import compact as merge

    found = merge(journal_folder(runs))
    if as_json:
        print_json(asdict(found))
        return
    if found.files:
        sizes = f"{found.before / 1e6:,.1f} → {found.after / 1e6:,.1f} MB"
        click.echo(f"{_many(found.files, 'file')} merged: {found.replies:,} replies, {found.tombstones:,} failures; "
                   f"{found.dropped:,} superseded; {sizes}")  # fmt: skip
    elif not found.busy and not found.damaged:
        click.echo(EMPTY.format(journal_folder(runs)))
    for name in found.busy:
        click.echo(f"{name} is being written to by a run: left as it is")
    for name in found.damaged:
        click.echo(f"{name} is damaged: left as it is (`hornbook journal verify`)")


@command.command(short_help="Write every request with its reply, to JSON lines or Parquet.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .jsonl, .jsonl.zst or .parquet file [default: JSON lines on standard output].",
)
@runs_option
@json_option
def export(out: Path | None, runs: Path, as_json: bool) -> None:
    """Write every request with its raw reply or failure, each once and in its newest state.

    \b
      hornbook journal export --out asked.jsonl.zst
      hornbook journal export --out asked.parquet
      hornbook journal export | head -1
    """
    from hornbook.cli.exporting import form_of, write
    from hornbook.core.errors import UserError
    from hornbook.store.journal import Journal

    form_of(out)
    if as_json and out is None:
        raise UserError("--json needs --out: both would go to standard output", fix="--out asked.jsonl.zst")
    journal = Journal(journal_folder(runs), lambda line: click.echo(line, err=True))
    try:
        many = write(journal, out)
    finally:
        journal.close()
    if as_json:
        print_json({"records": many, "out": str(out)})
    elif out is not None:
        click.echo(f"{_many(many, 'record')} in {out}")
    elif not many:
        click.echo(EMPTY.format(journal.folder), err=True)


@command.command(short_help="Have failures and useless replies of a class asked again.")
@click.option("--class", "kind", required=True, help="A class that `journal stats` names: parse, empty, refusal …")
@click.option("--run", "name", help="Only what this run asked [default: the whole journal].")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@runs_option
@json_option
def redrive(kind: str, name: str | None, dry_run: bool, runs: Path, as_json: bool) -> None:
    """Take failures and useless replies of one class out, so that the next run asks those requests again.

    Steps that were made with them are taken away; the next run makes them again from the journal, asking only
    what was taken out. Replies stay in the journal's file, unused, until `compact`.

    \b
      hornbook journal redrive --class parse --dry-run
      hornbook journal redrive --class parse --run stories
    """
    from typing import get_args

    from hornbook.core.asking import ErrorClass
    from hornbook.core.errors import UserError, nearest
    from hornbook.engine.redriving import ask_again
    from hornbook.engine.workspace import Workspace

    known = get_args(ErrorClass)
    if kind not in known:
        like = nearest(kind, known)
        raise UserError(
            f"no class {kind!r}",
            where="--class",
            fix=(f"did you mean {like}? " if like else "") + f"classes: {', '.join(known)}",
        )
    journal_folder(runs)
    workspace = Workspace(runs)
    found = ask_again(workspace, kind, name, act=not dry_run)
    if as_json:
        print_json({"class": kind, "requests": len(found.keys), "steps": [str(p) for p in found.stale],
                    "names": found.names, "busy": found.busy, "done": not dry_run})  # fmt: skip
        return
    if not found.keys:
        click.echo(f"no request of class {kind}" + ("" if name is None else f" in {name}") + ": nothing to do")
    else:
        click.echo(f"{_many(len(found.keys), 'request')} of class {kind} "
                   f"{'would' if dry_run else 'will'} be asked again by the next run")  # fmt: skip
    for path, step in zip(found.stale, found.names, strict=True):
        click.echo(f"  {'would be' if dry_run else 'to be'} made again: {step or f'marks {path}'}")
    for file in found.busy:
        click.echo(f"  left alone, a run writes to it: {file}")


EMPTY = "the journal in {} is empty: nothing has been asked"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _state(health: Any) -> str:
    """What is wrong with a file of the journal."""
    if health.sound:
        return "sound"
    records = f"{_many(health.damaged, 'record')} cannot be read" if health.damaged else ""
    return "DAMAGED, " + "; ".join(some for some in (records, health.error) if some)
