"""Lint: what is wrong with a recipe's prompts, found before a teacher is asked and a cent is spent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from hornbook.core.asking import Request
from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import UserError
from hornbook.core.rules import select
from hornbook.core.stage import Artifact, Ask, Each
from hornbook.engine.diversity import Watching
from hornbook.engine.events import StepEvent
from hornbook.engine.execute import Setting
from hornbook.engine.finding import find_stage, kind_of
from hornbook.engine.linting.findings import Finding
from hornbook.engine.linting.lists import lint_lists
from hornbook.engine.linting.places import placed
from hornbook.engine.linting.prompts import BYTES_A_TOKEN, Hits, PromptChecks, unfilled
from hornbook.engine.mistakes import checked
from hornbook.engine.recipe import Recipe, Step, ancestors
from hornbook.engine.run import above_of, sole, step_keys
from hornbook.engine.streams import rows_asked
from hornbook.store.artifacts import Above, artifact_at
from hornbook.store.manifest import MANIFEST
from hornbook.store.parts import pieces, schema_of
from hornbook.teachers.spec import TeacherSpec

MATCHER = "decontaminate.ngrams"
"""The stage that finds benchmark items; it is run on the prompts, with its own defaults."""
LONGEST_REPLY = 512
"""Where neither stage nor teacher bounds a reply; planning assumes as much."""
COUNTED = 200
"""Prompts that the embedded teacher's own tokenizer counts, the longest ones."""
FORM = 64
"""Tokens that a chat form may add to a prompt. A token is at least a byte, so what is short is not counted."""
MOST_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class Linted:
    """What a lint found.

    Args:
        findings: errors first, then in the order of the steps.
        steps: the steps whose prompts were looked at.
        unseen: steps whose prompts are made of replies, so that nobody can look at them before.
        prompts: how many were looked at.
        seconds: how long looking took, without the steps above.
        says: what was assumed.
    """

    findings: list[Finding]
    steps: list[str]
    unseen: list[str]
    prompts: int
    seconds: float
    says: list[str]


def lint(recipe: Recipe, setting: Setting, against: Sequence[str] = (), context: int = 0) -> Linted:
    """Run the steps up to the prompts and look at them; no teacher is asked, what is run is kept for the run.

    Args:
        recipe: what is looked at.
        setting: as for a run.
        against: files of benchmark items and seeds that no prompt may hold, beside those that the recipe's
            own decontaminate steps name.
        context: longest prompt and reply together in tokens; 0 for what is known of the teacher.

    Raises:
        UserError: the recipe asks nobody, or a file cannot be read.
        HornbookError: a step fails.
    """
    asks = [step for step in recipe.steps if isinstance(step.stage, Ask)]
    if not asks:
        raise UserError("lint looks at prompts, and this recipe asks no teacher", where=recipe.source)
    late = [s for s in asks if any(isinstance(a.stage, Ask) for a in ancestors(s.above, recipe.steps))]
    seen = [step for step in asks if step not in late]
    found: list[Finding] = []
    values: dict[str, None] = {}
    says: list[str] = []
    rows, seconds = 0, 0.0
    with sole(setting.workspace.run(recipe.name), f"`{recipe.name}` is being run"):
        done = _run_above(recipe, seen, setting)
        for step in seen:
            began = time.monotonic()
            looker = _Step(step, above_of(step, recipe.steps, done), recipe, [*against, *_exams(recipe)], context)
            found += looker.look(values, setting, says)
            rows += looker.total
            seconds += time.monotonic() - began
    found += lint_lists(recipe, values)
    found.sort(key=lambda one: one.level != "error")
    found = [placed(one, recipe) for one in found]
    return Linted(found, [s.name for s in seen], [s.name for s in late], rows, seconds, says)


