"""What a Python program's tree says of its style, and of what it reaches for outside itself."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

REACHES = ("network", "files", "processes", "input", "dynamic", "foreign")
_MODULES = {
    "network": "socket socketserver ssl urllib http ftplib smtplib poplib imaplib telnetlib xmlrpc asyncore asynchat "
    "nntplib requests httpx aiohttp urllib3 paramiko websockets wsgiref webbrowser",
    "files": "shutil tempfile glob fileinput sqlite3 dbm shelve zipfile tarfile mmap",
    "processes": "subprocess multiprocessing pty signal",
    "input": "getpass curses readline",
    "dynamic": "importlib runpy code codeop",
    "foreign": "ctypes cffi",
}
_CALLS = {
    "files": "open io.open os.open os.remove os.unlink os.rename os.replace os.mkdir os.makedirs os.rmdir "
    "os.removedirs os.listdir os.scandir os.walk os.chmod os.chown os.symlink os.link os.truncate",
    "processes": "os.system os.popen os.fork os.forkpty os.kill os.killpg os.execv os.execve os.execl os.execlp "
    "os.execvp os.spawnv os.spawnl os.posix_spawn asyncio.create_subprocess_exec asyncio.create_subprocess_shell",
    "input": "input sys.stdin.read sys.stdin.readline sys.stdin.readlines",
    "dynamic": "eval exec compile __import__",
    "network": "asyncio.open_connection asyncio.start_server",
}
_METHODS = {"files": "read_text write_text read_bytes write_bytes iterdir rglob to_csv to_pickle read_csv"}


def _by_name(lists: dict[str, str]) -> dict[str, str]:
    return {name: kind for kind, names in lists.items() for name in names.split()}


_MODULE, _CALL, _METHOD = _by_name(_MODULES), _by_name(_CALLS), _by_name(_METHODS)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one program's text and tree show; None where there is no tree (see `CodeStyle`)."""

    lines: int
    longest: int | None = None
    documented: float | None = None
    hollow: bool | None = None
    star: bool | None = None
    third_party: bool | None = None
    reaches: frozenset[str] | None = None


def seen(text: str) -> Seen:
    """Look at one program."""
    from hornbook.kernels.parsing import parse

    lines = sum(not line.isspace() for line in text.split("\n") if line)
    tree = parse(text).tree
    if tree is None:
        return Seen(lines)
    nodes = list(ast.walk(tree))
    definitions = [node for node in nodes if isinstance(node, _DEFINITIONS)]
    functions = [node for node in definitions if not isinstance(node, ast.ClassDef)]
    modules = {name for node in nodes for name in _imported(node)}
    documented = sum(ast.get_docstring(node, clean=False) is not None for node in definitions)
    names = _full_names(nodes)
    return Seen(
        lines=lines,
        longest=max(((node.end_lineno or 0) - node.lineno + 1 for node in functions), default=0),
        documented=documented / len(definitions) if definitions else None,
        hollow=any(_hollow(node) for node in functions),
        star=any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes),
        third_party=any(name not in sys.stdlib_module_names for name in modules),
        reaches=frozenset(
            [_MODULE[name] for name in modules if name in _MODULE]
            + [kind for node in nodes if isinstance(node, ast.Call) for kind in _called(node, names)]
        ),
    )


def _imported(node: ast.AST) -> Iterator[str]:
    """Top-level packages that a statement imports; none for a relative import."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]


def _full_names(nodes: list[ast.AST]) -> dict[str, str]:
    """Local name → full name of what is imported: `from os import remove as rm` gives rm → os.remove."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _called(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    """What a call reaches for."""
    parts: list[str] = []
    function = node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        full = ".".join([names.get(function.id, function.id), *reversed(parts)])
        if full in _CALL:
            yield _CALL[full]
    if parts and parts[0] in _METHOD:
        yield _METHOD[parts[0]]


def _hollow(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether nothing is done: a docstring, `pass`, `...` or `raise NotImplementedError` and no more.

    Abstract and overloaded functions are meant to be so.
    """
    marks = {getattr(mark, "id", getattr(mark, "attr", "")) for mark in node.decorator_list}
    return not marks & {"abstractmethod", "overload"} and all(_nothing(part) for part in node.body)


def _nothing(part: ast.stmt) -> bool:
    if isinstance(part, ast.Pass):
        return True
    if isinstance(part, ast.Expr):
        return isinstance(part.value, ast.Constant)
    if isinstance(part, ast.Raise) and part.exc is not None:
        raised = part.exc.func if isinstance(part.exc, ast.Call) else part.exc
        return getattr(raised, "id", "") == "NotImplementedError"
    return False
