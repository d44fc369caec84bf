"""Real texts with known labels: files by package, questions by benchmark and subject, tasks by name, posts by site."""

from __future__ import annotations

import hashlib
import html
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from bench import corpus

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FEWEST = 30
"""Documents of a label at least; smaller ones are left out."""
ROWS = 4096
Set = Literal["code", "texts", "tuned"]
"""Python files by package; other texts with half of the labels; those with the rest, on which defaults were chosen."""
QUESTIONS = {
    "arc_easy": "arc",
    "arc_challenge": "arc",
    "commonsense_qa": "commonsense_qa",
    "piqa": "piqa",
    "siqa": "siqa",
    "boolq": "boolq",
}


def write(name: Set, cache: Path, path: Path, most: int = 0) -> int:
    """Write a set as Parquet: id, text, label, in the order of a hash. Returns how many documents there are.

    Raises:
        corpus.Absent: the corpus was not made.
    """
    rows = list(packages(cache, "code")) if name == "code" else [row for row in texts(cache) if half(row[0]) == name]
    counts = Counter(label for label, _ in rows)
    rows = [row for row in rows if counts[row[0]] >= FEWEST]
    rows.sort(key=lambda row: hashlib.sha256(f"{row[0]}\0{row[1]}".encode("utf-8", "replace")).digest())
    rows = rows[:most] if most else rows
    table = pa.table(
        {
            "id": [f"d{at}" for at in range(len(rows))],
            "text": [text for _, text in rows],
            "label": [label for label, _ in rows],
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=ROWS)
    return len(rows)


def half(label: str) -> Set:
    """Which half a label is in, by a hash."""
    return "texts" if hashlib.sha256(label.encode()).digest()[0] & 1 else "tuned"


def packages(cache: Path, kind: corpus.Kind) -> Iterator[tuple[str, str]]:
    """(package, text) of the files of a corpus."""
    for piece in corpus.pieces(cache, kind, "usual"):
        table = pq.read_table(piece, columns=["path", "text"])
        for path, text in zip(table["path"].to_pylist(), table["text"].to_pylist(), strict=True):
            yield re.sub(r"-\d.*", "", path.split("/")[0]), text


def texts(cache: Path) -> Iterator[tuple[str, str]]:
    """(label, text) of all but code."""
    yield from ((f"pkg:{label}", text) for label, text in packages(cache, "prose"))
    if not DATA.is_dir():
        return
    for row in _lines("instructions/natural_instructions_60_tasks"):
        yield f"task:{row['task']}", row["input"]
    for row in _lines("benchmarks/mmlu_19_subjects"):
        yield f"mmlu:{row['subject']}", _asked(row)
    for file, label in QUESTIONS.items():
        yield from ((label, _asked(row)) for row in _lines(f"benchmarks/{file}"))
    yield from (("gsm8k", row["question"]) for row in _lines("instructions/gsm8k_train"))
    yield from (("mbpp", f"{row['text']}\n{row['code']}") for row in _lines("benchmarks/mbpp"))
    yield from (("lambada", row["context"]) for row in _lines("benchmarks/lambada_openai"))
    for site in ("beer", "coffee"):
        for post in ET.parse(DATA / "stackexchange" / f"{site}_Posts.xml").getroot():
            body = html.unescape(re.sub("<[^>]+>", " ", post.get("Body") or ""))
            yield site, f"{post.get('Title') or ''}\n{body}"


def _asked(row: dict) -> str:
    return "\n".join([row["query"], *map(str, row.get("choices", []))])


def _lines(name: str) -> Iterator[dict]:
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)
