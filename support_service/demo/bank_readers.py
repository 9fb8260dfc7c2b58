"""The demo's readers who give on the IBAN and on the card number, at this machine's stand-in banks.

Every other one chose a sum on our page before and writes the support code of that choice into the purpose.
"""

import secrets
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from support_service.demo.bank import BankFakes
from support_service.demo.bank.account import ON_ITS_WAY, DemoBankAccount, Payment
from support_service.giving import Frequency, Intent, utc_now
from support_service.giving.codes import issue
from support_service.ledger import Ledger
from support_service.money import Asset, Money

REST_SECONDS = 15.0
# How often the stand-ins are asked here; monobank's minute lasts as long.
POLL_SECONDS = 3
NONCE_BYTES = 16
UAH = Asset("UAH", 2)


@dataclass(frozen=True, slots=True)
class BankGift:
    """What one reader gives: how much, on which method, and whether with a code."""

    units: int
    method: str
    name: str
    has_code: bool


GIFTS = (
    BankGift(20_000, "iban", "Читачка Приклад", has_code=True),
    BankGift(5_000, "card", "Остап П.", has_code=False),
    BankGift(12_500, "card", "Соломія П.", has_code=True),
    BankGift(10_000, "iban", "Читач Приклад", has_code=False),
)


@dataclass
class BankReaders:
    """Lets readers give, one after the other. accounts: the method's key -> its account at a stand-in."""

    accounts: dict[str, DemoBankAccount]
    count: int = 0
    act_at: float = 0.0
    _on_its_way: list[tuple[DemoBankAccount, Payment]] = field(default_factory=list)

    def turn(self, now: float, ledger: Ledger) -> list[str]:
        """Take the step that is due at this monotonic time; tell what came of it. Raises LedgerError."""
        if now < self.act_at:
            return []
        self.act_at = now + REST_SECONDS
        for account, payment in self._on_its_way:
            account.book(payment)
        gift = GIFTS[self.count % len(GIFTS)]
        code = _choose(gift, ledger) if gift.has_code else ""
        account = self.accounts[gift.method]
        payment = account.pay(gift.units, f"Благодійний внесок {code}".strip(), name=gift.name, standing=ON_ITS_WAY)
        self._on_its_way = [(account, payment)]
        self.count += 1
        by = f"with the code {code}" if code else "without a code"
        return [f"a reader gives  {Money(gift.units, UAH)} on the {gift.method.replace('iban', 'IBAN')}, {by}"]


def bank_tables(fakes: BankFakes, folder: Path, iban: str, card: str) -> tuple[str, dict[str, DemoBankAccount]]:
    """Open the accounts of the packaged block at the stand-ins; return their settings, and the accounts by method."""
    masked = f"card:{card[:6]}******{card[-4:]}"
    text = fakes.settings(folder, "privat", "privatbank", iban, method="iban", poll_seconds=POLL_SECONDS)
    text += fakes.settings(folder, "mono", "monobank", masked, method="card", poll_seconds=POLL_SECONDS)
    return text, {"iban": fakes.open(iban), "card": fakes.open(masked)}


def _choose(gift: BankGift, ledger: Ledger) -> str:
    """Choose a sum as on the page, and return the code that belongs to it."""
    chosen = Intent(
        ref=secrets.token_hex(16), method=gift.method, currency="UAH", exponent=2, units=gift.units,
        frequency=Frequency.ONCE, lang="uk", made_at=utc_now(),
    )  # fmt: skip
    nonce, draw = secrets.token_hex(NONCE_BYTES), partial(issue, secrets.randbelow)
    return ledger.intents.open(chosen, nonce=nonce, draw_code=draw).support_code or ""
