"""quality.parses: whether a text is a Python program, without running it."""

from __future__ import annotations

import ast
from typing import ClassVar

import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each

FAULT, MISSING = "code.fault", "code.missing"


class Parses(Each):
    """Parses each document and drops what is no Python, or does not define what it was asked to.

    Marks: `code.fault` (string: line and what is wrong; null where it parses), `code.functions`, `code.classes`
    (int32: definitions anywhere in it; null where it does not parse), `code.missing` (string: the name in the
    column `entry_point`, where the module defines no function or class of that name; else null).
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT, "entry_point")

    needs_entry_point: bool = knob(
        True, help="drop programs that do not define the name in their column `entry_point`", threshold=True
    )
    min_functions: int = knob(0, help="fewest functions", unit="functions", threshold=True, ge=0)

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.parsing import parse

        texts = piece.column(TEXT).to_pylist()
        names = piece.column("entry_point").to_pylist() if "entry_point" in piece.column_names else [None] * len(texts)
        faults, missing = [], []
        functions: list[int | None] = []
        classes: list[int | None] = []
        for text, name in zip(texts, names, strict=True):
            parsed = parse(text)
            faults.append(parsed.fault or None)
            nodes = [] if parsed.tree is None else [type(node) for node in ast.walk(parsed.tree)]
            counts = (sum(kind in _FUNCTIONS for kind in nodes), nodes.count(ast.ClassDef))
            functions.append(None if parsed.tree is None else counts[0])
            classes.append(None if parsed.tree is None else counts[1])
            missing.append(name if parsed.tree is not None and name and not _defines(parsed.tree, name) else None)
        return pa.table(
            {
                FAULT: pa.array(faults, pa.string()),
                "code.functions": pa.array(functions, pa.int32()),
                "code.classes": pa.array(classes, pa.int32()),
                MISSING: pa.array(missing, pa.string()),
            }
        )

    def drops(self) -> dict[str, Rule]:
        rules = {"syntax": Rule(FAULT, "is set")}
        if self.needs_entry_point:
            rules["undefined"] = Rule(MISSING, "is set")
        if self.min_functions:
            rules["few_functions"] = Rule("code.functions", "<", self.min_functions)
        return rules


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _defines(tree: ast.Module, name: str) -> bool:
    """Whether the module itself binds the name: by a definition or by `name = …`."""
    for node in tree.body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) and node.name == name:
            return True
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            return True
    return False
