"""Problems whose answers are programs, as the files of HumanEval and MBPP have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornbook.core.errors import UserError, nearest
from hornbook.core.knobs import knob, local_path
from hornbook.store.reading import File, expand
from hornbook.store.reading.streams import Broken, blocks
from hornbook.store.remembered import remembered

_DEFINED = re.compile(r"^(?:async\s+)?def\s+([^\W\d]\w*)", re.MULTILINE)
_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
_TESTED = range(11, 511)
_WHOLE = 400
"""MBPP problems of which `auto` takes the test split: the whole has 974, its sanitized part 427."""
_FIX = "one problem a line: HumanEval's task_id, prompt, entry_point, test; or MBPP's text, code, task_id, test_list"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem and what is to hold of an answer.

    Args:
        key: its name, `HumanEval/0`, `MBPP/11`.
        prompt: the beginning of the program, which the answer goes on from; '' where the answer is all of it.
        solution: a right answer, '' where the file has none.
        entry_point: the function that is tested.
        checks: Python that is run after the program on what it defined.
        task: the problem in words, '' where it stands in the prompt.
        tests: lines of the checks that a prompt may show.
    """

    key: str
    prompt: str
    solution: str
    entry_point: str
    checks: str
    task: str = ""
    tests: tuple[str, ...] = ()

    def number(self) -> int:
        """The number in its name, -1 where there is none."""
        last = self.key.rpartition("/")[2]
        return int(last) if last.isascii() and last.isdecimal() and len(last) < 10 else -1


class Problems:
    """Problems by name; `MBPP/11` is also found as `mbpp/11`, and as 11 where one file alone is read.

    Args:
        every: no two of one name.
    """

    def __init__(self, every: Sequence[Problem]) -> None:
        self.every = tuple(every)
        self._named = {problem.key: problem for problem in every}
        self._lower = {key.lower(): problem for key, problem in self._named.items()}
        bare: dict[str, Problem | None] = {}
        for problem in every:
            last = problem.key.rpartition("/")[2]
            bare[last] = None if last in bare else problem
        self._bare = bare

    def find(self, name: object) -> Problem | None:
        """The problem of a name or number, None where there is none."""
        text = str(name)
        return self._named.get(text) or self._lower.get(text.lower()) or self._bare.get(text)


def problems_knob() -> Any:
    """Knob of a stage: the file that `read_problems` reads."""
    return knob(help="HumanEval.jsonl or mbpp.jsonl, packed or not, as they are; or your own in their form")


def tasks_knob() -> Any:
    """Knob of a stage: which of the file's problems."""
    return knob(
        "auto",
        help="which: `all`; numbers and names, `11-510, HumanEval/3`; auto: of the whole MBPP its test split, else all",
        source="google-research/mbpp, README: 11 to 510",
    )


def read_problems(paths: str | Sequence[str], tasks: str = "auto") -> Problems:
    """The problems of files, in their order: JSON Lines or a JSON array, packed or not.

    Args:
        paths: files, globs or URLs; `shipped:NAME` for those that come with Hornbook.
        tasks: names or ranges of numbers, `11-510, HumanEval/3`; `all`; `auto`: of the whole MBPP, and of
            its sanitized part, the test split, 11 to 510 (google-research/mbpp, README), else all.

    Raises:
        UserError: a file cannot be read, a row is no problem, two have one name, or a task is not there.
    """
    given = [paths] if isinstance(paths, str) else list(paths)
    return _read(tuple(local_path(path) for path in given), tasks)


def _load(paths: tuple[str, ...], tasks: str) -> Problems:
    found: dict[str, Problem] = {}
    for file in expand(paths):
        for at, row in enumerate(_rows(file), 1):
            problem = _problem(row, f"{file.path}:{at}")
            if problem.key in found:
                raise UserError(f"two problems are called {problem.key}", where=f"{file.path}:{at}", fix=_FIX)
            found[problem.key] = problem
    if not found:
        raise UserError("there are no problems", where=", ".join(paths), fix=_FIX)
    return Problems(_chosen(list(found.values()), tasks.strip()))


