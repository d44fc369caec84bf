"""A text criticised and rewritten by its own writer (Self-Refine: Madaan et al. 2023, arXiv:2303.17651)."""

from __future__ import annotations

from hornbook.core.asking import Reply
from hornbook.stages.generate._best import Course, Found, Want
from hornbook.teachers.json_text import json_in

CRITIQUE = {
    "type": "object",
    "properties": {"faults": {"type": "string"}, "fine": {"type": "boolean"}},
    "required": ["faults", "fine"],
    "additionalProperties": False,
}
_LONGEST = 8_000
"""Characters of a critique that are shown to the writer. Our choice: no three sentences are longer."""


def revising(found: Found, rounds: int) -> Course:
    """Have the text that is kept criticised and rewritten, until it is fine, comes back as it was before, or a reply
    is of no use: then what was there stays."""
    seen = {found.text}
    for _ in range(rounds if found.kept is not None else 0):
        faults = faults_of((yield Want("critique", texts=(found.text,))))
        if not faults:
            return
        reply = yield Want("rewrite", texts=(found.text,), faults=faults)
        text = found.clean(reply) if reply.error is None else ""
        broke_off = reply.finish == "length" and found.kept is not None and found.kept.finish != "length"
        if not text or broke_off or text in seen:
            return
        seen.add(text)
        found.text, found.kept = text, reply
        found.revisions += 1


def faults_of(reply: Reply) -> str:
    """The faults that a critique names; '' where it finds the text fine, or is of no use."""
    if reply.error is not None:
        return ""
    value, _ = json_in(reply.text, lambda found: isinstance(found, dict) and "fine" in found)
    if not isinstance(value, dict) or value.get("fine") is not False:
        return ""
    said = value.get("faults")
    faults = [one for one in said if isinstance(one, str)] if isinstance(said, list) else [said]
    return "\n".join(one.strip() for one in faults if isinstance(one, str) and one.strip())[:_LONGEST]
