"""report.arms: what data sets taught, side by side: means over seeds, intervals, differences, and what can be said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Artifact, Inputs, Job, Makes


class Arms(Job):
    """Puts the scores of students of several data sets (arms) into one table, and says what it shows.

    A row is an arm, a column a score of an exam: its mean over seeds, with the 95 % interval of that mean by
    Student's t. Arms are compared with the first one, and with the arm that `over` names for them, student by student
    of the same seed: mean difference, interval, p (paired t; from 8 to 16 seeds the exact sign-flip test), and p
    adjusted by Holm's method over all comparisons of a column. A difference is told where the adjusted p is below
    `level` and there are three seeds or more, and not otherwise.

    Usually it is written by `compare:` of a recipe. Writes `arms.json` (the facts) and `arms.parquet` (arm, seed, exam,
    score, value).
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "exam"
    needs: ClassVar[tuple[Makes, ...]] = ("student", "exam")

    arms: dict[str, dict[str, list[str]]] = knob(
        ..., help="arm → seed → the steps of that student: training, then exams; all arms have the same seeds"
    )
    over: dict[str, str] = knob(
        {}, help="arm → another arm it is compared with as well as with the first, such as itself before fine-tuning"
    )
    scores: list[str] = knob(
        ["bits_per_byte", "preferred", "pass@*", "accuracy"],
        help="facts of exams that are columns, by the last part of their name; * stands for anything",
    )
    less: list[str] = knob(["*bits_per_byte*", "*loss*"], help="those of which less is better")
    shares: list[str] = knob(["preferred", "pass@*", "accuracy"], help="those that are shares of an exam's items")
    level: float = knob(
        0.01,
        gt=0.0,
        lt=1.0,
        help="adjusted p below which a difference is told",
        source="modded-nanogpt: a record needs p < 0.01 over several runs",
    )

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        """Make the table.

        Raises:
            UserError: a step is not above, arms have not the same seeds, or no exam has a score.
        """
        import orjson
        import pyarrow as pa
        import pyarrow.parquet as pq

        from hornbook.stages.report._arms import Table, values_of
        from hornbook.store.files import whole

        known = {artifact.step: artifact for artifact in inputs.above}
        self._check(known)
        rows = [
            (arm, seed, *found)
            for arm, seeds in self.arms.items()
            for seed, steps in seeds.items()
            for found in values_of([known[step] for step in steps], self.scores)
        ]
        if not rows:
            raise UserError(
                f"no exam above has one of the scores {', '.join(self.scores)}",
                where=", ".join(sorted({artifact.stage for artifact in known.values() if artifact.makes != "student"})),
                fix="scores: names of facts of the exams (`hornbook look RUN --step EXAM` shows them)",
            )
        table = Table(rows, self.arms, self.over, self.less, self.shares, self.level)
        facts = table.facts() | {"trained": _trained(self.arms, known)}
        names = ("arm", "seed", "exam", "score", "value")
        columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
        pq.write_table(pa.table(columns), folder / "arms.parquet", compression="zstd")
        with whole(folder / "arms.json") as draft:
            draft.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
        return facts

    def _check(self, known: dict[str, Artifact]) -> None:
        """See that all steps are there, and that students can be paired."""
        seeds = {arm: sorted(of) for arm, of in self.arms.items()}
        for arm, mine in seeds.items():
            other = next(iter(seeds.values()))
            if mine != other or not mine:
                fix = "the same seeds for all arms: they are compared student by student"
                what = f"{arm} has the seeds {', '.join(mine) or 'none'}, not {', '.join(other)}"
                raise UserError(what, where="arms", fix=fix)
        for arm, of in self.over.items():
            if arm not in self.arms or of not in self.arms:
                raise UserError(f"over: {arm}: {of}: no such arm", where="over", fix=f"arms: {', '.join(self.arms)}")
        missing = [step for of in self.arms.values() for steps in of.values() for step in steps if step not in known]
        if missing:
            fix = "name it in `from:`"
            raise UserError(f"arms: the step `{missing[0]}` does not stand above this one", where="arms", fix=fix)


def _trained(arms: dict[str, dict[str, list[str]]], known: dict[str, Artifact]) -> dict[str, list[int]]:
    """Arm → tokens that its students were trained on, one after the other: from scratch, then fine-tuned."""
    found: dict[str, list[int]] = {}
    for arm, seeds in arms.items():
        students = [[known[step] for step in steps if known[step].makes == "student"] for steps in seeds.values()]
        courses = [[int(one.manifest["facts"].get("tokens_seen", 0)) for one in each] for each in students]
        found[arm] = courses[0] if all(course == courses[0] for course in courses) else []
    return found
