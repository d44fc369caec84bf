"""What a teacher is told when it judges, criticises and rewrites: files of words, one for each language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, local_path

SHIPPED = InputPath("shipped:complete")
ENGLISH = "en"
SLOTS = {
    "score": ("task", "text"),
    "pair": ("task", "first", "second"),
    "critique": (),
    "rewrite": ("faults",),
    "rubric": (),
}
"""Name of a file → what must have a place in it; `{rubric}` may have one in each."""
_SLOT = re.compile(r"\{(rubric|task|text|first|second|faults)\}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


@dataclass(frozen=True)
class Wording:
    """The words of a step, read once each.

    Args:
        folder: holds NAME.LANGUAGE.txt.
        rubric: a file that stands for the folder's rubrics, `*` in its name for the language; '' for those.
    """

    folder: str
    rubric: str = ""
    _read: dict[tuple[str, str], str] = field(default_factory=dict)

    def say(self, name: str, language: str | None, values: Mapping[str, str]) -> str:
        """A file's words with the values in their places; what stands in a value is never taken for a place.

        Args:
            name: which of `SLOTS`.
            language: of the row (`zh`, `zh-Hans` …); English where there are no words in it, or None.
            values: what belongs into the places.

        Raises:
            UserError: there is no such file, or a place is missing in it.
        """
        filled = {"rubric": self.words("rubric", language), **values}
        return _SLOT.sub(lambda found: filled.get(found[1], found[0]), self.words(name, language))

    def words(self, name: str, language: str | None) -> str:
        """A file's words, in the language or in English."""
        plain = language.strip().replace("_", "-").lower() if isinstance(language, str) else ""
        plain = plain if _LANGUAGE.fullmatch(plain) else ENGLISH
        if (name, plain) not in self._read:
            self._read[name, plain] = self._found(name, plain)
        return self._read[name, plain]

    def _found(self, name: str, language: str) -> str:
        own = name == "rubric" and self.rubric
        pattern = local_path(self.rubric) if own else str(Path(local_path(self.folder)) / f"{name}.*.txt")
        languages = dict.fromkeys((language, language.partition("-")[0], ENGLISH))
        tried = [pattern.replace("*", one) for one in languages]
        path = next((Path(one) for one in tried if Path(one).is_file()), Path(tried[-1]))
        knob = "rubric" if own else "wording"
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"cannot read the words of `{name}`: {error}",
                where=str(path),
                fix=f"{knob}: text in UTF-8, {name}.en.txt for English; copy the shipped ones and edit them",
            ) from error
        if missing := [slot for slot in SLOTS[name] if f"{{{slot}}}" not in text]:
            raise UserError(
                f"there is no place for {' and '.join(f'{{{slot}}}' for slot in missing)}",
                where=str(path),
                fix=f"write {' and '.join(f'{{{slot}}}' for slot in SLOTS[name])} where they belong",
            )
        return text
