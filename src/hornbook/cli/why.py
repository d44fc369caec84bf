"""`hornbook why`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hornbook.cli.common import json_option, print_json, runs_option
from hornbook.cli.completing import run_names

if TYPE_CHECKING:
    from rich.console import Console

    from hornbook.engine.history import History, Passage

_TEXTS = ("text", "prompt", "messages", "reply as it came")


@click.command(short_help="one document's whole history through a run")
@click.argument("id", metavar="ID")
@click.option("--run", metavar="RUN", shell_complete=run_names, help="Which run [default: the newest].")
@runs_option
@json_option
def command(id: str, run: str | None, runs: Path, as_json: bool) -> None:
    """Trace the document ID: its seeds, prompt, request and reply, marks, and where it stopped.

    \b
      hornbook why story-000017
      hornbook why story-000017 --run stories --json
    """
    from hornbook.core.errors import UserError
    from hornbook.engine.history import history
    from hornbook.engine.peek import newest
    from hornbook.engine.workspace import Workspace

    workspace = Workspace(runs)
    name = run or newest(workspace)
    try:
        found = history(workspace.steps(name), id, workspace.journal)
    except UserError as error:
        if not run and len(others := workspace.runs()) > 1:
            error.fix += f" (looked in the newest run, {name}; others: {', '.join(others[1:6])}: --run NAME)"
        error.where = error.where or str(workspace.run(name))
        raise
    if as_json:
        from hornbook.cli.safe import plain

        print_json({"run": name} | plain(asdict(found)))
        return
    _show(name, found)


def _show(run: str, found: History) -> None:
    from hornbook.cli.show import console, heading

    out = console()
    heading(out, found.id, f"in {run}", _verdict(found))
    for seed in found.seeds:
        out.print()
        heading(out, f"seed {seed.pop('step')}", str(seed.pop("id", "")))
        _values(out, seed)
    for passage in found.passages:
        out.print()
        _passage(out, passage)
        for asked in found.requests:
            if asked["step"] == passage.step:
                _asked(out, asked, passage)
    for step, split in found.split.items():
        out.print()
        heading(out, step, f"in the {split} split")


def _verdict(found: History) -> str:
    last = found.passages[-1]
    if last.dropped is not None:
        return f"dropped by {last.step}: {last.dropped}"
    return "in the final set" if found.final else f"kept by {last.step}, its last step"


def _passage(out: Console, passage: Passage) -> None:
    """A step: what it added, or why it stopped the document."""
    from hornbook.cli.safe import line
    from hornbook.cli.show import heading, indented

    gone = passage.dropped is not None
    heading(out, f"{'✗' if gone else '→'} {passage.step}", passage.use, "" if passage.added or gone else "no change")
    _values(out, {name: value for name, value in passage.added.items() if name != "id"})
    if gone:
        said = f"dropped: {line(str(passage.dropped))}" + (
            f" ({line(passage.evidence, 400)})" if passage.evidence else ""
        )
        indented(out, said, 4, "bold red")


def _asked(out: Console, asked: dict[str, Any], passage: Passage) -> None:
    """The request as it was sent, and the reply as it came, where they are not what the row shows."""
    from hornbook.cli.safe import short

    request, reply = asked["request"] or {}, asked["reply"] or {}
    facts: dict[str, Any] = {"journal": asked["key"], "model": request.get("model")}
    facts["params"] = short(request["params"], 200) if request.get("params") else None
    if reply.get("seconds") is not None:
        facts["tokens"] = f"{reply['prompt_tokens']:,} prompt, {reply['completion_tokens']:,} reply"
        facts["latency"] = f"{reply['seconds']:.2f} s"
        facts["finish"] = reply["finish"]
    if reply.get("error"):
        facts["failed"] = f"{reply['error']}: {reply['detail']}"
    messages = request.get("messages") or []
    if len(messages) > 1:
        facts["messages"] = "\n".join(f"{m['role']}: {m['content']}" for m in messages)
    if reply.get("text") and reply["text"].strip() != passage.row.get("text"):
        facts["reply as it came"] = reply["text"]
    _values(out, {name: value for name, value in facts.items() if value not in (None, "")})


def _values(out: Console, values: Mapping[str, Any]) -> None:
    """Names and values, one a line, longer texts below their name."""
    from rich.text import Text

    from hornbook.cli.safe import block, line, short
    from hornbook.cli.show import indented

    for name, value in values.items():
        if value is None:
            continue
        if name in _TEXTS and isinstance(value, str):
            indented(out, f"{name}:", 4, "dim")
            indented(out, block(value, 1200), 6)
        else:
            said = Text.assemble((line(name, 40) + "  ", "dim"), short(value, 200))
            indented(out, said, 4)
