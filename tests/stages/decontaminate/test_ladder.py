from __future__ import annotations

import difflib
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.core.stage import Across
from hornbook.engine.tasks import added
from hornbook.kernels.skeleton import squash
from hornbook.kernels.words import texts
from hornbook.stages.decontaminate import _climbing
from hornbook.stages.decontaminate.ladder import Ladder
from hornbook.store.remembered import remembered
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.decontaminate.test_leaks import FIRST_SEVEN, WAYS
from tests.stages.driving import documents, mark, outcome

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT / ".." / "shared" / "data"
OWN: list[dict[str, Any]] = [
    {
        "id": "long",
        "text": "A farmer has seventeen sheep and all but nine of them run away over the hill. How many are left?",
    },
    {"id": "short", "text": "Why do ducks have flat feet?"},
    {"id": "tiny", "text": "What?"},
    {"id": "numbers", "text": "0 0 0 0 0 0 0 0 0 0 0 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24"},
    {"id": "chinese", "text": "农夫有十七只羊,除了九只以外都跑到山那边去了,还剩几只?"},
    {"id": "arabic", "text": "لدى المزارع سبعة عشر خروفا هربت كلها إلى ما وراء التل إلا تسعة منها فكم خروفا بقي عنده؟"},
    {
        "id": "russian",
        "text": "У фермера семнадцать овец, и все, кроме девяти, убежали за холм. Сколько овец у него осталось?",
    },
    {"query": "Question: Which of these is true?", "choices": ["Ice is cold and it floats.", "Ice is hot."], "gold": 0},
    {"query": "Question: Which of these is true?", "choices": ["Fire is wet and sinks.", "Fire is hot."], "gold": 1},
    {
        "task_id": "Own/7",
        "prompt": 'def halves(numbers):\n    """ Return every number of the list divided by two, in order. """\n',
        "canonical_solution": "    return [number / 2 for number in numbers if number is not None]\n",
    },
]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in OWN)
FILLER = " ".join(STORIES[:3])
LONG, SHORT, CHINESE, ARABIC, RUSSIAN = (OWN[at]["text"] for at in (0, 1, 4, 5, 6))

EXAMPLE = Example(
    knobs={"against": ["{tmp}/own.jsonl"]},
    rows=[
        {"id": f"{at}-{way}", "text": f"{FILLER}\n\n{change(row['text'], random.Random(1))}", "source": "own"}
        for at, row in enumerate(OWN)
        if "text" in row
        for way, change in WAYS.items()
    ]
    + [
        {"id": f"clean-{at}", "text": text, "source": "corpus"} for at, text in enumerate([*STORIES, *HOSTILE.values()])
    ],
    files={"own.jsonl": JSONL},
    golden={"2": "dac05ed993a0fe7d7b6378c2d33045d9"},
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("bench") / "own.jsonl"
    path.write_text(JSONL, encoding="utf-8")
    return str(path)


def items_file(folder: Path, rows: list[dict[str, Any]], name: str = "items") -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("way", FIRST_SEVEN)
@pytest.mark.parametrize("item", ["long", "short", "chinese", "arabic", "russian"])
def test_planted_in_seven_ways(own: str, way: str, item: str) -> None:
    text = next(row["text"] for row in OWN if row.get("id") == item)
    told = documents([f"{FILLER}\n\n{WAYS[way](text, random.Random(seed))}\n\n{STORIES[1]}" for seed in range(4)])
    [*rows] = mark(Ladder(against=[own]), told).to_pylist()
    assert [row["decontaminate.item"] for row in rows] == [f"own:{item}"] * 4
    assert all(row["decontaminate.ratio"] >= 0.9 for row in rows)


def test_evidence_says_where(own: str) -> None:
    text = f"{STORIES[3]} {LONG} {STORIES[4]}"
    [row] = mark(Ladder(against=[own]), documents([text])).to_pylist()
    first = text.index(LONG)
    assert row["decontaminate.spans"] == f"{first}-{first + len(LONG) - 1}"
    assert (row["decontaminate.span"], row["decontaminate.rung"]) == (LONG[:-1], "aligned")
    _, gone = outcome(Ladder(against=[own]), documents([text]))
    assert gone["d0"] == (
        "contaminated",
        f"decontaminate.ratio = 1 >= 0.5; own:long, characters {first}-{first + len(LONG) - 1}",
    )


def test_halves_far_apart_are_put_together(own: str) -> None:
    words = LONG.split()
    text = f"{' '.join(words[:10])}\n\n{FILLER * 30}\n\n{' '.join(words[10:])}"
    [row] = mark(Ladder(against=[own]), documents([text])).to_pylist()
    assert row["decontaminate.ratio"] > 0.95
    assert len(row["decontaminate.spans"].split()) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Which of these is true? I do not know.",
        "What?",
        "Whyducks do have flat feet?",
        "I asked him why do ducks have flat feet on land and he laughed.",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        " ".join(map(str, range(200))),
        "A farmer has seventeen sheep.",
        "农夫有十七只羊。",
        *STORIES,
        *HOSTILE.values(),
        "x" * 10_000_000,
    ],
)
def test_clean_texts_share_nothing(own: str, text: str) -> None:
    assert mark(Ladder(against=[own]), documents([text])).column("decontaminate.item").to_pylist() == [None]


