"""sources.html: the main text of pages, in their own characters; what is none is a drop with its file."""

from __future__ import annotations

import builtins
import gzip
import json
import re
from pathlib import Path

import pytest

from hornbook.core.errors import UserError
from hornbook.stages.sources import _pages
from hornbook.stages.sources.html import Html
from tests.contract import Example
from tests.stages.sources.reading import read, reasons

pytest.importorskip("trafilatura", reason="the extra `web` is not installed")
SOME = Path(__file__).resolve().parent / "some_pages"
EXAMPLE = Example(knobs={"path": str(SOME)}, golden={"1": "d3005bb8c13f6848679197cac1093ea3"})


def test_the_example():
    good, drops = read(Html.model_validate(EXAMPLE.knobs))
    assert [(row["id"], row["path"], row["encoding"]) for row in good] == [
        ("fox.html:1", "fox.html", "utf-8"), ("zh.htm:1", "zh.htm", "gbk"),
    ]  # fmt: skip
    fox, zh = (row["text"] for row in good)
    assert "shiny blue button" in fox
    assert "treasure, and that" in fox
    for boiler in ("About us", "Cookie", "var x"):
        assert boiler not in fox
    assert "小狐狸在森林里找到了一个蓝色的纽扣。" in zh
    assert reasons(drops) == [("empty.html", "empty_file"), ("script.html", "no_text")]


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse", "all"])
def test_every_extractor_gives_the_story(extractor):
    good, _ = read(Html(path=str(SOME / "fox.html"), extractor=extractor))
    assert "shiny blue button" in good[0]["text"]
    assert ("About us" in good[0]["text"]) == (extractor == "all")


def test_a_folder_means_its_pages_and_a_named_file_is_one(tmp_path):
    page = (SOME / "fox.html").read_bytes()
    (tmp_path / "a.HTML.gz").write_bytes(gzip.compress(page))
    (tmp_path / "page").write_bytes(page)
    assert [row["path"] for row in read(Html(path=str(tmp_path)))[0]] == ["a.HTML.gz"]
    assert [row["path"] for row in read(Html(path=[str(tmp_path / "page")]))[0]] == ["page"]
    with pytest.raises(UserError, match=r"no \.htm"):
        read(Html(path=str(tmp_path / "*ge*"), limit=1))


CHARSETS = [
    ("utf-8", "<meta charset=utf-8>", "Žluťoučký kůň пёс 狐狸 🦊 يوم"),
    ("utf-16", "", "Žluťoučký kůň пёс 狐狸 🦊 يوم"),
    ("windows-1251", "<meta charset=windows-1251>", "Лисица нашла пуговицу"),
    ("shift_jis", "<meta http-equiv=content-type content='text/html; charset=shift_jis'>", "狐がボタンを見つけた"),
]


@pytest.mark.parametrize(("encoding", "meta", "text"), CHARSETS)
def test_characters_are_those_of_the_page(encoding, meta, text):
    page = f"<html><head>{meta}</head><body><p>{text}</p></body></html>".encode(encoding)
    assert text in _pages.characters(page)[0]


def test_the_header_counts_before_the_meta_and_the_mark_before_both():
    page = "<meta charset=windows-1252><p>狐狸".encode()
    assert "狐狸" in _pages.characters(page, "utf-8")[0]
    assert "狐狸" in _pages.characters(b"\xef\xbb\xbf" + page, "windows-1252")[0]
    assert _pages.characters(b"\xff\xfe\x00", "no-such-charset")[0] is not None


HOSTILE = {
    "deep": b"<div>" * 500_000 + b"x",
    "deep and closed": b"<div>" * 30_000 + b"some words" + b"</div>" * 30_000,
    "tags": b"<p>w<p>" * 700_000,
    "line": b"x" * 4_900_000,
    "attributes": b"<p " + b"a=1 " * 1_000_000 + b">x",
    "entities": b"&#xD800;&#0;&#x110000;&amp;" * 50_000,
    "nul": b"\0<p>a\0b</p>\0" * 1000,
    "unclosed": b'<p><a href="' + b"x" * 1_000_000,
    "bytes": bytes(range(256)) * 1000,
    "scripts": "".join(chr(c) for c in range(0xA1, 0x30000, 7) if chr(c).isalpha()).encode(),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse", "all"])
def test_nothing_in_a_page_ends_or_stalls_it(tmp_path, extractor):
    for name, page in HOSTILE.items():
        (tmp_path / f"{name}.html").write_bytes(page)
    (tmp_path / "too long.html").write_bytes(b"<p>x" * 2_000_000)
    good, drops = read(Html(path=str(tmp_path), extractor=extractor))
    assert len(good) + len(drops) == len(HOSTILE) + 1
    assert ("too long.html", "too_long") in reasons(drops)
    assert ("tags.html", "too_many_tags") in reasons(drops)
    if extractor == "resiliparse":
        assert ("deep and closed.html", "too_deep") in reasons(drops)
    assert all(drop["evidence"].startswith(drop["id"] + ": ") for drop in drops)


def test_a_missing_package_is_said_with_the_command(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "trafilatura":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setitem(__import__("sys").modules, "trafilatura", None)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'hornbook\[web\]'"):
        Html(path=str(SOME)).shards(None)


def test_the_extractors_stand_as_measured(request):
    """On pages annotated by Trafilatura's authors, where its checkout is named by TRAFILATURA_TESTS."""
    import os

    home = os.environ.get("TRAFILATURA_TESTS")
    if not home:
        pytest.skip("TRAFILATURA_TESTS names no `tests` folder of a checkout of adbar/trafilatura")
    pages = list(json.loads((Path(home) / "evaldata.json").read_text(encoding="utf-8")).values())[:300]
    scores = {name: f1(Path(home), pages, name) for name in ("trafilatura", "resiliparse", "all")}
    assert scores["trafilatura"] > scores["resiliparse"] > scores["all"]
    assert scores["trafilatura"] > 0.88


def f1(home, pages, extractor):
    hit = wrong = missed = 0
    for page in pages:
        path = next(p for p in (home / "cache" / page["file"], home / "eval" / page["file"]) if p.exists())
        found = _pages.main_text(path.read_bytes(), "", extractor, 50_000)
        text = "" if isinstance(found, _pages.Refused) else " ".join(found[0].split())
        held = [re.sub(r"\s+", " ", part).strip() in text for part in page["with"]]
        hit, missed = hit + sum(held), missed + held.count(False)
        wrong += sum(re.sub(r"\s+", " ", part).strip() in text for part in page["without"])
    return 2 * hit / (2 * hit + wrong + missed)
