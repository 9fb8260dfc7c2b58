"""A transfer of one gift: its support code first in the purpose, and its sum, in rows, code and link. Pure.

What is written comes from the method's own facts, so it leads to the same account.
"""

from dataclasses import replace

from support_service.giving import Link, PaymentMethod, Phrase, QrText, Row
from support_service.money import Money
from support_service.rails.bank import epc, nbu

# Banks cut the end of a purpose, never its beginning: the code stands there, whatever else has room.
NBU_PURPOSE_CHARACTERS_MAX, EPC_PURPOSE_CHARACTERS_MAX = 420, 140
# More by a scan is a mistake in typing; whoever means it types it at the bank.
UNITS_MAX = 99_999_999_99

_PURPOSE = Phrase("Payment purpose")


def write_gift(method: PaymentMethod, code: str, money: Money | None) -> PaymentMethod:
    """Write the code, and the sum where one of the account's currency is known, into the method."""
    facts = dict(method.facts)
    asset = method.books[0] if method.books else None
    units = money.units if money is not None and money.asset == asset and money.units <= UNITS_MAX else None
    purpose = f"{code} {facts.get('purpose', '')}".strip()
    qr, link = method.qr, method.link
    match facts["qr_format"]:
        case "nbu-003":
            qr = _nbu(method, facts, purpose, units) or method.qr
            link = Link(qr.text, link.label) if qr is not None and link is not None else None
        case "epc-002":
            qr = _epc(method, facts, purpose, units) or method.qr
    return replace(method, rows=_rows(method.rows, purpose), qr=qr, link=link)


def _rows(rows: tuple[Row, ...], purpose: str) -> tuple[Row, ...]:
    """Put the purpose in the place of the one for everybody, else after what names the receiver."""
    mine = Row(_PURPOSE, purpose, purpose)
    if any(row.label == _PURPOSE for row in rows):
        return tuple(mine if row.label == _PURPOSE else row for row in rows)
    typed = [row for row in rows if row.is_typed]
    return (*typed, mine, *(row for row in rows if not row.is_typed))


def _nbu(method: PaymentMethod, facts: dict[str, str], purpose: str, kopecks: int | None) -> QrText | None:
    """Write the NBU code; where that has no room, its purpose is the code alone; None where even so it has none."""
    for text in (purpose[:NBU_PURPOSE_CHARACTERS_MAX].rstrip(), purpose.partition(" ")[0]):
        transfer = nbu.Transfer(
            receiver=facts["receiver"],
            account=facts["iban"],
            receiver_code=facts["receiver_code"],
            purpose=text,
            amount_kopecks=kopecks,
            category=_category(method),
        )
        try:
            url = nbu.encode(transfer)
        except nbu.NbuError:
            continue
        assert method.qr is not None and nbu.decode(url).account == facts["iban"]
        # Level M: with a code and a sum there is more in it, and its modules must not become too small.
        return replace(method.qr, text=url, level="M", caption=_caption(kopecks))
    return None


def _category(method: PaymentMethod) -> str:
    """Read the category that the method's own code carries."""
    assert method.qr is not None
    return nbu.decode(method.qr.text).fields["category_purpose"]


def _epc(method: PaymentMethod, facts: dict[str, str], purpose: str, cents: int | None) -> QrText | None:
    for text in (purpose[:EPC_PURPOSE_CHARACTERS_MAX].rstrip(), purpose.partition(" ")[0]):
        transfer = epc.Transfer(
            facts["receiver"], facts["iban"], purpose=text, bic=facts.get("bic", ""), amount_cents=cents
        )
        try:
            code = epc.encode(transfer)
        except epc.EpcError:
            continue
        assert method.qr is not None
        return replace(method.qr, text=code, caption=_caption(cents))
    return None


def _caption(units: int | None) -> Phrase:
    if units is None:
        return Phrase("Scan with your bank's app: the details and the code are filled in, you enter the amount.")
    return Phrase("Scan with your bank's app: the details, the code and the sum are filled in.")
