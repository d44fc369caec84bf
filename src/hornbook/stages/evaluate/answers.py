"""evaluate.answers: how well the student knows right programs that it cannot write yet."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.sandbox.values import Wall
from hornbook.stages.evaluate._prompting import beginner
from hornbook.store.problems import Problem, problems_knob, read_problems, tasks_knob

if TYPE_CHECKING:
    from hornbook.nn.tokens import Tokens
    from hornbook.stages.evaluate._wrong import Choice

Kind = Literal["operator", "comparison", "logic", "constant", "off_by_one", "arguments", "name", "return", "dropped"]
_WRONG = pa.list_(
    pa.struct(
        [(name, pa.string()) for name in ("kind", "before", "after", "verdict")]
        + [("line", pa.int32()), ("bytes", pa.int64()), ("nats", pa.float64())]
    )
)
_SCHEMA = pa.schema(
    [
        ("task_id", pa.string()),
        ("bytes", pa.int64()),
        ("tokens", pa.int64()),
        ("nats", pa.float64()),
        ("bits_per_byte", pa.float64()),
        ("wrong", _WRONG),
    ]
)


class Answers(Job):
    """What the solutions of HumanEval or MBPP cost the student, and whether it likes them better than wrong ones.

    A student that passes no problem can still be told from another: by the bits per byte of each problem's own
    solution, read after its prompt, and by how often that solution is likelier than every one of `wrong` programs that
    differ from it in one place and fail the problem's tests (`kernels.mutants`; run in the sandbox). Who knows nothing
    prefers it in 1 of `wrong` + 1 problems.

    Facts: `bits_per_byte`, `low`, `high` (of all solutions together; bootstrap over problems); `preferred` (share of
    problems whose solution is likelier in total than all wrong ones) and `preferred_per_byte` (the same by nats a
    byte: some changes make a program shorter), `chance`; `pairs`, `pairs_per_byte` (share of wrong ones that the
    solution is likelier than, chance 0.5), each with `_low` and `_high` (95 %, problems drawn); `n` (problems
    compared), `problems`, `wrong`, `by_kind`, `unsound` (problems whose own solution does not pass here: left out),
    `cut` (problems longer than the context).

    Writes `answers.json` (the facts) and `answers.parquet` (task_id, bytes, tokens, nats, bits_per_byte, wrong).
    """

    makes: ClassVar[Makes] = "exam"
    needs: ClassVar[tuple[Makes, ...]] = ("student", "tokens")

    problems: InputPath = problems_knob()
    tasks: str = tasks_knob()
    wrong: int = knob(
        4,
        help="wrong programs beside each solution, fewer where there are no more; our choice",
        unit="programs",
        ge=1,
        le=100,
    )
    kinds: tuple[Kind, ...] = knob(
        ("operator", "comparison", "logic", "constant", "arguments", "name"),
        help="of change. Left out are those that make a program longer or shorter, off_by_one, return and dropped: of "
        "these a student judges the length",
    )
    form: Literal["paper", "docstring"] = knob(
        "paper",
        help="how MBPP's problems are put: as its paper does, or the words and the first test as a docstring",
        source="MBPP, arXiv:2108.07732; google-research/mbpp, README",
    )
    shots: int = knob(0, help="MBPP: examples before each problem, its tasks 2, 3, 4", unit="examples", ge=0, le=3)
    timeout: float = knob(
        1.0, help="longest run of a program, waiting for a busy processor not counted; what takes longer fails. Ours: "
        "every change that loops for ever takes all of it", unit="seconds", gt=0.0, le=3600.0,
    )  # fmt: skip
    memory: int = knob(1024, help="most memory of a run; ours", unit="MB", ge=16, le=1 << 20)
    walls: tuple[Wall, ...] = knob(
        get_args(Wall), help="walls without which nothing is run; `hornbook doctor` says which stand here"
    )
    workers: int = knob(0, help="programs run at a time; 0: as many as there are cores", unit="processes", ge=0)
    resamples: int = knob(1000, help="bootstrap resamples over problems", ge=1, source="Efron 1979; 95 % percentiles")
    batch: int = knob(16, help="windows scored at once", unit="windows", ge=1)
    device: Literal["auto", "cpu", "cuda"] = knob("auto", help="auto: CUDA where there is one")
    threads: int = knob(1, help="CPU threads: one is never caught by a busy neighbour", unit="threads", ge=1)
    seed: int = knob(0, help="of the changes and of the bootstrap")

    @field_validator("kinds")
    @classmethod
    def _some(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if not value:
            raise ValueError("kinds: at least one, [operator]")
        return value

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        import pyarrow.parquet as pq

        from hornbook.nn.export import same_vocabulary
        from hornbook.nn.tokens import Tokens
        from hornbook.stages.evaluate._wrong import Telling, Wanted, run_choices

        student, tokens = inputs.nearest("student").folder / "student", Tokens(inputs.nearest("tokens").folder)
        same_vocabulary(student, tokens)
        problems = read_problems(self.problems, self.tasks)
        solved = [problem for problem in problems.every if problem.solution.strip()]
        if not solved:
            fix = "a file with canonical_solution (HumanEval) or code (MBPP)"
            raise UserError("evaluate.answers: no problem has a solution", where=self.problems, fix=fix)
        begin = beginner(problems, read_problems(self.problems, "all"), self.form, self.shots)
        asked = Wanted(
            self.tasks, self.wrong, self.seed, self.kinds, self.timeout, self.memory, self.walls, self.workers
        )
        found, unsound = run_choices(
            [self.problems], asked, Telling(lambda share: tick(0.5 * share, "running right and wrong programs"))
        )
        if not found:
            raise UserError(
                f"evaluate.answers: none of {len(solved)} solutions passes its own tests here",
                where=self.problems,
                fix=f"a longer timeout than {self.timeout:g} s, or see evaluate.code on the solutions themselves",
            )
        rows, cut = self._rows(found, begin, student, tokens, tick)
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), folder / "answers.parquet", compression="zstd")
        facts = self._facts(rows) | {"problems": len(problems.every), "unsound": unsound, "cut": cut}
        (folder / "answers.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return facts

    def _rows(
        self,
        found: Sequence[Choice],
        begin: Callable[[Problem], str],
        student: Path,
        tokens: Tokens,
        tick: Callable[[float, str], None],
    ) -> tuple[list[dict[str, Any]], int]:
        """A row for each problem, and how many do not fit into the context."""
        import numpy as np
        from tokenizers import Tokenizer

        from hornbook.nn.export import load_student
        from hornbook.nn.machine import kept_threads, pick_device
        from hornbook.nn.scoring import nats

        tokenizer = Tokenizer.from_file(str(tokens.folder / "tokenizer.json"))
        texts = [[_answer(one.problem, text) for text in _programs(one)] for one in found]
        flat = [text for some in texts for text in some]
        ids = [one.ids for one in tokenizer.encode_batch(flat, add_special_tokens=False)]
        before = [begin(one.problem) for one in found]
        heads = [one.ids for one in tokenizer.encode_batch(before, add_special_tokens=False)]
        given = [head for head, some in zip(heads, texts, strict=True) for _ in some]
        documents = [np.array([*head, *some], np.int64) for head, some in zip(given, ids, strict=True)]
        with kept_threads(self.threads):
            model = load_student(student).to(pick_device(self.device))
            cost = nats(
                model, documents, tokens.end, after=[len(head) for head in given], batch=self.batch,
                tick=lambda share: tick(0.5 + 0.5 * share, "scoring right and wrong programs"),
            ).tolist()  # fmt: skip
        rows: list[dict[str, Any]] = []
        cut = at = 0
        for one, some in zip(found, texts, strict=True):
            cut += len(documents[at]) > model.shape.context
            rows.append(_row(one, some, len(ids[at]), cost[at : at + len(some)]))
            at += len(some)
        return rows, cut

    def _facts(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        import numpy as np

        from hornbook.kernels.intervals import share

        sizes, bits = (np.array([row[name] for row in rows], float) for name in ("bytes", "nats"))
        bits /= math.log(2)
        draws = np.random.default_rng(self.seed)
        picks = draws.integers(0, len(rows), (self.resamples, len(rows)))
        low, high = np.quantile(bits[picks].sum(1) / sizes[picks].sum(1), [0.025, 0.975])
        said: dict[str, Any] = {
            "bits_per_byte": float(bits.sum() / sizes.sum()),
            "low": float(low),
            "high": float(high),
        }
        compared = [row for row in rows if row["wrong"]]
        for name, wins in (("", _wins(compared, per_byte=False)), ("_per_byte", _wins(compared, per_byte=True))):
            first = {str(at): (1, all(some)) for at, some in enumerate(wins)}
            pairs = {str(at): (len(some), sum(some)) for at, some in enumerate(wins)}
            for what, groups in (("preferred", first), ("pairs", pairs)):
                mean, ends = share(groups)
                both = (None, None) if ends is None else ends
                said |= {f"{what}{name}": mean, f"{what}{name}_low": both[0], f"{what}{name}_high": both[1]}
        many = [len(row["wrong"]) for row in compared]
        said["chance"] = sum(1 / (count + 1) for count in many) / len(many) if many else None
        return said | {"n": len(compared), "wrong": sum(many), "by_kind": _by_kind(compared)}


def _programs(one: Choice) -> list[str]:
    """The right program, then the wrong ones."""
    return [one.problem.prompt + one.problem.solution, *(mutant.text for mutant, _ in one.wrong)]


def _answer(problem: Problem, program: str) -> str:
    """What of a program is scored: behind the prompt, with the line feed that the prompt was given without."""
    return program[len(problem.prompt.rstrip()) :] if problem.prompt else f"\n{program}"


def _row(one: Choice, texts: Sequence[str], tokens: int, cost: Sequence[float]) -> dict[str, Any]:
    sizes = [len(text.encode()) for text in texts]
    wrong = [
        {
            "kind": mutant.kind,
            "before": mutant.before,
            "after": mutant.after,
            "verdict": verdict,
            "line": mutant.line,
            "bytes": size,
            "nats": nats,
        }
        for (mutant, verdict), size, nats in zip(one.wrong, sizes[1:], cost[1:], strict=True)
    ]
    each = cost[0] / math.log(2) / sizes[0]
    return {
        "task_id": one.problem.key,
        "bytes": sizes[0],
        "tokens": tokens,
        "nats": cost[0],
        "bits_per_byte": each,
        "wrong": wrong,
    }


def _wins(rows: Sequence[Mapping[str, Any]], *, per_byte: bool) -> list[list[bool]]:
    """For each problem, which of its wrong programs the right one is likelier than; as likely is not likelier."""

    def cost(one: Mapping[str, Any]) -> float:
        return float(one["nats"] / one["bytes"] if per_byte else one["nats"])

    return [[cost(row) < cost(one) for one in row["wrong"]] for row in rows]


def _by_kind(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each kind of change its wrong programs, and the share that the right one is likelier than."""
    found: dict[str, list[int]] = {}
    both = zip(_wins(rows, per_byte=False), _wins(rows, per_byte=True), strict=True)
    for row, (total, each) in zip(rows, both, strict=True):
        for one, *wins in zip(row["wrong"], total, each, strict=True):
            cell = found.setdefault(one["kind"], [0, 0, 0])
            cell[0] += 1
            cell[1] += wins[0]
            cell[2] += wins[1]
    return {
        kind: {"wrong": many, "pairs": round(total / many, 4), "pairs_per_byte": round(each / many, 4)}
        for kind, (many, total, each) in sorted(found.items())
    }
