"""What a file of code is: its language, whether it was copied in or made by a program."""

from __future__ import annotations

import re

from hornbook.store.reading.texts import lang_of

_SHEBANG = re.compile(rb"#![ \t]*(?:/\S*/)?(?:env[ \t]+(?:-\S+[ \t]+)*)?([A-Za-z+]+)")
_INTERPRETERS = {
    b"awk": "awk", b"gawk": "awk", b"bash": "shell", b"dash": "shell", b"ksh": "shell", b"sh": "shell",
    b"zsh": "shell", b"fish": "shell", b"groovy": "groovy", b"julia": "julia", b"lua": "lua", b"luajit": "lua",
    b"make": "make", b"node": "javascript", b"nodejs": "javascript", b"deno": "typescript", b"ocaml": "ocaml",
    b"perl": "perl", b"php": "php", b"pwsh": "powershell", b"python": "python", b"pypy": "python",
    b"Rscript": "r", b"ruby": "ruby", b"racket": "racket", b"runhaskell": "haskell", b"scala": "scala",
    b"tclsh": "tcl", b"wish": "tcl",
}  # fmt: skip
"""Names after `#!` → language (after Linguist's `interpreters`, from memory)."""

VENDORED = re.compile(
    r"(?:^|/)(?:_?vendor|_?vendored(?:[-_][^/]*)?|vendors|third[-_]?party|3rd[-_]?party|node_modules|bower_components|extern|"
    r"externals?|deps|Godeps|Pods|Carthage|site-packages|cache|dist|\.yarn|gradle/wrapper)/"
    r"|(?:^|/)(?:jquery|bootstrap|angular|react|vue|d3|three|mathjax|prototype|modernizr|underscore)"
    r"[^/]*\.(?:js|css|ts)$"
    r"|(?:^|/)(?:gradlew(?:\.bat)?|mvnw(?:\.cmd)?|versioneer\.py|ez_setup\.py|get-pip\.py|config\.(?:guess|sub)|"
    r"ltmain\.sh|libtool\.m4|aclocal\.m4|configure)$",
    re.IGNORECASE,
)
"""Paths of what others wrote (after Linguist's vendor.yml, from memory; ours are fewer)."""

_MADE_NAMES = re.compile(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|poetry\.lock|pipfile\.lock|uv\.lock|"
    r"cargo\.lock|composer\.lock|gemfile\.lock|go\.sum|flake\.lock)$"
    r"|\.min\.(?:js|css)$|\.(?:js|css)\.map$|(?:_pb2(?:_grpc)?\.pyi?|\.pb\.(?:go|cc|h)|\.designer\.cs|\.g\.dart)$",
    re.IGNORECASE,
)
_MADE_WORDS = re.compile(
    r"@generated|generated (?:by|from|using|with|automatically)|auto[- ]?generated|automatically generated|"
    r"this (?:file|code) (?:is|was) generated|do not (?:edit|modify)|machine generated",
    re.IGNORECASE,
)
_HEAD = 1_000
_COMMENT = re.compile(r"^\s*(?:#|//|/\*|\*|--|;|%|<!--|\"\"\"|'''|\(\*)")
_MINIFIED = 110
"""Characters a line from which JavaScript and CSS are minified (Linguist, generated.rb `minified_files?`)."""


def language(name: str, data: bytes) -> str:
    """By file name, else by `#!`, '' where neither says."""
    found = lang_of(name)
    if found or not data.startswith(b"#!"):
        return found
    match = _SHEBANG.match(data)
    return _INTERPRETERS.get(match[1], "") if match else ""


def vendored(path: str) -> str | None:
    """The part of a path that says that others wrote it, None where none does."""
    match = VENDORED.search(path)
    return match[0].strip("/") if match else None


def generated(path: str, lang: str, text: str) -> str | None:
    """What says that a program wrote a file, None where nothing does.

    A sign is in the name, in a comment among the first 1,000 characters, or JavaScript's and CSS's line lengths.
    """
    match = _MADE_NAMES.search(path)
    if match:
        return match[0].strip("/")
    head = text[:_HEAD]
    if lang and (match := _MADE_WORDS.search(head)):
        line = head[head.rfind("\n", 0, match.start()) + 1 :]
        if _COMMENT.match(line):
            return match[0]
    if lang in ("javascript", "css") and len(text) > _MINIFIED * (text.count("\n") + 1):
        return f"{len(text) // (text.count(chr(10)) + 1):,} characters a line"
    return None
