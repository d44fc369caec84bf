from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.kernels.words import texts, words
from hornbook.stages.decontaminate._items import items
from hornbook.stages.decontaminate._matching import _PLACES, _TEXTS, _parts, _windows, load, match
from hornbook.stages.decontaminate.ngrams import Ngrams
from hornbook.store.reading import expand
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

ROOT = Path(__file__).resolve().parents[3]
BEGINNINGS = ROOT / "src" / "hornbook" / "recipes" / "data" / "story_beginnings.jsonl"
BENCHMARKS = ROOT / ".." / "shared" / "data" / "benchmarks"
CORPORA = ROOT / ".." / "shared" / "data" / "corpora"
SAMPLED = ("arc_easy", "boolq", "commonsense_qa", "copa", "gsm8k", "humaneval", "mbpp", "openbook_qa", "piqa")
SAMPLED += ("siqa", "svamp", "winograd_wsc", "winogrande", "lambada_openai")

EXAMPLE = Example(knobs={"against": [str(BEGINNINGS)]}, golden={"2": "364ce73820ff88e0fc439996ca22ff45"})

OWN: list[dict[str, Any]] = [
    {
        "id": "long",
        "text": "A farmer has seventeen sheep and all but nine of them run away over the hill. How many are left?",
    },
    {"id": "short", "text": "Why do ducks have flat feet?"},
    {"id": "tiny", "text": "What is two?"},
    {"id": "numbers", "text": "0 0 0 0 0 0 0 0 0 0 0 0 1 2 3 4 5 6 7 8 9 10 11 12"},
    {"id": "chinese", "text": "农夫有十七只羊,除了九只以外都跑到山那边去了,还剩几只?"},
    {
        "query": "Question: Which of these is true?",
        "choices": ["Ice is cold and it floats on water.", "Ice is hot."],
        "gold": 0,
    },
    {
        "query": "Question: Which of these is true?",
        "choices": ["Fire is wet and sinks in the sea.", "Fire is hot."],
        "gold": 1,
    },
    {
        "context_options": [
            "The cup did not fit in the box because the cup",
            "The cup did not fit in the box because the box",
        ],
        "continuation": "was too small.",
        "gold": 1,
    },
    {
        "task_id": "Own/7",
        "prompt": 'def halves(numbers):\n    """ Return every number of the list divided by two. """\n',
        "canonical_solution": "    return [number / 2 for number in numbers]\n",
        "test": "assert halves([2]) == [1]",
    },
]
FILLER = " ".join(STORIES[:3])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "own.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in OWN), encoding="utf-8")
    return path


def planted(text: str) -> dict[str, str]:
    """A text in the ways that a decontaminator must not be fooled by."""
    return {
        "verbatim": text,
        "case": text.upper(),
        "white space": "\n\t".join(text.split()),
        "punctuation": " ... ".join(word.strip("?!.,") + "," for word in text.split()),
        "soft hyphens": "\u00ad".join(text),
        "inside": f"{FILLER} {text} {FILLER}",
    }


def test_planted_items_are_found_in_every_way(own: Path) -> None:
    stage = Ngrams(against=[str(own)])
    for row in OWN[:2]:
        for way, text in planted(row["text"]).items():
            _, gone = outcome(stage, documents([text]))
            assert gone == {"d0": ("contaminated", f"decontaminate.ratio = 1 >= 0.5; own:{row['id']}")}, way
    chinese = OWN[4]["text"]
    for text in (chinese, " ".join(chinese), f"{STORIES[3]}{chinese}{STORIES[3]}"):
        assert outcome(stage, documents([text]))[1]["d0"][1].endswith("own:chinese")


def test_marks_name_the_item_and_the_shared_words(own: Path) -> None:
    [row] = mark(Ngrams(against=[str(own)]), documents([planted(OWN[0]["text"])["inside"]])).to_pylist()
    assert row["decontaminate.benchmark"] == "own"
    assert row["decontaminate.item"] == "own:long"
    assert (
        row["decontaminate.span"]
        == "a farmer has seventeen sheep and all but nine of them run away over the hill how many are left"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Which of these is true? Ice is cold and it floats on water.", "own:6"),
        ("Which of these is true? Fire is wet and sinks in the sea.", "own:7"),
        ("Note that the cup did not fit in the box because the box was too small.", "own:8"),
        ("x = [number / 2 for number in numbers]\nreturn [number / 2 for number in numbers]", "own:Own/7"),
    ],
)
def test_items_by_their_fields(own: Path, text: str, key: str) -> None:
    assert outcome(Ngrams(against=[str(own)]), documents([text]))[1]["d0"][1].endswith(key)


