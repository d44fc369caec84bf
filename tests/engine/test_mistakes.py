"""Values from a person: one where a list is wanted, and faults told with their knob."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field

from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath
from hornbook.engine.mistakes import checked


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    low: int = Field(0, ge=0)


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    files: list[InputPath] = []
    names: list[str] | None = None
    either: str | list[str] = ""
    inner: Inner = Inner()


def made(**values: object) -> Model:
    return checked(Model, values, "model", lambda key: f"place of {key}")


def test_one_where_only_a_list_will_do_is_a_list_of_one():
    found = made(files="a.jsonl", names="b", either="c")
    assert (found.files, found.names, found.either) == (["a.jsonl"], ["b"], "c")
    assert isinstance(found.files[0], InputPath)
    assert made(names=None).names is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"naems": ["a"]}, ["unknown knob", "did you mean `names`", "place of naems"]),
        ({"inner": {"low": -1}}, ["inner.low = -1 is below 0", "place of inner"]),
        ({"inner": {"lwo": 1}}, ["inner.lwo", "place of inner"]),
        ({"names": {"a": 1}}, ["names", "place of names"]),
    ],
)
def test_a_fault_names_its_knob_and_place(values, words):
    with pytest.raises(UserError) as error:
        made(**values)
    for word in words:
        assert word in str(error.value)
