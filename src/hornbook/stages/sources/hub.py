"""Documents from datasets on the Hugging Face hub, at one commit."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.documents import PIECE_BYTES
from hornbook.core.errors import HornbookError, UserError, nearest
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.stages.sources._gather import first, need, suffix
from hornbook.store.reading import File, cut, expand, read_files
from hornbook.store.reading.places import KINDS

_URL = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)(?:@([^/]+))?(?:/(.*))?")
_ALIASES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words that name a split in a file's path (datasets, data_files.py, from memory)."""


class Hub(Source):
    """Reads a dataset's Parquet, JSON Lines, CSV or text files from the Hugging Face hub.

    The commit that the revision means is asked for once, and every file is read at it; the step's key covers
    the content of the files (their ids on the hub), so a dataset that has changed is read again and one that
    has not is not. Which files are a split is what the dataset's README says (`configs: data_files:`), else
    what their paths say. Columns and rows are as `sources.files` gives them. HF_ENDPOINT and HF_TOKEN hold.

    Raises:
        UserError: no such dataset, file, config or split, or the package huggingface_hub is missing.
        HornbookError: the hub cannot be reached.
    """

    version: ClassVar[str] = "1"

    path: InputPath = knob(
        help="hf://datasets/OWNER/NAME, @REVISION behind it (a branch, tag or commit), then a folder or glob"
    )
    split: str | None = knob(None, help="train, validation, test or another; unset reads all files")
    config: str | None = knob(None, help="one of those in the dataset's README; unset: its default, or its only one")
    text: str = knob("text", help="the dataset's name for the text column")
    id: str = knob("id", help="the dataset's name for the id column; rows without one get FILE:ROW")
    columns: list[str] | None = knob(
        None, help="other columns to keep; unset keeps all, [] none. Of Parquet no others are even fetched"
    )
    errors: Literal["drop", "replace"] = knob("drop", help="what is no character: drop the record, or put U+FFFD")
    max_bytes: int = knob(
        PIECE_BYTES,
        ge=1,
        le=PIECE_BYTES,
        unit="bytes of UTF-8",
        help="longest document; longer ones are dropped",
        source="core.documents.PIECE_BYTES: a piece must hold at least one document",
    )
    limit: int | None = knob(None, ge=1, unit="documents", help="stop after the first so many; unset reads all")

    @field_validator("path")
    @classmethod
    def _on_the_hub(cls, path: InputPath) -> InputPath:
        if not _URL.fullmatch(path):
            raise ValueError(f"{path} is not hf://datasets/OWNER/NAME[@REVISION][/FOLDER or glob]")
        return path

    def shards(self, inputs: Inputs) -> list[Any]:
        """A share a file, small ones together; with `limit` one share. Each names the commit."""
        need("sources.hub", "hub", "huggingface_hub")
        match = _URL.fullmatch(self.path)
        assert match is not None
        root = f"hf://datasets/{match[1]}@{_commit(match[1], match[2])}"
        files = [file for file in expand(f"{root}/{match[3] or ''}".rstrip("/")) if suffix(file.name) in KINDS]
        files = self._chosen(files, root) if self.split or self.config else [f for f in files if f.name != "README.md"]
        if not files:
            raise UserError(f"no data files in {self.path}", where=self.path, fix=f"known are {', '.join(KINDS)}")
        shares = cut(files) if self.limit is None else [files]
        return [[asdict(file) for file in share] for share in shares]

    def _chosen(self, files: list[File], root: str) -> list[File]:
        """The files of the split and config."""
        configs = _configs(root)
        below = {file.path: file.path.removeprefix(f"{root}/") for file in files}
        if configs:
            chosen = _config(configs, self.config, root)
            patterns = _patterns(chosen.get("data_files"))
            if patterns:
                return self._by_patterns(files, below, patterns)
        elif self.config:
            raise UserError(f"the README of {root} names no configs", where=root, fix="leave out config")
        if self.split is None:
            return files
        words = _ALIASES.get(self.split, (re.escape(self.split),))
        named = re.compile(rf"(?:^|[-._/ ])(?:{'|'.join(words)})(?:[-._/ ]|$)", re.IGNORECASE)
        found = [file for file in files if named.search(below[file.path])]
        if not found:
            some = ", ".join(list(below.values())[:5])
            raise UserError(f"no file of the split {self.split}", where=root, fix=f"there are {some}")
        return found

    def _by_patterns(self, files: list[File], below: dict[str, str], patterns: dict[str, list[str]]) -> list[File]:
        if self.split is not None and self.split not in patterns:
            like = nearest(self.split, patterns)
            fix = f"did you mean {like}?" if like else f"there are {', '.join(patterns)}"
            raise UserError(f"no split {self.split}", where=self.path, fix=fix)
        wanted = [one for name, some in patterns.items() if self.split in (None, name) for one in some]
        return [file for file in files if any(_fits(below[file.path], one) for one in wanted)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The rows of one share."""
        found = read_files(
            [File(**file) for file in item],
            self.text,
            id_column=self.id,
            columns=self.columns,
            errors=self.errors,
            max_bytes=self.max_bytes,
        )
        return first(found, self.limit)


def _commit(dataset: str, revision: str | None) -> str:
    """The commit that a revision means now."""
    from urllib.parse import unquote

    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        return str(HfApi().dataset_info(dataset, revision=unquote(revision) if revision else None).sha)
    except RevisionNotFoundError as error:
        raise UserError(f"{dataset} has no revision {revision}", fix="a branch, tag or commit of it") from error
    except RepositoryNotFoundError as error:
        fix = "check the name; a closed dataset needs HF_TOKEN"
        raise UserError(f"there is no dataset {dataset} on the hub", fix=fix) from error
    except Exception as error:
        said = str(error).split("\n", 1)[0]
        fix = "check the network, HF_ENDPOINT and HF_TOKEN, and run again"
        raise HornbookError(f"cannot ask the hub for {dataset}: {said}", fix=fix) from error


def _configs(root: str) -> list[Mapping[str, Any]]:
    """`configs` of the dataset's README, [] where it has none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from hornbook.store.reading.remote import filesystem

    system, path = filesystem(f"{root}/README.md")
    try:
        readme = system.cat_file(path)[: 2**20].decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    match = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---", readme, re.DOTALL)
    try:
        said = YAML(typ="safe", pure=True).load(match[1]) if match else None
    except YAMLError:
        return []
    configs = said.get("configs") if isinstance(said, Mapping) else None
    return [one for one in configs if isinstance(one, Mapping)] if isinstance(configs, list) else []


def _config(configs: Sequence[Mapping[str, Any]], wanted: str | None, where: str) -> Mapping[str, Any]:
    names = [str(one.get("config_name", "default")) for one in configs]
    if wanted is None:
        default = [at for at, one in enumerate(configs) if one.get("default") is True or names[at] == "default"]
        if default or len(configs) == 1:
            return configs[default[0] if default else 0]
        raise UserError("the dataset has several configs", where=where, fix=f"config: one of {', '.join(names[:20])}")
    if wanted not in names:
        like = nearest(wanted, names) or ", ".join(names[:20])
        raise UserError(f"no config {wanted}", where=where, fix=f"there is {like}")
    return configs[names.index(wanted)]


def _patterns(said: Any) -> dict[str, list[str]]:
    """Split → globs, from the forms that `data_files` has."""
    if isinstance(said, str):
        return {"train": [said]}
    found: dict[str, list[str]] = {}
    if isinstance(said, Mapping):
        said = [{"split": name, "path": path} for name, path in said.items()]
    for one in said if isinstance(said, list) else []:
        split, path = (one.get("split", "train"), one.get("path")) if isinstance(one, Mapping) else ("train", one)
        paths = path if isinstance(path, list) else [path]
        found.setdefault(str(split), []).extend(str(each) for each in paths if each)
    return found


def _fits(path: str, pattern: str) -> bool:
    """Whether a path is meant by a glob, in which `*` stays in its folder and `**` does not."""
    pattern = pattern.removeprefix("./")
    if "**" in pattern:
        return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, pattern.replace("**/", ""))
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)