@pytest.mark.parametrize(
    "text",
    [
        "Which of these is true? I do not know.",
        "What is two?",
        "Whyducks do have flat feet?",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "array 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "A farmer has seventeen sheep.",
        *STORIES,
        *HOSTILE.values(),
    ],
)
def test_clean_texts_share_nothing(own: Path, text: str) -> None:
    assert mark(Ngrams(against=[str(own)]), documents([text])).column("decontaminate.item").to_pylist() == [None]


def test_a_threshold_decides_not_the_mark(own: Path) -> None:
    """The first twelve words of the long item, and what follows changed: half of its characters."""
    half = "A farmer has seventeen sheep and all but nine of them run up to him to be fed."
    table = documents([half])
    [row] = mark(Ngrams(against=[str(own)]), table).to_pylist()
    item = "a farmer has seventeen sheep and all but nine of them run away over the hill how many are left"
    shared = "a farmer has seventeen sheep and all but nine of them run "
    assert row["decontaminate.ratio"] == pytest.approx(len(shared) / len(item), abs=0.02)
    assert outcome(Ngrams(against=[str(own)], min_ratio=0.7), table)[1] == {}
    assert list(outcome(Ngrams(against=[str(own)], min_ratio=0.55), table)[1]) == ["d0"]


def test_the_ratio_does_not_grow_with_the_document(own: Path) -> None:
    half = "A farmer has seventeen sheep and all but nine of them run up to him to be fed. "
    short, long = mark(Ngrams(against=[str(own)]), documents([half + FILLER, half + FILLER * 200])).to_pylist()
    assert short["decontaminate.ratio"] == pytest.approx(long["decontaminate.ratio"])


def test_every_owner_of_an_ngram_is_compared(tmp_path: Path) -> None:
    """Both items share their first twelve words; the document holds the first, though the second came last."""
    start = "The old boat was sad because nobody had sailed it for years"
    rows = [
        {"text": f"{start} until two children painted it green one day."},
        {"text": f"{start} so it slowly sank down to the crabs."},
    ]
    path = tmp_path / "two.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for at, row in enumerate(rows, 1):
        assert outcome(Ngrams(against=[str(path)]), documents([row["text"]]))[1]["d0"][1].endswith(f"two:{at}")


def test_every_hit_is_checked(tmp_path: Path) -> None:
    """A first hit that does not align must not hide a second that does."""
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"text": f"one two three four five six seven eight nine ten {FILLER}"})
    )
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": OWN[0]["text"]}))
    text = f"one two three four five six seven eight nine ten and on we go. {OWN[0]['text']}"
    assert outcome(Ngrams(against=[str(tmp_path / "*.jsonl")]), documents([text]))[1]["d0"][1].endswith("b:1")


def test_pieces_change_nothing(own: Path) -> None:
    stage = Ngrams(against=[str(own)])
    table = documents([text for row in OWN if "text" in row for text in planted(row["text"]).values()] + STORIES)
    assert all(mark(stage, table, size).equals(mark(stage, table)) for size in (1, 3, 10))


