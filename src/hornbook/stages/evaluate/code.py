"""evaluate.code: programs written for HumanEval or MBPP are run with the problems' tests; pass@k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from hornbook.core.documents import TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.sandbox.values import Limits, Outcome, Program, Wall
from hornbook.stages.evaluate._prompting import program_of
from hornbook.store.problems import Problem, Problems, problems_knob, read_problems, tasks_knob

TASK, COMPLETION = "task_id", "completion"
_HARNESS = "openai/human-eval"
_SEEN = pa.schema(
    [
        ("code.task", pa.string()),
        ("code.verdict", pa.string()),
        ("code.error", pa.string()),
        ("code.message", pa.string()),
        ("code.passed", pa.bool_()),
        ("code.fault", pa.string()),
    ]
)


class Code(Each):
    """Runs every answer to a problem behind walls, with the problem's own tests, and says pass@k.

    Rows have `task_id` and `completion`, as openai/human-eval's samples.jsonl; rows without `completion` have a
    model's reply in `text`, from which the program is taken. What is run is the problem's prompt and the completion,
    then its tests, in a process of their own (docs/checks.md). An answer that comes again for its task is run once.

    Marks: `code.task` (the problem's name), `code.verdict` (pass, syntax, error, assertion, timeout, memory, output,
    blocked, exited), `code.error` (class of the exception or name of the limit), `code.message`, `code.passed` (bool),
    `code.fault` (string: why a row is no answer, else null), and `completion` where it was taken from a reply.

    Facts: `pass@k` and `pass@k_interval` (95 %, over problems) for each of `k` that every task has answers enough for,
    `problems`, `attempted`, `samples`, `passed`, `verdicts`, `tasks` (name → [answers, passed]).

    Drops: `no_answer`, a row whose task is none of the problems, or that has no completion.

    Raises:
        UserError: the problems cannot be read; a task has no answer and `partial` is not set; there is neither
            `completion` nor `text`; a wall cannot be had.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT, TASK, COMPLETION)
    instead_of_text: ClassVar[tuple[str, ...]] = (COMPLETION,)

    problems: InputPath = problems_knob()
    tasks: str = tasks_knob()
    answer: Literal["auto", "completion", "reply"] = knob(
        "auto",
        help="completion: the column as it is; reply: the program is taken out of `text`, what a model said; auto: "
        "completion where there is that column",
    )
    k: tuple[int, ...] = knob((1, 10, 100), help="pass@k for these", source=f"{_HARNESS}, evaluation.py: 1, 10, 100")
    timeout: float = knob(
        3.0, help="longest run, waiting for a busy processor not counted", unit="seconds", gt=0.0, le=3600.0,
        source=f"{_HARNESS}, execution.py: 3",
    )  # fmt: skip
    memory: int = knob(1024, help=f"most memory of a run; {_HARNESS} sets none, ours", unit="MB", ge=16, le=1 << 20)
    output: int = knob(1 << 24, help=f"most output of a run; {_HARNESS} sets none, ours", unit="bytes", ge=0)
    packages: bool = knob(False, help="programs may import the packages installed beside Hornbook")
    walls: tuple[Wall, ...] = knob(
        get_args(Wall), help="walls without which nothing is run; `hornbook doctor` says which stand here"
    )
    workers: int = knob(0, help="programs run at a time; 0: as many as there are cores", unit="processes", ge=0)
    partial: bool = knob(
        False, help=f"pass@k over the tasks that have answers; else a task without one is an error, as in {_HARNESS}",
        threshold=True,
    )  # fmt: skip

    @field_validator("k")
    @classmethod
    def _draws(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 1:
            raise ValueError("k: whole numbers from 1, [1, 10]")
        return value

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.sandbox.pool import Sandbox

        problems = read_problems(self.problems, self.tasks)
        names = _column(piece, TASK)
        found = [None if name is None else problems.find(name) for name in names]
        answers = self._answers(piece, found)
        asked = _asked(found, answers)
        limits = Limits(seconds=self.timeout, memory=self.memory, output=self.output)
        outcomes: dict[tuple[str, str], Outcome] = {}
        if asked:
            with Sandbox(limits, workers=self.workers, require=self.walls, packages=self.packages) as box:
                outcomes = dict(zip(asked, box.run_all(asked.values()), strict=True))
        rows = [
            _row(name, problem, answer, outcomes) for name, problem, answer in zip(names, found, answers, strict=True)
        ]
        marks = pa.Table.from_pylist(rows, _SEEN)
        return marks.append_column(COMPLETION, pa.array(answers, pa.string())) if self._replies(piece) else marks

    def _replies(self, piece: pa.Table) -> bool:
        """Whether the answers are in what a model said.

        Raises:
            UserError: there is no column with answers.
        """
        replies = self.answer == "reply" or (self.answer == "auto" and COMPLETION not in piece.column_names)
        name = TEXT if replies else COMPLETION
        for wanted in (TASK, name):
            if wanted not in piece.column_names:
                raise UserError(
                    f"evaluate.code: no column {wanted!r}",
                    where=f"the step above; it has {', '.join(piece.column_names) or 'none of those that count'}",
                    fix='rows as {"task_id": "HumanEval/0", "completion": "    return 1"}, or prompts.problems above',
                )
        return replies

    def _answers(self, piece: pa.Table, found: Sequence[Problem | None]) -> list[str | None]:
        """What goes on from each problem's prompt."""
        from hornbook.stages.evaluate._replies import completion_of

        replies = self._replies(piece)
        texts = _column(piece, TEXT if replies else COMPLETION)
        if not replies:
            return [text if isinstance(text, str) else None for text in texts]
        return [
            None if problem is None or not isinstance(text, str) else completion_of(problem, text)
            for problem, text in zip(found, texts, strict=True)
        ]

    def drops(self) -> dict[str, Rule]:
        return {"no_answer": Rule("code.fault", "is set")}

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Answers and those that passed, of each task; verdicts."""
        ran = marks.filter(pc.is_valid(marks.column("code.passed")))
        tasks: dict[str, list[int]] = {}
        both = zip(ran.column("code.task").to_pylist(), ran.column("code.passed").to_pylist(), strict=True)
        for task, passed in both:
            count = tasks.setdefault(task, [0, 0])
            count[0] += 1
            count[1] += passed
        verdicts = pc.value_counts(ran.column("code.verdict")).to_pylist()
        return {"tasks": tasks, "verdicts": {one["values"]: one["counts"] for one in verdicts}}

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """pass@k with intervals, and the counts it is made of.

        Raises:
            UserError: a task has no answer, unless `partial`.
        """
        from hornbook.kernels.passk import mean_pass_at_k

        problems = read_problems(self.problems, self.tasks)
        tasks = {
            problem.key: sums["tasks"][problem.key]
            for problem in problems.every
            if problem.key in sums.get("tasks", {})
        }
        if not self.partial:
            _complete(problems, tasks)
        n, passed = [count[0] for count in tasks.values()], [count[1] for count in tasks.values()]
        said: dict[str, Any] = {}
        for k in self.k:
            if tasks and min(n) >= k:
                mean, ends = mean_pass_at_k(n, passed, k)
                said |= {f"pass@{k}": mean, f"pass@{k}_interval": None if ends is None else list(ends)}
        return said | {
            "problems": len(problems.every),
            "attempted": len(tasks),
            "samples": sum(n),
            "passed": sum(passed),
            "verdicts": dict(sorted(sums.get("verdicts", {}).items())),
            "tasks": tasks,
        }


def _asked(found: Sequence[Problem | None], answers: Sequence[str | None]) -> dict[tuple[str, str], Program]:
    """The program of each different answer to each problem."""
    asked: dict[tuple[str, str], Program] = {}
    for problem, answer in zip(found, answers, strict=True):
        if problem is not None and answer is not None and (problem.key, answer) not in asked:
            asked[problem.key, answer] = Program(program_of(problem, answer) + "\n", problem.checks)
    return asked


def _complete(problems: Problems, tasks: Mapping[str, Sequence[int]]) -> None:
    """
    Raises:
        UserError: a task has no answer.
    """
    without = [problem.key for problem in problems.every if problem.key not in tasks]
    if without:
        shown = ", ".join(without[:5]) + (" …" if len(without) > 5 else "")
        raise UserError(
            f"evaluate.code: {len(without)} of {len(problems.every)} problems have no answer: {shown}",
            where="task_id",
            fix="partial: true for pass@k over the others (nothing is run again), or `tasks` for those that were asked",
        )


def _row(
    name: Any, problem: Problem | None, answer: str | None, outcomes: Mapping[tuple[str, str], Outcome]
) -> dict[str, Any]:
    if problem is None or answer is None:
        fault = f"no problem is called {name!r}"[:200] if problem is None else "no completion"
        return {"code.task": None if problem is None else problem.key, "code.fault": fault}
    one = outcomes[problem.key, answer]
    return {
        "code.task": problem.key,
        "code.verdict": one.verdict,
        "code.error": one.error,
        "code.message": one.message,
        "code.passed": one.verdict == "pass",
    }


def _column(piece: pa.Table, name: str) -> list[Any]:
    return piece.column(name).to_pylist() if name in piece.column_names else [None] * piece.num_rows
