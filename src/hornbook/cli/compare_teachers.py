"""`hornbook compare-teachers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hornbook.cli.common import (
    cache_folder,
    executor,
    json_option,
    listener,
    overrides,
    print_json,
    runs_option,
    set_option,
    workers_option,
)
from hornbook.cli.completing import recipe_names
from hornbook.core import judged

if TYPE_CHECKING:
    from hornbook.lab.sides import Difference, Side


@click.command(short_help="the same prompts to several teachers, side by side")
@click.argument("recipe", shell_complete=recipe_names)
@click.argument("teachers", nargs=-1, required=True, metavar="TEACHER...")
@click.option("--prompts", type=click.IntRange(min=2), default=100, show_default=True, help="Prompts for each teacher.")
@click.option("--judge", metavar="TEACHER", help="Who scores the replies and says which of two is better.")
@click.option(
    "--rubric", default="shipped:judges/textbook.en.yaml", show_default=True, help="By what the judge scores."
)
@click.option(
    "--pairwise", default="shipped:judges/pairwise.en.yaml", show_default=True, help="By what it prefers one of two."
)
@click.option("--readings", type=click.IntRange(1, 10), default=2, show_default=True, help="How often it reads a text.")
@click.option("--selfcheck", is_flag=True, help="Score hallucination too: each prompt is asked 5 times more.")
@click.option(
    "--step",
    default="",
    metavar="STEP",
    help="The step whose teacher is compared  [default: the first that generates].",
)
@click.option(
    "--teachers", "file", type=click.Path(dir_okay=False, path_type=Path), help="YAML: name → teacher's mapping."
)
@set_option
@runs_option
@workers_option
@json_option
def command(
    recipe: str,
    teachers: tuple[str, ...],
    prompts: int,
    judge: str | None,
    step: str,
    file: Path | None,
    sets: tuple[str, ...],
    runs: Path,
    workers: int | None,
    as_json: bool,
    **judging: Any,
) -> None:
    """Run RECIPE up to its prompts, put the same ones to each TEACHER, filter the replies, and show all side by side.

    A TEACHER is a model's name (at the place of the recipe's teacher), URL#MODEL, a YAML mapping, or a name of the
    --teachers file; NAME= before it names it. Replies are journaled: the same command again asks nothing, more
    --prompts ask only what is new, and a stopped comparison goes on. budget.* holds for all of it together.

    \b
      hornbook compare-teachers stories smollm2-135m-instruct http://localhost:8000/v1#big
      hornbook compare-teachers mine.yaml a b c --teachers teachers.yaml --prompts 300 --judge judge
      hornbook compare-teachers mine.yaml 'one={model: x, temperature: 0.2}' 'two={model: x, temperature: 1}'
    """
    from hornbook.core.errors import UserError
    from hornbook.engine.budget import Governor
    from hornbook.engine.execute import Setting
    from hornbook.engine.recipe import load_recipe
    from hornbook.engine.workspace import Workspace
    from hornbook.lab.contenders import contenders, one_teacher, read_teachers
    from hornbook.lab.sides import differences, sides_of, warnings
    from hornbook.lab.teachers import Wish, asking_of, branch, run_branches

    made = load_recipe(recipe, overrides(sets))
    known = read_teachers(file) if file else {}
    base = asking_of(made, step).teacher or made.teacher
    found = contenders(teachers, base, known, cache_folder())
    if len(found) < 2:
        raise UserError("a comparison needs two teachers", fix=f"hornbook compare-teachers {recipe} ONE OTHER")
    judges = one_teacher(judge, base, known) if judge else None
    branches = branch(made, found, Wish(prompts, step, judges, **judging))
    workspace = Workspace(runs)
    with listener(as_json) as listen, executor(workers) as spread:
        outcome = run_branches(branches, Setting(workspace, spread, cache_folder(), listen, Governor()))
    sides = sides_of(branches, outcome, found, workspace.journal)
    gaps = differences(sides)
    verdicts = outcome.done.get(branches.pairwise)
    pairs: Mapping[str, Any] = verdicts.manifest["facts"]["pairs"] if verdicts else {}
    spoke = [outcome.done[name] for name in (branches.pairwise, *branches.judges.values()) if name in outcome.done]
    said_by = str(spoke[0].manifest["facts"].get("model", "")) if spoke else ""
    says = [*warnings(sides, pairs, said_by), *branches.says]
    says += [f"{name} failed: {why}" for name, why in outcome.failed.items() if "@" not in name]
    result = {
        "recipe": made.name,
        "run": branches.recipe.name,
        "step": branches.step,
        "prompts": sides[0].prompts or int(outcome.done[branches.drawn].manifest["kept"]),
        "filters": list(branches.filters),
        "judge": said_by,
        "usd_spent": outcome.usd,
        "teachers": [_public(side) for side in sides],
        "differences": [asdict(gap) for gap in gaps],
        "pairs": {_names(sides_said, branches.step): one for sides_said, one in pairs.items()},
        "says": says,
    }
    if as_json:
        from hornbook.cli.safe import plain

        print_json(plain(result))
        return
    _show(result, sides, gaps)


def _public(side: Side) -> dict[str, Any]:
    """A side without its values by prompt, which are for differences alone."""
    return {name: value for name, value in asdict(side).items() if name != "by_prompt"}


def _names(sides: str, step: str) -> str:
    """`generate@a / generate@b` → `a / b`."""
    return " / ".join(one.removeprefix(f"{step}@") for one in sides.split(" / "))


def _show(result: Mapping[str, Any], sides: Sequence[Side], gaps: Sequence[Difference]) -> None:
    from hornbook.cli.meter import money
    from hornbook.cli.safe import line
    from hornbook.cli.show import console, heading, indented, table

    out = console()
    heading(out, result["recipe"], f"{result['prompts']:,} prompts of {result['step']}, the same for each teacher",
            f"spent {money(result['usd_spent'])} in all")  # fmt: skip
    out.print()
    table(out, ["", *(f"~{line(side.name, 30)}" for side in sides)], _rows(sides))
    out.print()
    if gaps:
        heading(out, f"against {gaps[0].against}", "means of paired differences, 95 % by bootstrap over prompts")
        out.print()
        table(out, ["measure", "teacher", ">prompts", ">difference", "~95 %"], [_gap(gap) for gap in gaps])
        out.print()
    for one in judged.tables({"judge": result["judge"], "pairs": result["pairs"]}):
        heading(out, "in pairs", f"judge {line(str(result['judge']), 60)}; {one.title}")
        out.print()
        table(out, list(one.heads), one.rows)
        out.print()
    filters = ", ".join(result["filters"])
    out.print(f"accepted: passed {filters}" if filters else "accepted: the recipe has no filters after this step",
              style="dim")  # fmt: skip
    for said in result["says"]:
        indented(out, f"note: {line(said, 400)}", 0, "yellow")
    out.print(f"`hornbook look {result['run']}` shows all of it", style="dim")


def _rows(sides: Sequence[Side]) -> list[list[Any]]:
    """The table: a measure a line."""
    rows = [
        ["replies", *(f"{side.replies:,} of {side.prompts:,}" for side in sides)],
        ["failed", *(", ".join(f"{many:,} {name}" for name, many in side.errors.items()) or "0" for side in sides)],
        ["accepted", *(judged.share(side.accepted_share, side.accepted_interval) for side in sides)],
        ["tokens, prompts", *(f"{side.prompt_tokens:,}" for side in sides)],
        ["tokens, replies", *(f"{side.tokens:,}" for side in sides)],
        ["seconds a reply", *(_number(side.seconds) for side in sides)],
        ["cost", *(_cost(side.usd) for side in sides)],
        ["… a million accepted tokens", *(_cost(side.usd_per_million) for side in sides)],
        ["words a reply", *(_number(side.words) for side in sides)],
        [
            "most common opening",
            *(f"{side.opening[1]:.0%} {side.opening[0]}" if side.opening else "–" for side in sides),
        ],
        ["distinct-2", *(_number(side.distinct_2) for side in sides)],
        ["like an earlier one", *("–" if side.repeats is None else f"{side.repeats:.1%}" for side in sides)],
    ]
    if any(side.hallucination for side in sides):
        cells = [judged.score(side.hallucination) for side in sides]
        rows.append([f"hallucination ({next(s.hallucination['mark'] for s in sides if s.hallucination)})", *cells])
    for criterion in dict.fromkeys(name for side in sides for name in side.judged):
        rows.append([f"judge: {criterion}", *(judged.score(side.judged.get(criterion)) for side in sides)])
        rows.append(
            [
                "  agreement",
                *(
                    judged.agreement(one["agreement"] if (one := side.judged.get(criterion)) else judged.NONE)
                    for side in sides
                ),
            ]
        )
    return [
        row if not any(side.failed and not side.prompts for side in sides) else _given_up(row, sides) for row in rows
    ]


def _given_up(row: list[Any], sides: Sequence[Side]) -> list[Any]:
    return [
        row[0],
        *("–" if side.failed and not side.prompts else cell for cell, side in zip(row[1:], sides, strict=True)),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _cost(usd: float | None) -> str:
    from hornbook.cli.meter import money

    return "–" if usd is None else money(usd)


def _gap(gap: Difference) -> list[Any]:
    ends = f"{gap.interval[0]:+.3g} to {gap.interval[1]:+.3g}" if gap.interval else "–"
    sure = gap.interval is not None and (gap.interval[0] > 0 or gap.interval[1] < 0)
    return [gap.measure, gap.teacher, gap.prompts, f"{gap.mean:+.3g}", ends + ("" if sure else "  (may be none)")]
