"""Bank accounts: the IBAN, and which code a publisher's settings give."""

from typing import Any

import pytest

from support_service.money import Asset, Money
from support_service.rails.bank import nbu
from support_service.rails.bank.account import read_iban
from support_service.rails.options import BadOption
from tests.fixtures.payments import NBU_PARTS, build, built, code_of
from tests.vectors import vectors

IBAN = "UA043052990000026007015028783"
SEPA_ACCOUNT: dict[str, object] = {"iban": "DE33100205000001194700", "currency": "EUR"}


@pytest.mark.parametrize(("given_case", "expected"), vectors("IBAN-UA"))
def test_an_iban_is_read_or_refused(given_case: Any, expected: Any) -> None:
    if not expected["valid"]:
        with pytest.raises(BadOption):
            read_iban(given_case["iban"])
        return
    iban = read_iban(given_case["iban"]).iban
    assert (iban, iban[4:10], iban[10:]) == (expected["compact"], expected["mfo"], expected["account"])


@pytest.mark.parametrize(
    ("iban", "reason"),
    [
        ("UA043052990000026007015028738", "check digits"),
        ("UA04305299000002600701502878", "has 28 characters; a Ukrainian IBAN has 29"),
        ("УА043052990000026007015028783", "another alphabet"),
        ("XX043052990000026007015028783", "not a country"),
        ("5169335101647408", "is not an IBAN"),
        ("", "is empty"),
    ],
)
def test_a_wrong_iban_is_told_with_its_reason(iban: str, reason: str) -> None:
    method, mistakes = build("bank", {"iban": iban})
    assert method is None
    assert list(mistakes) == ["iban"]
    assert reason in mistakes["iban"]


@pytest.mark.parametrize("at", range(2, len(IBAN)))
def test_one_mistyped_digit_of_the_iban_is_found(at: int) -> None:
    wrong = IBAN[:at] + str((int(IBAN[at]) + 1) % 10) + IBAN[at + 1 :]
    assert build("bank", {"iban": wrong})[0] is None


def test_the_seed_shows_a_plain_iban_and_says_so() -> None:
    method = built("bank")
    assert code_of(method).text == IBAN
    assert "does not open a bank app" in code_of(method).caption.text
    assert method.link is None
    assert (method.rows[0].shown, method.rows[0].copied) == ("UA04 3052 9900 0002 6007 0150 2878 3", IBAN)
    assert dict(method.facts)["bank"] == 'JSC CB "PrivatBank"'
    assert method.books == (Asset("UAH", 2),)


def test_all_three_details_give_an_nbu_code_with_its_link() -> None:
    method = built("bank", {**NBU_PARTS, "bank": "АТ КБ «ПриватБанк»"})
    read = nbu.decode(code_of(method).text)
    assert (code_of(method).level, code_of(method).version_min, code_of(method).has_hryvnia_sign) == ("Q", 14, True)
    assert method.link is not None
    assert method.link.href == code_of(method).text
    assert (read.account, read.fields["field_lock"], read.fields["category_purpose"]) == (IBAN, "FEFF", "OTHR/OTHR")
    shown = {row.label.text: row.copied for row in method.rows}
    assert shown == {
        "IBAN": IBAN,
        "Receiver": read.fields["receiver_name"],
        "Receiver code": read.fields["receiver_code"],
        "Payment purpose": read.fields["payment_purpose"],
        "Bank": "АТ КБ «ПриватБанк»",
    }


def test_what_is_shown_is_what_the_code_says() -> None:
    method = built("bank", {**NBU_PARTS, "purpose": "На здоров\u02bcя\u00a0всім "})
    assert {row.label.text: row.shown for row in method.rows}["Payment purpose"] == "На здоров’я всім"
    assert nbu.decode(code_of(method).text).fields["payment_purpose"] == "На здоров’я всім"


@pytest.mark.parametrize("missing", NBU_PARTS)
def test_half_given_details_name_what_is_missing(missing: str) -> None:
    method, mistakes = build("bank", {**NBU_PARTS}, without=missing)
    assert method is None
    assert list(mistakes) == [missing]
    assert mistakes[missing].startswith("is missing: an NBU code needs")


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"receiver": "Фонд ₴"}, "receiver", "'₴'"),
        ({"receiver_code": "12"}, "receiver_code", "EDRPOU"),
        ({"purpose": "?Name=1"}, "purpose", "must not begin with ?"),
        ({"purpose": "а" * 400}, "purpose", "475 bytes"),
        ({"category": "charity"}, "category", "OTHR/OTHR"),
        ({"currency": "XYZ"}, "currency", "known are"),
        ({"bic": "NOPE"}, "bic", "is not a BIC"),
        ({"swift": "PBANUA2X"}, "swift", "is not a known setting"),
        ({"receiver": 7}, "receiver", "must be a text"),
    ],
)
def test_a_wrong_detail_is_told_at_its_key(changes: dict[str, object], key: str, words: str) -> None:
    method, mistakes = build("bank", {**NBU_PARTS, **changes})
    assert method is None or key == "swift"
    assert list(mistakes) == [key]
    assert words in mistakes[key]


