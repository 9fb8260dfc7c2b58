"""Sums as people type them: one meaning, or a question; never a hundred times too much."""

import pytest

from support_service.money import Asset, BadAmount, Money
from support_service.web.amounts import SeveralMeanings, read_exact, read_typed, sum_text

UAH, JPY, KWD = Asset("UAH", 2), Asset("JPY", 0), Asset("KWD", 3)
EUR, BTC = Asset("EUR", 2), Asset("BTC", 8, "bitcoin")


@pytest.mark.parametrize(
    ("text", "asset", "units"),
    [
        ("200", UAH, 20000),
        ("10,50", UAH, 1050),
        ("10.50", UAH, 1050),
        ("10,5", UAH, 1050),
        ("1 000,00", UAH, 100000),
        ("1\u00a0000,00", UAH, 100000),
        ("1\u202f000.00", UAH, 100000),
        ("1\u2009000", UAH, 100000),
        ("1'000", UAH, 100000),
        ("1’000,50", UAH, 100050),
        ("1.000,50", UAH, 100050),
        ("1,000.50", UAH, 100050),
        ("  75.00 ", UAH, 7500),
        ("0,01", UAH, 1),
        ("1.13", UAH, 113),
        ("2.01", UAH, 201),
        ("500", JPY, 500),
        ("1 000", JPY, 1000),
        ("500.00", JPY, 500),
        ("10,5", KWD, 10500),
        ("1234.567", KWD, 1234567),
        ("0.125", KWD, 125),
    ],
)
def test_a_sum_with_one_meaning_is_read(text: str, asset: Asset, units: int) -> None:
    assert read_typed(text, asset) == Money(units, asset)


@pytest.mark.parametrize(
    ("text", "asset", "meant"),
    [
        ("1,000", UAH, (100000, 100)),
        ("1.000", UAH, (100000, 100)),
        ("12.345", UAH, (1234500,)),
        ("1.000", JPY, (1000, 1)),
        ("1.234", JPY, (1234,)),
        ("1,000", KWD, (1000000, 1000)),
        ("12.345", KWD, (12345000, 12345)),
    ],
)
def test_a_sum_with_two_meanings_is_asked_back_with_both(text: str, asset: Asset, meant: tuple[int, ...]) -> None:
    with pytest.raises(SeveralMeanings) as asked:
        read_typed(text, asset)
    assert tuple(money.units for money in asked.value.meant) == meant


@pytest.mark.parametrize(
    "text",
    ["", "x", "-5", "+5", "1e3", "1,2,3", "10,505", "1 00", "1,000,00", "٢٠٠", "２００", "1_000", "$5", "9" * 40],
)
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(BadAmount):
        read_typed(text, UAH)


def test_every_sum_with_cents_survives_the_way_out_and_back() -> None:
    for units in range(1, 100_000):
        text = f"{units // 100},{units % 100:02}"
        assert read_typed(text, UAH).units == units
        assert read_exact(text.replace(",", "."), UAH).units == units


@pytest.mark.parametrize(
    ("units", "asset", "lang", "told"),
    [
        (20000, UAH, "en", "200\u00a0UAH"),
        (1050, UAH, "en", "10.50\u00a0UAH"),
        (1050, UAH, "uk", "10,50\u00a0₴"),
        (1000000, UAH, "uk", "10\u202f000\u00a0₴"),
        (1000, EUR, "en", "€10"),
        (1050, EUR, "uk", "10,50\u00a0€"),
        (500, JPY, "en", "500\u00a0JPY"),
        (10500, KWD, "en", "10.500\u00a0KWD"),
        (50_000, BTC, "uk", "0,0005\u00a0BTC"),
    ],
)
def test_a_sum_is_said_for_eyes(units: int, asset: Asset, lang: str, told: str) -> None:
    assert sum_text(Money(units, asset), lang) == told
