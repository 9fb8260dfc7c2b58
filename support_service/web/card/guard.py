"""Card testing: how many payment pages are opened, for whom, and when none is.

A tester tries stolen cards by the thousand. What is counted: payment pages opened by one address,
by its network (IPv4 /24, IPv6 /48), by the wide network around that (/16, /32) and by everybody, and
the cards that were declined. Nothing is counted by address: the buckets are keyed digests whose key
changes daily.

- A place or a network that opens many answers a question, for half a town may share the address of a
  phone network; one that opens far too many waits.
- Too many in all: everybody answers a question and takes a little longer. Networks that opened none
  lately pass at once, up to a cap for all. From there on, and for networks that are busy, one page
  is opened every few seconds; quiet networks and busy ones have each a lane of their own, so that a flood
  from a few does not hold up a reader from elsewhere. Whoever meets a full lane waits a moment.
- Too many declines, of many payments and from several networks: card payments close for all, alone
  and for as long as the declines last.
- Staff can close them by hand (a freeze of `checkout:<processor>`).
"""

import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from support_service.ledger.rate_limits import DECLINES_WINDOW, RateLimit, declined
from support_service.rails.processor import checkout_switch
from support_service.web.card.token import Token
from support_service.web.guard import keys
from support_service.web.networks import networks_of
from support_service.web.service import Service

log = logging.getLogger(__name__)


class Mode(StrEnum):
    """How card payments are taken now."""

    OPEN = "open"
    SLOWED = "slowed"
    PAUSED = "paused"
    OFF = "off"


class AttemptVerdict(StrEnum):
    """What becomes of one attempt."""

    ADMIT = "admit"
    ASK = "ask"
    HURRIED = "hurried"
    CROWDED = "crowded"
    WAIT = "wait"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Limits:
    """Payment pages opened per window: from the first number on a question is asked, from the second on one waits.

    No place and no network alone, answering all the way, opens as many as slow everybody down.
    """

    window: timedelta = DECLINES_WINDOW
    long_window: timedelta = timedelta(hours=12)
    place_max: int = 6
    place_most: int = 30
    place_long_max: int = 20
    place_long_most: int = 120
    net_max: int = 20
    net_most: int = 60
    net_long_max: int = 120
    net_long_most: int = 300
    all_max: int = 100
    # While all are slowed: how many pass at once in all and from one wide network; then one every so often.
    all_most: int = 200
    wide_max: int = 25
    quiet_pace: timedelta = timedelta(seconds=6)
    busy_pace: timedelta = timedelta(seconds=30)
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


def opened_pages(processor: str) -> str:
    """Name the bucket of all payment pages that were opened at a processor."""
    return f"card opened {processor}"


def look(at: Service, processor: str, limits: Limits = LIMITS) -> CardState:
    """Tell how card payments are taken now; raises LedgerError."""
    asked = tuple(RateLimit(name, limits.window) for name in (opened_pages(processor), declined(processor)))
    counts, freezes = at.read(lambda ledger: (ledger.attempts.count(asked), ledger.freezes()))
    opened, refused = (counts[one] for one in asked)
    held = next((one for one in freezes if one.source == checkout_switch(processor)), None)
    if held is not None:
        return CardState(Mode.OFF, opened, refused, held.reason)
    if _is_attack(opened, refused, limits):
        return CardState(Mode.PAUSED, opened, refused)
    return CardState(Mode.SLOWED if opened >= limits.all_max else Mode.OPEN, opened, refused)


def admit(at: Service, processor: str, attempt: Attempt, limits: Limits = LIMITS) -> AttemptVerdict:
    """Judge an attempt, and count it where a payment page may be opened; raises LedgerError.

    A token that was admitted before stays so and is not counted again: a double click is one attempt.
    What is refused is not counted either, and costs no write: a flood must not fill the database.
    """
    state = look(at, processor, limits)
    if state.mode in {Mode.PAUSED, Mode.OFF}:
        return AttemptVerdict.CLOSED
    names = _Buckets.of(attempt, processor, at)
    if remaining(at, attempt.token, state.mode, limits) > timedelta():
        return AttemptVerdict.HURRIED
    asked = names.asked(limits)
    verdict = _judge(at.ledger.attempts.count(asked), names, limits, is_answered=attempt.is_answered)
    if verdict is not AttemptVerdict.ADMIT:
        return verdict

    def judge_again(counts: Mapping[RateLimit, int]) -> Iterable[str]:
        nonlocal verdict
        verdict = _judge(counts, names, limits, is_answered=attempt.is_answered)
        is_new = verdict is AttemptVerdict.ADMIT and not counts[RateLimit(names.token, limits.long_window)]
        return (*names.all, *_lane(counts, names, limits)) if is_new else ()

    at.ledger.attempts.note_if(asked, judge_again)
    return verdict


