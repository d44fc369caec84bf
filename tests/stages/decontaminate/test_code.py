from __future__ import annotations

import ast
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from bench.planted import KINDS, told
from hornbook.core.errors import UserError
from hornbook.core.rules import select
from hornbook.stages.decontaminate._exams import load, read
from hornbook.stages.decontaminate.code import Code
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import documents, mark, outcome

BENCHMARKS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "benchmarks"
CORPORA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "corpora"

ITEMS = [
    {
        "task_id": "Own/0",
        "prompt": 'def widest_gap(numbers):\n    """The widest gap between neighbours of a sorted list of numbers.\n'
        '    >>> widest_gap([1, 4, 5])\n    3\n    """\n',
        "canonical_solution": "    ordered = sorted(numbers)\n    best = 0\n    total = 0\n"
        "    for at in range(1, len(ordered)):\n        gap = ordered[at] - ordered[at - 1]\n        total += gap\n"
        "        if gap > best:\n            best = gap\n"
        "    return best + 0 * total\n",
        "test": "def check(candidate):\n    assert candidate([1, 4, 5]) == 3\n",
    },
    {
        "task_id": 1,
        "text": "Write a function to count how often each word of a sentence comes, for words that come twice.",
        "code": "def repeated(sentence):\r\n    found = {}\r\n    for word in sentence.split():\r\n"
        "        found[word.lower()] = found.get(word.lower(), 0) + 1\r\n"
        "    return {word: many for word, many in found.items() if many >= 2}\r\n",
        "test_list": ["assert repeated('a b a') == {'a': 2}"],
    },
    {"id": "plain", "text": "def mean_square(values):\n    return sum(v * v for v in values) / max(len(values), 1)\n"},
]
SOURCES = [ITEMS[0]["prompt"] + ITEMS[0]["canonical_solution"], ITEMS[1]["code"], ITEMS[2]["text"]]
OTHERS = [
    "def greet(name):\n    message = 'Hello, ' + name.title()\n    print(message)\n    return len(message)\n",
    "def area(shapes):\n    return [s.width * s.height for s in shapes if s.visible and not s.hidden]\n",
    "class Stack:\n    def push(self, item):\n        self.items.append(item)\n        self.size = len(self.items)\n",
]
LINES = "".join(json.dumps(item) + "\n" for item in ITEMS)
RENAMED = (
    "def step_0(item_1):\n"
    "    item_2 = sorted(item_1)\n"
    "    item_3 = 0\n"
    "    item_4 = 0\n"
    "    for item_5 in range(1, len(item_2)):\n"
    "        item_6 = item_2[item_5] - item_2[item_5 - 1]\n"
    "        item_4 += item_6\n"
    "        if item_6 > item_3:\n"
    "            item_3 = item_6\n"
    "    return item_3 + 0 * item_4\n"
)
EXAMPLE = Example(
    knobs={"against": ["{tmp}/exam.jsonl"]},
    rows=[
        {"id": "copy", "text": SOURCES[1]},
        {"id": "renamed", "text": RENAMED},
        {"id": "prose", "text": f"Here is how:\n\n```python\n{RENAMED}```\n\nThat was it."},
        {"id": "other", "text": OTHERS[0]},
        {"id": "class", "text": OTHERS[2]},
        {"id": "broken", "text": "def f(:\n    return 1\n"},
        {"id": "deep", "text": "x = " + "-" * 20_000 + "1"},
        *({"id": name, "text": HOSTILE[name]} for name in ("empty", "nul", "bidi", "long line")),
    ],
    files={"exam.jsonl": LINES},
    golden={"1": "82d44b3ccdd93b86c3fcad684428b70c"},
)


@pytest.fixture
def exam(tmp_path: Path) -> str:
    path = tmp_path / "exam.jsonl"
    path.write_text(LINES, encoding="utf-8")
    return str(path)


def rates(stage: Code, texts: list[str]) -> list[float]:
    found = mark(stage, documents(texts)).column("decontaminate.code_match").to_pylist()
    return [rate or 0.0 for rate in found]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "while" not in kind and "reordered" not in kind])
def test_solutions_told_differently_leave(exam: str, kind: str) -> None:
    texts = [text for source in SOURCES if (text := told(source, kind))]
    assert texts
    kept, gone = outcome(Code(against=[exam], similarity=None), documents(texts))
    assert kept == []
    assert {reason for reason, _ in gone.values()} == {"contaminated"}


