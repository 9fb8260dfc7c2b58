"""The orders for payment pages: what a reader chose, in mono's words. Pure."""

from datetime import datetime, timedelta

from support_service.giving import Intent
from support_service.rails.mono.method import NUMBERS

# A page stays open for so long from the start of its try; tries are given up after 20 minutes.
PAGE_LASTS = timedelta(minutes=58)
PAGE_SECONDS_MIN = 600
PAYEE_CHARACTERS_MAX = 100

# It stands on the payment page and in the giver's bank: whoever lost the link still has the code.
_DESTINATIONS = {"uk": "Благодійний внесок: {payee}", "en": "Donation to {payee}"}
_CODES = {"uk": ", код {code}", "en": ", code {code}"}
_LANGUAGE_DEFAULT = "uk"


def page_closes_at(started_at: datetime) -> datetime:
    """Tell when the page of a try closes."""
    return started_at + PAGE_LASTS


def invoice_order(intent: Intent, seconds: int, *, payee: str, thanks_url: str, hears_at: str) -> dict[str, object]:
    """Write the order of an invoice that closes in some seconds."""
    return {
        "amount": intent.units,
        "ccy": NUMBERS[intent.currency],
        "merchantPaymInfo": {"reference": intent.ref, "destination": destination(intent, payee)},
        "redirectUrl": thanks_url,
        "webHookUrl": hears_at,
        "validity": seconds,
        "paymentType": "debit",
    }


def subscription_order(intent: Intent, seconds: int, *, thanks_url: str, hears_at: str) -> dict[str, object]:
    """Write the order of a monthly subscription; it takes no reference and no text of ours."""
    return {
        "amount": intent.units,
        "ccy": NUMBERS[intent.currency],
        "interval": "1m",
        "redirectUrl": thanks_url,
        "webHookUrls": {"chargeUrl": hears_at, "statusUrl": hears_at},
        "validity": seconds,
    }


def destination(intent: Intent, payee: str) -> str:
    """Write what the payment is for, in the reader's language."""
    lang = intent.lang if intent.lang in _DESTINATIONS else _LANGUAGE_DEFAULT
    text = _DESTINATIONS[lang].format(payee=payee[:PAYEE_CHARACTERS_MAX])
    return text + (_CODES[lang].format(code=intent.support_code) if intent.support_code else "")
