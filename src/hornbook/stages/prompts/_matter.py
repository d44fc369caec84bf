"""What a row that is asked about directly gives to templates: a seed, or a prompt that is ready."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.core.documents import MESSAGES, PROMPT, TEXT
from hornbook.stages.prompts._catalogue import load_templates
from hornbook.stages.prompts._extracts import cleaned, cut, line, says_something
from hornbook.stages.prompts._seeds import context_of, passages_of
from hornbook.stages.prompts._templates import NAMES, Template

TASK, CONTEXT, PASSAGES = 4_000, 20, 3
"""Characters of a ready prompt, lines of context, passages; our choice. They bound a prompt."""
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
    small = len(text) < short
    found: dict[str, Any] = dict.fromkeys(NAMES)
    return found | {
        "task": task or None,
        "extract": None if small or task else text,
        "text": text or None,
        "topic": topic or (line(text) if small and not task else "") or None,
        "context": (context_of(text_of(row, "context")[:40_000]) or [])[-CONTEXT:] or None,
        "passages": (passages_of(row.get("passages")) or [])[:PASSAGES] or None,
    }


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A column's text; '' where it is something else, or not there."""
    found = row.get(name)
    return found if isinstance(found, str) else ""


def templates_of(stage: str, language: str, paths: Sequence[str], ship: bool = True) -> dict[str, Template]:
    """A stage's templates of a language by name.

    Raises:
        UserError: one of them is wrong, or none is among the user's files.
    """
    return {template.name: template for template in load_templates(stage, [language], paths, ship=ship)}


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
