"""Gifts through plata by mono by the thousand: what it tells of each, and what must become of it.

Every payment lives one story, which writes down the truth from the sums it drew.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from datetime import timedelta
from random import Random

from support_service.demo.mono import MonoFake, MonoWebhook
from support_service.demo.mono.hooks import MonoHooks
from support_service.giving import Checkout, Frequency, Intent
from support_service.ledger import Ledger
from support_service.rails.mono.method import NUMBERS
from tests.load.gifts import CURRENCIES, LEAST, MOST, Gift, Moving, Truth
from tests.load.sender import Signed, Voice

HOOK = "http://127.0.0.1:1/webhooks/mono"


class PlataTeller:
    """Lets gifts happen at a stand-in for plata, after their intents were opened in the ledger."""

    def __init__(self, fake: MonoFake, clock: Moving, ledger: Ledger, seed: int) -> None:
        self.fake, self.ledger, self.random = fake, ledger, Random(seed)
        self._clock = clock
        self._names, self._weights = list(STORIES), [share for share, _ in STORIES.values()]

    def tell(self) -> Gift:
        """Let one more gift happen."""
        (story,) = self.random.choices(self._names, self._weights)
        self.fake.hooks.messages.clear()
        truth = STORIES[story][1](self)
        self.later((0, 1, 7))
        events = {key: {"id": key, "body": one.body.decode()} for one in self.fake.messages for key in [key_of(one)]}
        return Gift(story, tuple(events.values()), tuple(truth))

    def begin(
        self, *, is_monthly: bool = False, is_known: bool = True, charged: int | None = None
    ) -> tuple[str, str, int]:
        """Choose a sum and open its payment page: its name, currency, units. charged: what the page asks instead."""
        currency, units = self.random.choice(CURRENCIES), self.random.randint(LEAST, MOST)
        frequency = Frequency.MONTHLY if is_monthly else Frequency.ONCE
        ref = self.random.randbytes(16).hex()
        intent = Intent(ref, "mono", currency, 2, units, frequency, "uk", self._clock.now)
        order = {"amount": charged or units, "ccy": NUMBERS[currency]}
        if is_monthly:
            urls = {"chargeUrl": HOOK, "statusUrl": HOOK}
            told = self.fake.merchant.open_plan({**order, "interval": "1m", "webHookUrls": urls}).told
        else:
            info = {"merchantPaymInfo": {"reference": ref}, "webHookUrl": HOOK}
            told = self.fake.merchant.open_invoice({**order, **info}).told
        page = str(told["subscriptionId" if is_monthly else "invoiceId"])
        if is_known:
            self.ledger.intents.open(intent, nonce=secrets.token_hex(16))
            attempt = self.ledger.intents.start_attempt(ref)
            closes = self._clock.now + timedelta(hours=1)
            self.ledger.intents.note_checkout(ref, attempt.number, Checkout(page, "http://127.0.0.1:1/", closes))
        return page, currency, units

    def later(self, seconds: tuple[int, ...] = (0, 1, 40, 90_000)) -> None:
        """Let some time go by; now and then none does."""
        self._clock.now += timedelta(seconds=self.random.choice(seconds))


def key_of(message: MonoWebhook) -> str:
    """Say under which key a message is kept."""
    about = message.told.get("invoiceId") or message.told["subscriptionId"]
    return f"{about}:{hashlib.sha256(message.body).hexdigest()[:24]}"


def plata_voice(fake: MonoFake) -> Voice:
    """Speak as the stand-in does, and as others who lack its key."""
    other = MonoHooks(is_sending=False)

    def signed(body: str) -> Signed:
        return body, {"X-Sign": fake.hooks.sign(body.encode())}

    def forged(body: str) -> Signed:
        return _altered(body), {"X-Sign": other.sign(_altered(body).encode())}

    forgeries: dict[str, Callable[[str], Signed]] = {
        "another key": forged,
        "altered": lambda body: (_altered(body), signed(body)[1]),
        "without a signature": lambda body: (_altered(body), {}),
        "no signature at all": lambda body: (_altered(body), {"X-Sign": "bm90IGEgc2lnbmF0dXJl"}),
        "cut": lambda body: (body[:-2], signed(body)[1]),
    }
    return Voice("/webhooks/mono", signed, forgeries)


def _altered(body: str) -> str:
    """Change the sum, so that a forgery that is believed is seen at the end."""
    told = json.loads(body)
    return json.dumps({**told, "amount": told["amount"] + 1_000_000})


def _once(to: PlataTeller) -> list[Truth]:
    page, currency, units = to.begin()
    return [_kept(to.fake.pay(page), currency, units)]


def _declined(to: PlataTeller) -> list[Truth]:
    to.fake.decline(to.begin()[0])
    return []


def _left(to: PlataTeller) -> list[Truth]:
    to.fake.expire(to.begin()[0])
    return []


def _other_sum(to: PlataTeller) -> list[Truth]:
    page, currency, _ = to.begin(charged=LEAST - 1)
    return [Truth(f"mono:{to.fake.pay(page)}", currency, "quarantined", LEAST - 1, 0)]


def _unknown(to: PlataTeller) -> list[Truth]:
    page, currency, units = to.begin(is_known=False)
    return [Truth(f"mono:{to.fake.pay(page)}", currency, "quarantined", units, 0)]


def _refunded(to: PlataTeller) -> list[Truth]:
    page, currency, units = to.begin()
    invoice, back = to.fake.pay(page), to.random.randint(1, units)
    to.later()
    is_slow, is_ok = to.random.random() < 0.5, to.random.random() < 0.7
    to.fake.refund(invoice, back, is_slow=is_slow)
    if is_slow:
        to.later()
        to.fake.settle_refunds(invoice, is_ok=is_ok)
    return [_kept(invoice, currency, units, back if is_ok or not is_slow else 0)]


def _refunded_in_steps(to: PlataTeller) -> list[Truth]:
    page, currency, units = to.begin()
    invoice, first = to.fake.pay(page), to.random.randint(1, units - 1)
    for back in (first, units - first):
        to.later()
        to.fake.refund(invoice, back)
    return [_kept(invoice, currency, units, units)]


def _plan(to: PlataTeller) -> list[Truth]:
    page, currency, units = to.begin(is_monthly=True)
    invoices = [to.fake.pay(page)]
    for _ in range(to.random.choice((0, 0, 1, 2))):
        to.later()
        invoices.append(to.fake.renew(page))
    if to.random.random() < 0.3:
        to.later()
        to.fake.stop_plan(page)
    return [_kept(invoice, currency, units) for invoice in invoices]


def _kept(invoice: str, currency: str, units: int, back: int = 0) -> Truth:
    state = "confirmed" if not back else "refunded" if back == units else "partially_refunded"
    return Truth(f"mono:{invoice}", currency, state, units, units - back)


# How many of a hundred, and what happens.
STORIES: dict[str, tuple[int, Callable[[PlataTeller], list[Truth]]]] = {
    "once": (62, _once),
    "declined": (7, _declined),
    "left": (3, _left),
    "another sum": (2, _other_sum),
    "unknown": (2, _unknown),
    "refunded": (10, _refunded),
    "refunded in steps": (6, _refunded_in_steps),
    "monthly": (8, _plan),
}
