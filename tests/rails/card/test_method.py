"""A published card number: shown in fours, copied whole, and never promised to open anything."""

from typing import Any

import pytest

from support_service.money import Asset
from support_service.rails.card.method import card_number, grouped
from support_service.rails.options import BadOption
from tests.fixtures.payments import build, built, code_of, network_mistakes
from tests.vectors import vectors

NUMBER = "5169335101647408"


@pytest.mark.parametrize(("given_case", "expected"), vectors("ISO-7812-luhn"))
def test_the_check_digit_decides(given_case: Any, expected: Any) -> None:
    if expected == "valid":
        assert card_number(given_case["number"]) == given_case["number"]
    else:
        with pytest.raises(BadOption, match="Luhn"):
            card_number(given_case["number"])


@pytest.mark.parametrize(("given_case", "expected"), vectors("card-display"))
def test_a_number_is_shown_in_fours(given_case: Any, expected: Any) -> None:
    assert grouped(given_case["number"]) == expected["grouped"]


@pytest.mark.parametrize("text", [NUMBER, "5169 3351 0164 7408", "5169\u00a03351 01647408"])
def test_the_card_is_copied_without_spaces(text: str) -> None:
    method = built("card", {"number": text})
    assert (method.rows[0].shown, method.rows[0].copied) == ("5169 3351 0164 7408", NUMBER)
    assert code_of(method).text == NUMBER
    assert "copies the card number" in code_of(method).caption.text
    assert "does not open a bank app" in code_of(method).caption.text
    assert method.link is None
    assert method.books == (Asset("UAH", 2),)


@pytest.mark.parametrize("at", range(16))
def test_one_mistyped_digit_is_found(at: int) -> None:
    wrong = NUMBER[:at] + str((int(NUMBER[at]) + 1) % 10) + NUMBER[at + 1 :]
    method, mistakes = build("card", {"number": wrong})
    assert method is None
    assert "wrong check digit (Luhn)" in mistakes["number"]
    assert wrong not in mistakes["number"]


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"number": "5169-3351-0164-7408"}, "number", "12 to 19 digits"),
        ({"number": "５１６９３３５１０１６４７４０８"}, "number", "12 to 19 digits"),
        ({"number": ""}, "number", "is empty"),
        ({"number": 5169335101647408}, "number", "must be a text"),
        ({"currency": "ETH"}, "currency", "not a known national currency"),
        ({"currency": ""}, "currency", "is missing"),
        ({"cvv": "123"}, "cvv", "is not a known setting"),
    ],
)
def test_a_wrong_option_is_told_at_its_key(changes: dict[str, object], key: str, words: str) -> None:
    mistakes = build("card", changes)[1]
    assert list(mistakes) == [key]
    assert words in mistakes[key]


def test_a_missing_number_is_told() -> None:
    assert build("card", without="number") == (None, {"number": "is missing"})


def test_a_card_in_another_currency_books_that_currency() -> None:
    assert built("card", {"currency": "EUR"}).books == (Asset("EUR", 2),)


@pytest.mark.parametrize("rail", ["card", "bank"])
def test_a_rail_without_networks_refuses_a_table(rail: str) -> None:
    mistakes = network_mistakes(rail, {"rpc": ["http://127.0.0.1:1"]})
    assert list(mistakes) == ["rail"]
    assert "has no networks; remove" in mistakes["rail"]
