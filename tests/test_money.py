"""Amounts: exact in, exact out, read as people type them, never mixed."""

from contextlib import suppress

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


def test_more_digits_than_a_chain_can_move_are_refused() -> None:
    with pytest.raises(BadAmount, match="78 digits"):
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
    with pytest.raises(AmbiguousAmount):
        parse_typed(text, asset)


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
    with pytest.raises(AssetMismatch):
        Money(1, UAH) + Money(1, ETH)
    with pytest.raises(AssetMismatch):
        assert Money(1, UAH) < Money(1, Asset("UAH", 2, "base"))


@given(st.integers(min_value=0, max_value=10**30), st.lists(st.integers(0, 10**20), min_size=1, max_size=8))
def test_a_share_gives_every_unit_a_home(units: int, weights: list[int]) -> None:
    if not sum(weights):
        weights = [*weights, 1]
    parts = share(units, weights)
    assert sum(parts) == units
    assert all(
        abs(part * sum(weights) - units * weight) < sum(weights) for part, weight in zip(parts, weights, strict=True)
    )
