"""`hornbook step`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from hornbook.cli.common import (
    cache_folder,
    executor,
    json_option,
    listener,
    print_json,
    runs_option,
    value_of,
    workers_option,
)
from hornbook.cli.completing import stage_names

_KNOB = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)=(.*)$", re.DOTALL)


@click.command(short_help="run one stage alone on files")
@click.argument("stage", shell_complete=stage_names)
@click.argument("rest", nargs=-1, metavar="[INPUT]… [KNOB=VALUE]…")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the result.")
@click.option("--seed", type=int, default=0, show_default=True, help="For stages that draw.")
@runs_option
@workers_option
@json_option
def command(
    stage: str, rest: tuple[str, ...], out: Path, seed: int, runs: Path, workers: int | None, as_json: bool
) -> None:
    """Run STAGE alone on INPUT files (JSONL, Parquet, CSV, text, folders) or on folders of earlier steps.

    Writes DIR/part-*.parquet, DIR/dropped/part-*.parquet (all columns and the reason) and
    DIR/manifest.json. An id is made where there is none. Replies of teachers are journaled under --runs.

    \b
      hornbook step quality.repetition stories.jsonl --out kept max_lines=0.2
      hornbook step generate.complete prompts.jsonl --out written teacher.url=http://localhost:8000/v1
      hornbook step tokenize.bpe stories.jsonl --out tokens vocab=2048
      hornbook step train.student tokens --out student depth=2
    """
    from hornbook.engine.alone import run_alone

    inputs, knobs = _sort(rest)
    with listener(as_json) as listen, executor(workers) as spread:
        manifest = run_alone(
            stage,
            inputs,
            knobs,
            out,
            seed=seed,
            runs=runs,
            executor=spread,
            cache=cache_folder(),
            listen=listen,
        )
    if as_json:
        print_json(manifest)
        return
    from hornbook.cli.meter import passes

    reasons = ", ".join(f"{many:,} {reason}" for reason, many in manifest["reasons"].items())
    click.echo(
        f"{manifest['rows_in']:,} in, {manifest['kept']:,} kept, {manifest['dropped']:,} dropped"
        + (f" ({reasons})" if reasons else "")
        + "".join(f", {said}" for said in passes(manifest))
        + f", {manifest['seconds']:.1f} s → {out}"
    )


def _sort(rest: tuple[str, ...]) -> tuple[list[str], dict[str, Any]]:
    """Inputs and knobs; what exists as a file is an input, whatever its name."""
    inputs: list[str] = []
    knobs: dict[str, Any] = {}
    for entry in rest:
        match = _KNOB.match(entry)
        if match and not _is_there(entry):
            knobs[match[1]] = value_of(match[2])
        else:
            inputs.append(entry)
    return inputs, knobs


def _is_there(entry: str) -> bool:
    """Whether there is such a file; what is too long for a name is none."""
    try:
        return Path(entry).exists()
    except OSError:
        return False
