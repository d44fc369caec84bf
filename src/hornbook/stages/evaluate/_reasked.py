"""A row's prompt as it is sent again, and the question whether a text supports a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbook.core.errors import UserError
from hornbook.core.knobs import local_path
from hornbook.kernels.words import BY_ITSELF, texts, words

_SLOT = re.compile(r"\{(text|sentence)\}")
_NAME = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
_LONG = 2_000
"""Characters of a sentence that are shown; our choice: longer ones are none."""


def messages_of(chat: Any, prompt: Any, system: str) -> tuple[dict[str, str], ...]:
    """A row's `messages`, else its `prompt` as one user's message; as generate.complete sends them."""
    found = _chat(chat) or ({"role": "user", "content": str(prompt)},)
    if system and found[0]["role"] != "system":
        return ({"role": "system", "content": system}, *found)
    return found


def has_prompt(chat: Any, prompt: Any) -> bool:
    """Whether a row says what is to be asked."""
    return bool(_chat(chat)) or (isinstance(prompt, str) and bool(prompt.strip()))


def _chat(given: Any) -> tuple[dict[str, str], ...]:
    if not given:
        return ()
    try:
        value = json.loads(given) if isinstance(given, str) else given
        return tuple({"role": str(m["role"]), "content": str(m["content"])} for m in value)
    except (TypeError, ValueError, KeyError, RecursionError):
        return ()


class Question:
    """The question in several languages, read once each.

    Args:
        folder: holds supported.LANGUAGE.txt.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._read: dict[str, str] = {}

    def say(self, language: str, text: str, sentence: str) -> str:
        """The question about a text and a sentence; what stands in these is never taken for a place.

        Raises:
            UserError: there is no such file, or a place is missing in it.
        """
        values = {"text": text, "sentence": sentence[:_LONG]}
        return _SLOT.sub(lambda found: values[found[1]], self._words(language))

    def language(self, row: Mapping[str, Any]) -> str:
        """A row's language: as it says (`prompts.language`, `language`), else Chinese where most words are Han's."""
        for name in ("prompts.language", "language"):
            said = row.get(name)
            if isinstance(said, str) and _NAME.fullmatch(said.strip()):
                return said.strip().replace("_", "-").lower().split("-")[0]
        import pyarrow as pa

        found = words(*texts(pa.array([str(row.get("text") or "")[:_LONG]], pa.large_string())))
        alone = int(((found.flags & BY_ITSELF) != 0).sum())
        return "zh" if 2 * alone > found.hashes.size else "en"

    def _words(self, language: str) -> str:
        if language not in self._read:
            folder = Path(local_path(self._folder))
            path = folder / f"supported.{language}.txt"
            path = path if path.exists() else folder / "supported.en.txt"
            try:
                words_ = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(
                    f"cannot read the question: {error}", where=str(path), fix="wording: a folder with supported.en.txt"
                ) from error
            if sorted(_SLOT.findall(words_)) != ["sentence", "text"]:
                raise UserError(
                    "the question needs {text} and {sentence}, once each", where=str(path), fix="write them in it"
                )
            self._read[language] = words_
        return self._read[language]
