"""Amounts: exact in, exact out, read as people type them, never mixed."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.money import (
    AmbiguousAmount,
    Asset,
    AssetMismatch,
    BadAmount,
    Money,
    parse_plain,
    parse_typed,
    plain,
    share,
)

UAH = Asset("UAH", 2)
ETH = Asset("ETH", 18, "ethereum")
JPY = Asset("JPY", 0)
KWD = Asset("KWD", 3)


@given(st.integers(min_value=0, max_value=2**256 - 1), st.sampled_from([0, 2, 3, 6, 8, 18, 24]))
def test_what_is_written_reads_back_to_the_unit(units: int, exponent: int) -> None:
    asset = Asset("X", exponent)
    assert parse_plain(plain(Money(units, asset)), asset) == Money(units, asset)


@pytest.mark.parametrize(
    ("units", "asset", "text"),
    [
        (2_500_000, Asset("USDT", 6), "2.5"),
        (1, ETH, "0.000000000000000001"),
        (10_000 * 10**18, ETH, "10000"),
        (0, UAH, "0"),
        (-1250, UAH, "-12.5"),
        (7, JPY, "7"),
    ],
)
def test_the_machine_form_is_short_and_exact(units: int, asset: Asset, text: str) -> None:
    assert plain(Money(units, asset)) == text


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.", ".5", "01", "1e3", "1,5", "1 000", "٣", "0x10", "NaN", "1.001"])
def test_the_machine_form_is_read_strictly(text: str) -> None:
    with pytest.raises(BadAmount):
        parse_plain(text, UAH)


@pytest.mark.parametrize("read", [parse_plain, parse_typed])
def test_a_refusal_names_what_was_written_and_no_more_than_forty_characters_of_it(
    read: Callable[[str, Asset], Money],
) -> None:
    with pytest.raises(BadAmount, match=rf"^'{'x' * 40}' is not an amount such as "):
        read("x" * 41, UAH)


def test_more_digits_than_a_chain_can_move_are_refused() -> None:
    assert parse_plain("9" * 78, JPY).units == 10**78 - 1
    with pytest.raises(BadAmount, match="at most 78 digits"):
        parse_plain("9" * 79, JPY)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("10,50", 1050),
        ("10.50", 1050),
        ("200", 20_000),
        ("1 000,00", 100_000),
        ("1\u00a0000,00", 100_000),
        ("1\u202f000.5", 100_050),
        ("1'000'000", 100_000_000),
        ("1.000,50", 100_050),
        ("1,000.50", 100_050),
        ("1,234,567.89", 123_456_789),
        (" 75 ", 7500),
        ("0,125000", None),
        ("0.10", 10),
    ],
)
def test_people_type_commas_dots_and_spaces(text: str, units: int | None) -> None:
    if units is None:
        with pytest.raises(BadAmount, match="at most 2 decimals"):
            parse_typed(text, UAH)
    else:
        assert parse_typed(text, UAH).units == units


@pytest.mark.parametrize("text", ["1,000", "1.000", "12,345", "999.999"])
@pytest.mark.parametrize("asset", [UAH, KWD, JPY], ids=lambda asset: asset.code)
def test_what_may_be_thousands_or_decimals_is_asked_back(text: str, asset: Asset) -> None:
    with pytest.raises(AmbiguousAmount, match=rf"^'{text}' may mean two amounts; write it without a thousands mark$"):
        parse_typed(text, asset)


@pytest.mark.parametrize(("text", "units"), [("1000,125", 1000125), ("0,125", 125), ("1 234.567", 1234567)])
def test_more_than_three_digits_before_a_mark_or_a_zero_leave_one_reading(text: str, units: int) -> None:
    assert parse_typed(text, KWD).units == units


def test_a_long_amount_that_is_asked_back_is_named_in_forty_characters() -> None:
    with pytest.raises(AmbiguousAmount, match=r"^'1,000[ ]{35}' may"):
        parse_typed("1,000" + " " * 36, UAH)


def test_a_fraction_of_a_coin_is_not_taken_for_thousands() -> None:
    assert parse_typed("0,125", ETH).units == 125 * 10**15


@pytest.mark.parametrize("text", ["", "abc", "1,2,3", "1 00", "10 0000", "-5", "5 грн", "1..5", "٣", "1'00"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BadAmount):
        parse_typed(text, UAH)


@given(st.text(max_size=20))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(BadAmount):
        assert parse_typed(text, UAH).units >= 0


def test_two_assets_do_not_add_up() -> None:
    with pytest.raises(AssetMismatch, match=r"code='ETH'.* and .*code='UAH'.* are different assets"):
        Money(1, ETH) + Money(1, UAH)
    with pytest.raises(AssetMismatch):
        Money(1, UAH) - Money(1, ETH)
    with pytest.raises(AssetMismatch):
        assert Money(1, UAH) < Money(1, Asset("UAH", 2, "base"))


def test_amounts_of_one_asset_add_up_compare_and_are_written_with_its_code() -> None:
    assert Money(1250, UAH) + Money(250, UAH) == Money(1500, UAH)
    assert Money(1250, UAH) - Money(250, UAH) == Money(1000, UAH)
    assert Money(1, UAH) < Money(2, UAH)
    assert not Money(2, UAH) < Money(2, UAH)
    assert str(Money(1250, UAH)) == "12.5 UAH"


@pytest.mark.parametrize(("code", "exponent"), [("", 2), ("X", -1), ("X", 79)])
def test_an_asset_has_a_code_and_no_more_decimals_than_an_amount_has_digits(code: str, exponent: int) -> None:
    assert Asset("X", 78).exponent == 78
    with pytest.raises(AssertionError):
        Asset(code, exponent)


@pytest.mark.parametrize("units", [True, "1", 1.0])
def test_an_amount_is_a_whole_number_of_units(units: Any) -> None:
    with pytest.raises(AssertionError):
        Money(units, UAH)


@pytest.mark.parametrize(("units", "weights"), [(-1, [1]), (1, [0, 0]), (1, []), (3, [2, -1])])
def test_what_cannot_be_shared_is_refused(units: int, weights: list[int]) -> None:
    with pytest.raises((AssertionError, ValueError)):
        share(units, weights)


@pytest.mark.parametrize(
    ("units", "weights", "parts"),
    [
        (10, [1, 1, 1], [4, 3, 3]),  # equal remainders: the earlier part
        (10, [1, 2, 4], [1, 3, 6]),  # remainders 3, 6, 5 of 7: the second part first
        (11, [1, 2, 4], [2, 3, 6]),  # 4, 1, 2 of 7
        (2, [3, 3, 4], [1, 0, 1]),
        (0, [5, 0], [0, 0]),
    ],
)
def test_the_largest_remainder_takes_the_odd_unit(units: int, weights: list[int], parts: list[int]) -> None:
    assert share(units, weights) == parts


@given(st.integers(min_value=0, max_value=10**30), st.lists(st.integers(0, 10**20), min_size=1, max_size=8))
def test_a_share_gives_every_unit_a_home(units: int, weights: list[int]) -> None:
    if not sum(weights):
        weights = [*weights, 1]
    parts = share(units, weights)
    assert sum(parts) == units
    assert all(
        abs(part * sum(weights) - units * weight) < sum(weights) for part, weight in zip(parts, weights, strict=True)
    )