def test_every_kind_changes_something_and_stays_python() -> None:
    for kind in KINDS:
        texts = [(source, text) for source in SOURCES if (text := told(source, kind))]
        assert texts, kind
        for source, text in texts:
            assert ast.unparse(ast.parse(text)) != ast.unparse(ast.parse(source)), kind


def test_others_stay(exam: str) -> None:
    kept, gone = outcome(Code(against=[exam]), documents([*OTHERS, *STORIES]))
    assert len(kept) == len(OTHERS) + len(STORIES)
    assert gone == {}


def test_the_evidence_names_item_lines_and_both_texts(exam: str) -> None:
    text = f"import os\n\n{RENAMED}"
    _, gone = outcome(Code(against=[exam]), documents([text]))
    reason, evidence = gone["d0"]
    assert reason == "contaminated"
    assert "exam:Own/0, lines 3-" in evidence
    assert "def step_0(item_1)" in evidence
    assert "def widest_gap(numbers): ordered = sorted(numbers)" in evidence


def test_a_document_s_rate_is_that_of_its_best_function(exam: str) -> None:
    alone, among = rates(Code(against=[exam]), [SOURCES[1], "\n\n".join([OTHERS[0], SOURCES[1], OTHERS[1]])])
    assert alone == among == 1.0
    row = mark(Code(against=[exam]), documents(["\n".join([*OTHERS, SOURCES[1]])])).to_pylist()[0]
    assert row["decontaminate.code_item"] == row["decontaminate.code_neighbour"] == "exam:1"
    assert row["decontaminate.code_functions"] == 4


def test_functions_are_found_in_prose_and_beside_broken_ones(exam: str) -> None:
    prose = f"Let us see.\n\n```python\n{RENAMED}```\n\nDone, isn't it?"
    broken = f"def broken(:\n    pass\n\n@cached\n{RENAMED}\nprint 'old'\n"
    assert rates(Code(against=[exam]), [prose, broken]) == [1.0, 1.0]
    for text in (prose, broken):
        [unit] = read(text, "free", "types", True, 10, 1000)
        assert unit.source.startswith("def step_0")
        assert text.split("\n")[unit.first - 1] == "def step_0(item_1):"


def test_small_functions_and_dunders_are_not_compared(exam: str) -> None:
    small, special = "def f(a):\n    return a\n", SOURCES[1].replace("repeated", "__init__")
    found = mark(Code(against=[exam]), documents([small, special])).column("decontaminate.code_functions").to_pylist()
    assert found == [None, None]
    assert rates(Code(against=[exam], min_nodes=100), [SOURCES[1]]) == [0.0]


def test_similarity_finds_what_trees_do_not(exam: str) -> None:
    loops = told(SOURCES[0], "for as while") or ""
    table = documents([loops, OTHERS[0]])
    assert outcome(Code(against=[exam], similarity=None), table)[1] == {}
    _, gone = outcome(Code(against=[exam], similarity=0.9), table)
    assert gone.keys() == {"d0"}
    assert gone["d0"][0] == "neighbour"
    assert "exam:Own/0" in gone["d0"][1]


def test_near_asks_for_both_of_the_same_pair(exam: str) -> None:
    both = Code(against=[exam], near=0.8)
    assert rates(both, [SOURCES[0], RENAMED]) == [1.0, 0.0]
    assert rates(Code(against=[exam]), [SOURCES[0], RENAMED]) == [1.0, 1.0]
    with pytest.raises(ValidationError, match="near needs vectors"):
        Code(against=[exam], near=0.5, embedding="none")


def test_sequences_are_never_further_than_trees(exam: str) -> None:
    texts = [text for kind in KINDS for source in SOURCES if (text := told(source, kind))]
    trees, sequences = (rates(Code(against=[exam], distance=way), texts) for way in ("tree", "sequence"))
    assert all(two >= one for one, two in zip(trees, sequences, strict=True))
    assert any(two > one for one, two in zip(trees, sequences, strict=True))