def numeric(draw: random.Random) -> str:
    """A document whose n-grams are of numbers: zeros, arrays, tables, dates, and what surrounds them in code."""
    wide = draw.randrange(2, 60)
    return draw.choice(
        [
            "0 " * wide,
            f"a = np.array([{', '.join(['0'] * wide)}])\n" * 3,
            " ".join(str(draw.randrange(10)) for _ in range(wide)),
            ", ".join(map(str, range(wide))),
            "\n".join(f"{n} | {n * n} | {n / 7:.3f}" for n in range(wide)),
            " ".join(f"2024-{n % 12:02}-{n % 28:02}" for n in range(wide)),
        ]
    )


@pytest.mark.parametrize("against", ["own", "real"])
def test_runs_of_numbers_are_no_evidence(own: str, tmp_path: Path, against: str) -> None:
    """datatrove takes every number for 0: 2,049 of the 2,054 files that it removed were runs of numbers."""
    draw = random.Random(4)
    paths = [own, items_file(tmp_path, [{"text": f"Sort this list. {numeric(draw)}"} for _ in range(50)])]
    if against == "real":
        if not SHARED.exists():
            pytest.skip("../shared/data is not here; the law is tested on own items")
        paths.append(str(SHARED / "benchmarks" / "*.jsonl"))
    told = [numeric(draw) for _ in range(2000)]
    told += [f"{STORIES[at % 3]}\n{numeric(draw)}" for at in range(200)]
    assert outcome(Ladder(against=paths), documents(told))[1] == {}


def test_a_short_item_counts_where_it_stands_by_itself(own: str) -> None:
    for around in ("{}", "So? {}", "Line\n# {}\nx", "A story. {} And on.", '"{}" he said.'.replace(" he", "\nhe")):
        assert outcome(Ladder(against=[own]), documents([around.format(SHORT)]))[1], around


def test_a_short_question_with_a_choice(own: str) -> None:
    _, gone = outcome(Ladder(against=[own]), documents(["Which of these is true? Fire is wet and sinks."]))
    assert "own:9" in gone["d0"][1]


def test_the_ratio_is_difflibs(own: str) -> None:
    """Around the hit, as `difflib` itself counts it: blocks of more than five characters, of the skeletons."""
    changed = LONG.replace("seventeen", "thirteen").replace("away over", "off behind")
    [row] = mark(Ladder(against=[own]), documents([changed])).to_pylist()
    found = squash(*texts(pa.array([changed, LONG], pa.large_string())))
    blocks = difflib.SequenceMatcher(None, found.text(0), found.text(1), autojunk=False).get_matching_blocks()
    assert row["decontaminate.ratio"] == sum(b.size for b in blocks if b.size > 5) / len(found.text(1))


