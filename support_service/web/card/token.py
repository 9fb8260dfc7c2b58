"""The token in the card form: signed, with its time, good for one gift, and perhaps with a question. Pure.

The nonce in it is what the ledger spends: sent twice, it opens one payment page.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# A form may lie open over lunch; longer, and the sum or the settings may have changed.
AGE_MAX = timedelta(hours=2)

_TEXT = re.compile(r"([0-9a-f]{32})-([0-9a-f]{8,10})-([0-9]{1,2})-([0-9]{1,2})-([0-9a-f]{64})", re.ASCII)


class TokenRefused(ValueError):
    """The token is not ours, or too old."""


@dataclass(frozen=True, slots=True)
class SumQuestion:
    """A small sum that a person answers at once."""

    first: int
    second: int

    def is_answered(self, text: str) -> bool:
        """Tell whether the typed text is the answer; digits of any script count."""
        tidy = text.strip()
        return tidy.isdecimal() and len(tidy) <= 3 and int(tidy) == self.first + self.second


@dataclass(frozen=True, slots=True)
class Token:
    """What a card form carries; issued_at is to the second. question None: none is asked."""

    nonce: str
    issued_at: datetime
    question: SumQuestion | None = None


def write_token(token: Token, sign: Callable[[str], str]) -> str:
    """Write the token for the form; `sign` is a keyed digest in hex."""
    asked = token.question
    numbers = f"{asked.first}-{asked.second}" if asked else "0-0"
    body = f"{token.nonce}-{int(token.issued_at.timestamp()):08x}-{numbers}"
    return f"{body}-{sign(body)}"


def read_token(text: str, sign: Callable[[str], str], now: datetime) -> Token:
    """Read what `write_token` wrote; raise TokenRefused for anything else and for what is too old."""
    match = _TEXT.fullmatch(text)
    if match is None or not hmac.compare_digest(sign(text.rpartition("-")[0]).encode(), match[5].encode()):
        raise TokenRefused("not one of ours")
    issued_at = datetime.fromtimestamp(int(match[2], 16), UTC)
    if not issued_at <= now < issued_at + AGE_MAX:
        raise TokenRefused("too old")
    first, second = int(match[3]), int(match[4])
    return Token(match[1], issued_at, SumQuestion(first, second) if first else None)
