"""Which templates and wordings there are for a stage: shipped ones, and a user's own over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path

from hornbook.core.errors import UserError, nearest
from hornbook.stages.prompts._sandbox import Environment
from hornbook.stages.prompts._templates import ENDINGS, Template, language_of, load_template
from hornbook.stages.prompts._wording import Wording, read_wording

WORDING = "_wording.yaml"


def shipped() -> Path:
    """The folder of the templates that come with Hornbook: `LANGUAGE/STAGE/NAME.jinja`."""
    return Path(str(resources.files("hornbook.stages.prompts").joinpath("templates")))


def shipped_files(stage: str, languages: Sequence[str] | None = None) -> list[Path]:
    """All shipped files that a stage's prompts depend on, of some languages or of all, in order of their paths."""
    base = shipped()
    found: list[Path] = []
    for language in sorted(languages or (folder.name for folder in base.iterdir() if folder.is_dir())):
        own = base / language / stage
        found += [path for path in (base / language / WORDING, *sorted(own.glob("*"))) if path.is_file()]
    return found


def load_templates(
    stage: str,
    languages: Sequence[str],
    paths: Sequence[str],
    *,
    ship: bool = True,
    formats: Sequence[str] | None = None,
) -> tuple[Template, ...]:
    """`find_templates`, once a worker; again when a file of the user's has changed.

    Args:
        paths: of the user's files and folders, as knobs have them.

    Raises:
        UserError: as there, or no template is among the user's files.
    """
    return _loaded(
        stage, tuple(languages), _own(tuple(map(str, paths))), ship, None if formats is None else tuple(formats)
    )


def find_templates(
    stage: str,
    languages: Sequence[str],
    own: Sequence[Path] = (),
    *,
    ship: bool = True,
    formats: Sequence[str] | None = None,
) -> list[Template]:
    """The templates of a stage, by language in the order given and then by name.

    Args:
        stage: the last part of its name, `textbook`.
        languages: their codes.
        own: a user's files: `.jinja` (one of a shipped one's name takes its place) and `.yaml` (wordings).
        ship: whether the shipped ones are among them. Shipped wordings always are.
        formats: only these; None for all.

    Raises:
        UserError: a file is wrong (with its line), a language or format has no template.
    """
    mine = {path: language_of(path) for path in own if path.suffix in ENDINGS}
    found: list[Template] = []
    for language in dict.fromkeys(languages):
        folder = shipped() / language / stage
        files = {path.stem: path for path in sorted(folder.glob("*.jinja"))} if ship else {}
        files |= {path.stem: path for path, its in mine.items() if its == language}
        if not files:
            have = sorted({*mine.values(), *(_languages(stage) if ship else ())})
            raise UserError(
                f"prompts.{stage} has no template of the language `{language}`",
                where="language",
                fix=f"there are {', '.join(have) or 'none'}; add templates of your own: templates=[FOLDER]",
            )
        environment = Environment(find_wording(stage, language, own))
        found += [load_template(files[name], environment) for name in sorted(files)]
    return found if formats is None else _of_format(found, formats, stage)


def find_wording(stage: str, language: str, own: Sequence[Path] = ()) -> Wording:
    """All that a language says for a stage: shared, the stage's, and the user's, in this order."""
    said = Wording(language)
    base = shipped() / language
    for path in (base / WORDING, base / stage / WORDING):
        if path.exists():
            said.lay(read_wording(path), str(path))
    for path in own:
        if path.suffix in (".yaml", ".yml"):
            file = read_wording(path)
            if file.language == language:
                said.lay(file, str(path))
    return said


@lru_cache(maxsize=16)
def _loaded(
    stage: str,
    languages: tuple[str, ...],
    own: tuple[tuple[str, int, int], ...],
    ship: bool,
    formats: tuple[str, ...] | None,
) -> tuple[Template, ...]:
    return tuple(find_templates(stage, languages, [Path(path) for path, _, _ in own], ship=ship, formats=formats))


def _own(paths: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    """A user's template and wording files, with size and time."""
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


def _languages(stage: str) -> list[str]:
    return [folder.name for folder in shipped().iterdir() if any((folder / stage).glob("*.jinja"))]


def _of_format(found: list[Template], formats: Sequence[str], stage: str) -> list[Template]:
    have = sorted({template.front.format for template in found})
    for name in formats:
        if name not in have:
            like = nearest(name, have)
            raise UserError(
                f"prompts.{stage} has no format `{name}`",
                where="formats",
                fix=(f"did you mean `{like}`? " if like else "") + f"there are {', '.join(have)}",
            )
    return [template for template in found if template.front.format in formats]