def test_every_owner_and_every_hit(tmp_path: Path) -> None:
    """The faults of the published script: one owner an n-gram, the first hit alone."""
    start = "The old boat was sad because nobody had sailed it for years"
    told = [f"{start} until two children painted it green one day.", f"{start} so it slowly sank down to the crabs."]
    against = items_file(tmp_path, [{"text": text} for text in told])
    for at, text in enumerate(told, 1):
        [row] = mark(Ladder(against=[against]), documents([f"{start}. And {start}, they say. {text}"])).to_pylist()
        assert (row["decontaminate.item"], row["decontaminate.ratio"]) == (f"items:{at}", 1.0)


def test_what_many_documents_hold_without_an_item_is_stock(tmp_path: Path) -> None:
    licence = "Permission is hereby granted free of charge to any person obtaining a copy of this software and files"
    against = items_file(tmp_path, [{"text": f"{licence}. What is the name of the licence that begins like this one?"}])
    stage = Ladder(against=[against])
    texts_of = [f"{licence}. Number {at} {STORIES[at % 3]}" for at in range(12)]
    assert len(outcome(stage, documents(texts_of[:10]))[1]) == 10, "ten may be copies"
    assert outcome(stage, documents(texts_of))[1] == {}, "eleven are stock"
    whole = json.loads(Path(against).read_text())["text"]
    assert list(outcome(stage, documents([*texts_of, whole]))[1]) == ["d12"], "the item itself is found all the same"
    assert len(outcome(stage, documents([whole] * 50))[1]) == 50, "and so are many copies of it"


def test_pieces_and_order_change_nothing(own: str) -> None:
    stage = Ladder(against=[own])
    told = [f"{FILLER} {change(LONG, random.Random(2))}" for change in WAYS.values()] + STORIES
    table = documents(told)
    assert all(mark(stage, table, size).equals(mark(stage, table)) for size in (1, 3, 10))
    back = table.take(pa.array(range(len(told) - 1, -1, -1)))
    assert set(outcome(stage, back)[1]) == set(outcome(stage, table)[1])


def test_threads_share_one_index(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(_climbing, "load", remembered(lambda *given: made.append(1) or _climbing._load(*given)))
    stage = Ladder(against=[own])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: stage.map(documents([LONG]), 0), range(8)))
    assert len(made) == 1
    assert all(rows.equals(found[0]) for rows in found)


def test_report_drops_nothing(own: str) -> None:
    stage = Ladder(against=[own], action="report")
    assert outcome(stage, documents([LONG]))[1] == {}
    assert mark(stage, documents([LONG])).column("decontaminate.item").to_pylist() == ["own:long"]


def test_against_nothing() -> None:
    for compat in ("none", "cosmopedia", "phi1", "gpt3", "llama", "llama3"):
        kept, gone = outcome(Ladder(against=[], compat=compat), documents(STORIES))
        assert (len(kept), gone) == (len(STORIES), {})


@pytest.mark.parametrize("compat", ["none", "cosmopedia", "phi1", "gpt3", "llama", "llama3"])
def test_hostile_texts(own: str, compat: str) -> None:
    """Published rules count n-grams of numbers; they are right to, being published."""
    told = [text for name, text in HOSTILE.items() if name != "digits" or compat not in ("phi1", "gpt3", "llama3")]
    _, gone = outcome(Ladder(against=[own], compat=compat), documents([*told, "", LONG]))
    assert list(gone) == [f"d{len(told) + 1}"]


