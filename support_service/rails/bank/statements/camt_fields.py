"""The fields of ISO 20022's cash management messages: sums, days, references and parties of one element. Pure."""

import re
from datetime import date

from support_service.money import Asset, Money
from support_service.rails.bank.line import Party
from support_service.rails.bank.statements.statement import BadField
from support_service.rails.bank.statements.values import read_asset, read_day, read_units
from support_service.rails.bank.statements.xml_elements import Element

_NO_REFERENCE = frozenset({"", "NOTPROVIDED", "NOTAVAILABLE", "NONREF", "NOREF", "NOT PROVIDED", "NOT AVAILABLE"})


def counterparty(detail: Element, own_account: str, *, is_credit: bool, is_reversal: bool = False) -> tuple[Party, str]:
    """Whose money it is, and who carried it; on a reversal a bank may keep the original's parties."""
    other, ours = ("Dbtr", "Cdtr") if is_credit else ("Cdtr", "Dbtr")
    sides = (other, ours) if is_reversal else (other,)
    parties = detail.first("RltdPties") or Element("RltdPties")
    for side in sides:
        account = parties.said(f"{side}Acct/Id/IBAN", f"{side}Acct/Id/Othr/Id").replace(" ", "")
        name = _name(parties, side)
        if (account or name) and account != own_account:
            ultimate = _name(parties, f"Ultmt{side}")
            code = _code(parties, f"Ultmt{side}") if ultimate else _code(parties, side)
            return Party(ultimate or name, account, code), name if ultimate and ultimate != name else ""
    return Party(_name(parties, f"Ultmt{other}")), ""


def _name(parties: Element, role: str) -> str:
    return parties.said(f"{role}/Nm", f"{role}/Pty/Nm", f"{role}/Agt/FinInstnId/Nm")


def _code(parties: Element, role: str) -> str:
    ends = ("OrgId/Othr/Id", "PrvtId/Othr/Id", "OrgId/PrtryId/Id")
    return next(
        (code for way in ("Id", "Pty/Id") for one in parties.each(f"{role}/{way}") if (code := one.said(*ends))), ""
    )


def units_of(element: Element, asset: Asset) -> int:
    """The unsigned sum in Amt, in the account's own currency; BadField for anything else."""
    amount = element.first("Amt")
    if amount is None:
        raise BadField("Amt", "is missing")
    currency = amount.attributes.get("Ccy", asset.code)
    if currency != asset.code:
        raise BadField("Amt", f"is in {currency[:10]}, the account is in {asset.code}")
    units = read_units(amount.text, asset, name="Amt", decimal=".")
    if units < 0:
        raise BadField("Amt", "is negative; the direction stands in CdtDbtInd alone")
    return units


def sign_of(element: Element) -> int:
    """1 for CRDT, -1 for DBIT; BadField for anything else."""
    match element.said("CdtDbtInd").upper():
        case "CRDT":
            return 1
        case "DBIT":
            return -1
        case other:
            raise BadField("CdtDbtInd", f"{other[:20]!r} is neither CRDT nor DBIT")


def day_of(element: Element, name: str) -> tuple[date | None, str]:
    """The day and clock in a date field, as the bank writes them, whatever zone stands behind; None if absent."""
    text = element.text if element.name == name else element.said(f"{name}/Dt", f"{name}/DtTm", name)
    if not text.strip():
        return None, ""
    return read_day(re.sub(r"(?<=\d)(Z|[+-]\d\d:\d\d)$", "", text.strip()), name=name)


def day_or_none(element: Element, name: str) -> date | None:
    """A day that only a note depends on."""
    try:
        return day_of(element, name)[0]
    except BadField:
        return None


def reference_of(text: str) -> str:
    """A reference; "" for the words that say there is none."""
    return "" if text.strip().upper() in _NO_REFERENCE else text.strip()


def is_true(text: str) -> bool:
    """XML's true."""
    return text.strip().lower() in {"true", "1"}


def instructed(detail: Element, booked: Money) -> Money | None:
    """What the payer ordered, where that is another sum than was booked."""
    amount = detail.first("AmtDtls/InstdAmt/Amt")
    if amount is None:
        return None
    try:
        asset = read_asset(amount.attributes.get("Ccy", ""))
        money = Money(read_units(amount.text, asset, decimal="."), asset)
    except BadField:
        return None  # a note for people; what was booked does not depend on it
    return None if money == booked else money
