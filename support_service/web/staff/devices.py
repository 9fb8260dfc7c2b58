"""Browsers that signed in before: a signed cookie, so that no stranger can lock a person out of their own.

Who guesses somebody's password fills the account's limit; the person's own browser is counted by
itself. Nothing is stored here: the signature covers the account, the password as it stands and the
day, so a changed password, a closed account or half a year ends it.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import request
from werkzeug.wrappers import Response as BaseResponse

from support_service.ledger.login_limits import Knock
from support_service.web.guard import attempt_buckets, cookie_name, keys, set_cookie
from support_service.web.service import service

COOKIE = "support_staff_device"
LASTS = timedelta(days=180)
# Colleagues share a browser: each of the last few keeps their own mark in it.
MARKS_MAX = 4
NONCE_BYTES = 16

_MARK = re.compile(r"([0-9a-f]{8,10})-([0-9a-f]{32})-([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mark:
    """One sign-in of this browser, as it stands in the cookie."""

    issued: str
    nonce: str
    signature: str

    def __str__(self) -> str:
        return f"{self.issued}-{self.nonce}-{self.signature}"

    def is_of(self, account: str, now: datetime) -> bool:
        """Tell whether it was given to this account, with its password of now, and not too long ago."""
        issued_at = datetime.fromtimestamp(int(self.issued, 16), UTC)
        is_ours = hmac.compare_digest(_sign(self.issued, self.nonce, account), self.signature)
        return is_ours and issued_at <= now < issued_at + LASTS


def bucket_of(account: str, now: datetime) -> str:
    """Name what this browser's attempts at an account count under; "" where it never signed in to it."""
    mark = next((mark for mark in _marks() if mark.is_of(account, now)), None)
    return "" if mark is None else keys().digest("login device", mark.nonce)


def knock_of(email: str) -> Knock:
    """Name where an attempt at an account comes from: place, network, and the browser if it is known to it."""
    now = service().clock()
    account, place, net = attempt_buckets(email, now.date())
    return Knock(account, place, net, lambda held: bucket_of(held, now))


def remember(response: BaseResponse, account: str, now: datetime) -> None:
    """Mark this browser as one that signed in to the account; the mark changes each time."""
    issued, nonce = f"{int(now.timestamp()):08x}", secrets.token_hex(NONCE_BYTES)
    fresh = Mark(issued, nonce, _sign(issued, nonce, account))
    others = [mark for mark in _marks() if not mark.is_of(account, now)]
    value = ".".join(str(mark) for mark in [fresh, *others][:MARKS_MAX])
    set_cookie(response, COOKIE, value, lasts=LASTS)


def _marks() -> list[Mark]:
    texts = request.cookies.get(cookie_name(COOKIE), "").split(".", MARKS_MAX)[:MARKS_MAX]
    return [Mark(*match.groups()) for text in texts if (match := _MARK.fullmatch(text))]


def _sign(issued: str, nonce: str, account: str) -> str:
    return keys().digest("staff device", issued, nonce, account)
