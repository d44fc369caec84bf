"""The leak test: benchmark items planted into real text in ten ways; what each rung sees, and what it takes wrongly.

`pytest -n 0 tests/stages/decontaminate/test_leaks.py` prints the table of docs/stages/decontaminate.ladder.md.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hornbook.kernels.words import texts
from hornbook.stages.decontaminate import _climbing
from hornbook.stages.decontaminate.ladder import Ladder
from hornbook.stages.decontaminate.ngrams import Ngrams
from tests.corpus import STORIES
from tests.stages.driving import documents, outcome

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT / ".." / "shared" / "data"
BENCHMARKS, CORPORA = SHARED / "benchmarks", SHARED / "corpora"
CODE = ("humaneval", "mbpp")
NAMES = ("arc_challenge", "arc_easy", "boolq", "commonsense_qa", "copa", "gsm8k", "lambada_openai", "mmlu_19_subjects")
NAMES += ("openbook_qa", "piqa", "siqa", "svamp", "winograd_wsc", "winogrande")
EACH = 40
LOOKALIKES = str.maketrans("aceopxyijsABEHKMOPTXCdlv", "асеорхуіјѕΑВЕНКМΟРТХСԁӏν")
DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
KEPT = {
    "def",
    "return",
    "for",
    "in",
    "if",
    "else",
    "elif",
    "while",
    "and",
    "or",
    "not",
    "import",
    "from",
    "range",
    "len",
}
KEPT |= {"int", "str", "list", "List", "True", "False", "None", "lambda", "sum", "max", "min", "sorted", "typing"}


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def spaced(text: str, draw: random.Random) -> str:
    return "".join(draw.choice(["  ", "\n", "\t", "\u00a0", " \n "]) if c.isspace() else c for c in text)


def punctuated(text: str, draw: random.Random) -> str:
    if draw.random() < 0.5:
        return re.sub(r"[^\w\s]", "", text)
    return re.sub(r"\s+", lambda _: draw.choice([", ", "; ", " - ", "... ", " "]), text)


def split(text: str, between: str) -> str:
    words = text.split(" ")
    half = len(words) // 2
    return " ".join(words[:half]) + between + " ".join(words[half:])


def commented(text: str) -> str:
    lines = [text[at : at + 60] for at in range(0, len(text), 60)]
    return "x = 1\n" + "\n".join(f"    # {line}" for row in lines for line in row.split("\n")) + "\nreturn x\n"


def renamed(text: str) -> str:
    """Identifiers of code outside of docstrings and comments under other names."""
    parts = re.split(r'(""".*?"""|\'\'\'.*?\'\'\'|#[^\n]*)', text, flags=re.DOTALL)
    names: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        name = found.group()
        return name if name in KEPT else names.setdefault(name, f"v{len(names)}")

    return "".join(part if at % 2 else re.sub(r"[A-Za-z_]\w*", other, part) for at, part in enumerate(parts))


WAYS: dict[str, Callable[[str, random.Random], str]] = {
    "verbatim": lambda text, _: text,
    "case": lambda text, draw: text.upper() if draw.random() < 0.5 else text.title(),
    "white space": spaced,
    "look-alikes": lambda text, draw: text.translate(LOOKALIKES) if draw.random() < 0.5 else wide(text),
    "punctuation": punctuated,
    "two paragraphs": lambda text, _: split(text, "\n\n"),
    "code comments": lambda text, _: commented(text),
    "renamed": lambda text, _: renamed(text),
    "half": lambda text, _: " ".join(text.split(" ")[: (len(text.split(" ")) + 1) // 2]),
    "digits": lambda text, _: text.translate(DIGITS),
    "story between": lambda text, draw: split(text, f"\n\n{STORIES[draw.randrange(3)]}\n\n"),
}
FIRST_SEVEN = list(WAYS)[:7]
HALVES = {"min_letters": 50, "min_ratio": 0.4}
"""The knobs that the page names for who wants halves of items found too."""
LONG_ENOUGH = 20
"""Words of an item whose half still tells."""


def raw(row: dict[str, Any]) -> str:
    """An item as a training text would hold it."""
    if "context_options" in row:
        return f"{row['context_options'][0]} {row['continuation']}"
    if "canonical_solution" in row:
        return row["prompt"] + row["canonical_solution"]
    if "code" in row:
        return f"{row['text']}\n{row['code']}"
    if "continuation" in row:
        return f"{row['context']} {row['continuation']}"
    query = row.get("query") or row.get("text") or row["context"]
    return query.removeprefix("Question: ")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def hosts(name: str) -> list[str]:
    """Clean text of the same domain, in pieces of about 2,000 characters."""
    home = "the_algorithms_python" if name in CODE else "openstax_physics" if "arc" in name else "wikipedia_excerpts"
    whole = [row["text"] for row in lines(CORPORA / f"{home}.jsonl")]
    return [text[at : at + 2000] for text in whole for at in range(0, min(len(text), 20_000), 2000)]


def candidates(bench: _climbing.Bench, told: list[str]) -> set[int]:
    """Documents that share a seed with any text."""
    data, offsets = texts(pa.array(told, pa.large_string()))
    return set(_climbing.climb(data, offsets, bench, 0))


def numbers(gone: dict[str, tuple[str, str]]) -> set[int]:
    """The rows of documents that were dropped."""
    return {int(name[1:]) for name in gone}


def plant(draw: random.Random) -> tuple[list[tuple[str, int, str]], list[str]]:
    """(way, words of the item, text with it) of some items of each benchmark; clean texts."""
    planted: list[tuple[str, int, str]] = []
    clean: list[str] = []
    for name in (*NAMES, *CODE):
        rows, around = lines(BENCHMARKS / f"{name}.jsonl"), hosts(name)
        clean += draw.sample(around, min(200, len(around)))
        for row in draw.sample(rows, min(EACH, len(rows))):
            for way, change in WAYS.items():
                if (way != "renamed" or name in CODE) and (way != "digits" or re.search(r"\d", raw(row))):
                    host = draw.choice(around)
                    told = f"{host}\n\n{change(raw(row), draw)}\n\n{host[:300]}"
                    planted.append((way, len(raw(row).split()), told))
    return planted, clean


@pytest.mark.slow
def test_leaks_of_real_items(capsys: pytest.CaptureFixture[str]) -> None:
    if not BENCHMARKS.exists():
        pytest.skip("../shared/data is not here; the law is tested on own items below")
    files = [str(BENCHMARKS / f"{name}.jsonl") for name in (*NAMES, *CODE)]
    ladder, simple = Ladder(against=files), Ngrams(against=files)
    bench = _climbing.load(files, 10, 5, 10)
    draw = random.Random(7)
    planted, clean = plant(draw)
    table = documents([told for _, _, told in planted] + clean)
    lower, taken = (outcome(stage, table)[1] for stage in (Ladder(against=files, **HALVES), ladder))
    by_rung = {
        "ngrams": numbers(outcome(simple, table)[1]),
        "seeds": candidates(bench, table.column("text").to_pylist()),
        "ladder": numbers(taken),
        "halves": numbers(lower),
    }
    counts = {way: dict.fromkeys(("items", *by_rung, "short", "short found", "long", "long halves"), 0) for way in WAYS}
    for at, (way, size, _) in enumerate(planted):
        count = counts[way]
        count["items"] += 1
        for rung, seen in by_rung.items():
            count[rung] += at in seen
        count["short"] += size < 10
        count["short found"] += size < 10 and at in by_rung["ladder"]
        count["long"] += size >= LONG_ENOUGH
        count["long halves"] += size >= LONG_ENOUGH and at in by_rung["halves"]
    clean_rows = set(range(len(planted), table.num_rows))
    with capsys.disabled():
        heads = "".join(f"{rung:>9}" for rung in by_rung)
        print(f"\n{'way':<16}{'items':>6}{heads} {'ladder, < 10 words':>19} {f'halves, >= {LONG_ENOUGH} words':>19}")
        for way, count in counts.items():
            shares = "".join(f"{count[rung] / count['items']:9.1%}" for rung in by_rung)
            few, many = f"{count['short found']} of {count['short']}", f"{count['long halves']} of {count['long']}"
            print(f"{way:<16}{count['items']:>6}{shares} {few:>19} {many:>19}")
        wrong = "".join(f"{len(seen & clean_rows):>9}" for seen in by_rung.values())
        print(f"{'clean texts':<16}{len(clean):>6}{wrong}")
        for at in sorted(by_rung["halves"] & clean_rows):
            print("  taken:", lower[f"d{at}"][1])
    for way in [*FIRST_SEVEN, "digits"]:
        assert counts[way]["ladder"] >= 0.95 * counts[way]["items"], way
    assert counts["half"]["long halves"] >= 0.85 * counts["half"]["long"]
    assert not (by_rung["ladder"] | by_rung["halves"]) & clean_rows
