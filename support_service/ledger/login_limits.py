"""How often somebody may try to log in, and from where.

Attempts are counted in the database, so that the limits hold over all workers. A bucket is a keyed
digest made by the caller, never an address or a name. Nothing here asks whether an account exists:
no limit may tell it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from support_service.ledger.rate_limits import RateLimit, count_attempts

ATTEMPTS_WINDOW = timedelta(minutes=1)
ATTEMPTS_MAX = 5
NET_ATTEMPTS_MAX = 20
# All browsers that did not sign in to the account before: beyond the first number only networks that
# have not tried pass, beyond the second nobody; it is five passwords a second that are hashed for strangers.
STRANGERS, STRANGERS_SLOWED, STRANGERS_MAX = "login stranger", 60, 300


def _no_device(_account: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Knock:
    """Where an attempt to log in comes from, in digests: its account, its place and the place's network.

    device tells, for the digest of an account and its password, under which name a browser counts that
    signed in to it before; "" for every other browser.
    """

    account: str
    place: str
    net: str
    device: Callable[[str], str] = _no_device

    @property
    def for_codes(self) -> "Knock":
        """The same for the second step: who guesses passwords uses up nobody's tries there."""
        return Knock(f"code {self.account}", f"code {self.place}", f"code {self.net}", self.device)


def buckets_of(knock: Knock, device: str) -> tuple[str, ...]:
    """Say where an attempt counts: a browser that signed in before by itself, where no stranger fills its bucket."""
    return (device,) if device else (knock.account, knock.place, knock.net, STRANGERS)


def is_too_often(tx: Connection, knock: Knock, device: str, now: datetime) -> bool:
    """Tell whether a bucket is full.

    What is refused is not counted: who keeps knocking while the door is shut gets in when a minute has passed.
    """
    asked: dict[str, RateLimit] = {bucket: RateLimit(bucket, ATTEMPTS_WINDOW) for bucket in buckets_of(knock, device)}
    counts = count_attempts(tx, asked.values(), now)
    limits = {knock.net: NET_ATTEMPTS_MAX, STRANGERS: STRANGERS_MAX}
    if any(counts[one] >= limits.get(bucket, ATTEMPTS_MAX) for bucket, one in asked.items()):
        return True
    return not device and counts[asked[STRANGERS]] >= STRANGERS_SLOWED and counts[asked[knock.net]] > 0
