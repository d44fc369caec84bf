"""`hornbook look`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hornbook.cli.common import json_option, print_json, runs_option
from hornbook.cli.completing import run_names

if TYPE_CHECKING:
    from hornbook.core.stage import Artifact
    from hornbook.engine.workspace import Workspace


@click.command(short_help="what a run holds: the funnel, its cost, documents")
@click.argument("run", required=False, shell_complete=run_names)
@click.option("--step", metavar="STEP", help="One step: its facts, knobs and a few documents (name or number).")
@click.option("--dropped", is_flag=True, help="A few documents dropped for each reason, with the evidence.")
@click.option("-n", "count", type=click.IntRange(min=0), default=3, show_default=True, help="Documents shown.")
@runs_option
@json_option
def command(run: str | None, step: str | None, dropped: bool, count: int, runs: Path, as_json: bool) -> None:
    """Look at RUN: its funnel, cost and a few documents; without RUN, at the list of runs.

    \b
      hornbook look
      hornbook look stories
      hornbook look stories --dropped -n 5
      hornbook look stories --step generate
    """
    from hornbook.core.errors import UserError
    from hornbook.engine.workspace import Workspace

    workspace = Workspace(runs)
    if run is None:
        if step or dropped:
            raise UserError("--step and --dropped need a run", fix="hornbook look RUN --dropped")
        _list(workspace, as_json)
        return
    facts = _facts(workspace, run, step, count if not dropped else 0, count if dropped else 0)
    if as_json:
        from hornbook.cli.safe import plain

        print_json(plain(facts))
        return
    _show(facts, step)


def _list(workspace: Workspace, as_json: bool) -> None:
    """All runs, newest first."""
    found = [_summary(workspace, name) for name in workspace.runs()]
    if as_json:
        print_json({"runs": found})
        return
    from hornbook.cli.meter import money
    from hornbook.cli.show import console, table

    if not found:
        click.echo(f"no runs in {workspace.root}: `hornbook run stories` makes one")
        return
    rows = [[r["name"], _when(r["began"]), r["status"], r["steps"], r["documents"], money(r["usd"])] for r in found]
    table(console(), ["run", "when", "status", ">steps", ">documents", ">cost"], rows)


def _summary(workspace: Workspace, name: str) -> dict[str, Any]:
    from hornbook.engine.peek import status_of
    from hornbook.store.artifacts import product

    state = workspace.read_run(name)
    done = workspace.steps(name)
    last = product(done)
    return {
        "name": name,
        "status": status_of(workspace, name, state),
        "began": state.get("began"),
        "ended": state.get("ended"),
        "steps": len(done),
        "documents": int(last.manifest["kept"]) if last else 0,
        "usd": float(state.get("spent_usd", 0.0)),
        "tokens": int(state.get("spent_tokens", 0)),
        "error": state.get("error"),
    }


def _facts(workspace: Workspace, run: str, step: str | None, kept: int, gone: int) -> dict[str, Any]:
    """All that is shown of a run, as JSON can say it."""
    from hornbook.engine.peek import sample, sample_dropped, step_of
    from hornbook.store.artifacts import product

    summary = _summary(workspace, run)
    done = workspace.steps(run)
    cached = {entry["name"]: bool(entry.get("cached")) for entry in workspace.read_run(run)["steps"]}
    chosen = [step_of(done, step)] if step else done
    last = product(chosen)
    dropped = [
        {"step": a.step} | row for a in chosen if a.makes == "documents" and gone for row in sample_dropped(a, gone)
    ]
    return {
        "run": run,
        **{name: value for name, value in summary.items() if name not in ("name", "steps", "documents")},
        "kept": summary["documents"],
        "steps": [_funnel(a, cached.get(a.step, False), whole=step is not None) for a in chosen],
        "documents": sample(last, kept) if last and kept else [],
        "dropped": dropped,
    }


def _funnel(artifact: Artifact, cached: bool, *, whole: bool) -> dict[str, Any]:
    manifest = artifact.manifest
    names = ("makes", "rows_in", "kept", "dropped", "reasons", "seconds", "key", "facts")
    more = ("kind", "version", "knobs") if whole else ()
    found = {name: manifest[name] for name in (*names, *more)}
    return {"step": artifact.step, "use": artifact.stage, "cached": cached} | found | {"folder": str(artifact.folder)}


def _show(facts: dict[str, Any], step: str | None) -> None:
    from hornbook.cli import comparison
    from hornbook.cli.meter import money, spell
    from hornbook.cli.show import console, document, heading, table

    out = console()
    seconds = (facts["ended"] or 0) - (facts["began"] or 0)
    heading(
        out,
        facts["run"],
        facts["status"],
        _when(facts["began"]),
        spell(seconds) if seconds > 0 else "",
        f"{facts['kept']:,} documents",
        f"{facts['tokens']:,} tokens asked" if facts["tokens"] else "",
        money(facts["usd"]) if facts["usd"] else "",
    )
    if facts["error"]:
        from hornbook.cli.safe import block

        out.print(block(str(facts["error"])), style="red")
    out.print()
    table(out, ["step", ">in", ">kept", ">dropped", "~why", ">seconds", "key", ""], [_row(s) for s in facts["steps"]])
    out.print()
    for one in facts["steps"]:
        comparison.show(out, one["facts"], whole=step is not None)
    if step:
        _one(out, facts["steps"][0])
    for row in facts["documents"]:
        document(out, row, marks=step is not None)
    shown = ""
    for row in facts["dropped"]:
        if (name := row.pop("step")) != shown:
            shown = name
            heading(out, f"dropped by {name}")
        document(out, row, letters=300, marks=False)


def _row(step: dict[str, Any]) -> list[Any]:
    """A line of the funnel; what makes no documents says what it makes instead."""
    reasons = ", ".join(f"{many:,} {reason}" for reason, many in step["reasons"].items())
    documents = step["makes"] == "documents"
    return [
        step["step"],
        step["rows_in"] or None,
        step["kept"] if documents else step["makes"],
        step["dropped"] if documents else None,
        reasons,
        f"{step['seconds']:.1f}",
        step["key"][:6],
        "cached" if step["cached"] else "",
    ]


def _one(out: Any, step: dict[str, Any]) -> None:
    """One step's knobs and facts."""
    from hornbook.cli.safe import short
    from hornbook.cli.show import heading, table
    from hornbook.core import compared, judged

    heading(out, step["use"], step["kind"], f"version {step['version']}", step["folder"])
    out.print()
    for one in judged.tables(step["facts"]):
        heading(out, one.title)
        out.print()
        table(out, [head if head[0] == ">" else f"~{head}" for head in one.heads], one.rows)
        out.print()
    known = judged.shown(step["facts"]) | compared.shown(step["facts"])
    for title in ("knobs", "facts"):
        rows = [
            [name, short(value, 300)] for name, value in step[title].items() if title == "knobs" or name not in known
        ]
        if rows:
            table(out, [title, "~value"], rows)
            out.print()


def _when(seconds: float | None) -> str:
    """A time as the person's clock shows it."""
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""
