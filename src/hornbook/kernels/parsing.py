"""Python source to its tree, whatever the source is."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from threading import Lock

LONGEST = 1_000_000
"""Characters: a tree takes some hundred bytes a character, and nobody wrote a longer module. Our choice."""
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A module's tree, or why there is none.

    Args:
        tree: None where the text is no Python.
        fault: `line 3: invalid syntax`; empty where there is a tree.
    """

    tree: ast.Module | None
    fault: str = ""


def parse(text: str) -> Parsed:
    """The tree of a module, by the rules of the Python that runs.

    Never raises: too deep, too long, NUL and numbers of too many digits are faults as any other.
    """
    if len(text) > LONGEST:
        return Parsed(None, f"{len(text):,} characters, more than {LONGEST:,} are not read")
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():  # a strange escape is a warning, which is not thread-safe
            warnings.simplefilter("ignore")
            return Parsed(ast.parse(text))
    except SyntaxError as error:
        return Parsed(None, f"line {error.lineno or 0}: {error.msg}")
    except (RecursionError, MemoryError):
        return Parsed(None, "nested too deeply")
    except ValueError as error:
        return Parsed(None, str(error))
