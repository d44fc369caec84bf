"""Teachers of a comparison, from what a person writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.core.errors import UserError
from hornbook.lab.contenders import contenders, one_teacher, read_teachers
from hornbook.teachers.spec import TeacherSpec

SERVER = TeacherSpec(url="http://one:8000/v1", model="base", temperature=0.6, max_tokens=99, price={"input": 1})
KNOWN = {"big": {"url": "http://big/v1", "model": "owner/Big-70B"}}


def found(*words: str, base: TeacherSpec = SERVER) -> dict[str, TeacherSpec]:
    return {one.name: one.spec for one in contenders(words, base, KNOWN, Path("no-cache"))}


def test_a_models_name_is_asked_at_the_recipes_place_with_its_sampling():
    made = found("base", "other")
    assert made["base"] == SERVER
    assert (made["other"].url, made["other"].temperature, made["other"].max_tokens) == ("http://one:8000/v1", 0.6, 99)
    assert made["other"].price is None, "another model has another price"


def test_another_place_keeps_the_sampling_and_nothing_else():
    made = found("http://two:9/v1#owner/tiny-chat", "big")
    tiny = made["tiny-chat"]
    assert (tiny.url, tiny.model, tiny.temperature, tiny.price) == ("http://two:9/v1", "owner/tiny-chat", 0.6, None)
    assert made["big"].model == "owner/Big-70B"


def test_mappings_and_names_of_ones_own():
    made = found("cold={model: base, temperature: 0}", "hot={model: base, temperature: 1}", "mine=big")
    assert [made[name].temperature for name in ("cold", "hot", "mine")] == [0, 1, 0.6]
    assert made["mine"].model == "owner/Big-70B"
    same = found("http://a/v1#x", "{url: 'http://b/v1', model: x, temperature: 0.1}")
    assert list(same) == ["x", "x-2"], "names are made to differ"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["http://a/v1"], "names a server, but no model"),
        (["{model: [}"], "no YAML"),
        (["{model: x, tempature: 1}"], "tempature"),
        (["{model: x, temperature: 9}"], "temperature"),
        ([""], "names no teacher"),
        (["base", "again=base"], "the very same requests"),
        (["http://a/v1#m", "http://b/v1#m"], "the very same requests"),
    ],
)
def test_what_cannot_be_is_explained(words, fault):
    with pytest.raises(UserError, match=fault):
        found(*words)


def test_a_judge_is_its_own_and_does_not_take_the_recipes_sampling():
    judge = one_teacher("http://j/v1#judge", SERVER, KNOWN)
    assert (judge.url, judge.temperature, judge.max_tokens) == ("http://j/v1", None, None)
    assert one_teacher("base", SERVER, KNOWN).url == SERVER.url


def test_a_file_of_teachers(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("a: {model: x}\nb: {url: 'http://b/v1', model: y}\n", encoding="utf-8")
    assert read_teachers(path)["b"]["model"] == "y"
    path.write_text("- a\n", encoding="utf-8")
    with pytest.raises(UserError, match="no list of teachers"):
        read_teachers(path)
    with pytest.raises(UserError, match="cannot read"):
        read_teachers(tmp_path / "none.yaml")
