"""prompts.problems: the problems of HumanEval or MBPP as prompts, so that any teacher can sit the exam."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, PIECE_ROWS, PROMPT, SAMPLE
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob, local_path
from hornbook.core.stage import Inputs, Source
from hornbook.store.problems import Problem, problems_knob, read_problems, tasks_knob

SCHEMA = pa.schema(
    [(name, pa.string()) for name in (ID, PROMPT, ORIGIN, "task_id", "entry_point")] + [(SAMPLE, pa.int64())]
)
_SLOT = re.compile(r"\{(prompt|task|tests|entry_point)\}")
_NEEDS = {"function": ("prompt",), "task": ("task", "tests")}


class Problems(Source):
    """A prompt for each problem, `samples` times: generate.complete asks them, evaluate.code runs what comes back.

    HumanEval's problems are functions to be completed, MBPP's a task in words with its tests.

    Columns: id (the task's name, `HumanEval/0#1` for its second sample), prompt, origin, task_id, entry_point, sample.

    Raises:
        UserError: the problems or the wording cannot be read, or a place is missing in it.
    """

    problems: InputPath = problems_knob()
    tasks: str = tasks_knob()
    samples: int = knob(1, help="replies wanted to each", unit="replies", ge=1, le=100_000)
    form: Literal["instruct", "plain"] = knob(
        "instruct", help="instruct: as a request in words, for models that chat; plain: HumanEval's prompt alone"
    )
    language: Literal["en", "zh"] = knob("en", help="of the request")
    wording: InputPath = knob(
        InputPath("shipped:problems"),
        help="folder with function.LANGUAGE.txt ({prompt} in it) and task.LANGUAGE.txt ({task}, {tests}; {entry_point} "
        "if you like); our own words",
    )

    def shards(self, inputs: Inputs) -> list[Any]:
        """Some problems an item, about 4,096 prompts.

        Raises:
            UserError: the problems or the wording cannot be used.
        """
        problems = read_problems(self.problems, self.tasks).every
        self._prompt(problems[0], {})
        many, each = len(problems), max(1, PIECE_ROWS // self.samples)
        return [[at, min(at + each, many)] for at in range(0, many, each)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The prompts of an item's problems, problem by problem."""
        first, last = item
        wordings: dict[str, str] = {}
        rows: list[dict[str, Any]] = []
        for problem in read_problems(self.problems, self.tasks).every[first:last]:
            said = self._prompt(problem, wordings)
            for sample in range(self.samples):
                row = {PROMPT: said, ORIGIN: problem.key, "task_id": problem.key, "entry_point": problem.entry_point}
                rows.append(row | {ID: problem.key if not sample else f"{problem.key}#{sample}", SAMPLE: sample})
            if len(rows) >= PIECE_ROWS:
                yield pa.Table.from_pylist(rows, SCHEMA)
                rows = []
        if rows:
            yield pa.Table.from_pylist(rows, SCHEMA)

    def _prompt(self, problem: Problem, wordings: dict[str, str]) -> str:
        """A problem as a prompt; what stands in it is never taken for a place."""
        if self.form == "plain" and problem.prompt:
            return problem.prompt
        kind = "function" if problem.prompt else "task"
        if kind not in wordings:
            wordings[kind] = self._wording(kind)
        values: Mapping[str, str] = {
            "prompt": problem.prompt.rstrip(),
            "task": problem.task,
            "tests": "\n".join(problem.tests),
            "entry_point": problem.entry_point,
        }
        return _SLOT.sub(lambda found: values[found[1]], wordings[kind])

    def _wording(self, kind: str) -> str:
        """
        Raises:
            UserError: it cannot be read, or lacks a place.
        """
        path = Path(local_path(self.wording)) / f"{kind}.{self.language}.txt"
        fix = "wording: a folder with function.en.txt and task.en.txt"
        try:
            words = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the wording: {error}", where=str(path), fix=fix) from error
        lacking = [name for name in _NEEDS[kind] if f"{{{name}}}" not in words]
        if lacking:
            raise UserError(f"the wording lacks {{{lacking[0]}}}", where=str(path), fix="write it in it")
        return words