def test_against_nothing_marks_and_drops_nothing() -> None:
    kept, gone = outcome(Ngrams(against=[]), documents(STORIES))
    assert (len(kept), gone) == (len(STORIES), {})


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "does not exist"), ("{\n", "not an item"), ("[1]", "not an item"), ('{"a": 1}', "not an item")],
)
def test_what_cannot_be_read_is_the_users_mistake(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "bad.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=says) as caught:
        mark(Ngrams(against=[str(path)]), documents(["text"]))
    assert caught.value.fix
    assert content is None or "bad.jsonl, line 1" in caught.value.where


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "moving.jsonl"
    for text in ("Why do ducks have flat feet?", "How do owls turn their heads so far around?"):
        path.write_text(json.dumps({"text": text}))
        assert outcome(Ngrams(against=[str(path)]), documents([text]))[1]


def test_the_shipped_beginnings_are_found_in_stories_that_go_on() -> None:
    rows = [json.loads(line) for line in BEGINNINGS.open(encoding="utf-8")]
    assert len({row["id"] for row in rows}) == len(rows) == 50
    assert len({tuple(row["text"].split()[:3]) for row in rows}) == 50, "openings differ"
    told = documents([f"{row['text']} end of the story. {FILLER}" for row in rows] + STORIES)
    kept, gone = outcome(Ngrams(against=[str(BEGINNINGS)]), told)
    assert (len(gone), kept) == (50, [f"d{at}" for at in range(50, 50 + len(STORIES))])


def raw(row: dict[str, Any]) -> str:
    """An item as a training text would hold it."""
    if "context_options" in row:
        return f"{row['context_options'][0]} {row['continuation']}"
    if "canonical_solution" in row:
        return row["prompt"] + row["canonical_solution"]
    if "continuation" in row:
        return f"{row['context']} {row['continuation']}"
    return row.get("query") or row.get("text") or row["context"]


def test_planted_real_items() -> None:
    if not BENCHMARKS.exists():
        pytest.skip("../shared/data/benchmarks is not here; the law is tested on own items above")
    files = [BENCHMARKS / f"{name}.jsonl" for name in SAMPLED]
    stage, missed, asked = Ngrams(against=[str(path) for path in files]), [], 0
    for path in files:
        rows = [json.loads(line) for line in path.open(encoding="utf-8")][::97]
        ways = [(at, way, text) for at, row in enumerate(rows) for way, text in planted(raw(row)).items()]
        _, gone = outcome(stage, documents([text for _, _, text in ways]))
        asked += len(ways)
        missed += [raw(rows[at]) for n, (at, _, _) in enumerate(ways) if f"d{n}" not in gone]
    assert max((len(plain.words(text)) for text in missed), default=0) <= 5, "only `Question:` and four words"
    assert len(missed) < 0.02 * asked, (len(missed), asked)


def test_clean_real_texts_stay() -> None:
    if not BENCHMARKS.exists():
        pytest.skip("../shared/data is not here; the law is tested on own texts above")
    stage = Ngrams(against=[str(BENCHMARKS / f"{name}.jsonl") for name in SAMPLED])
    path = CORPORA / "openstax_physics.jsonl"
    lines = (
        path.open(encoding="utf-8").readlines()
        + (CORPORA / "wikipedia_excerpts.jsonl").open(encoding="utf-8").readlines()[:3000]
    )
    assert outcome(stage, documents([json.loads(line)["text"] for line in lines]))[1] == {}


def test_a_question_too_short_to_tell_is_taken_with_each_choice(own: Path) -> None:
    texts = [text for text, item in _parts(list(items(expand(str(own))[0])), 10) if item.key == "own:6"]
    assert texts == [
        "Which of these is true?",
        "Which of these is true? Ice is cold and it floats on water.",
        "Which of these is true? Ice is hot.",
    ]


def test_a_stock_phrase_repeated_neither_stalls_nor_hides_an_item(tmp_path: Path) -> None:
    """What is followed up is bounded for each document, and what it holds most of comes first."""
    phrase, animals = (
        "now tell me what the good farmer will want to do next",
        ("cow", "hen", "pig", "cat", "dog", "ram"),
    )
    told = [f"{phrase} with the {a}, the {b} and a {c}?" for a in animals for b in animals for c in animals]
    short = [f"Does the {a} like the {b}?" for a in animals for b in animals]
    path = tmp_path / "stock.jsonl"
    path.write_text("".join(json.dumps({"id": f"{at}", "text": text}) + "\n" for at, text in enumerate(told + short)))
    noise = f"{phrase}. Does the cow like the other? " * 20_000
    for wanted in (len(told) - 7, len(told) + len(short) - 7):
        column = pa.array([noise + (told + short)[wanted]], pa.large_string())
        [found] = match(*texts(column), load([str(path)], 10, 5)).values()
        assert (found.item.key, found.ratio) == (f"stock:{wanted}", 1.0)
    bench = load([str(path)], 10, 5)
    data, offsets = texts(pa.array([noise], pa.large_string()))
    windows = list(_windows(data, words(data, offsets), bench))
    assert 0 < len(windows) <= _TEXTS * _PLACES
