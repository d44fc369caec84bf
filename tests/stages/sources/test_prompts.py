"""sources.prompts: one's own prompts from any file; what is none is a drop with its file and line."""

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.core.stage import Dropped
from hornbook.stages.sources.prompts import Prompts
from tests.contract import Example
from tests.corpus import HOSTILE

CHAT = [{"role": "user", "content": "Hi"}]
GOOD = [
    {"prompt": "Write a poem.", "topic": "poems", "level": 3},
    {"id": "mine", "prompt": "Tell a joke.", "topic": "jokes", "level": 1},
    {"messages": CHAT, "topic": "chats", "level": 2},
]
LINES = [json.dumps(row) for row in GOOD]
LINES += ['{"prompt": ', '{"topic": "none"}', '{"prompt": " \\n "}', '{"prompt": 7}', "[]"]
EXAMPLE = Example(
    knobs={"path": ["{tmp}/own.jsonl", "{tmp}/lines.txt"]},
    files={
        "own.jsonl": "\n".join([*LINES, *(json.dumps({"prompt": text}) for text in HOSTILE.values())]),
        "lines.txt": "Write one story.\n\nWrite another.\n",
    },
    golden={"1": "0509db60947c11337c6421fe6318dbcd"},
)


def read(**knobs):
    """(rows kept, rows dropped) of the whole stage."""
    stage, kept, dropped = Prompts(**knobs), [], []
    for item in stage.shards(None):
        for found in stage.read(json.loads(json.dumps(item)), None):
            into = dropped if isinstance(found, Dropped) else kept
            into.extend((found.table if isinstance(found, Dropped) else found).to_pylist())
    return kept, dropped


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


def test_several_samples_are_a_row_each_with_ids_of_their_own(own):
    kept, dropped = read(path=str(own), samples=3)
    once, lost = read(path=str(own))
    assert [row["sample"] for row in kept] == [0, 1, 2] * len(once)
    assert [row["id"] for row in kept[:4]] == ["own.jsonl:1", "own.jsonl:1#1", "own.jsonl:1#2", "mine"]
    assert [{k: v for k, v in row.items() if k != "sample"} for row in kept[::3]] == once
    assert len({row["id"] for row in kept}) == len(kept)
    assert dropped == lost
    assert "sample" not in once[0]


def test_prompts_messages_ids_and_all_other_columns_are_kept(own):
    kept, _ = read(path=str(own))
    assert [row["id"] for row in kept] == ["own.jsonl:1", "mine", "own.jsonl:3"]
    assert [row["prompt"] for row in kept] == ["Write a poem.", "Tell a joke.", None]
    assert json.loads(kept[2]["messages"]) == CHAT
    assert [(row["topic"], row["level"]) for row in kept] == [("poems", 3), ("jokes", 1), ("chats", 2)]
    assert [row["origin"] for row in kept] == ["own.jsonl:1", "own.jsonl:2", "own.jsonl:3"]


def test_what_is_no_prompt_is_dropped_with_file_and_line(own):
    _, dropped = read(path=str(own))
    at = {int(row["origin"].rsplit(":", 1)[1]): row for row in dropped}
    assert {line: row["reason"] for line, row in at.items()} == {
        4: "json",
        5: "no_prompt",
        6: "no_prompt",
        7: "no_prompt",
        8: "not_object",
    }
    assert all("own.jsonl" in row["evidence"] and str(line) in row["evidence"] for line, row in at.items())


@pytest.mark.parametrize("kind", ["jsonl.gz", "jsonl.zst", "parquet", "csv", "tsv"])
def test_every_format_gives_the_same_prompts(kind, tmp_path):
    rows = [{"id": f"r{n}", "prompt": f'Write "{n}",\nplease, ü {n}.', "topic": "t"} for n in range(50)]
    path, plain = tmp_path / f"own.{kind}", "".join(json.dumps(row) + "\n" for row in rows).encode()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="," if kind == "csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_bytes(gzip.compress(plain) if kind.endswith("gz") else zstandard.compress(plain))
    kept, dropped = read(path=str(path))
    assert dropped == []
    assert [{name: row[name] for name in rows[0]} for row in kept] == rows


def test_parquet_with_messages_as_lists(tmp_path):
    pq.write_table(pa.table({"messages": [CHAT, None]}), tmp_path / "chats.parquet")
    kept, dropped = read(path=str(tmp_path / "chats.parquet"))
    assert [json.loads(row["messages"]) for row in kept] == [CHAT]
    assert [row["reason"] for row in dropped] == ["no_prompt"]


def test_a_text_file_is_one_prompt_a_line(tmp_path):
    (tmp_path / "p.txt").write_text("First.\nSecond.\n", encoding="utf-8")
    assert [row["prompt"] for row in read(path=str(tmp_path / "p.txt"))[0]] == ["First.", "Second."]


def test_other_names_for_the_columns(tmp_path):
    path = tmp_path / "alpaca.jsonl"
    path.write_text('{"key": "k1", "instruction": "Add 2 and 2.", "text": "old", "prompt": "not this"}\n')
    kept, dropped = read(path=str(path), prompt="instruction", id="key")
    assert dropped == []
    assert (kept[0]["id"], kept[0]["prompt"]) == ("k1", "Add 2 and 2.")
    assert "old" in kept[0].values()
    assert "not this" in kept[0].values()


def test_csv_with_an_empty_prompt_and_messages_column(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text('prompt,messages\nHello,\n,\n,"[{""role"": ""user"", ""content"": ""Hi""}]"\n')
    kept, dropped = read(path=str(path))
    assert [row["prompt"] or json.loads(row["messages"]) for row in kept] == ["Hello", CHAT]
    assert [row["reason"] for row in dropped] == ["no_prompt"]


def test_several_paths_are_read_in_their_order(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"prompt": "{name}"}}\n')
    paths = [str(tmp_path / "b.jsonl"), str(tmp_path / "a.jsonl")]
    assert [row["prompt"] for row in read(path=paths)[0]] == ["b", "a"]


def test_a_missing_file_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read(path=str(tmp_path / "none.jsonl"))


@settings(max_examples=30, deadline=None)
@given(prompts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=20))
def test_rows_in_are_prompts_and_drops(prompts, tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "own.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in prompts), encoding="utf-8")
    kept, dropped = read(path=str(path))
    assert len(kept) + len(dropped) == len(prompts)
    assert [row["prompt"] for row in kept if row["prompt"].strip()] == [text for text in prompts if text.strip()]
    assert all(row["reason"] == "no_prompt" for row in dropped)