_read = remembered(_load)


def _rows(file: File) -> Iterator[Any]:
    """JSON values of a file; numbers of any size, for HumanEval+ has such.

    Raises:
        UserError: it cannot be read.
    """
    at = 0
    try:
        text = b"".join(blocks(file)).decode("utf-8-sig")
        if text.lstrip().startswith("["):
            yield from json.loads(text)
            return
        for at, line in enumerate(text.split("\n"), 1):  # noqa: B007
            if line.strip():
                yield json.loads(line)
    except Broken as error:
        raise UserError(f"cannot read the problems: {error}", where=file.path, fix=_FIX) from error
    except (ValueError, RecursionError) as error:
        where = f"{file.path}:{at}" if at else file.path
        raise UserError(f"cannot read the problems: {error}"[:300], where=where, fix=_FIX) from error


def _problem(row: Any, where: str) -> Problem:
    """One row, by the fields it has.

    Raises:
        UserError: it has neither HumanEval's nor MBPP's.
    """
    if isinstance(row, Mapping) and row.get("task_id") is not None:
        texts = {name: value.replace("\r\n", "\n") for name, value in row.items() if isinstance(value, str)}
        if {"prompt", "entry_point", "test"} <= set(texts):
            checks = f"{texts['test']}\ncheck({texts['entry_point']})\n"
            solution = texts.get("canonical_solution", "")
            return Problem(str(row["task_id"]), texts["prompt"], solution, texts["entry_point"], checks)
        tests = row.get("test_list")
        if isinstance(tests, list) and all(isinstance(test, str) for test in tests) and tests:
            return _of_asserts(row, texts, [test.replace("\r\n", "\n") for test in tests])
    raise UserError("this row is no problem", where=where, fix=_FIX)


def _of_asserts(row: Mapping[str, Any], texts: Mapping[str, str], tests: list[str]) -> Problem:
    """MBPP's rows, and those of its sanitized part."""
    code = texts.get("code", "")
    imports = row.get("test_imports")
    setup = [line for line in imports if isinstance(line, str)] if isinstance(imports, list) else []
    checks = "\n".join([*setup, texts.get("test_setup_code", ""), *tests]).strip() + "\n"
    named = _DEFINED.findall(code)
    tested = [name for name in named if re.search(rf"\b{re.escape(name)}\s*\(", tests[0])]
    name = str(row["task_id"])
    key = f"MBPP/{name}" if name.isdecimal() else name
    words = texts.get("text") or texts.get("prompt") or ""
    return Problem(key, "", code, (tested or named or [""])[0], checks, words, tuple(tests))


def _chosen(found: list[Problem], tasks: str) -> list[Problem]:
    """The problems that are asked for.

    Raises:
        UserError: a task is not there.
    """
    if tasks == "all":
        return found
    if tasks == "auto":
        whole = sum(problem.key.startswith("MBPP/") for problem in found) >= _WHOLE
        return [p for p in found if not (whole and p.key.startswith("MBPP/")) or p.number() in _TESTED]
    names = Problems(found)
    wanted: dict[str, None] = {}
    for entry in (part.strip() for part in tasks.split(",")):
        span = _RANGE.fullmatch(entry)
        some = _between(found, int(span[1]), int(span[2])) if span else [names.find(entry)]
        if not some or some[0] is None:
            like = nearest(entry, [problem.key for problem in found])
            fix = f"did you mean {like}?" if like else f"there are {found[0].key} … {found[-1].key}"
            raise UserError(f"there is no task {entry!r}", where="tasks", fix=fix)
        wanted |= dict.fromkeys(problem.key for problem in some if problem is not None)
    return [problem for problem in found if problem.key in wanted]


def _between(found: Iterable[Problem], first: int, last: int) -> list[Problem | None]:
    return [problem for problem in found if first <= problem.number() <= last]
