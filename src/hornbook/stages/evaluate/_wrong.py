"""Wrong answers beside the right one: small changes of a solution that its problem's tests refuse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from hornbook.kernels.mutants import Mutant, mutants
from hornbook.sandbox.values import Limits, Outcome, Program, Wall
from hornbook.store.problems import Problem, read_problems
from hornbook.store.remembered import remembered

_MORE = 2
"""Changes that are run for each wrong answer wanted: some of them are no faults."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A problem, and what its solution is compared with.

    Args:
        problem: one whose own solution passes.
        wrong: programs that fail, with what they fail by.
    """

    problem: Problem
    wrong: tuple[tuple[Mutant, str], ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which wrong answers: the knobs of `evaluate.answers` of the same names."""

    tasks: str
    wrong: int
    seed: int
    kinds: tuple[str, ...]
    timeout: float
    memory: int
    walls: tuple[Wall, ...]
    workers: int


@dataclass(frozen=True, slots=True)
class Telling:
    """Where progress is told; it makes no difference to what is found."""

    tick: Callable[[float], None] = field(compare=False)


def _run_choices(paths: Sequence[str], wanted: Wanted, telling: Telling) -> tuple[list[Choice], list[str]]:
    from hornbook.sandbox.pool import Sandbox

    solved = [problem for problem in read_problems(paths[0], wanted.tasks).every if problem.solution.strip()]
    limits = Limits(seconds=wanted.timeout, memory=wanted.memory)
    with Sandbox(limits, workers=wanted.workers, require=wanted.walls) as box:
        return choices(solved, wanted.wrong, wanted.seed, wanted.kinds, box.run_all, telling.tick)


run_choices = remembered(_run_choices)
"""(paths, Wanted, Telling) → `choices` of a file's problems, every answer run: once in a process, for all students."""


def choices(
    problems: Sequence[Problem],
    count: int,
    seed: int,
    kinds: Collection[str],
    run: Callable[[Iterable[Program]], Iterable[Outcome]],
    tick: Callable[[float], None],
) -> tuple[list[Choice], list[str]]:
    """Each problem with up to `count` wrong answers, and the problems whose own solution does not pass here.

    Args:
        count: wrong answers of each.
        seed: of the draws of changes.
        kinds: of change.
        run: what runs programs, in order.
        tick: told the share that has been run.
    """
    tried = [mutants(p.prompt + p.solution, _MORE * count, seed, len(p.prompt), kinds) for p in problems]
    total = sum(map(len, tried)) + len(problems)
    programs = (
        Program(text + "\n", problem.checks)
        for problem, some in zip(problems, tried, strict=True)
        for text in (problem.prompt + problem.solution, *(mutant.text for mutant in some))
    )
    outcomes = iter(run(programs))
    found: list[Choice] = []
    unsound: list[str] = []
    done = 0
    for problem, some in zip(problems, tried, strict=True):
        right = next(outcomes).verdict == "pass"
        verdicts = [next(outcomes).verdict for _ in some]
        done += 1 + len(some)
        tick(done / total)
        failing = [(mutant, verdict) for mutant, verdict in zip(some, verdicts, strict=True) if verdict != "pass"]
        if right:
            found.append(Choice(problem, tuple(failing[:count])))
        else:
            unsound.append(problem.key)
    return found, unsound
