"""The EPC code of SEPA accounts: examples to the byte, and what the standard forbids."""

from dataclasses import replace
from typing import Any

import pytest

from support_service import qr
from support_service.giving import Phrase, QrText
from support_service.money import Asset, BadAmount, parse_plain
from support_service.rails.bank import epc
from tests.vectors import vectors

IBAN = "UA043052990000026007015028783"


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
