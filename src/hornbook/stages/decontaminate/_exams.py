"""Solutions of exams as trees and vectors, and the functions of a text that are compared with them."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.core.stage import Dropped
from hornbook.kernels.embedders import embedder
from hornbook.kernels.parsing import LONGEST, parse
from hornbook.kernels.syntax import Constants, Function, Names, functions
from hornbook.kernels.trees import Common, Trees, common, trees
from hornbook.store.reading import File, expand, read_file
from hornbook.store.remembered import remembered

FLOOR = 0.5
"""Match rates below it are not worked out: far under the least that phi-1 tried, 0.8."""
UNKNOWN = 0
"""The number of every label that no exam has."""
_TEXTS = ("text", "prompt", "question", "query", "instruction", "input")
_BEGINS = ("def ", "class ", "async def ", "@")


@dataclass(frozen=True, slots=True)
class Unit:
    """A function and its source."""

    function: Function
    source: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Exams:
    """What documents are compared with.

    Args:
        keys: `file:id` of each item. texts: what is asked and its solution.
        vectors: float32 (items, dimensions) of unit length; (0, 0) without an embedding.
        units: the functions of all solutions that are large enough. owners: int32 (functions,), their items.
        numbers: label → its number, from 1.
        trees, shared: the functions as `kernels.trees` has them.
        most: nodes of the largest function that can still match half.
    """

    keys: list[str]
    texts: list[str]
    vectors: NDArray[np.float32]
    units: list[Unit]
    owners: NDArray[np.int32]
    numbers: dict[str, int]
    trees: Trees
    shared: Common
    most: int


def _load(
    against: tuple[str, ...], names: Names, constants: Constants, tidy: bool, min_nodes: int, embedding: str
) -> Exams:
    keys: list[str] = []
    said: list[str] = []
    units: list[Unit] = []
    owners: list[int] = []
    for key, task, code in (item for file in expand(against) for item in _items(file)):
        for unit in read(code, names, constants, tidy, min_nodes, LONGEST):
            units.append(unit)
            owners.append(len(keys))
        keys.append(key)
        said.append(task + code)
    numbers: dict[str, int] = {}
    labels = [[numbers.setdefault(label, len(numbers) + 1) for label in unit.function.labels] for unit in units]
    among = trees(labels, [unit.function.left for unit in units])
    vectors = np.zeros((0, 0), np.float32)
    if embedding != "none":
        vectors = embedder(embedding)(pa.array(said, pa.large_string()))
    largest = max(map(len, labels), default=0)
    return Exams(
        keys,
        said,
        vectors,
        units,
        np.array(owners, np.int32),
        numbers,
        among,
        common(among),
        math.ceil(largest / FLOOR),
    )


load = remembered(_load)


def read(text: str, names: Names, constants: Constants, tidy: bool, least: int, most: int) -> list[Unit]:
    """The functions of a text, of the whole where it is Python, else of each piece that begins with `def`, `class` or
    `@` at the beginning of a line and is Python by itself; without those that have fewer than `least` nodes or more
    than `most`, and without `__init__` and the like, which are much the same in every class."""
    out: list[Unit] = []
    for line, source, tree in _modules(text):
        lines = _lines(source)
        for function in functions(tree, names, constants, tidy, most):
            special = function.name.startswith("__") and function.name.endswith("__")
            if not special and len(function.labels) >= least:
                own = "\n".join(lines[function.first - 1 : function.last])
                out.append(Unit(function, own, line + function.first - 1, line + function.last - 1))
    return out


def _modules(text: str) -> Iterator[tuple[int, str, ast.Module]]:
    """(number of the first line, source, tree) of the whole text, or of its pieces where it is no Python."""
    whole = parse(text).tree
    if whole is not None:
        yield 1, text, whole
        return
    for line, source in _pieces(text):
        tree = parse(source).tree
        if tree is not None:
            yield line, source, tree


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """(number of the first line, source) of what stands below each `def`, `class` or `@` at the beginning of a line; of
    a text that is longer than what is parsed, of its beginning."""
    piece: list[str] = []
    begun, decorated = 0, False
    for number, line in enumerate(_lines(text[:LONGEST]), 1):
        inside = not line or line[0] in " \t)]}"
        if piece and (inside or decorated):
            piece.append(line)
        else:
            if piece:
                yield begun, "\n".join(piece)
            begun, piece = number, [line] if line.startswith(_BEGINS) else []
        decorated = bool(piece) and line.startswith("@")
    if piece:
        yield begun, "\n".join(piece)


def _lines(text: str) -> list[str]:
    """Lines as Python counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _items(file: File) -> Iterator[tuple[str, str, str]]:
    """(key, what is asked, solution) of the rows of a file.

    Raises:
        UserError: a row cannot be read, or has no field that is known to hold a text.
    """
    benchmark = file.name.split("/")[-1].split(".")[0]
    for found in read_file(file, need=(*_TEXTS, "code", "canonical_solution")):
        if isinstance(found, Dropped):
            [fault] = found.table.slice(0, 1).to_pylist()
            raise UserError(
                f"decontaminate.code: not an item: {fault['reason']}",
                where=fault["evidence"],
                fix="one JSON object a line, with a string in code, canonical_solution or text",
            )
        for row in found.to_pylist():
            given = row.get("task_id")
            key = row["id"].removeprefix(f"{file.name}:") if given is None else given
            yield f"{benchmark}:{key}", *_said(row)


def _said(row: dict[str, Any]) -> tuple[str, str]:
    """(what is asked, solution): HumanEval's solution goes on where its prompt ends, MBPP's stands by itself."""
    have = {name: value for name, value in row.items() if isinstance(value, str) and value.strip()}
    task = next((have[name] for name in _TEXTS if name in have), "")
    if "canonical_solution" in have:
        return "", task + have["canonical_solution"]
    return (task + "\n", have["code"]) if "code" in have else ("", task)


def numbered(unit: Unit, exams: Exams) -> list[int]:
    """The labels of a function as the exams' numbers."""
    return [exams.numbers.get(label, UNKNOWN) for label in unit.function.labels]


def different(labels: Sequence[list[int]], left: Sequence[list[int]]) -> tuple[list[int], NDArray[np.int64]]:
    """(the first of each kind of tree, the kind of each tree): equal trees are compared once."""
    kinds: dict[tuple[bytes, bytes], int] = {}
    first: list[int] = []
    kind = np.zeros(len(labels), np.int64)
    for at, (one, two) in enumerate(zip(labels, left, strict=True)):
        key = np.array(one, np.int32).tobytes(), np.array(two, np.int32).tobytes()
        if key not in kinds:
            kinds[key] = len(first)
            first.append(at)
        kind[at] = kinds[key]
    return first, kind
