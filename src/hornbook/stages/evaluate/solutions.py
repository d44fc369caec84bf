"""evaluate.solutions: the student writes programs for the problems of HumanEval or MBPP, several for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, PROMPT, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Inputs, Makes, Source
from hornbook.stages.evaluate._prompting import beginner, program_of, stops_of
from hornbook.stages.evaluate._writing import How, write
from hornbook.store.problems import problems_knob, read_problems, tasks_knob

SCHEMA = pa.schema(
    [(name, pa.string()) for name in (ID, TEXT, ORIGIN, PROMPT, "task_id", "completion")]
    + [("completion.number", pa.int32()), ("completion.ended", pa.bool_()), ("completion.cut", pa.bool_())]
)
_CODEX = "Codex, arXiv:2107.03374"
_AT_ONCE = 512
"""Programs an item, about: a part of its own, however many workers there are; of 64 problems at most."""


class Solutions(Source):
    """Programs written by the student above: `completion` is what it wrote, `text` the whole program.

    The rows are those of openai/human-eval's samples.jsonl (`task_id`, `completion`) and more, and evaluate.code runs
    them. Each program draws from its own stream of random numbers, made of `seed`, the task and its number, so more
    programs hold the fewer.

    Columns: id (`HumanEval/0#3`), text, origin (the task), prompt (what the student read), task_id, completion,
    `completion.number`, `completion.ended` (bool: by itself or at a stop, not at max_tokens), `completion.cut` (bool:
    the prompt is longer than half the student's context and lost its beginning).

    Raises:
        UserError: the problems cannot be read.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("student", "tokens")

    problems: InputPath = problems_knob()
    tasks: str = tasks_knob()
    n: int = knob(
        10,
        help="programs for each problem; one at temperature 0",
        unit="programs",
        ge=1,
        source="ours: Codex wrote 200",
    )
    temperature: float = knob(
        0.2, help="0 is greedy", ge=0, source=f"{_CODEX}, section 3.2: 0.2 is best for pass@1, 0.8 for pass@100"
    )
    top_k: int = knob(0, help="draw among so many likeliest tokens; 0: all", unit="tokens", ge=0)
    max_tokens: int = knob(256, help="longest program; our choice", unit="tokens", ge=1)
    stop: list[str] | None = knob(
        None,
        help="an answer ends before the first of these; unset: for HumanEval a line that begins with class, def, #, if "
        "or print; for MBPP [DONE], or what ends a function where `form` is docstring",
        source=f"{_CODEX}, section 2.1",
    )
    form: Literal["paper", "docstring"] = knob(
        "paper",
        help="how MBPP's problems are put: as its paper does, or the words and the first test as a docstring",
        source="MBPP, arXiv:2108.07732; google-research/mbpp, README",
    )
    shots: int = knob(
        0, help="MBPP: examples before each problem, its tasks 2, 3, 4; its paper has 3, a small context has no room",
        unit="examples", ge=0, le=3,
    )  # fmt: skip
    batch: int = knob(64, help="texts written at once", unit="texts", ge=1)
    device: Literal["auto", "cpu", "cuda"] = knob("auto", help="auto: CUDA where there is one")
    seed: int = knob(0, help="of the draws")

    def shards(self, inputs: Inputs) -> list[Any]:
        """Some problems an item.

        Raises:
            UserError: the problems cannot be read, or an example to be shown is not there.
        """
        problems = read_problems(self.problems, self.tasks)
        beginner(problems, read_problems(self.problems, "all"), self.form, self.shots)
        many, each = len(problems.every), max(1, min(64, _AT_ONCE // self._each()))
        return [[at, min(at + each, many)] for at in range(0, many, each)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The programs of an item's problems, problem by problem."""
        first, last = item
        problems = read_problems(self.problems, self.tasks)
        begin = beginner(problems, read_problems(self.problems, "all"), self.form, self.shots)
        asked = [(problem, number) for problem in problems.every[first:last] for number in range(self._each())]
        names = [f"{problem.key}#{number}" for problem, number in asked]
        beginnings = [begin(problem) for problem, _ in asked]
        stops = stops_of(problems.every, self.form) if self.stop is None else tuple(filter(None, self.stop))
        how = How(self.temperature, self.top_k, self.max_tokens, self.seed, self.batch, self.device, stops)
        written = write(inputs, beginnings, names, how)
        yield pa.table(
            {
                ID: names,
                TEXT: [program_of(problem, said.text) for (problem, _), said in zip(asked, written, strict=True)],
                ORIGIN: [problem.key for problem, _ in asked],
                PROMPT: beginnings,
                "task_id": [problem.key for problem, _ in asked],
                "completion": [said.text for said in written],
                "completion.number": [number for _, number in asked],
                "completion.ended": [said.ended for said in written],
                "completion.cut": [said.cut for said in written],
            },
            schema=SCHEMA,
        )

    def _each(self) -> int:
        return self.n if self.temperature > 0 else 1
