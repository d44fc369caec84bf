from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.skeleton import places, squash
from hornbook.kernels.words import texts
from tests.corpus import HOSTILE, STORIES


def skeletons(*said: str) -> list[str]:
    found = squash(*texts(pa.array(said, pa.large_string())))
    return [found.text(at) for at in range(len(said))]


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("Hello World", "hello, world!"),
        ("Hello World", "Ｈｅｌｌｏ\u3000Ｗｏｒｌｄ"),
        ("Hello World", "𝐇𝐞𝐥𝐥𝐨 𝕎𝕠𝕣𝕝𝕕"),
        ("Hello World", "Неllо Wоrld"),
        ("Hello World", "He\u00adl\u200blo wo\u200drld"),
        ("scope a price", "ѕсоре а рrісе"),
        ("office", "oﬃce"),
        ("naïve café", "nai\u0308ve cafe\u0301"),
        ("naïve café", "naive cafe"),
        ("Straße", "STRASSE"),
        ("x2 and 10", "x² and ⑩"),
        ("42 and 7", "٤٢ and ७"),
        ("AI will", "Al wiII"),
        ("нет", "НЕТ"),
        ("小狐狸在森林里", "小 狐狸,在森林里。"),
        ("㌍", "カロリー"),
        ("كتاب", "كِتَابٌ"),
        ("has_close(x)", "has close x"),
    ],
)
def test_what_looks_alike_is_alike(text: str, alike: str) -> None:
    one, other = skeletons(text, alike)
    assert one == other
    assert one


def test_what_differs_differs() -> None:
    said = ["hello world", "hello word", "12", "21", "小狐狸", "小狐", "한국", "한극", "ab", "ba", "кот", "кит"]
    assert len(set(skeletons(*said))) == len(said)


def test_a_syllable_of_hangul_stays_whole() -> None:
    assert skeletons("한국어") == ["한국어"]


@pytest.mark.parametrize("text", ["", " \n", "👩‍👩‍👧‍👦 🎉", "…—!?", "\u0301\u0302", "\x00\x01"])
def test_nothing_is_left_where_nothing_is_said(text: str) -> None:
    assert skeletons(text) == [""]


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8))
def test_laws_for_any_text(said: list[str]) -> None:
    """Skeletons of skeletons are the same, stand at multiples of four, and do not depend on what is beside them."""
    found = skeletons(*said)
    assert skeletons(*found) == found
    assert [skeletons(text)[0] for text in said] == found
    assert all(not unicodedata.category(c).startswith(("Z", "P", "Mn", "Cc", "Cf")) for text in found for c in text)
    kept = squash(*texts(pa.array(said, pa.large_string())))
    assert (kept.starts % 4 == 0).all()
    assert kept.data.size % 4 == 0


@settings(deadline=None)
@given(st.text(max_size=60))
def test_places_say_where_a_byte_is_from(text: str) -> None:
    data, offsets = texts(pa.array([text], pa.large_string()))
    where = places(data, 0, int(offsets[1]))
    raw = squash(data, offsets)
    assert where.size == raw.ends[0] - raw.starts[0] + 1
    assert where[-1] == offsets[1]
    assert (np.diff(where) >= 0).all()
    skeleton = raw.data[raw.starts[0] : raw.ends[0]]
    for at in sorted(set(where[:-1].tolist())):
        size = next(s for s in (1, 2, 3, 4) if at + s == len(data) or data[at + s] & 0xC0 != 0x80)
        character = data[at : at + size].tobytes().decode()
        assert skeleton[where[:-1] == at].tobytes().decode() == skeletons(character)[0]


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 40))
def test_bytes_that_are_not_utf8_are_passed_over(raw: bytes, cut: int) -> None:
    data = np.frombuffer(raw, np.uint8)
    middle = min(cut, data.size)
    found = squash(data, np.array([0, middle, data.size]))
    assert (found.ends >= found.starts).all()


def test_hostile_texts_and_stories() -> None:
    said = [*HOSTILE.values(), *STORIES, "ﷺ" * 5000]
    assert [skeletons(text)[0] for text in said] == skeletons(*said)
    assert len(skeletons("ﷺ" * 5000)[0]) == 5000 * len(skeletons("ﷺ")[0])
