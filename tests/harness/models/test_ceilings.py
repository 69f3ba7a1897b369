"""Ceilings, spans of time and price tables."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CeilingReached, UsageError
from harness.models.ceilings import Ceilings, Price, price_of, read_prices, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("0.5", 0.5),
        ("45s", 45),
        ("1.5s", 1.5),
        ("30m", 1800),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1d2h3m4s", 93784),
        (" 10m ", 600),
    ],
)
def test_spans_of_time_are_read_as_people_write_them(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "0s", "-5", "soon", "5 minutes", "1h30", "30m1h", "1.5h", "1h,30m", "h", "s"),
        *("1e3", "nan", "inf", "²"),
    ],
)
def test_what_is_no_span_of_time_is_refused_with_the_forms(text):
    with pytest.raises(UsageError, match="is no span of time; write 90, 45s, 30m or 1h30m"):
        seconds(text)


@given(st.text(max_size=8))
def test_any_text_is_a_span_above_nothing_or_refused(text):
    with contextlib.suppress(UsageError):
        assert seconds(text) > 0


def test_a_ceiling_lets_pass_until_it_is_reached():
    ceilings = Ceilings(tokens=10, cost=0.5)
    ceilings.check()
    ceilings.spend(6, 3, Price(50_000, 1e5 / 3))
    ceilings.check()
    ceilings.spend(1, 0, None)
    with pytest.raises(CeilingReached, match=r"--max-tokens-total 10 is reached \(10 tokens\)"):
        ceilings.check()
    ceilings = Ceilings(cost=0.5)
    ceilings.spend(10**9, 0, Price(0.0005, 9.0))
    with pytest.raises(CeilingReached, match=r"--max-cost 0.5 is reached \(0.5\)"):
        ceilings.check()
    with pytest.raises(CeilingReached, match=r"--max-time is reached \(1e-09 s\)"):
        Ceilings(time_s=1e-9).check()


def test_without_a_ceiling_everything_passes():
    ceilings = Ceilings()
    ceilings.spend(10**12, 1, Price(1e6, 1e6))
    ceilings.check()


def table(tmp_path, text):
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    return read_prices(str(path))


def test_prices_are_for_a_million_tokens(tmp_path):
    prices = table(tmp_path, "openai:small: {input: 0.15, output: 0.60}\n")
    assert prices == {"openai:small": Price(0.15, 0.60)}
    assert math.isclose(prices["openai:small"].of(2_000_000, 500_000), 0.60)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("openai:small", "openai:small"),
        ("openai:small", "small"),
        ("openai:small@r2", "openai:small@r2"),
        ("openai:small@r2", "openai:small"),
        ("openai:small@r2", "small"),
        ("vllm:org/name", "org/name"),
        ("smollm2", "smollm2"),
        ("smollm2@r2", "smollm2"),
    ],
)
def test_a_model_is_found_by_each_of_its_names(model, named):
    assert price_of(model, {named: Price(1, 2), "other": Price(3, 4)}) == Price(1, 2)


@pytest.mark.parametrize("named", ["openai", "openai:large", "small@r2"])
def test_a_price_of_something_else_is_none(named):
    assert price_of("openai:small", {named: Price(1, 2)}) is None


def test_the_most_exact_name_wins():
    prices = {"small": Price(1, 1), "openai:small": Price(2, 2), "openai:small@r2": Price(3, 3)}
    assert price_of("openai:small@r2", prices) == Price(3, 3)
    assert price_of("openai:small@r1", prices) == Price(2, 2)
    assert price_of("vllm:small", prices) == Price(1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no price table; write a line MODEL: {input: 0.15, output: 0.60}"),
        ("- a", "is no price table"),
        ("small: 3", "is no price table"),
        ("small: {input: 3}", "is no price table"),
        ("small: {input: a, output: 1}", "is no price table"),
        ("small: {input: -1, output: 1}", "has a price that is none"),
        ("small: {input: .nan, output: 1}", "has a price that is none"),
        ("small: {input: 1, output: .inf}", "has a price that is none"),
        ("small: {", "is no readable YAML"),
    ],
)
def test_an_unreadable_price_table_is_one_sentence(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        table(tmp_path, text)


def test_a_missing_price_table_is_one_sentence():
    with pytest.raises(UsageError, match=r"cannot read the prices none.yaml: No such file"):
        read_prices("none.yaml")