def remaining(at: Service, token: Token, mode: Mode, limits: Limits = LIMITS) -> timedelta:
    """Tell how much of the time that a person takes to read a form is still to come."""
    dwell = limits.dwell_slowed if mode is Mode.SLOWED and token.question else limits.dwell
    return max(dwell - (at.clock() - token.issued_at), timedelta())


def net_digest(address: str, at: Service) -> str:
    """Name the network of an address by a digest whose key changes daily."""
    return keys().digest("card network", at.clock().date().isoformat(), networks_of(address).near)


@dataclass(frozen=True, slots=True)
class _Buckets:
    """The names under which one attempt is counted: of a network whoever charges, of everybody by processor."""

    place: str
    net: str
    wide: str
    token: str
    opened: str
    quiet_lane: str
    busy_lane: str

    @classmethod
    def of(cls, attempt: Attempt, processor: str, at: Service) -> "_Buckets":
        day = at.clock().date().isoformat()
        networks = networks_of(attempt.address)
        digest = keys().digest
        return cls(
            place=digest("card place", day, networks.place),
            net=net_digest(attempt.address, at),
            wide=digest("card wide network", day, networks.wide),
            token=f"card token {attempt.token.nonce}",
            opened=opened_pages(processor),
            quiet_lane=f"card opened in turn, quiet {processor}",
            busy_lane=f"card opened in turn, busy {processor}",
        )

    @property
    def all(self) -> tuple[str, ...]:
        return (self.place, self.net, self.wide, self.token, self.opened)

    def paces(self, limits: Limits) -> dict[str, timedelta]:
        """How long each lane lets the next one wait."""
        return {self.quiet_lane: limits.quiet_pace, self.busy_lane: limits.busy_pace}

    def asked(self, limits: Limits) -> tuple[RateLimit, ...]:
        near = tuple(RateLimit(name, limits.window) for name in (self.place, self.net, self.wide, self.opened))
        far = tuple(RateLimit(name, limits.long_window) for name in (self.place, self.net, self.token))
        return (*near, *far, *(RateLimit(lane, pace) for lane, pace in self.paces(limits).items()))


def _judge(counts: Mapping[RateLimit, int], names: _Buckets, limits: Limits, *, is_answered: bool) -> AttemptVerdict:
    if counts[RateLimit(names.token, limits.long_window)]:
        return AttemptVerdict.ADMIT
    bounds = {
        RateLimit(names.place, limits.window): (limits.place_max, limits.place_most),
        RateLimit(names.place, limits.long_window): (limits.place_long_max, limits.place_long_most),
        RateLimit(names.net, limits.window): (limits.net_max, limits.net_most),
        RateLimit(names.net, limits.long_window): (limits.net_long_max, limits.net_long_most),
        # Nobody waits for what everybody does together: they take turns.
        RateLimit(names.opened, limits.window): (limits.all_max, sys.maxsize),
    }
    if any(counts[one] >= most for one, (_, most) in bounds.items()):
        return AttemptVerdict.WAIT
    if not is_answered and any(counts[one] >= least for one, (least, _) in bounds.items()):
        return AttemptVerdict.ASK
    paces = names.paces(limits)
    is_full = any(counts[RateLimit(lane, paces[lane])] for lane in _lane(counts, names, limits))
    return AttemptVerdict.CROWDED if is_full else AttemptVerdict.ADMIT


def _lane(counts: Mapping[RateLimit, int], names: _Buckets, limits: Limits) -> tuple[str, ...]:
    """Name the lane in which an attempt takes its turn; none where it need not."""
    opened = counts[RateLimit(names.opened, limits.window)]
    if opened < limits.all_max:
        return ()
    if counts[RateLimit(names.net, limits.window)] or counts[RateLimit(names.wide, limits.window)] >= limits.wide_max:
        return (names.busy_lane,)
    return (names.quiet_lane,) if opened >= limits.all_most else ()


def _is_attack(opened: int, declined: int, limits: Limits) -> bool:
    """A tester's cards are declined nine times of ten, and one payment page takes many; readers' seldom are."""
    return declined >= limits.declines_min and 2 * declined > opened
