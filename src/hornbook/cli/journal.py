"""`hornbook journal`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hornbook.cli.common import json_option, print_json, runs_option


@click.group(short_help="what was asked and answered: stats, verify, compact, export, redrive")
def command() -> None:
    """The journal of all requests and replies, shared by all runs of a folder.

    \b
      hornbook journal stats
      hornbook journal verify
      hornbook journal compact
      hornbook journal export --out asked.jsonl.zst
      hornbook journal redrive --class parse --run stories
    """


@command.command()
@runs_option
@json_option
def stats(runs: Path, as_json: bool) -> None:
    """Count requests, replies and failures, by class.

    \b
      hornbook journal stats --json
    """
    from hornbook.store.journal import Journal
    from hornbook.store.journal.records import files_of

    folder = _folder(runs)
    journal = Journal(folder, lambda line: click.echo(line, err=True))
    try:
        counts, classes = journal.counts(), journal.classes()
    finally:
        journal.close()
    files = [{"file": path.name, "bytes": path.stat().st_size} for path in files_of(folder)]
    found = {
        **{name: counts[name] for name in ("requests", "replies", "failed", "unanswered")},
        "classes": classes,
        "files": files,
        "bytes": sum(file["bytes"] for file in files),
        "damaged": {path.name: what for path, what in journal.damaged.items()},
    }
    if as_json:
        print_json(found)
        return
    click.echo(f"{counts['requests']:,} requests: {counts['replies']:,} replies, {counts['failed']:,} failed, "
               f"{counts['unanswered']:,} without an answer")  # fmt: skip
    for kind, many in classes.items():
        click.echo(f"  {kind:<10} {many['replies']:>10,} replies of no use  {many['failed']:>10,} failures")
    click.echo(f"{len(files)} files, {found['bytes'] / 1e6:,.1f} MB, in {folder}")


@command.command()
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

    folder = _folder(runs)
    found = check(folder)
    if as_json:
        print_json({"sound": all(health.sound for health in found), "files": [health.facts() for health in found]})
    else:
        for health in found:
            state = "sound" if health.sound else f"DAMAGED: {health.damaged:,} records {health.error}".rstrip()
            click.echo(f"{health.file}  {health.replies:,} replies, {health.tombstones:,} failures, "
                       f"{health.intents:,} requests  {state}")  # fmt: skip
    bad = [health.file for health in found if not health.sound]
    if bad:
        raise HornbookError(
            f"{len(bad)} of {len(found)} files of the journal are damaged: {', '.join(bad)}",
            where=str(folder),
            fix="nothing has to be done: what cannot be read is asked again; put back a copy if there is one",
        )


@command.command()
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

    found = merge(_folder(runs))
    if as_json:
        print_json(asdict(found))
        return
    click.echo(f"{found.files} files merged: {found.replies:,} replies, {found.tombstones:,} failures; "
               f"{found.dropped:,} superseded; {found.before / 1e6:,.1f} → {found.after / 1e6:,.1f} MB")  # fmt: skip
    for name in found.busy:
        click.echo(f"{name} is being written to by a run: left as it is")
    for name in found.damaged:
        click.echo(f"{name} is damaged: left as it is (`hornbook journal verify`)")


@command.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .jsonl or .jsonl.zst file [default: standard output].",
)
@runs_option
@json_option
def export(out: Path | None, runs: Path, as_json: bool) -> None:
    """Write every request with its raw reply or failure as JSON lines, each in its newest state.

    \b
      hornbook journal export --out asked.jsonl.zst
      hornbook journal export | head -1
    """
    from hornbook.core.errors import UserError
    from hornbook.store.journal import Journal

    if as_json and out is None:
        raise UserError("--json needs --out: both would go to standard output", fix="--out asked.jsonl.zst")
    journal = Journal(_folder(runs), lambda line: click.echo(line, err=True))
    try:
        many = _write(_lines(journal), out)
    finally:
        journal.close()
    if as_json:
        print_json({"records": many, "out": str(out)})
    elif out is not None:
        click.echo(f"{many:,} records in {out}")


@command.command()
@click.option("--class", "kind", required=True, help="parse, empty, refusal, filter, length, rejected or transport.")
@click.option("--run", "name", help="Only what this run asked [default: the whole journal].")
@click.option("--yes", is_flag=True, help="Do it; without it, only say what would be done.")
@runs_option
@json_option
def redrive(kind: str, name: str | None, yes: bool, runs: Path, as_json: bool) -> None:
    """Take failures and useless replies of one class out, so that the next run asks those requests again.

    Steps that were made with them are taken away; the next run makes them again from the journal, asking only
    what was taken out. Replies stay in the journal's file, unused, until `compact`.

    \b
      hornbook journal redrive --class parse
      hornbook journal redrive --class transport --run stories --yes
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
            fix=f"one of {', '.join(known)}" + (f"; did you mean {like}?" if like else ""),
        )
    _folder(runs)
    found = ask_again(Workspace(runs), kind, name, act=yes)
    if as_json:
        print_json({"class": kind, "requests": len(found.keys), "steps": [str(p) for p in found.stale],
                    "busy": found.busy, "done": yes})  # fmt: skip
        return
    click.echo(f"{len(found.keys):,} requests of class {kind}" + ("" if yes else " would be asked again"))
    for path in found.stale:
        click.echo(f"  {'removed' if yes else 'would be made again'}: {path}")
    for file in found.busy:
        click.echo(f"  left alone, a run writes to it: {file}")
    if found.keys:
        click.echo("run the recipe again to ask them" if yes else "add --yes to do it")


def _folder(runs: Path) -> Path:
    """The journal's folder.

    Raises:
        UserError: there is none.
    """
    from hornbook.core.errors import UserError
    from hornbook.engine.workspace import Workspace

    folder = Workspace(runs).journal
    if not folder.is_dir():
        raise UserError("there is no journal", where=str(folder), fix="--runs DIR: the folder of the runs")
    return folder


def _lines(journal: Any) -> Iterator[bytes]:
    """JSON lines of all records."""
    import orjson

    for entry, request in journal.records():
        line: dict[str, Any] = {
            "key": entry.key,
            "at": entry.at,
            "class": entry.error or entry.verdict,
            "detail": entry.detail,
            "request": None if request is None else orjson.Fragment(request),
        }
        if entry.raw is not None:
            line |= {"seconds": entry.raw.seconds, "reply": _body(entry.raw.body)}
        yield orjson.dumps(line) + b"\n"


def _body(body: bytes) -> Any:
    """A reply as JSON, or as text where it is none."""
    import orjson

    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _write(lines: Iterator[bytes], out: Path | None) -> int:
    """Write lines to a file, whole or not at all, or to standard output; gives their number."""
    if out is None:
        stream = click.get_binary_stream("stdout")
        return sum(1 for line in lines if stream.write(line))
    import zstandard

    from hornbook.store.files import whole

    many = 0
    with whole(out) as draft, draft.open("wb") as file:
        if out.suffix == ".zst":
            with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as packed:
                for line in lines:
                    packed.write(line)
                    many += 1
        else:
            for line in lines:
                file.write(line)
                many += 1
    return many
