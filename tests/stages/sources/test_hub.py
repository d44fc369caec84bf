"""sources.hub: datasets over the hub's real protocol, at one commit, no more bytes than wanted."""

from __future__ import annotations

import io
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.engine.keys import keys_of
from hornbook.stages.sources.hub import Hub, _fits
from tests.commands import hornbook, last_json
from tests.contract import Example
from tests.stages.sources.reading import read, reasons

pytest.importorskip("huggingface_hub", reason="the extra `hub` is not installed")
EXAMPLE = Example(
    knobs={"path": "hf://datasets/hornbook/example", "split": "train"}, golden={"1": "14fee7106dea1e8d30ff745e5b63f433"}
)


def parquet(texts: list[str]) -> bytes:
    out = io.BytesIO()
    big = [f"{n} {text}" * 2000 for n, text in enumerate(texts)]
    table = pa.table({"content": texts, "stars": list(range(len(texts))), "big": big})
    pq.write_table(table, out, row_group_size=100, compression="none", use_dictionary=False)
    return out.getvalue()


@pytest.fixture
def dataset(hub, request):
    name = f"fox/{request.node.name.replace('[', '-').replace(']', '').replace('_', '-')[:60]}"
    hub.push(name, {"data/train-00000-of-00001.parquet": parquet([f"text {n} 狐狸" for n in range(300)]),
                    "data/test-00000-of-00001.parquet": parquet(["held out"]),
                    "zh/a.jsonl": b'{"content": "\xe7\x8b\x90"}\n',
                    "LICENSE": b"x"})  # fmt: skip
    return name


def test_the_example():
    good, drops = read(Hub.model_validate(EXAMPLE.knobs))
    assert [(row["id"], row["text"], row.get("topic")) for row in good] == [
        ("data/train-00000.jsonl:1", "A fox.", None), ("data/train-00000.jsonl:2", "狐狸", "fox"),
    ]  # fmt: skip
    assert reasons(drops) == [("data/train-00000.jsonl:3", "json")]


def test_columns_that_are_not_wanted_are_not_fetched(hub, dataset):
    path = f"hf://datasets/{dataset}/data/train-*.parquet"
    before = len(hub.asked)
    good, _ = read(Hub(path=path, text="content", columns=["stars"]))
    assert [row["text"] for row in good][:2] == ["text 0 狐狸", "text 1 狐狸"]
    assert list(good[0]) == ["id", "text", "origin", "stars"]
    ranges = [asked[2] for asked in hub.asked[before:] if "/resolve/" in asked[1] and asked[0] == "GET"]
    assert ranges
    assert all(asked.startswith("bytes=") for asked in ranges)


def test_every_file_is_read_at_one_commit(hub, dataset):
    stage = Hub(path=f"hf://datasets/{dataset}", text="content", split="test")
    items = stage.shards(None)
    hub.push(dataset, {"data/test-00000-of-00001.parquet": parquet(["changed"])})
    (table,) = stage.read(items[0], None)
    assert table["text"].to_pylist() == ["held out"]
    commit = items[0][0]["path"].partition("@")[2].partition("/")[0]
    old = Hub(path=f"hf://datasets/{dataset}@{commit}/data/test-00000-of-00001.parquet", text="content")
    assert [row["text"] for row in read(old)[0]] == ["held out"]


def test_the_key_is_of_the_files_not_of_the_name(hub, dataset):
    stage = Hub(path=f"hf://datasets/{dataset}", text="content")
    before = keys_of("sources.hub", stage, []).step
    assert keys_of("sources.hub", stage, []).step == before
    fresh = "from hornbook.stages.sources.hub import Hub; from hornbook.engine.keys import keys_of; "
    fresh += f"print(keys_of('sources.hub', Hub(path={stage.path!r}, text='content'), []).step)"

    def elsewhere() -> str:
        done = subprocess.run([sys.executable, "-c", fresh], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert elsewhere() == before
    hub.push(dataset, {"data/train-00000-of-00001.parquet": parquet(["changed"])})
    assert elsewhere() != before


@pytest.mark.parametrize(("split", "files"), [("train", 1), ("test", 1), (None, 3)])
def test_splits_by_the_paths(dataset, split, files):
    stage = Hub(path=f"hf://datasets/{dataset}", split=split, text="content")
    assert sum(map(len, stage.shards(None))) == files


def test_splits_and_configs_by_the_readme(hub, dataset):
    readme = (
        b"---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: data/train-*\n  - split: odd\n"
    )
    readme += b"    path: [data/test-*]\n- config_name: zh\n  data_files: zh/*.jsonl\n---\n"
    name = f"{dataset}-readme"
    hub.push(name, hub.commits[dataset][hub.commit(dataset)] | {"README.md": readme})

    def files(**knobs):
        shares = Hub(path=f"hf://datasets/{name}", text="content", **knobs).shards(None)
        return [file["name"] for share in shares for file in share]

    assert files(config="en", split="odd") == ["data/test-00000-of-00001.parquet"]
    assert files(config="zh") == ["zh/a.jsonl"]
    for wrong, said in (
        ({"split": "train"}, "several configs"),
        ({"config": "fr"}, "no config"),
        ({"config": "en", "split": "x"}, "no split"),
    ):
        with pytest.raises(UserError, match=said):
            files(**wrong)


def test_a_damaged_file_is_a_drop(hub, dataset):
    name = f"{dataset}-damaged"
    whole = parquet([f"text {n}" for n in range(300)])
    hub.push(
        name, {"a.parquet": whole[: len(whole) // 2], "b.jsonl": b'{"content": "good"}\n\xff\xfe\n', "c.parquet": b""}
    )
    good, drops = read(Hub(path=f"hf://datasets/{name}", text="content"))
    assert [row["text"] for row in good] == ["good"]
    assert [(key.partition(":")[0], reason) for key, reason in reasons(drops)] == [
        ("a.parquet", "corrupt"), ("b.jsonl", "utf8"), ("c.parquet", "empty_file"),
    ]  # fmt: skip


def test_mistakes_are_said(dataset):
    for wrong in ("fox/data", "https://x/y", "hf://fox/data", "hf://datasets/fox"):
        with pytest.raises(ValidationError):
            Hub(path=wrong)
    for path, said in ((f"hf://datasets/{dataset}@nope", "no revision"), ("hf://datasets/fox/none", "no dataset")):
        with pytest.raises(UserError, match=said):
            Hub(path=path).shards(None)


def test_the_command_line(tmp_path, dataset):
    done = hornbook("step", "sources.hub", f"path=hf://datasets/{dataset}", "split=train", "text=content", "columns=[]",
                    "--out", tmp_path / "out", "--json", cwd=tmp_path)  # fmt: skip
    assert last_json(done)["kept"] == 300


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [("data/train-1.parquet", "data/train-*", True), ("data/x/train-1", "data/train-*", False),
     ("a/b/c.json", "**/*.json", True),
     ("c.json", "**/*.json", True), ("zh/a.jsonl", "./zh/*.jsonl", True), ("data/a.csv", "*.csv", False)],
)  # fmt: skip
def test_globs_of_readmes(path, pattern, fits):
    assert _fits(path, pattern) == fits
