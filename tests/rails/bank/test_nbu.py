"""The NBU code: official examples to the byte, strict when written, tolerant when read."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support_service import qr
from support_service.giving import Phrase, QrText
from support_service.rails.bank import nbu
from tests.vectors import vectors

IBAN = "UA043052990000026007015028783"
TRANSFER = nbu.Transfer(
    receiver="БО «БФ Приклад»", account=IBAN, receiver_code="12345678", purpose="Благодійна допомога"
)
ALLOWED = "".join(bytes([code]).decode("cp1251") for code in range(32, 256) if code not in {127, 152, 160})
allowed_text = st.text(st.sampled_from(ALLOWED), min_size=1).filter(lambda text: text.strip() == text != "")


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
