"""Bank accounts: IBAN, NBU code, EPC code, and which of them a publisher's settings give."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support_service import qr
from support_service.giving import Phrase, QrText
from support_service.money import Asset, BadAmount, parse_plain
from support_service.rails import BadOption
from support_service.rails.bank import epc, nbu
from support_service.rails.bank.account import read_iban
from tests.fixtures.payments import NBU_PARTS, build, built
from tests.vectors import vectors

IBAN = "UA043052990000026007015028783"
SEPA_ACCOUNT: dict[str, object] = {"iban": "DE33100205000001194700", "currency": "EUR"}
TRANSFER = nbu.Transfer(
    receiver="БО «БФ Приклад»", account=IBAN, receiver_code="12345678", purpose="Благодійна допомога"
)
ALLOWED = "".join(bytes([code]).decode("cp1251") for code in range(32, 256) if code not in {127, 152, 160})
allowed_text = st.text(st.sampled_from(ALLOWED), min_size=1).filter(lambda text: text.strip() == text != "")


# --- IBAN -------------------------------------------------------------------------------------


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


# --- NBU ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_case", "expected"), vectors("NBU-QR-001"))
def test_format_001_is_read(given_case: Any, expected: Any) -> None:
    text = given_case["text"]
    for variant in (text, text.replace("\n", "\r\n"), text.rstrip("\n")):
        assert nbu.decode(variant).fields == {k: v for k, v in expected["fields"].items() if k != "app_start_code"}


@pytest.mark.parametrize(("given_case", "expected"), vectors("NBU-QR-002", "NBU-QR-003"))
def test_formats_002_and_003_are_read(given_case: Any, expected: Any) -> None:
    url = expected["url"] if "url" in expected else given_case["url"]
    fields = expected.get("fields") or given_case["fields"]
    for variant in (url, url + "=" * (-len(url.rpartition("/")[2]) % 4)):
        code = nbu.decode(variant)
        assert code.fields == fields
        assert code.account == fields["receiver_account"].strip()
    if "amount_kopecks" in expected:
        assert code.amount_kopecks == expected["amount_kopecks"]


@pytest.mark.parametrize(
    ("given_case", "expected"), [one for one in vectors("NBU-QR-002", "NBU-QR-003") if "fields" in one.values[0]]
)
def test_the_standards_own_examples_are_packed_to_the_byte(given_case: Any, expected: Any) -> None:
    fields = list(given_case["fields"].values())
    lines = [*fields, ""] if given_case.get("terminator_after_last_field") else fields
    url = nbu.pack(lines, start=given_case["app_start_code"])
    assert url == expected["url"]
    assert len(url) == expected.get("url_bytes", len(url))
    if "line_feeds" in expected:
        assert len(lines) - 1 == expected["line_feeds"]


@pytest.mark.parametrize(
    ("given_case", "expected"),
    [
        one
        for one in vectors("NBU-QR-003")
        if "fields" in one.values[0] and not one.values[0]["fields"]["signature_rfu"]
    ],
)
def test_a_transfer_is_written_to_the_byte(given_case: Any, expected: Any) -> None:
    fields = given_case["fields"]
    transfer = nbu.Transfer(
        receiver=fields["receiver_name"],
        account=fields["receiver_account"],
        receiver_code=fields["receiver_code"],
        purpose=fields["payment_purpose"],
        amount_kopecks=nbu.Code(fields).amount_kopecks,
        category=fields["category_purpose"],
        function=fields["function"],
        reference=fields["reference"],
        display=fields["display"],
        editable={"": None, "FEFF": frozenset({8}), "FFFF": frozenset[int]()}[fields["field_lock"]],
        valid_until=fields["valid_until"],
        created_at=fields["created_at"],
    )
    assert nbu.encode(transfer, encoding=given_case["encoding"]) == expected["url"]
    assert len(nbu.encode(transfer)) <= len(expected["url"])


@pytest.mark.parametrize(("given_case", "expected"), vectors("NBU-QR-charset"))
def test_only_the_standards_characters_are_written(given_case: Any, expected: Any) -> None:
    character = given_case["character"]
    assert (nbu.forbidden_characters(character) == "") == (expected == "allowed")
    transfer = replace(TRANSFER, purpose=f"а{character}б")
    if character in "ʼ\u00a0":
        assert nbu.decode(nbu.encode(transfer)).fields["payment_purpose"] == {"ʼ": "а’б", "\u00a0": "а б"}[character]
    elif expected == "allowed":
        assert nbu.decode(nbu.encode(transfer)).fields["payment_purpose"] == f"а{character}б"
    else:
        with pytest.raises(nbu.NbuError, match="cannot carry") as raised:
            nbu.encode(transfer)
        assert raised.value.field == "purpose"


@pytest.mark.parametrize(("given_case", "expected"), vectors("NBU-QR-amount"))
def test_an_amount_is_written_in_its_one_form(given_case: Any, expected: Any) -> None:
    if expected == "invalid":
        assert not nbu.amount_is_valid(given_case["text"])
    else:
        assert nbu.amount_text(given_case["kopecks"]) == expected
        assert nbu.amount_is_valid(expected)


@pytest.mark.parametrize("kopecks", [0, -1, 100_000_000_000])
def test_an_amount_out_of_bounds_is_refused(kopecks: int) -> None:
    with pytest.raises(nbu.NbuError, match=r"999999999\.99"):
        nbu.encode(replace(TRANSFER, amount_kopecks=kopecks))


@pytest.mark.parametrize(("given_case", "expected"), vectors("NBU-QR-003-lock"))
def test_the_lock_mask_clears_the_bit_of_each_editable_field(given_case: Any, expected: Any) -> None:
    assert nbu.lock_mask(given_case["editable_fields"]) == expected


@pytest.mark.parametrize("field", [1, 5, 11, 14, 17])
def test_fields_that_must_stay_locked_stay_locked(field: int) -> None:
    with pytest.raises(nbu.NbuError, match="must stay locked"):
        nbu.lock_mask([8, field])


@given(
    receiver=allowed_text,
    purpose=allowed_text,
    kopecks=st.none() | st.integers(1, nbu.KOPECKS_MAX),
    code=st.from_regex(r"[0-9]{8}([0-9]{2})?", fullmatch=True).filter(str.isascii),
)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back_or_refused(receiver: str, purpose: str, kopecks: int | None, code: str) -> None:
    transfer = nbu.Transfer(receiver, IBAN, receiver_code=code, purpose=purpose, amount_kopecks=kopecks)
    try:
        url = nbu.encode(transfer)
    except nbu.NbuError as error:
        assert error.field in {"receiver", "purpose"}  # noqa: PT017 - either outcome is right
        return
    read = nbu.decode(url)
    assert len(url) <= 498
    assert read.fields["receiver_name"] == nbu.normalised(receiver)
    assert read.fields["payment_purpose"] == nbu.normalised(purpose)
    assert (read.account, read.amount_kopecks, read.fields["receiver_code"]) == (IBAN, kopecks, code)


@given(text=st.text(max_size=300))
def test_reading_refuses_by_name_whatever_comes(text: str) -> None:
    for variant in (text, f"https://qr.bank.gov.ua/{text}", f"BCD\n003\n2\n{text}"):
        try:
            nbu.decode(variant)
        except nbu.NbuError:
            continue


def test_the_smaller_encoding_is_chosen() -> None:
    assert nbu.decode(nbu.encode(TRANSFER)).fields["encoding"] == "2"
    assert len(nbu.encode(TRANSFER)) < len(nbu.encode(TRANSFER, encoding="1"))


def test_the_longest_structure_still_fits_a_symbol_with_the_sign() -> None:
    longest = replace(TRANSFER, purpose="а" * 420)
    with pytest.raises(nbu.NbuError, match="475 bytes") as raised:
        nbu.encode(longest)
    excess = int(str(raised.value).split("shorten it by ")[1].split()[0])
    url = nbu.encode(replace(TRANSFER, purpose="а" * (420 - excess)))
    assert len(url) in {497, 498}
    modules = qr.matrix(QrText(url, Phrase("Scan"), level="M", version_min=14, has_hryvnia_sign=True))
    assert qr.version(modules) == 17


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("receiver", ""),
        ("receiver", "а" * 141),
        ("receiver", "БО\nФонд"),
        ("receiver_code", "123"),
        ("receiver_code", "1234567Х"),
        ("account", "DE33100205000001194700"),
        ("category", ""),
        ("function", "XXX"),
        ("reference", "№1"),
        ("valid_until", "250229120000"),
        ("created_at", "25022912"),
    ],
)
def test_what_the_standard_forbids_is_refused_by_field(field: str, value: str) -> None:
    with pytest.raises(nbu.NbuError) as raised:
        nbu.encode(replace(TRANSFER, **{field: value}))  # type: ignore[arg-type]
    assert raised.value.field == field


@pytest.mark.parametrize(
    "text", ["", "https://qr.bank.gov.ua/", "https://qr.bank.gov.ua/@@@", "BCD", "BCD\n009\n1\nUCT", "x" * 4000]
)
def test_what_is_no_nbu_code_is_refused(text: str) -> None:
    with pytest.raises(nbu.NbuError):
        nbu.decode(text)


# --- EPC ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_case", "expected"), [one for one in vectors("EPC069-12") if isinstance(one.values[1], dict)]
)
def test_an_epc_code_is_written_to_the_byte(given_case: Any, expected: Any) -> None:
    amount = given_case.get("amount")
    charset = int(given_case.get("charset", given_case.get("encoding", 1)))
    transfer = epc.Transfer(
        given_case["name"],
        given_case["iban"],
        purpose=given_case.get("text", ""),
        reference=given_case.get("reference", ""),
        category=given_case.get("purpose", ""),
        amount_cents=parse_plain(amount, Asset("EUR", 2)).units if amount else None,
        bic=given_case.get("bic", ""),
        info=given_case.get("info", ""),
        version=given_case.get("version", "002"),
        charset=charset,
    )
    payload = epc.encode(transfer)
    assert payload == expected["payload"]
    if "bytes" in expected:
        assert len(payload.encode({1: "utf-8", 2: "iso-8859-1"}[charset])) == expected["bytes"]
    if "qr_version" in expected and charset == 1:
        # One version smaller is right, too: our generator packs the IBAN's digits in numeric mode.
        assert 0 <= expected["qr_version"] - qr.version(qr.matrix(QrText(payload, Phrase("Scan")))) <= 1


@pytest.mark.parametrize(
    ("given_case", "expected"), [one for one in vectors("EPC069-12") if one.values[1] == "invalid"]
)
def test_an_epc_code_has_a_reference_or_a_text(given_case: Any, expected: Any) -> None:
    transfer = epc.Transfer(
        "A", "DE33100205000001194700", reference=given_case["reference"], purpose=given_case["text"]
    )
    with pytest.raises(epc.EpcError, match="only one"):
        epc.encode(transfer)


@pytest.mark.parametrize(("given_case", "expected"), vectors("EPC069-12-amount"))
def test_an_epc_amount_is_short_and_bounded(given_case: Any, expected: Any) -> None:
    if expected == "invalid":
        with pytest.raises((BadAmount, epc.EpcError)):
            epc.amount_text(parse_plain(given_case["amount"], Asset("EUR", 2)).units)
    else:
        assert epc.amount_text(parse_plain(given_case["amount"], Asset("EUR", 2)).units) == expected


@pytest.mark.parametrize(("given_case", "expected"), vectors("ISO-11649"))
def test_a_structured_reference_has_right_check_digits(given_case: Any, expected: Any) -> None:
    transfer = epc.Transfer("A", "DE33100205000001194700", reference=given_case["reference"])
    if expected == "valid":
        assert given_case["reference"] in epc.encode(transfer)
    else:
        with pytest.raises(epc.EpcError, match="check digits"):
            epc.encode(transfer)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"iban": IBAN}, "iban"),
        ({"iban": "DE33100205000001194701"}, "iban"),
        ({"iban": "CH9300762011623852957"}, "bic"),
        ({"receiver": " "}, "receiver"),
        ({"receiver": "A\nB"}, "receiver"),
        ({"receiver": "A" * 71}, "receiver"),
        ({"purpose": "A" * 141}, "purpose"),
        ({"receiver": "Ї" * 70, "purpose": "Ї" * 140}, "purpose"),
        ({"amount_cents": 0}, "amount"),
        ({"purpose": "Ї", "charset": 2}, "purpose"),
    ],
)
def test_what_epc_forbids_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(epc.EpcError) as raised:
        epc.encode(replace(epc.Transfer("Фонд", "DE33100205000001194700"), **changes))
    assert raised.value.field == field


# --- The method --------------------------------------------------------------------------------


def test_the_seed_shows_a_plain_iban_and_says_so() -> None:
    method = built("bank")
    assert method.qr.text == IBAN
    assert "does not open a bank app" in method.qr.caption.text
    assert method.link is None
    assert (method.rows[0].shown, method.rows[0].copied) == ("UA04 3052 9900 0002 6007 0150 2878 3", IBAN)
    assert dict(method.facts)["bank"] == 'JSC CB "PrivatBank"'
    assert method.books == (Asset("UAH", 2),)


def test_all_three_details_give_an_nbu_code_with_its_link() -> None:
    method = built("bank", {**NBU_PARTS, "bank": "АТ КБ «ПриватБанк»"})
    read = nbu.decode(method.qr.text)
    assert (method.qr.level, method.qr.version_min, method.qr.has_hryvnia_sign) == ("Q", 14, True)
    assert method.link is not None
    assert method.link.href == method.qr.text
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
    assert nbu.decode(method.qr.text).fields["payment_purpose"] == "На здоров’я всім"


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
    assert method.qr.text == "BCD\n002\n1\nSCT\n\nБО «Приклад»\nDE33100205000001194700\n\n\n\nДонат"
    assert (method.qr.level, method.qr.has_hryvnia_sign, method.link) == ("M", False, None)
    assert dict(method.title.values) == {"currency": "EUR"}


def test_a_sepa_account_needs_its_receiver_for_a_code() -> None:
    assert build("bank", {**SEPA_ACCOUNT, "purpose": "Донат"})[1] == {"receiver": "is missing"}
    assert built("bank", SEPA_ACCOUNT).qr.text == "DE33100205000001194700"


def test_a_hryvnia_iban_held_in_euro_is_shown_plain() -> None:
    method = built("bank", {**NBU_PARTS, "currency": "EUR", "bic": "PBANUA2X"})
    assert method.qr.text == IBAN
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
