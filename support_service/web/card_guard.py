"""Card testing: how many payment pages are opened, for whom, and when none is.

A tester tries stolen cards by the thousand. What is counted: payment pages opened by one address,
by its network (IPv4 /24, IPv6 /48) and by everybody, and the cards that were declined. Nothing is
counted by address: the buckets are keyed digests whose key changes daily.

- A place or a network that opens too many waits.
- Too many in all: everybody answers a question and takes a little longer, and only networks that
  have opened none lately pass. The first attempt from a quiet network is never refused.
- Too many declines: card payments close for all, alone and for as long as the declines last.
- Staff can close them by hand (a freeze of `checkout:<processor>`).
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from support_service.ledger.attempts import DECLINED, DECLINES_WINDOW, Asked
from support_service.web.card_token import Token
from support_service.web.guard import keys
from support_service.web.service import Service

log = logging.getLogger(__name__)

OPENED = "card opened"


class Mode(StrEnum):
    """How card payments are taken now."""

    OPEN = "open"
    SLOWED = "slowed"
    PAUSED = "paused"
    OFF = "off"


class Verdict(StrEnum):
    """What becomes of one attempt."""

    ADMIT = "admit"
    ASK = "ask"
    HURRIED = "hurried"
    WAIT = "wait"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Limits:
    """Payment pages opened per window. A whole town may share a phone network's address, so none is tiny."""

    window: timedelta = DECLINES_WINDOW
    long_window: timedelta = timedelta(hours=12)
    place_max: int = 6
    place_long_max: int = 20
    net_max: int = 20
    net_long_max: int = 120
    all_max: int = 100
    declines_min: int = 20
    # Nobody reads a sum and confirms it faster than this.
    dwell: timedelta = timedelta(seconds=2)
    dwell_slowed: timedelta = timedelta(seconds=6)


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class CardState:
    """How card payments are taken now, and the counts of the last window that say so."""

    mode: Mode
    opened: int
    declined: int
    # Who switched them off and why; "" where nobody did.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One press of the button: from where, with which token, and whether its question was answered."""

    address: str
    token: Token
    is_answered: bool = False


def switch(processor: str) -> str:
    """Name the kill switch of a processor, as the ledger's freezes know it."""
    return f"checkout:{processor}"


def look(at: Service, processor: str, limits: Limits = LIMITS) -> CardState:
    """Tell how card payments are taken now; raises LedgerError."""
    asked = ((OPENED, limits.window), (DECLINED, limits.window))
    counts = at.ledger.attempts.count(asked)
    opened, declined = (counts[one] for one in asked)
    held = next((one for one in at.ledger.freezes() if one.source == switch(processor)), None)
    if held is not None:
        return CardState(Mode.OFF, opened, declined, held.reason)
    if _is_attack(opened, declined, limits):
        return CardState(Mode.PAUSED, opened, declined)
    return CardState(Mode.SLOWED if opened >= limits.all_max else Mode.OPEN, opened, declined)


def admit(at: Service, processor: str, attempt: Attempt, limits: Limits = LIMITS) -> Verdict:
    """Judge an attempt, and count it where a payment page may be opened; raises LedgerError.

    A token that was admitted before stays so and is not counted again: a double click is one attempt.
    What is refused is not counted either, and costs no write: a flood must not fill the database.
    """
    state = look(at, processor, limits)
    if state.mode in {Mode.PAUSED, Mode.OFF}:
        return Verdict.CLOSED
    names = _Buckets.of(attempt, at)
    dwelt = at.clock() - attempt.token.issued_at
    is_slowed = state.mode is Mode.SLOWED
    if dwelt < (limits.dwell_slowed if is_slowed and attempt.token.question else limits.dwell):
        return Verdict.HURRIED
    asked = names.asked(limits)
    verdict = _judge(at.ledger.attempts.count(asked), names, limits, is_answered=attempt.is_answered)
    if verdict is not Verdict.ADMIT:
        return verdict

    def judge_again(counts: Mapping[Asked, int]) -> Iterable[str]:
        nonlocal verdict
        verdict = _judge(counts, names, limits, is_answered=attempt.is_answered)
        is_new = verdict is Verdict.ADMIT and not counts[names.token, limits.long_window]
        return names.all if is_new else ()

    at.ledger.attempts.note_if(asked, judge_again)
    return verdict


def place_and_net(address: str) -> tuple[str, str]:
    """Name where an attempt comes from: the address (IPv6: its /64) and its network (/24, IPv6: /48)."""
    try:
        place: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return address, address
    if isinstance(place, IPv6Address):
        if place.ipv4_mapped is None:
            return f"{int(place) >> 64:x}/64", f"{int(place) >> 80:x}/48"
        place = place.ipv4_mapped
    return str(place), f"{int(place) >> 8:x}/24"


@dataclass(frozen=True, slots=True)
class _Buckets:
    """The names under which one attempt is counted."""

    place: str
    net: str
    token: str

    @classmethod
    def of(cls, attempt: Attempt, at: Service) -> "_Buckets":
        day = at.clock().date().isoformat()
        place, net = place_and_net(attempt.address)
        digest = keys().digest
        return cls(
            digest("card place", day, place), digest("card network", day, net), f"card token {attempt.token.nonce}"
        )

    @property
    def all(self) -> tuple[str, ...]:
        return (self.place, self.net, self.token, OPENED)

    def asked(self, limits: Limits) -> tuple[Asked, ...]:
        near = tuple((name, limits.window) for name in (self.place, self.net, OPENED))
        return (*near, *((name, limits.long_window) for name in (self.place, self.net, self.token)))


def _judge(counts: Mapping[Asked, int], names: _Buckets, limits: Limits, *, is_answered: bool) -> Verdict:
    if counts[names.token, limits.long_window]:
        return Verdict.ADMIT
    most = {
        (names.place, limits.window): limits.place_max,
        (names.place, limits.long_window): limits.place_long_max,
        (names.net, limits.window): limits.net_max,
        (names.net, limits.long_window): limits.net_long_max,
    }
    if any(counts[one] >= limit for one, limit in most.items()):
        return Verdict.WAIT
    if counts[OPENED, limits.window] < limits.all_max:
        return Verdict.ADMIT
    if counts[names.net, limits.window]:
        return Verdict.WAIT
    return Verdict.ADMIT if is_answered else Verdict.ASK


def _is_attack(opened: int, declined: int, limits: Limits) -> bool:
    """A tester's cards are declined nine times of ten, and one payment page takes many; readers' seldom are."""
    return declined >= limits.declines_min and 2 * declined > opened
