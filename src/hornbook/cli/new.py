"""`hornbook new`."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

import click

from hornbook.cli.common import json_option, print_json

KINDS = ("each", "source", "across", "ask", "job")

FOLDERS = (
    "sources", "prompts", "generate", "quality", "dedup", "decontaminate", "cluster",
    "select", "mix", "tokenize", "train", "evaluate", "report",
)  # fmt: skip
"""The verbs of the trade, in the order of a run; a stage of Hornbook itself lies in one of them."""

_MORE = {
    "source": "Rows: `id`, `text`, `origin`.",
    "each": "Marks: `$mark` (say its type and unit).\n\nDrops: `short` (say when).",
    "across": "Marks: `$mark` (say its type and unit).\n\nDrops: `common_length` (say when).",
    "ask": "Marks: `$mark`, `$mark.request`, `$mark.error`.\n\nDrops: `no_reply` (the teacher gave none of use).",
    "job": "Writes `$name.json`.",
}


@click.group(short_help="write the three files of a new stage")
def command() -> None:
    """Write the files of something new.

    \b
      hornbook new stage quality.rhymes
      hornbook new stage mypkg.stages.rhymes --kind ask
    """


@command.command("stage")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(KINDS), default="each", show_default=True, help="What the stage needs to see."
)
@click.option(
    "--into", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path(), metavar="DIR",
    help="A checkout of Hornbook, or the folder of your own package  [default: this one]",
)  # fmt: skip
@json_option
def stage(name: str, kind: str, into: Path, as_json: bool) -> None:
    """Write a stage, its test and its page; all three work as they are, and are yours to change.

    In a checkout of Hornbook NAME is FOLDER.NAME; elsewhere it is a module of your own, as `use:` takes it.
    A source brings documents in, each looks at one document, across at the whole corpus, ask asks a teacher,
    job works on a folder.

    \b
      hornbook new stage quality.rhymes
      hornbook new stage mypkg.stages.rhymes --kind ask
    """
    place = _place(name, into)
    files = _files(place, kind)
    _write(files, into)
    if place.shipped and kind != "job":
        _golden(place, into)
    shown = [str(path) for path in files]
    if as_json:
        print_json({"use": name, "kind": kind, "files": shown})
        return
    for path in shown:
        click.echo(path)
    inputs = "" if kind == "source" else "FILE.jsonl "
    click.echo(f"next: pytest {place.test}, then `hornbook step {name} {inputs}--out DIR`")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the three files go, relative to the folder, and what they are called inside."""

    use: str
    module: str
    stage: Path
    test: Path
    page: Path
    mark: str
    shipped: bool

    @property
    def name(self) -> str:
        return self.use.rpartition(".")[2]

    @property
    def cls(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("_"))


def _place(name: str, into: Path) -> _Place:
    """Understand a stage's name.

    Raises:
        UserError: it is no module name, or names no folder of Hornbook's.
    """
    from hornbook.core.errors import UserError, nearest

    parts = name.split(".")
    checkout = (into / "src" / "hornbook" / "stages").is_dir()
    if not all(re.fullmatch(r"[a-z][a-z0-9_]*", part) for part in parts) or _reserved(parts):
        raise UserError(f"`{name}` cannot name a stage", fix="small letters, digits and _, such as quality.rhymes")
    if len(parts) == 1:
        folder = "quality" if checkout else "mypkg.stages"
        raise UserError(f"`{name}` has no folder", fix=f"hornbook new stage {folder}.{name}")
    if checkout and len(parts) == 2:
        folder, last = parts
        if folder not in FOLDERS:
            like = nearest(folder, FOLDERS)
            hint = f"did you mean `{like}`? " if like else ""
            raise UserError(f"no folder `{folder}` of stages", fix=f"{hint}folders: {', '.join(FOLDERS)}")
        return _Place(
            use=name,
            module=f"hornbook.stages.{name}",
            stage=Path("src/hornbook/stages", folder, f"{last}.py"),
            test=Path("tests/stages", folder, f"test_{last}.py"),
            page=Path("docs/stages", f"{name}.md"),
            mark=name,
            shipped=True,
        )
    home, last = Path(*parts[:-1]), parts[-1]
    test = home / f"test_{last}.py"
    return _Place(name, name, home / f"{last}.py", test, home / f"{last}.md", f"{last}.value", False)


def _reserved(parts: list[str]) -> bool:
    import keyword

    return any(keyword.iskeyword(part) for part in parts)


def _files(place: _Place, kind: str) -> dict[Path, str]:
    """Path → content."""
    words = {
        "use": place.use,
        "module": place.module,
        "cls": place.cls,
        "name": place.name,
        "mark": place.mark,
        "imports": "from tests.contract import Example\n" if place.shipped else "",
        "example": "EXAMPLE = Example()\n" if place.shipped else "",
    }
    words["more"] = Template(_MORE[kind]).substitute(words)
    wanted = {place.stage: f"{kind}.py.txt", place.test: f"{kind}_test.py.txt", place.page: "page.md.txt"}
    return {path: _text(template, words) for path, template in wanted.items()}


def _text(template: str, words: dict[str, str]) -> str:
    source = resources.files("hornbook.cli") / "templates" / template
    made = Template(source.read_text(encoding="utf-8")).substitute(words)
    return re.sub(r"\n{4,}", "\n\n\n", made).replace("\n\n\nEXAMPLE", "\n\nEXAMPLE")


def _write(files: dict[Path, str], into: Path) -> None:
    """Write new files; none that is there is touched.

    Raises:
        UserError: one of them is there already.
    """
    from hornbook.core.errors import UserError

    for path in files:
        if (into / path).exists():
            raise UserError(
                "the file is there already", where=str(into / path), fix="choose another name, or remove it"
            )
    for path, text in files.items():
        folder = (into / path).parent
        folder.mkdir(parents=True, exist_ok=True)
        (into / path).write_text(text, encoding="utf-8")
        if path.suffix == ".py":
            _packages(into, path.parent)


def _packages(into: Path, folder: Path) -> None:
    """`__init__.py` in every folder that is to be a package; `src` is none."""
    while folder.parts and folder.name != "src":
        if not (into / folder / "__init__.py").exists():
            (into / folder / "__init__.py").touch()
        folder = folder.parent


def _golden(place: _Place, into: Path) -> None:
    """Put the digest of what the stage gives now into its test, as the contract test wants it."""
    if not (into / "tests" / "contract.py").exists():
        return
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract", place.use], cwd=into, capture_output=True, text=True, check=False
    )
    found = re.search(r"(\{.*\})\s*$", done.stdout)
    if done.returncode == 0 and found:
        test = into / place.test
        text = test.read_text(encoding="utf-8").replace("Example()", f"Example(golden={found[1]})")
        test.write_text(text, encoding="utf-8")
    else:
        click.echo(f"note: `python -m tests.contract {place.use}` prints the golden digest of {place.test}", err=True)
