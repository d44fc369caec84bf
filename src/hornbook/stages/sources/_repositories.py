"""What the stages that read repositories have in common: which files are wanted, and what is dropped."""

from __future__ import annotations

from typing import Literal

from hornbook.core.documents import PIECE_BYTES
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Source
from hornbook.stages.sources._code import Limits


class Repositories(Source):
    """A document is a file of a repository."""

    languages: list[str] | None = knob(
        None, help="languages kept, as in `lang` (python, c++); others are dropped; unset keeps all"
    )
    licences: Literal["any", "permissive"] = knob(
        "any", help="permissive: drop what is not known to be under a permissive licence, as The Stack does"
    )
    vendored: Literal["drop", "mark"] = knob("drop", help="copies of others' code (vendor/, third_party/, jquery.js)")
    generated: Literal["drop", "mark"] = knob("drop", help="what a program wrote (lock files, _pb2.py, @generated)")
    errors: Literal["drop", "replace"] = knob("drop", help="bytes that are not UTF-8: drop the file, or put U+FFFD")
    max_bytes: int = knob(
        2**20,
        ge=1,
        le=PIECE_BYTES,
        unit="bytes of UTF-8",
        help="longest file; longer ones are dropped",
        source="The Stack, arXiv:2211.15533, section 3.1: files above 1 MB are left out (from memory)",
    )
    limit: int | None = knob(None, ge=1, unit="documents", help="stop after the first so many; unset reads all")

    def limits(self) -> Limits:
        """Which files are wanted."""
        langs = None if self.languages is None else frozenset(lang.lower() for lang in self.languages)
        return Limits(self.max_bytes, self.errors == "replace", langs)

    def drops(self) -> dict[str, Rule]:
        """What is vendored, generated or under no permissive licence, as the knobs say."""
        rules = {}
        if self.vendored == "drop":
            rules["vendored"] = Rule("sources.vendored", "is set")
        if self.generated == "drop":
            rules["generated"] = Rule("sources.generated", "is set")
        if self.licences == "permissive":
            rules["licence"] = Rule("sources.permissive", "==", False, evidence="licence")
        return rules
