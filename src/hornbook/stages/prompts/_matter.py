"""What a row that is asked about directly gives to templates: a seed, or a prompt that is ready."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hornbook.core.documents import MESSAGES, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.stages.prompts._catalogue import find_templates
from hornbook.stages.prompts._extracts import cleaned, cut, line, says_something
from hornbook.stages.prompts._templates import ENDINGS, NAMES, Template

TASK, CONTEXT, PASSAGES, PASSAGE = 4_000, 20, 3, 600
"""Characters of a ready prompt, lines of context, passages and characters of each; our choice. They bound a prompt."""
TOPICS = ("prompts.topic", "topic", "cluster.topic")
READ = (TEXT, *TOPICS, "context", "passages")


def values_of(row: Mapping[str, Any], most: int, short: int) -> dict[str, Any] | None:
    """What templates may know of a row; None where there is nothing to write about.

    Args:
        row: a seed, or a row with a prompt, which is then `task`.
        most: characters of an extract.
        short: a text with fewer is a topic.
    """
    text = cut(cleaned(text_of(row, TEXT)[: 2 * most + 64]), most)
    topic = next((line(said) for name in TOPICS if says_something(said := text_of(row, name)[:1000])), "")
    task = cut(cleaned(_task(row)[: 2 * TASK]), TASK)
    if not says_something(task + text + topic):
        return None
    context = [line(one, 200) for one in text_of(row, "context")[:40_000].splitlines() if says_something(one)]
    small = len(text) < short
    found: dict[str, Any] = dict.fromkeys(NAMES)
    return found | {
        "task": task or None,
        "extract": None if small or task else text,
        "text": text or None,
        "topic": topic or (line(text) if small and not task else "") or None,
        "context": context[-CONTEXT:] or None,
        "passages": _passages(row.get("passages")),
    }


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A column's text; '' where it is something else, or not there."""
    found = row.get(name)
    return found if isinstance(found, str) else ""


def templates_of(stage: str, language: str, paths: Sequence[str], ship: bool = True) -> dict[str, Template]:
    """A stage's templates of a language by name, loaded once a process; again when a file of the user's has changed.

    Raises:
        UserError: one of them is wrong, or none is among the user's files.
    """
    return _loaded(stage, language, own_files(tuple(map(str, paths))), ship)


def own_files(paths: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    """A user's template and wording files, with size and time.

    Raises:
        UserError: none is among them.
    """
    if not paths:
        return ()
    from hornbook.store.reading import expand

    found = [Path(file.path) for file in expand(list(paths))]
    kept = [path for path in found if path.suffix in (*ENDINGS, ".yaml", ".yml")]
    if not kept:
        raise UserError(
            "no template among the files of `templates`",
            where=", ".join(paths),
            fix=f"templates end in {', '.join(ENDINGS)}, wordings in .yaml",
        )
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in kept)


@lru_cache(maxsize=16)
def _loaded(stage: str, language: str, own: tuple[tuple[str, int, int], ...], ship: bool) -> dict[str, Template]:
    found = find_templates(stage, [language], [Path(path) for path, _, _ in own], ship=ship)
    return {template.name: template for template in found}


def _task(row: Mapping[str, Any]) -> str:
    """A ready prompt: `prompt`, else what the user says in `messages`."""
    prompt = text_of(row, PROMPT)
    if prompt.strip() or not row.get(MESSAGES):
        return prompt
    given = row[MESSAGES]
    try:
        chat = json.loads(given) if isinstance(given, str) else given
    except (TypeError, ValueError, RecursionError):
        return ""
    said = [one for one in chat if isinstance(one, dict)] if isinstance(chat, list) else []
    return "\n\n".join(str(one["content"]) for one in said if one.get("role") == "user" and one.get("content"))


def _passages(given: Any) -> list[dict[str, str]] | None:
    """Retrieved passages, a few and short."""
    found = []
    for passage in given if isinstance(given, list) else ():
        text = passage.get("text") if isinstance(passage, dict) else None
        if isinstance(text, str) and says_something(text[: 2 * PASSAGE]):
            found.append(
                {"text": cut(cleaned(text[: 2 * PASSAGE]), PASSAGE), "source": str(passage.get("source") or "")}
            )
    return found[:PASSAGES] or None