def test_counts_for_every_threshold_of_phi_1(exam: str) -> None:
    texts = [text for kind in KINDS for source in SOURCES if (text := told(source, kind))] + OTHERS
    stage = Code(against=[exam])
    marks = mark(stage, documents(texts)).drop_columns(["id", "text"])
    facts = stage.facts(stage.measure(marks))
    match, near = (marks.column(f"decontaminate.{name}").to_pylist() for name in ("code_match", "code_similarity"))
    assert list(facts["removed"]) == ["0.95", "0.9", "0.85", "0.8"]
    for name, counts in facts["removed"].items():
        by_trees = [(rate or 0) >= float(name) for rate in match]
        by_vectors = [(cosine or 0) >= 0.9 for cosine in near]
        pairs = list(zip(by_trees, by_vectors, strict=True))
        expected = {"trees": sum(by_trees), "both": sum(map(all, pairs)), "either": sum(map(any, pairs))}
        assert counts == expected
    counts = [facts["removed"][name]["trees"] for name in facts["removed"]]
    assert 0 < counts[0] <= counts[1] <= counts[2] <= counts[3] < len(texts)
    assert facts["with_functions"] == len(texts)
    other = Code(against=[exam], match=0.75, similarity=None)
    assert list(other.facts(stage.measure(marks))["removed"]) == ["0.95", "0.9", "0.85", "0.8", "0.75"]
    _, dropped = select(pa.concat_tables([marks]), other.drops())
    assert dropped.num_rows == other.facts(stage.measure(marks))["removed"]["0.75"]["trees"]


def test_pieces_of_any_size_give_the_same(exam: str) -> None:
    texts = [text for kind in KINDS for source in SOURCES if (text := told(source, kind))] + OTHERS
    whole = mark(Code(against=[exam]), documents(texts))
    assert mark(Code(against=[exam]), documents(texts), 1).equals(whole)
    assert mark(Code(against=[exam]), documents(texts[::-1])).to_pylist() == [
        row | {"id": f"d{at}"} for at, row in enumerate(whole.to_pylist()[::-1])
    ]


def test_without_exams_or_vectors(exam: str) -> None:
    assert set(mark(Code(against=[]), documents(SOURCES)).to_pylist()[0].values()) == {"d0", SOURCES[0], None}
    row = mark(Code(against=[exam], embedding="none"), documents(SOURCES)).to_pylist()[0]
    assert (row["decontaminate.code_match"], row["decontaminate.code_similarity"]) == (1.0, None)


def test_rows_without_code_are_said(tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    path.write_text('{"answer": 1}\n', encoding="utf-8")
    with pytest.raises(UserError, match="not an item"):
        Code(against=[str(path)]).each(documents(["x"]))
    with pytest.raises(ValidationError, match="wordllama"):
        Code(against=[str(path)], embedding="some")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "a" + ".b" * 100_000,
        "".join(" " * depth + "def f():\n" for depth in range(99)) + " " * 99 + "return 1\n",
        "if a:\n    pass\n" + "elif a:\n    pass\n" * 3000,
        "def f(a):\n    return " + "a + " * 500 + "a\n",
        "@a\n" * 20_000,
        "def f(:\n    x\n" * 5_000,
        "\r" * 100_000,
        *HOSTILE.values(),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_text_stops_it(exam: str, text: str) -> None:
    assert mark(Code(against=[exam]), documents([text])).num_rows == 1


def test_published_exams_are_read_as_they_are() -> None:
    paths = [BENCHMARKS / name for name in ("humaneval.jsonl", "mbpp.jsonl")]
    if not all(path.exists() for path in paths):
        pytest.skip("no humaneval.jsonl and mbpp.jsonl beside the checkout")
    exams = load([str(path) for path in paths], "free", "types", True, 1, "none")
    assert len(exams.keys) == 164 + 974
    assert set(range(164 + 974)) == set(exams.owners.tolist()), "every solution has a function"
    row = json.loads(paths[0].read_text(encoding="utf-8").splitlines()[4])
    renamed = told(row["prompt"] + row["canonical_solution"], "renamed, no docstring") or ""
    stage = Code(against=[str(path) for path in paths], embedding="none")
    found = mark(stage, documents([renamed])).to_pylist()[0]
    assert (found["decontaminate.code_item"], found["decontaminate.code_match"]) == ("humaneval:HumanEval/4", 1.0)


def test_few_of_a_collection_of_algorithms_leave() -> None:
    paths = [BENCHMARKS / "humaneval.jsonl", BENCHMARKS / "mbpp.jsonl", CORPORA / "the_algorithms_python.jsonl"]
    if not all(path.exists() for path in paths):
        pytest.skip("no benchmarks and the_algorithms_python.jsonl beside the checkout")
    rows = [json.loads(line) for line in paths[2].read_text(encoding="utf-8").splitlines()[:100]]
    stage = Code(against=[str(path) for path in paths[:2]])
    kept, gone = outcome(stage, documents([row["text"] for row in rows], [row["id"] for row in rows]))
    assert len(kept) >= 95
    assert len(gone) == 100 - len(kept)
