"""Keys: equal values have equal keys, in every process; different ones do not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Request
from hornbook.core.keys import canonical, key_of, random_for

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_equal_values_equal_keys(value):
    again = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert key_of(value) == key_of(again)
    assert len(key_of(value)) == 32


@given(st.dictionaries(st.text(), st.integers(), min_size=1), st.integers())
def test_any_change_changes_the_key(value, number):
    name = next(iter(value))
    if value[name] != number:
        assert key_of(value) != key_of(value | {name: number})


def test_same_in_another_process_with_another_hash_seed():
    code = (
        "from hornbook.core.keys import key_of, random_for; "
        "print(key_of({'b': 1, 'a': [2, 'ü']}), random_for(7, 'x', 3).random())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.split()[0] == key_of({"a": [2, "ü"], "b": 1})


def test_nan_has_no_key():
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_draws_do_not_depend_on_each_other():
    first = random_for(1, "stories", 5).random()
    random_for(1, "stories", 4).random()
    assert random_for(1, "stories", 5).random() == first
    assert random_for(2, "stories", 5).random() != first


def test_a_request_key_covers_everything_that_shapes_the_reply():
    base = Request("m", prompt="hello", params={"temperature": 1})
    others = [
        Request("n", prompt="hello", params={"temperature": 1}),
        Request("m", prompt="hello!", params={"temperature": 1}),
        Request("m", prompt="hello", params={"temperature": 0.5}),
        Request("m", prompt="hello", params={"temperature": 1}, sample=1),
        Request("m", prompt="hello", params={"temperature": 1}, schema={"type": "object"}),
        Request("m", messages=({"role": "user", "content": "hello"},), params={"temperature": 1}),
    ]
    keys = {r.key() for r in [base, *others]}
    assert len(keys) == len(others) + 1


def test_the_golden_key_of_a_request():
    """Journals live longer than versions: this key was computed when the form was settled (BLAKE2b-128 of the JSON)."""
    request = Request(
        "m",
        messages=({"role": "user", "content": "Grüß Gott, 世界 🦊"},),
        params={"top_p": 0.95, "max_tokens": 100, "stop": ["\n"]},
        schema={"type": "object", "properties": {"b": {}, "a": {}}},
        sample=2,
    )
    assert request.canonical().startswith(b'{"messages":[{"content":"Gr\xc3\xbc\xc3\x9f Gott')
    assert request.key() == "9860728d15ed906c244ab28c9988a700"


@pytest.mark.parametrize("strange", [{"seed": 2**70}, {"stop": ["\ud800"]}])
def test_what_one_encoder_refuses_has_a_key_as_well(strange):
    assert Request("m", prompt="x", params=strange).key() != Request("m", prompt="x").key()
