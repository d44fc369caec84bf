"""Laws of what a recipe says about a teacher."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.teachers.openai import OpenAI
from hornbook.teachers.scripted import Scripted
from hornbook.teachers.spec import SAMPLING, TeacherSpec, name_of, open_teacher


def quiet(line: str) -> None:
    return None


def test_a_url_always_means_a_server(tmp_path):
    for fields in ({"url": "http://h:1/v1/"}, {"urls": ("http://h:1/v1", "http://h:1/v1/")}):
        spec = TeacherSpec(use="local", model="m", **fields)
        assert spec.kind() == "openai"
        assert spec.addresses() == ("http://h:1/v1",)
        assert isinstance(open_teacher(spec, tmp_path, quiet), OpenAI)
        assert name_of(spec, tmp_path) == "m"
    assert isinstance(open_teacher(TeacherSpec(use="scripted"), tmp_path, quiet), Scripted)


def test_params_are_what_was_set_and_nothing_else():
    assert TeacherSpec().params() == {}
    spec = TeacherSpec(
        temperature=0, top_k=5, stop=("END",), seed=3, extra={"ignore_eos": True}, concurrency=3, timeout=9,
        url="http://h/v1", threads=1, price={"input": 1, "output": 2}, usd_per_hour=3, key_env="K",
    )  # fmt: skip
    assert spec.params() == {"temperature": 0, "top_k": 5, "stop": ["END"], "seed": 3, "ignore_eos": True}


def test_the_page_has_every_key_with_what_it_does():
    page = (Path(__file__).resolve().parents[2] / "docs" / "teachers.md").read_text(encoding="utf-8")
    rows = {
        line.split("`")[1]: line for line in page.partition("## All keys")[2].splitlines() if line.startswith("| `")
    }
    assert list(rows) == list(TeacherSpec.model_fields)
    for name, field in TeacherSpec.model_fields.items():
        assert rows[name].split(" | ")[-1] == f"{field.description} |", name
        if isinstance(field.default, int | float | str):
            assert rows[name].split(" | ")[2].strip('`"') == str(field.default), name


def test_a_pilot_of_a_batch_has_the_key_of_the_provider_it_asks():
    assert TeacherSpec(batch="anthropic", model="m").online().key_env == "ANTHROPIC_API_KEY"
    assert TeacherSpec(batch="anthropic", model="m").addresses() == ("https://api.anthropic.com/v1",)
    assert TeacherSpec(batch="anthropic", model="m", key_env="MINE").online().key_env == "MINE"
    for other in ({"batch": "openai"}, {"batch": "anthropic", "url": "https://h/v1"}, {"url": "https://h/v1"}):
        assert TeacherSpec(model="m", **other).online().key_env == ""
    assert "ANTHROPIC_API_KEY" in (TeacherSpec.model_fields["key_env"].description or "")


def test_every_sampling_parameter_is_a_knob():
    assert set(SAMPLING) <= TeacherSpec.model_fields.keys()


@pytest.mark.parametrize(
    "fields",
    [
        {"temprature": 1},
        {"temperature": -1},
        {"top_p": 1.5},
        {"url": "localhost:8000"},
        {"url": "http://"},
        {"threads": 0},
        {"copies": "many"},
        {"slots": 0},
        {"extra": {"messages": []}},
        {"extra": {"temperature": 1}},
        {"price": {"inputs": 1}},
        {"use": "magic"},
        {"timeout": 0},
        {"max_tokens": 0},
    ],
)
def test_nonsense_is_refused(fields):
    with pytest.raises(ValidationError):
        TeacherSpec(**fields)


def test_every_knob_says_what_it_does():
    for name, field in TeacherSpec.model_fields.items():
        assert field.description, name


def test_nothing_heavy_is_imported_with_the_spec():
    code = "import sys, hornbook.teachers.spec, hornbook.teachers.reading, hornbook.teachers.weights\n"
    code += "print(sorted({'aiohttp', 'xllamacpp', 'numpy', 'filelock'} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_a_missing_runtime_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    for module in ("hornbook.teachers.local", "hornbook.teachers.llama"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(UserError, match="xllamacpp") as caught:
        open_teacher(TeacherSpec(), tmp_path, quiet)
    assert "pip install 'hornbook[local]'" in caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_local_names_carry_the_weights(tmp_path):
    name = "smollm2-135m-instruct@sha256:b179c9523d0e6a0f"
    assert name_of(TeacherSpec(), tmp_path) == name
    assert name_of(TeacherSpec(api="chat"), tmp_path) == f"{name}:chat"
    assert name_of(TeacherSpec(model="owner/repo/file.gguf"), tmp_path) is None
    with pytest.raises(UserError, match="unknown local model 'smolm2'"):
        name_of(TeacherSpec(model="smolm2"), tmp_path)
