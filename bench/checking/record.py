"""Asks a teacher for what `python -m bench selfcheck` scores, and writes it down.

    python -m bench.checking.record samples --folder /tmp/record      # → bench/checking/recorded.jsonl
    python -m bench.checking.record verdicts --folder /tmp/record     # → bench/checking/verdicts.jsonl

Each topic is asked about twice, several times each: `given` shows the passage and asks what it says, `memory` names the
topic alone. What is written are the prompts' names and the replies; passages and statements are made from BoolQ again.
The verdicts are those of SelfCheck's prompt variant: of each statement, whether the first samples support it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.checking.statements import good, passages, statements
from hornbook.core.keys import key_of

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "recorded.jsonl"
VERDICTS = HERE / "verdicts.jsonl"
SAMPLES = {"given": 8, "memory": 5}
JUDGED = {"given": 2}
"""Samples that each statement is held against, by asking; each costs a request a statement."""
MAX_TOKENS = 100
# fmt: off
TOPICS = (
    "Battle of the Alamo",
    "Bill of Rights",
    "Brazil",
    "Breaking Bad",
    "Brexit",
    "California",
    "Carbon",
    "Channel Tunnel",
    "Church of England",
    "Dodo",
    "Electric charge",
    "Fusion power",
    "Ivy League",
    "John F. Kennedy Space Center",
    "Lake Ontario",
    "New Jersey",
    "Nuclear power",
    "Ohio",
    "Pennsylvania",
    "RMS Titanic",
    "Radio waves",
    "San Andreas Fault",
    "Scandinavia",
    "Tyrannosaurus",
    "United States Coast Guard",
    "The cell membrane",
    "The endocrine system",
    "The human eye",
    "The lion",
    "The sea otter",
    "The spinal cord",
    "The whale shark",
    "The gastrointestinal tract",
    "The optic nerve",
    "A basketball",
    "A lever",
    "A fossil fuel",
    "Boston Terrier",
    "World Health Organization",
    "Salt Lake City",
    "Polygamy",
    "Bile",
)
"""Well known, and what a passage of BoolQ begins with; chosen by hand before anything was scored."""
_IS = re.compile(
    r"(?:The |A |An )?([A-Z][\w'’.-]*(?: [\w'’.-]+){0,4}?)(?: \([^)]*\))? (?:is|are|was|were) (?:a|an|the|one)\b"
)


def topics() -> dict[int, str]:
    """The number of a passage → its topic."""
    wanted, found = set(TOPICS), dict[int, str]()
    for at, passage in enumerate(passages()):
        name = _IS.match(passage)
        if name and name[1] in wanted and len(good(passage)) >= 4 and len(passage) < 1100:
            wanted.discard(name[1])
            found[at] = re.sub(r"^(The|A) ", lambda a: a[0].lower(), name[1])
    return found


def prompts() -> list[dict[str, Any]]:
    """What is asked: id, setting, about, prompt."""
    texts = passages()
    given = "Here is a passage:\n\n{passage}\n\nExplain in one paragraph, with its facts, what it says about {topic}."
    memory = "Write one paragraph, with facts, about {topic}, as an encyclopaedia would."
    return [
        {
            "id": f"{setting}-{at}",
            "setting": setting,
            "about": at,
            "prompt": words.format(passage=texts[at], topic=topic),
        }
        for setting, words in (("given", given), ("memory", memory))
        for at, topic in topics().items()
    ]


def record(out: Path, folder: Path, teacher: dict[str, Any]) -> None:
    """Ask for the samples, and write a line a prompt: its id, setting, about, the teacher, the samples."""
    asked = prompts()
    rows = [one | {"id": f"{one['id']}-{n}", "sample": n} for one in asked for n in range(SAMPLES[one["setting"]])]
    asking = {"use": "generate.complete", "temperature": 1.0, "max_tokens": MAX_TOKENS}
    model, found = _run("sources.prompts", rows, asking, folder, teacher, ["id", "text"])
    texts: dict[str, list[str]] = {}
    for row in found:
        texts.setdefault(row["id"].rpartition("-")[0], []).append(row["text"])
    _write(
        out,
        [
            {name: one[name] for name in ("id", "setting", "about")} | {"model": model, "samples": texts[one["id"]]}
            for one in asked
        ],
    )


def judge(out: Path, folder: Path, teacher: dict[str, Any]) -> None:
    """Ask whether the samples support the statements, and write a line a statement: its setting and key, the doubt."""
    recorded = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    lines: list[dict[str, Any]] = []
    for setting, many in JUDGED.items():
        samples = {one["about"]: one["samples"] for one in recorded if one["setting"] == setting}
        made = statements(list(topics()))
        rows = [{"id": key_of([s.about, s.text]), "text": s.text, "samples": samples[s.about]} for s in made]
        asking = {"use": "evaluate.selfcheck", "samples": "samples", "k": many, "scorers": ["prompt"], "sentences": 2}
        model, found = _run("sources.files", rows, asking, folder / setting, teacher, ["id", "selfcheck.prompt"])
        lines += [
            {"setting": setting, "statement": row["id"], "model": model, "doubt": row["selfcheck.prompt"]}
            for row in found
        ]
    _write(out, lines)


def _run(
    source: str,
    rows: list[dict[str, Any]],
    asking: dict[str, Any],
    folder: Path,
    teacher: dict[str, Any],
    want: list[str],
) -> tuple[str, list[dict[str, Any]]]:
    """(the teacher's name, columns of the documents of a run of two steps)."""
    from hornbook.engine.executors import Inline
    from hornbook.engine.recipe import check_data
    from hornbook.engine.run import Runner
    from hornbook.engine.workspace import Workspace
    from hornbook.store.parts import pieces
    from hornbook.teachers.weights import default_cache

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.jsonl"
    _write(path, rows)
    steps = [{"use": source, "path": str(path)}, asking]
    recipe = check_data({"name": "record", "seed": 17, "teacher": teacher, "steps": steps}, "record")
    runner = Runner(Workspace(folder / "runs"), Inline(), default_cache(), lambda event: print(event, file=sys.stderr))
    done = runner.run(recipe)[-1]
    parts = [piece for part in done.manifest["parts"] for piece in pieces(done.folder / part["file"], want)]
    return done.manifest["facts"]["model"], [row for piece in parts for row in piece.to_pylist()]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Record one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["samples", "verdicts"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where the run and its journal lie")
    parser.add_argument("--teacher", type=json.loads, default={"use": "local", "threads": 1, "copies": 1})
    given = parser.parse_args()
    if given.what == "samples":
        record(given.out or RECORDED, given.folder, given.teacher)
    else:
        judge(given.out or VERDICTS, given.folder, given.teacher)


if __name__ == "__main__":
    main()
