"""How a run ended: the verdict of what ended it, and where."""

from __future__ import annotations

import errno
import os
import re
from types import CodeType
from typing import Any

LONGEST = 500
"""Characters of a message that are kept. Ours."""
_WALLS = frozenset([errno.EPERM, errno.EACCES, errno.EROFS])
_FULL = frozenset([errno.EFBIG, errno.ENOSPC, errno.EDQUOT])
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def passed() -> dict[str, Any]:
    return {"verdict": "pass", "error": "", "message": "", "line": 0}


def ending(error: BaseException, name: str) -> dict[str, Any]:
    """Verdict, class, message and line of what ended a text that was compiled under `name`."""
    name_of = vars(type)["__name__"].__get__
    return {
        "verdict": _verdict(error),
        "error": name_of(type(error)),
        "message": message(error),
        "line": _line(error, name),
    }


def unreadable(error: BaseException) -> dict[str, Any]:
    """Of a text that does not compile."""
    line = getattr(error, "lineno", 0)
    return {
        "verdict": "syntax",
        "error": type(error).__name__,
        "message": clean(str(getattr(error, "msg", None) or error)),
        "line": line if isinstance(line, int) else 0,
    }


def compiled(text: str, name: str) -> CodeType | dict[str, Any]:
    """A text's code, or how it ended."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(text, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        return unreadable(error)


def message(error: BaseException) -> str:
    """What an exception says of itself, which may be code of the program's."""
    try:
        return clean(str(error))
    except BaseException:
        return ""


def clean(text: str) -> str:
    """Cut, without addresses of objects, and fit for UTF-8."""
    return _ADDRESS.sub("", text[: 4 * LONGEST])[:LONGEST].encode("utf-8", "replace").decode()


def _verdict(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "exited"
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, AssertionError):
        return "assertion"
    if isinstance(error, OSError) and (error.errno in _WALLS or type(error).__name__ == "gaierror" or _hidden(error)):
        return "blocked"
    if isinstance(error, OSError) and error.errno in _FULL:
        return "output"
    return "error"


def _hidden(error: OSError) -> bool:
    """Whether it asked for a path outside its own folder: behind walls such files do not even seem to be there."""
    path = error.filename
    if error.errno != errno.ENOENT or type(path) is not str or not path.startswith("/"):
        return False
    return not path.startswith(f"{os.getcwd()}/")  # noqa: PTH109 (pathlib stays out of the walls)


def _line(error: BaseException, name: str) -> int:
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
