"""What teachers cost: the recipe's word first, then the hour, then the price list; never a guess."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Raw
from hornbook.core.errors import UserError
from hornbook.teachers.prices import Band, Tariff, must_be_known, tariff_of
from hornbook.teachers.reading import read_reply
from hornbook.teachers.spec import TeacherSpec

OPENAI = "https://api.openai.com/v1"
TOKENS = st.integers(0, 10**7)


def spec(**given) -> TeacherSpec:
    return TeacherSpec.model_validate(given)


def test_the_recipes_price_wins():
    tariff = tariff_of(spec(url=OPENAI, model="gpt-4o-mini", price={"input": 1, "output": 4}))
    assert tariff.of(1_000_000, 500_000) == pytest.approx(3.0)
    assert tariff.of(1_000_000, 0, cached=1_000_000) == pytest.approx(1.0), "cached as fresh, where nothing is said"
    assert tariff_of(spec(price={"input": 2, "output": 0, "cached": 1})).of(10**6, 0, 5 * 10**5) == pytest.approx(1.5)


def test_the_price_list_is_read_by_address_and_model():
    """Origin: genai-prices 0.2.3, OpenAI gpt-4o-mini: $0.15, $0.60 and $0.075 (cached) per million tokens."""
    tariff = tariff_of(spec(url=OPENAI, model="gpt-4o-mini"))
    assert tariff.known
    assert tariff.bands == (Band(0, 0.15, 0.6, 0.075),)
    assert "gpt-4o-mini" in tariff.origin


def test_it_agrees_with_the_librarys_own_sum():
    from genai_prices import Usage, calc_price

    for url, model in ((OPENAI, "gpt-4o"), ("https://api.anthropic.com/v1", "claude-sonnet-4-5")):
        tariff = tariff_of(spec(url=url, model=model))
        for prompt, reply, cached in ((1000, 200, 0), (1000, 200, 900), (250_000, 4000, 0), (200_000, 10, 3)):
            usage = Usage(input_tokens=prompt, output_tokens=reply, cache_read_tokens=cached)
            theirs = calc_price(usage, model, provider_api_url=url).total_price
            assert tariff.of(prompt, reply, cached) == pytest.approx(float(theirs), rel=1e-12), (model, prompt)


def test_long_prompts_have_prices_of_their_own():
    tariff = Tariff((Band(0, 1, 1, 1), Band(200_000, 2, 3, 2)))
    assert tariff.of(200_000, 10) == pytest.approx(0.2 + 10e-6)
    assert tariff.of(200_001, 10) == pytest.approx(0.400002 + 30e-6)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://localhost:8000/v1", "model": "gpt-4o"},
        {"url": "http://127.0.0.1:8000/v1", "model": "gpt-4o"},
        {"url": "http://10.0.0.7:8000/v1", "model": "gpt-4o"},
        {"url": "http://node17:8000/v1", "model": "Qwen/Qwen3-8B"},
        {"url": "https://llm.example.org/v1", "model": "gpt-4o"},
        {"url": OPENAI, "model": "no-such-model-at-all"},
        {"urls": [OPENAI, "http://localhost:1/v1"], "model": "gpt-4o"},
    ],
)
def test_what_nobody_knows_is_nothing_and_said(given):
    tariff = tariff_of(spec(**given))
    assert not tariff.known
    assert tariff.of(10**6, 10**6) == 0
    with pytest.raises(UserError, match=r"nobody says what") as caught:
        must_be_known(spec(**given), "teacher.price")
    assert "price: {input" in caught.value.fix
    must_be_known(spec(**given, price={"input": 0, "output": 0}), "teacher.price")
    must_be_known(spec(**given, usd_per_hour=2), "teacher.price")


def test_a_model_in_this_process_costs_its_hours():
    for kind in ("local", "scripted"):
        tariff = tariff_of(spec(use=kind, usd_per_hour=1.5))
        assert (tariff.known, tariff.hour, tariff.of(10**6, 10**6)) == (True, 1.5, 0)
        assert tariff_of(spec(use=kind)).known


@given(TOKENS, TOKENS, TOKENS)
def test_a_batch_costs_half(prompt, reply, cached):
    tariff = Tariff((Band(0, 3, 15, 0.3), Band(200_000, 6, 22.5, 0.6)), request=0.005, hour=2)
    assert tariff.batched().of(prompt, reply, cached) == pytest.approx(tariff.of(prompt, reply, cached) / 2)
    assert tariff.batched().hour == tariff.hour


@given(TOKENS, TOKENS, TOKENS)
def test_no_cache_makes_a_request_dearer_and_no_count_makes_it_negative(prompt, reply, cached):
    tariff = Tariff((Band(0, 3, 15, 0.3),))
    assert 0 <= tariff.of(prompt, reply, cached) <= tariff.of(prompt, reply)


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ('{"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 64}}', 64),
        ('{"prompt_tokens": 100, "completion_tokens": 1, "prompt_cache_hit_tokens": 30}', 30),
        ('{"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": null}', 0),
        ('{"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 900}}', 100),
        ('{"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": "many"}}', 0),
    ],
)
def test_cached_tokens_are_read_where_servers_say_them(usage, cached):
    body = f'{{"choices": [{{"message": {{"content": "Hi"}}, "finish_reason": "stop"}}], "usage": {usage}}}'
    reply = read_reply("k", Raw(body.encode(), 0.1))
    assert reply.cached_tokens == cached
    tariff = Tariff((Band(0, 2, 0, 1),))
    assert tariff.of_reply(reply) == pytest.approx((200 - cached) / 1e6)


def test_the_price_list_is_not_even_imported_for_a_server_nearby():
    code = (
        "import sys; from hornbook.teachers.prices import tariff_of; from hornbook.teachers.spec import TeacherSpec; "
        "tariff_of(TeacherSpec(url='http://localhost:1/v1')); tariff_of(TeacherSpec()); "
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