def _run_above(recipe: Recipe, asks: Sequence[Step], setting: Setting) -> dict[str, Artifact]:
    """Do the steps above those that ask; a step that is done is not done again."""
    names = {above.name for ask in asks for above in ancestors(ask.above, recipe.steps)}
    done: dict[str, Artifact] = {}
    for number, step in enumerate(recipe.steps, 1):
        if step.name not in names:
            continue
        where = (step.name, step.use, kind_of(type(step.stage)), number, len(recipe.steps))
        keys, above = step_keys(recipe, step, list(done.values()), setting)
        folder = setting.workspace.artifact(keys.step)
        if (folder / MANIFEST).exists():
            done[step.name] = artifact_at(folder, step.name)
            setting.listen(StepEvent("cached", *where, done[step.name].manifest))
            continue
        setting.listen(StepEvent("started", *where))
        done[step.name] = setting.execute(step, keys, above, folder)
        setting.listen(StepEvent("done", *where, done[step.name].manifest))
    return done


def _exams(recipe: Recipe) -> list[str]:
    """The files that the recipe's own decontaminate steps hold documents against."""
    named = [getattr(step.stage, "against", ()) for step in recipe.steps if step.use.startswith("decontaminate.")]
    return [str(path) for paths in named for path in paths]


class _Step:
    """Looks at the prompts of one step."""

    def __init__(self, step: Step, above: Above, recipe: Recipe, against: Sequence[str], context: int) -> None:
        assert isinstance(step.stage, Ask)
        assert step.teacher is not None
        self.step, self.stage, self.above = step, step.stage, above
        self.total = rows_asked(step.stage, above)
        self.reply = int(getattr(step.stage, "max_tokens", None) or step.teacher.max_tokens or LONGEST_REPLY)
        self.context = context or (step.teacher.context if step.teacher.kind() == "local" else 0)
        self.against = list(dict.fromkeys(against))
        self._frames: Counter[str] = Counter()

    def look(self, values: dict[str, None], setting: Setting, says: list[str]) -> list[Finding]:
        """All findings; the values of the columns that name groups are put into `values`."""
        checks = PromptChecks(self.step.name, self.total, self.context, self.reply)
        leaks, matcher = Hits(), self._matcher()
        columns = Watching.of(self.stage).among(self._columns())
        for piece in self._pieces([*(self.stage.reads or ()), *columns]):
            prompts, frames = self._prompts(piece)
            own = TEXT in piece.column_names and TEXT in (self.stage.reads or ())
            quoted = piece.column(TEXT).to_pylist() if own else None
            if matcher is not None:
                _leaked(matcher, prompts, checks.rows, leaks)
            checks.piece(prompts, frames, self.stage.chosen(piece), quoted)
            for name in (name for name in columns if name in piece.column_names):
                for value in piece.column(name).unique().to_pylist():
                    if isinstance(value, str) and len(values) < MOST_VALUES:
                        values[value] = None
        found = checks.findings(self._ids, self._read, self._counted(checks, setting, says))
        found += self._system()
        if leaks.count:
            names = self._ids(leaks.rows)
            shown = tuple(f"{name} holds {leaks.said[row]}" for name, row in zip(names, leaks.rows, strict=True))
            what, fix = "prompts that hold benchmark items or seeds kept back", "take them out of the seeds"
            found.append(Finding("error", self.step.name, "leaks", what, leaks.count, self.total, shown, fix))
        return found

    def _system(self) -> list[Finding]:
        """Variables that nobody filled in system messages: they would go out with every prompt that has them."""
        holes = {slot: self._frames[text] for text in self._frames if (slot := unfilled(text))}
        if not holes:
            return []
        what, fix = "variables that nobody filled in the system message", "fill the variable, or write `{x}` if meant"
        shown = tuple(f"“{slot}”" for slot in list(holes)[:3])
        return [Finding("error", self.step.name, "system", what, sum(holes.values()), self.total, shown, fix)]

    def _columns(self) -> list[str]:
        return schema_of(self.above.parts()[0]).names if self.above.parts() else []

    def _pieces(self, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        names = None if self.stage.reads is None else list(dict.fromkeys(columns or ()))
        return self.above.documents(names)

    def _prompts(self, piece: pa.Table) -> tuple[list[str | None], list[int]]:
        """Each row's prompt, None where it gives no request; and the bytes of its system messages."""
        reads = self.stage.reads
        own = piece if reads is None else piece.select([name for name in reads if name in piece.column_names])
        prompts: list[str | None] = []
        frames: list[int] = []
        for request in self.stage.ask(own, ""):
            text, frame = (None, "") if request is None else _said(request)
            prompts.append(text)
            frames.append(len(frame.encode()))
            if frame in self._frames or len(self._frames) < MOST_VALUES:
                self._frames[frame] += 1
        return prompts, frames

    def _matcher(self) -> Each | None:
        if not self.against:
            return None
        stage = checked(find_stage(MATCHER), {"against": self.against}, MATCHER, lambda knob: "--against")
        assert isinstance(stage, Each)
        return stage

    def _ids(self, rows: Sequence[int]) -> list[str]:
        found: dict[int, str] = {}
        for numbers, some in self._tables(rows, [ID]):
            ids = some.column(ID).to_pylist() if ID in some.column_names else [None] * len(numbers)
            found |= {row: str(name or f"row {row}") for row, name in zip(numbers, ids, strict=True)}
        return [found[row] for row in rows]

    def _read(self, rows: Sequence[int]) -> dict[int, str]:
        reads = None if self.stage.reads is None else list(self.stage.reads)
        found: dict[int, str] = {}
        for numbers, some in self._tables(rows, reads):
            found |= {row: text or "" for row, text in zip(numbers, self._prompts(some)[0], strict=True)}
        return found

    def _tables(self, rows: Sequence[int], columns: list[str] | None) -> Iterator[tuple[list[int], pa.Table]]:
        """(row numbers, those rows), a piece at a time; parts without any of them are not opened."""
        wanted = sorted(set(rows))
        for part, start, end in zip(self.above.parts(), *_edges(self.above), strict=True):
            if not any(start <= row < end for row in wanted):
                continue
            first = start
            for piece in pieces(part, columns):
                mine = [row for row in wanted if first <= row < first + piece.num_rows]
                if mine:
                    yield mine, piece.take(pa.array([row - first for row in mine]))
                first += piece.num_rows

    def _counted(self, checks: PromptChecks, setting: Setting, says: list[str]) -> dict[int, int]:
        """Tokens of the longest prompts by the embedded teacher's own tokenizer, where it is at hand."""
        spec = self.step.teacher
        assert spec is not None
        tokens = checks.tokens
        if not self.context:
            says.append(f"{self.step.name}: the teacher's context is unknown, lengths were not checked: --context N")
            return {}
        if not tokens.count or BYTES_A_TOKEN * tokens.most + FORM + self.reply < self.context:
            return {}
        longest = tokens.longest(COUNTED)
        prompts = self._read(longest)
        found = _count(spec, setting, [prompts[row] for row in longest])
        says.append(f"{self.step.name}: tokens are " + ("estimated" if found is None else "the teacher's own count"))
        return dict(zip(longest, found or (), strict=False))


def _edges(above: Above) -> tuple[list[int], list[int]]:
    starts = above.starts()
    return starts, [*starts[1:], above.rows()]


def _said(request: Request) -> tuple[str, str]:
    """What a request says to the teacher without its system messages, and these."""
    said = [m["content"] for m in request.messages if m.get("role") != "system"]
    frame = [m["content"] for m in request.messages if m.get("role") == "system"]
    return request.prompt or "\n".join(said), "\n".join(frame)


def _leaked(stage: Each, prompts: list[str | None], first: int, hits: Hits) -> None:
    """Prompts that hold an item of the files."""
    piece = pa.table({TEXT: pa.array([text or "" for text in prompts], pa.large_string())})
    marked = stage.each(piece).append_column("row", pa.array(range(first, first + len(prompts))))
    _, gone = select(marked, stage.drops())
    said = dict(zip(gone.column("row").to_pylist(), gone.column("evidence").to_pylist(), strict=True))
    hits.add(list(said), lambda row: str(said[row]))


def _count(spec: TeacherSpec, setting: Setting, prompts: list[str]) -> list[int] | None:
    """Tokens as the embedded teacher counts them, None where it is another teacher or not on this machine."""
    if spec.kind() != "local":
        return None
    from hornbook.teachers.weights import find

    path = find(spec.model, setting.cache)
    if path is None:
        return None
    try:
        from hornbook.teachers.counting import count_tokens
    except ImportError:
        return None
    return count_tokens(path, prompts)
