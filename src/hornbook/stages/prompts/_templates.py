"""Templates of prompts: Jinja files with front matter, checked when they are loaded, compiled once a worker.

    ---
    format: textbook_narrative          # what is asked for
    language: en                        # whose wording it uses
    needs: [extract]                    # what a seed must have: extract, topic, text, context, passages, source,
    source: Cosmopedia, A4.1            #   or a column of the seeds by its name     (source: whose method)
    audience: [college]                 # unset: every audience of the language's wording
    uses: [outline.unit]                # further columns of the seeds, none where they are not there
    about: one line for people
    ---
    {% pick %}
    Write a section of a textbook about {{ topic }} for {{ audience.reader }}.
    {% or %}
    …
    {% endpick %}
    {{ phrase.manners }}
    {% part extract %}

The template's name is the file's stem. In it are known: `extract` (the beginning of the seed, cut at a sentence),
`topic`, `text`, `context` (lines), `passages` (of `text` and `source`), `source`, the columns of `needs` and `uses`
(a dot in a name is written `_`), each none where the seed has none, so `{% if topic %}`. `audience.SLOT` and
`phrase.SLOT` are one of the wording's alternatives, `audience.name` the audience's name. `{% pick %}…{% or %}…
{% endpick %}` gives one of its alternatives, `["a", "b"] | pick` too; `TEXT | cut(600)` ends at a sentence, and
`LIST | some(2, 5)` keeps so many items in their order. `{% part NAME %}` puts in a part of the wording.

Templates are untrusted (jinja2's sandbox), what they say of seeds is data: text of a seed is never read as template.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hornbook.core.errors import UserError, nearest
from hornbook.stages.prompts._drawing import DRAWS as _DRAWS
from hornbook.stages.prompts._sandbox import Draws, Environment, Slots
from hornbook.stages.prompts._wording import Wording, load_yaml, mistake

DRAWS = _DRAWS
NAMES = ("extract", "topic", "text", "context", "passages", "source")
"""What every template knows of its seed."""
ENDINGS = (".jinja", ".jinja2", ".j2")
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?\n", re.DOTALL | re.MULTILINE)
_BLANK = re.compile(r"\n{3,}")


class Front(BaseModel):
    """Front matter."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str = Field(min_length=1)
    language: str = Field(min_length=1)
    needs: list[str] = Field(min_length=1)
    source: str = Field(min_length=1)
    audience: list[str] | None = None
    uses: list[str] = Field(default_factory=list)
    about: str = ""


@dataclass(frozen=True)
class Template:
    """A template that was checked.

    Args:
        name: the file's stem.
        path: the file, for errors.
        front: its front matter.
        audiences: those it is for, all with a wording.
        code: Jinja's compiled template.
        draws: set before rendering.
        slots: audience → what `audience.X` and `phrase.X` stand for.
    """

    name: str
    path: str
    front: Front
    audiences: tuple[str, ...]
    code: Any
    draws: Draws
    slots: dict[str, dict[str, Sequence[str]]]

    @cached_property
    def needs(self) -> frozenset[str]:
        """What a seed must have."""
        return frozenset(self.front.needs)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of the seeds that it names beyond those that all know."""
        return tuple(name for name in dict.fromkeys([*self.front.needs, *self.front.uses]) if name not in NAMES)

    def render(self, values: dict[str, Any], audience: str, numbers: list[int]) -> str:
        """The prompt.

        Args:
            values: all that it may know of the seed, by variable.
            audience: one of its audiences.
            numbers: DRAWS numbers under 2^32.

        Raises:
            UserError: the template does what cannot be done with these values; with file and line.
        """
        draws = self.draws
        draws.numbers, draws.at, draws.slots = numbers, 0, self.slots[audience]
        try:
            said = "".join(self.code.root_render_func(self.code.new_context(values, True)))
        except Exception as error:
            raise self._failed(error) from error
        said = said.strip()
        return _BLANK.sub("\n\n", said) if "\n\n\n" in said else said

    def _failed(self, error: Exception) -> UserError:
        line, trace = 1, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.path:
                line = self.code.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        what = str(error) or type(error).__name__
        return UserError(
            f"template {self.name}: {what[:200]}",
            where=f"{self.path}:{line}",
            fix="name in `needs` what must be there, or ask `{% if … %}`: what a seed lacks is none",
        )


def variable(column: str) -> str:
    """How a template writes a column: `outline.unit` is `outline_unit`."""
    return column.replace(".", "_")


def load_template(path: Path, environment: Environment) -> Template:
    """A template from its file.

    Args:
        path: the file.
        environment: that of its language.

    Raises:
        UserError: front matter or template are wrong; with file and line.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    front, body, before = _front(text, path)
    try:
        tree = environment.parse("\n" * before + body, path.stem, str(path))
        audiences = _audiences(environment.wording, front, path, text)
        known = {*NAMES, *(variable(name) for name in (*front.needs, *front.uses))}
        slots = Slots(environment.wording, audiences, known, path).read(tree)
        compiled = environment.compile(tree, path.stem, str(path))
    except RecursionError:
        raise UserError(
            f"template {path.stem}: a part puts itself in",
            where=f"{path}:{before + 1}",
            fix="take it out of itself",
        ) from None
    except TemplateSyntaxError as error:
        raise UserError(
            f"template {path.stem}: {error.message}",
            where=f"{path}:{max(1, error.lineno)}",
            fix="see jinja.palletsprojects.com, and docs/prompts.md for what Hornbook adds",
        ) from None
    code = environment.template_class.from_code(environment, compiled, {})
    tables = {name: {slot: _said(environment.wording, slot, name) for slot in slots} for name in audiences}
    return Template(path.stem, str(path), front, audiences, code, environment.draws, tables)


def _said(wording: Wording, slot: str, audience: str) -> Sequence[str]:
    kind, _, name = slot.partition(".")
    if slot == "audience.name":
        return [audience]
    return wording.audiences[audience][name] if kind == "audience" else wording.phrases[name]


def _audiences(wording: Wording, front: Front, path: Path, text: str) -> tuple[str, ...]:
    have = list(wording.audiences)
    for name in front.audience or ():
        if name not in have:
            like = nearest(name, have)
            raise UserError(
                f"template {path.stem}: audience `{name}` has no wording in {front.language}",
                where=f"{path}:{_line(text, 'audience')}",
                fix=(f"did you mean `{like}`? " if like else "") + f"there are {', '.join(have) or 'none'}",
            )
    return tuple(have if front.audience is None else dict.fromkeys(front.audience))


def language_of(path: Path) -> str:
    """The language in a template's front matter."""
    return _front(path.read_text(encoding="utf-8", errors="replace"), path)[0].language


def _front(text: str, path: Path) -> tuple[Front, str, int]:
    """Front matter, what comes after it, and how many lines it has."""
    match = _FRONT.match(text)
    if match is None:
        raise UserError(
            f"template {path.stem} has no front matter",
            where=f"{path}:1",
            fix="begin with a line `---`, then format, language, needs and source, then a line `---`",
        )
    values = load_yaml(match[1], str(path), 1)
    try:
        front = Front.model_validate(values)
    except ValidationError as error:
        raise mistake(error, path, values, 1, "template") from None
    return front, text[match.end() :], match[0].count("\n")


def _line(text: str, key: str) -> int:
    return next((at for at, line in enumerate(text.splitlines(), 1) if line.startswith(f"{key}:")), 1)