@pytest.mark.parametrize(
    ("content", "says"), [(None, "does not exist"), ("{\n", "not an item"), ('{"a": 1}', "not an item")]
)
def test_what_cannot_be_read_is_the_users_mistake(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "bad.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=says) as caught:
        mark(Ladder(against=[str(path)]), documents(["text"]))
    assert caught.value.fix


def test_the_table_of_the_article(own: str) -> None:
    table = documents([LONG, LONG, f"{LONG} {SHORT}", SHORT, CHINESE, STORIES[0]])
    for source in (["a", "a", "b", "b", "a", "b"], None):
        rows = table if source is None else table.append_column("source", pa.array(source))
        stage = Ladder(against=[own])
        marks = mark(stage, rows, 2)
        sums: dict[str, Any] = {}
        for at in range(0, rows.num_rows, 2):
            sums = added(sums, json.loads(json.dumps(stage.measure(marks.slice(at, 2)))))
        want = {"a": {"own": {"documents": 3, "items": 2}}, "b": {"own": {"documents": 2, "items": 2}}}
        assert stage.facts(sums)["contaminated"] == (want if source else {"": {"own": {"documents": 5, "items": 3}}})
        assert Ladder(against=[own], min_ratio=1.0).facts({})["contaminated"] == {}


def test_the_table_counts_as_the_rule_drops(own: str) -> None:
    """Limits between whole percents: the table and the drops agree on thousandths."""
    table = documents([" ".join(LONG.split()[:words]) for words in range(8, 20)])
    marks = mark(Ladder(against=[own]), table)
    for ratio in sorted({row["decontaminate.ratio"] for row in marks.to_pylist()} - {None}):
        for limit in (round(ratio - 0.0015, 3), round(ratio + 0.0015, 3)):
            stage = Ladder(against=[own], min_ratio=limit)
            cells = stage.facts(json.loads(json.dumps(stage.measure(marks))))["contaminated"].get("", {})
            assert sum(cell["documents"] for cell in cells.values()) == len(outcome(stage, table)[1])


def test_a_document_made_of_stock_phrases_neither_stalls_nor_hides_an_item(tmp_path: Path) -> None:
    phrase, animals = (
        "now tell me what the good farmer will want to do next",
        ("cow", "hen", "pig", "cat", "dog", "ram"),
    )
    told = [f"{phrase} with the {a}, the {b} and a {c}?" for a in animals for b in animals for c in animals]
    bench_of = items_file(tmp_path, [{"id": f"{at}", "text": text} for at, text in enumerate(told)])
    noise = f"{phrase}. Does the cow like the other? " * 20_000
    [row] = mark(Ladder(against=[bench_of], common=1000), documents([noise + told[100]])).to_pylist()
    assert (row["decontaminate.item"], row["decontaminate.ratio"]) == ("items:100", 1.0)


def test_neighbours_see_what_letters_do_not(own: str) -> None:
    pytest.importorskip("wordllama", reason="the rung of neighbours needs the package wordllama")
    told = documents(
        [
            "Seventeen sheep has a farmer, and of them all but nine run over the hill, away. How many are left then?",
            STORIES[0],
        ]
    )
    stage = Ladder(against=[own], neighbours=True)
    _, gone = outcome(stage, told)
    assert list(gone) == ["d0"]
    assert gone["d0"][0] == "neighbour"
    assert "own:long" in gone["d0"][1]
    assert outcome(Ladder(against=[own]), told)[1] == {}


def test_ladder_is_across() -> None:
    assert issubclass(Ladder, Across)


def test_clean_real_texts_stay() -> None:
    if not SHARED.exists():
        pytest.skip("../shared/data is not here; the law is tested on own texts above")
    stage = Ladder(against=[str(SHARED / "benchmarks" / "*.jsonl")])
    told = []
    for name in ("openstax_physics", "openstax_introduction-python-programming", "wikipedia_excerpts"):
        path = SHARED / "corpora" / f"{name}.jsonl"
        told += [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    assert outcome(stage, documents(told))[1] == {}


def test_code_shares_idioms_not_items() -> None:
    """Of 1,385 files of an algorithms collection one is dropped, which holds a function of MBPP but for a name."""
    if not SHARED.exists():
        pytest.skip("../shared/data is not here")
    stage = Ladder(against=[str(SHARED / "benchmarks" / f"{name}.jsonl") for name in ("humaneval", "mbpp")])
    lines = (SHARED / "corpora" / "the_algorithms_python.jsonl").open(encoding="utf-8")
    _, gone = outcome(stage, documents([json.loads(line)["text"] for line in lines]))
    assert [evidence.split(";")[1].split(",")[0].strip() for _, evidence in gone.values()] == ["mbpp:701"]


def test_what_tells() -> None:
    assert _climbing._tells(0.95, 40, 30, 40, 60)
    assert not _climbing._tells(0.85, 40, 34, 40, 60), "too little"
    assert _climbing._tells(0.55, 120, 60, 120, 60), "half of it in one run"
    assert not _climbing._tells(0.55, 120, 30, 120, 60), "in pieces"
    assert _climbing._tells(0.85, 120, 30, 120, 60), "in pieces, but most of it"
