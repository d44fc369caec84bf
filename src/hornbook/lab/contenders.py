"""The teachers of a comparison, from what a person writes for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.core.errors import UserError
from hornbook.engine.mistakes import checked
from hornbook.teachers.spec import TeacherSpec, name_of

_PLACE = ("use", "url", "urls", "urls_file", "replies", "rule")
"""What says where a teacher is; where one is given, only the sampling of the recipe's teacher is kept."""
_OWN = (
    *_PLACE, "model", "price", "usd_per_hour", "batch", "key_env", "api", "context", "slots", "threads", "copies",
    "extra", "rpm", "tpm", "latency",
)  # fmt: skip
_FIX = "a model's name, URL#MODEL, '{url: …, model: …}', a name of --teachers FILE, each also as NAME=…"


@dataclass(frozen=True, slots=True)
class Contender:
    """A teacher under comparison: what tables call it, and how it is asked."""

    name: str
    spec: TeacherSpec


def contenders(words: Sequence[str], base: TeacherSpec, known: Mapping[str, Any], cache: Path) -> list[Contender]:
    """The teachers, in order.

    Args:
        words: as given: a model's name (at the place of the recipe's teacher), `URL#MODEL`, a YAML mapping, or a
            name of `known`; `NAME=` before it names it.
        base: the recipe's teacher, whose sampling parameters hold for all that do not set their own.
        known: name → mapping, from a file.
        cache: the user's cache folder, which knows the names of weights.

    Raises:
        UserError: a word names no teacher, or two of them would get the very same requests.
    """
    found: list[Contender] = []
    for word in words:
        name, given = _given(word, known)
        spec = checked(TeacherSpec, _merged(base, given), name, lambda key, word=word: f"{word}: {key}")  # type: ignore[misc]
        found.append(Contender(_free(name, [one.name for one in found]), spec))
    _all_differ(found, cache)
    return found


def read_teachers(path: Path) -> dict[str, Any]:
    """Name → mapping, from a YAML file.

    Raises:
        UserError: it cannot be read, or is no mapping of mappings.
    """
    fix = "big: {url: http://localhost:8000/v1, model: big-model}"
    try:
        data = _yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the teachers: {error}", where=str(path), fix="--teachers FILE") from error
    if not isinstance(data, Mapping) or not all(isinstance(value, Mapping) for value in data.values()):
        raise UserError("this is no list of teachers", where=str(path), fix=fix)
    return {str(name): dict(value) for name, value in data.items()}


def one_teacher(word: str, base: TeacherSpec, known: Mapping[str, Any]) -> TeacherSpec:
    """A single teacher (a judge), from the same kinds of words."""
    name, given = _given(word, known)
    return checked(TeacherSpec, _merged(base, given, sampling=False), name, lambda key: f"{word}: {key}")


def _given(word: str, known: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(a name for it, the mapping it stands for)."""
    label = re.match(r"([A-Za-z0-9][\w.-]*)=(?=.)", word)
    name, rest = (label[1], word[label.end() :]) if label else ("", word)
    if rest in known:
        return _slug(name or rest), dict(known[rest])
    if rest.lstrip().startswith("{"):
        given = _yaml(rest)
        if not isinstance(given, Mapping):
            raise UserError(f"{rest} is no teacher", where=word, fix=_FIX)
        mapping = {str(key): value for key, value in given.items()}
        return _slug(name or str(mapping.get("model") or mapping.get("use") or "teacher")), mapping
    if "://" in rest:
        url, mark, model = rest.partition("#")
        if not mark or not model:
            raise UserError(f"{rest} names a server, but no model", where=word, fix=f"{url}#MODEL")
        return _slug(name or model), {"url": url, "model": model}
    if not rest.strip():
        raise UserError(f"{word!r} names no teacher", fix=_FIX)
    return _slug(name or rest), {"model": rest}


def _merged(base: TeacherSpec, given: Mapping[str, Any], *, sampling: bool = True) -> dict[str, Any]:
    """The recipe's teacher with what is given put over it."""
    kept = base.model_dump(exclude_unset=True)
    if any(key in given for key in _PLACE):
        kept = {key: value for key, value in kept.items() if key not in _OWN}
    elif given.get("model") != base.model:
        kept.pop("price", None)
    if not sampling:
        place = {key: value for key, value in kept.items() if key in (*_OWN, "concurrency", "timeout")}
        kept = place
    return kept | dict(given)


def _slug(name: str) -> str:
    """A name that can name steps, marks and columns of a table: `smollm2` of `owner/smollm2.gguf`."""
    last = name.rstrip("/").rpartition("/")[2].removesuffix(".gguf")
    return re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-")[:40] or "teacher"


def _free(name: str, taken: Sequence[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _all_differ(found: Sequence[Contender], cache: Path) -> None:
    """Two teachers whose requests have the same keys would be one in the journal.

    Raises:
        UserError: two of them would.
    """
    met: dict[str, str] = {}
    for one in found:
        key = f"{name_of(one.spec, cache) or one.spec.model} {sorted(one.spec.params().items(), key=str)}"
        if key in met:
            raise UserError(
                f"{met[key]} and {one.name} would be asked the very same requests: the journal knows a teacher by its "
                "model's name and its sampling parameters",
                fix="give the model another name at one of the servers, or another temperature to one of them",
            )
        met[key] = one.name


def _yaml(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UserError(f"no YAML: {' '.join(str(error).split())[:200]}", where=text[:80], fix=_FIX) from error