@pytest.mark.parametrize(("given_case", "expected"), vectors("UA-edrpou", "UA-rntrc"))
def test_a_doubtful_receiver_code_only_warns(given_case: Any, expected: Any) -> None:
    method = built("bank", {**NBU_PARTS, "receiver_code": given_case["code"]})
    assert (not method.warnings) == expected["checksum_valid"]
    assert all(dict(warning.values)["code"] == given_case["code"] for warning in method.warnings)


def test_a_sepa_account_with_a_receiver_gives_an_epc_code() -> None:
    method = built("bank", {**SEPA_ACCOUNT, "receiver": "БО «Приклад»", "purpose": "Донат"})
    assert code_of(method).text == "BCD\n002\n1\nSCT\n\nБО «Приклад»\nDE33100205000001194700\n\n\n\nДонат"
    assert (code_of(method).level, code_of(method).has_hryvnia_sign, method.link) == ("M", False, None)
    assert dict(method.title.values) == {"currency": "EUR"}


def test_a_sepa_account_needs_its_receiver_for_a_code() -> None:
    assert build("bank", {**SEPA_ACCOUNT, "purpose": "Донат"})[1] == {"receiver": "is missing"}
    assert code_of(built("bank", SEPA_ACCOUNT)).text == "DE33100205000001194700"


def test_a_hryvnia_iban_held_in_euro_is_shown_plain() -> None:
    method = built("bank", {**NBU_PARTS, "currency": "EUR", "bic": "PBANUA2X"})
    assert code_of(method).text == IBAN
    assert method.rows[-1].copied == "PBANUA2X"


@pytest.mark.parametrize(("iban", "currency"), [(IBAN, "UAH"), ("DE33100205000001194700", "EUR")])
def test_the_currency_follows_the_country(iban: str, currency: str) -> None:
    assert built("bank", {"iban": iban}, without="currency").books[0].code == currency


def test_an_account_elsewhere_must_name_its_currency() -> None:
    _, mistakes = build("bank", {"iban": "GE29NB0000000101904917"}, without="currency")
    assert "is missing" in mistakes["currency"]


def test_a_category_without_an_nbu_code_is_a_mistake() -> None:
    assert set(build("bank", {"category": "OTHR/CHAR"})[1]) == {"receiver", "receiver_code", "purpose"}
    assert set(build("bank", {**SEPA_ACCOUNT, "category": "OTHR/CHAR"})[1]) == {"category"}


@pytest.mark.parametrize("kopecks", [1, 100, 20_000, 123_450, 99_999_999])
def test_a_sum_is_written_into_the_code_and_the_link_alike(kopecks: int) -> None:
    method = built("bank", {"iban": IBAN, **NBU_PARTS})
    filled = method.filled(Money(kopecks, Asset("UAH", 2)))
    assert filled.link is not None
    assert filled.link.href == code_of(filled).text
    assert nbu.decode(filled.link.href).amount_kopecks == kopecks
    assert nbu.decode(filled.link.href).fields["field_lock"] == "FEFF", "a reader may still change it"
    assert nbu.decode(code_of(method).text).amount_kopecks is None
    assert (filled.rows, filled.facts) == (method.rows, method.facts)


@pytest.mark.parametrize("money", [Money(100, Asset("EUR", 2)), Money(100_000_000, Asset("UAH", 2))])
def test_what_the_code_cannot_carry_leaves_the_method_as_it_is(money: Money) -> None:
    method = built("bank", {"iban": IBAN, **NBU_PARTS})
    assert method.filled(money) is method
    assert built("bank").filled(Money(100, Asset("UAH", 2))).filling is None


def test_a_sepa_code_carries_euros() -> None:
    method = built("bank", {**SEPA_ACCOUNT, "receiver": "Example"})
    assert "\nEUR12.5" in code_of(method.filled(Money(1250, Asset("EUR", 2)))).text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iban": IBAN}, "No bank app opens"),
        ({**SEPA_ACCOUNT, "receiver": "Приклад"}, "Latin letters"),
        ({**SEPA_ACCOUNT, "receiver": "Example", "purpose": "Thanks 🙂"}, "Latin letters"),
        ({**SEPA_ACCOUNT, "receiver": "Example"}, ""),
        ({"iban": IBAN, **NBU_PARTS}, ""),
    ],
)
def test_a_code_that_few_apps_read_is_doubted(options: dict[str, object], words: str) -> None:
    warned = [warning.text for warning in built("bank", options).warnings if "check digit" not in warning.text]
    assert len(warned) == bool(words)
    assert all(words in text for text in warned)
