"""What both journals for plain-text accounting share: a gift's legs, day, price and words, and safe names. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, tzinfo
from hashlib import sha256

from support_service.giving import Donation, Identity
from support_service.ledger.export.rows import Exported
from support_service.ledger.postings import book
from support_service.money import plain_units

# Line ends, other controls, marks without width and of direction, and halves of characters: a line stays one line.
_UNSEEN = re.compile("[\\s\x00-\x1f\x7f-\xa0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
_TEXT_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One transaction: the day on the publisher's calendar (the bank's own for its lines), and who, what and how much.

    legs are (account, asset, exact amount).
    """

    day: date
    identity: Identity
    payer: str
    words: tuple[tuple[str, str], ...]
    kind: str
    method: str
    legs: tuple[tuple[str, str, str], ...]
    price: "JournalPrice | None"


@dataclass(frozen=True, slots=True)
class JournalPrice:
    """What one whole unit of an asset was worth on a day, as text."""

    day: date
    asset: str
    rate: str
    currency: str


def entries(exported: Iterable[Exported], zone: tzinfo) -> Iterator[JournalEntry]:
    """Tell what stands in the books for each piece of money; nothing stands there for what is not confirmed.

    The legs are those of the ledger's own postings, summed: every account has our balance, to the unit.
    """
    for one in exported:
        entry = _entry(one.donation, zone)
        if entry.legs:
            yield entry


def _entry(gift: Donation, zone: tzinfo) -> JournalEntry:
    payment, identity = gift.payment, gift.identity
    bank_day = payment.bank.day if payment.bank else None
    legs = sorted((account, units) for account, units in book(gift).items() if units)
    words = (
        ("locator", identity.locator),
        ("article", gift.article or ""),
        ("support-code", gift.support_code or ""),
        ("message", payment.personal.message or ""),
    )
    return JournalEntry(
        day=bank_day or payment.occurred_at.astimezone(zone).date(),
        identity=identity,
        payer=one_line(payment.personal.payer or ""),
        words=tuple((name, told) for name, text in words if (told := one_line(text))),
        kind=str(payment.kind),
        method=payment.method,
        legs=tuple((account, identity.asset, plain_units(units, payment.exponent)) for account, units in legs),
        price=_price(gift, zone),
    )


def _price(gift: Donation, zone: tzinfo) -> JournalPrice | None:
    value, asset = gift.value, gift.identity.asset
    if value is None or value.currency == asset:
        return None
    return JournalPrice(value.at.astimezone(zone).date(), asset, value.rate, value.currency)


def one_line(text: str) -> str:
    """Write what strangers typed as one line of visible signs: no line end or control can begin an entry of its own."""
    return _UNSEEN.sub(" ", text).strip()[:_TEXT_CHARS_MAX]


@dataclass(slots=True)
class ProgramNames:
    """Our names in a program's alphabet: two of ours never become one, and each stays what it became."""

    given: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def give(self, ours: str, proposed: str) -> str:
        """Return the name for ours: the proposed one, or, where another has it, that one with a mark of its own."""
        if ours not in self.given:
            mark = sha256(ours.encode()).hexdigest()[:6].upper()
            name = proposed if proposed not in self.taken else f"{proposed}-{mark}"
            self.given[ours] = name
            self.taken.add(name)
        return self.given[ours]
