"""What lines mean for each other: one takes another back, one was booked by hand before, one holds many gifts.

A line and what it changes elsewhere are two reports: where we were stopped between them, the next import or
poll of the account ends it. Whoever brings lines asks for all that is open; what is settled is left alone.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from support_service.giving import (
    LINK_PART,
    MATCH_PART,
    REVERSAL_PART,
    UNTOLD,
    Direction,
    Donation,
    Identity,
    LineBooks,
    LineWork,
    LinkClaim,
    MatchClaim,
    Observation,
    Outcome,
    PaidOut,
    Pair,
    RefundClaim,
    Report,
    Reversal,
    Split,
    State,
)
from support_service.money import Asset, Money
from support_service.rails.bank.line import Line, Party
from support_service.rails.bank.reversals import find_original
from support_service.rails.books import LineLedger

# A reversal of a reversal of a reversal: each round may free the next, and no bank goes on like this.
ROUNDS_MAX = 8


def settle(accounts: Collection[str], ledger: LineLedger) -> int:
    """Bring what lines mean for each other up to date; return how many reversals still find no original.

    A reversal may come before its original, and may itself be taken back.
    """
    settling = _Settling(accounts)
    for _ in range(ROUNDS_MAX):
        ledger.take(settling.next_round)
        if not settling.has_changed:
            break
    return settling.left


class _Settling:
    """Goes through what is open, until a round changes nothing."""

    def __init__(self, accounts: Collection[str]) -> None:
        self._accounts = accounts
        self.left = 0
        self.has_changed = False

    def next_round(self, books: LineBooks) -> LineWork:
        """Say what follows from the lines as they stand now."""
        fallen = books.fallen_reversals(self._accounts)
        settled = list(_originals(books, books.open_reversals(self._accounts)))
        self.left = sum(original is None for _, original in settled)
        lowered = [(one, original) for one, original in settled if original is not None]
        splits = [one for one in books.splits(self._accounts) if _is_out_of_step(one)]
        untold = books.untold_joins(self._accounts)
        joins = list(certain(books.pairs(self._accounts)))
        arrivals = list(only_ones(books.payouts(self._accounts)))
        reports = [
            *(lifted(one) for one in fallen if one.original is not None),
            *(taken_back(one, original) for one, original in lowered),
            *(_in_step(one) for one in splits),
            *(_apart(pair) for pair in untold),
            *(_joined(pair, reason) for pair, reason in joins),
            *(_arrived(one) for one in arrivals),
        ]
        self.has_changed = bool(reports)
        ends = [(one.locator, None) for one in fallen]
        return LineWork(tuple(reports), (), (*ends, *((one.locator, original) for one, original in lowered)))


def taken_back(one: Reversal, original: Identity) -> Report:
    """Let a reversal lower the money that it takes back."""
    return _report(one, original, Outcome.SUCCEEDED)


def lifted(one: Reversal) -> Report:
    """Let money count again whose reversal does not stand any more."""
    assert one.original is not None
    return _report(one, one.original, Outcome.FAILED)


def certain(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, str]]:
    """Pick the pairs that are one gift without a doubt, each with the reason: the rest is for people."""
    signs = [(pair, sign) for pair in pairs if (sign := _sign(pair))]
    by_hand = Counter(pair.by_hand.identity.ref for pair, _ in signs)
    by_line = Counter(pair.line.identity.ref for pair, _ in signs)
    for pair, sign in signs:
        if by_hand[pair.by_hand.identity.ref] == by_line[pair.line.identity.ref] == 1:
            yield pair, sign


def only_ones(pairs: Sequence[PaidOut]) -> Iterator[PaidOut]:
    """Pick the payouts that one line alone may be the arrival of, and whose line may be no other's."""
    of_payout = Counter(one.payout.identity.ref for one in pairs)
    of_line = Counter(one.line.identity.ref for one in pairs)
    for one in pairs:
        if of_payout[one.payout.identity.ref] == of_line[one.line.identity.ref] == 1:
            yield one


def _arrived(one: PaidOut) -> Report:
    """Say which payout a line of the bank is: neither counts, for its gifts are booked one by one."""
    reason = f"payout {one.payout.identity.locator}: the same sum, about the day of its arrival"
    seen = Observation(one.line.identity, LinkClaim(one.payout.identity.ref, reason), LINK_PART)
    key = _digest("arrived", one.line.identity.ref, one.payout.identity.ref)
    return Report(f"bank:{one.line.identity.address}", key, (seen,))


def join_observations(pair: Pair, reason: str) -> tuple[Observation, ...]:
    """Say that a gift booked by hand is a line of the bank: it counts there, with what was known of it."""
    link = Observation(pair.by_hand.identity, LinkClaim(pair.line.identity.ref, reason), LINK_PART)
    code = pair.by_hand.support_code
    if code is None or pair.line.match is not None or pair.line.payment.support_code is not None:
        return (link,)
    match = MatchClaim(code, "staff", reason, pair.by_hand.intent, pair.by_hand.article)
    return link, Observation(pair.line.identity, match, MATCH_PART)


def _sign(pair: Pair) -> str:
    """Say by what a pair is known to be one gift; "" where it may be two."""
    reference = str(json.loads(pair.by_hand.payment.personal.party or "{}").get("reference", ""))
    if reference and _plain(reference) in {_plain(one) for one in pair.references}:
        return "the bank's reference is the same"
    code = pair.by_hand.support_code
    return f"code {code} is the same" if code and code == pair.line.support_code else ""


def _plain(reference: str) -> str:
    return "".join(one for one in reference.upper() if one.isalnum())


def _apart(pair: Pair) -> Report:
    """Let a gift booked by hand count again whose line was taken back with its file."""
    assert pair.line.stand is not None
    seen = Observation(pair.by_hand.identity, LinkClaim(None, UNTOLD), LINK_PART)
    key = _digest("apart", pair.by_hand.identity.ref, pair.line.identity.ref, pair.line.stand.reason)
    return Report(f"bank:{pair.line.identity.address}", key, (seen,))


def _joined(pair: Pair, reason: str) -> Report:
    seen = join_observations(pair, reason)
    told = pair.line.stand.reason if pair.line.stand else ""
    key = _digest("join", pair.by_hand.identity.ref, pair.line.identity.ref, told)
    return Report(f"bank:{pair.line.identity.address}", key, seen)


def _originals(books: LineBooks, reversals: Iterable[Reversal]) -> Iterator[tuple[Reversal, Identity | None]]:
    """Find for each reversal the one money that it takes back; None where a person must say."""
    taken: set[str] = set()
    for one in reversals:
        original = one.original
        if original is None:
            candidates = [found for found in books.opposite(one.donation) if found.identity.ref not in taken]
            lines = [_line_of(found) for found in candidates]
            found_line = find_original(_line_of(one.donation, is_reversal=True), lines)
            at = next((at for at, line in enumerate(lines) if line is found_line), None)
            original = None if at is None else candidates[at].identity
        if original is not None:
            taken.add(original.ref)
        yield one, original


def _report(one: Reversal, original: Identity, outcome: Outcome) -> Report:
    claim = RefundClaim(one.donation.payment.units, outcome)
    part = f"{REVERSAL_PART}{one.locator}"
    # What is said again after it was lifted is another report: it follows another report about the reversal.
    key = _digest(original.ref, part, str(outcome), str(one.as_of))
    return Report(f"bank:{one.donation.identity.address}", key, (Observation(original, claim, part),))


def _is_out_of_step(split: Split) -> bool:
    """Tell whether the gifts of a line stand while it does not, or the other way round."""
    stands = split.line.state is State.CONFIRMED
    return any((gift.state is State.REPLACED) == stands for gift in split.gifts)


def _in_step(split: Split) -> Report:
    state = State.CONFIRMED if split.line.state is State.CONFIRMED else State.REPLACED
    seen = tuple(Observation(gift.identity, replace(gift.payment, state=state)) for gift in split.gifts)
    key = _digest("split", split.line.identity.ref, state, str(split.as_of))
    return Report(f"bank:{split.line.identity.address}", key, seen)


def _digest(*words: str) -> str:
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:40]


def _line_of(donation: Donation, *, is_reversal: bool = False) -> Line:
    """Read a line back as far as a reversal is compared with it."""
    payment, there = donation.payment, donation.identity
    party = json.loads(payment.personal.party or "{}")
    sign = 1 if there.direction is Direction.IN else -1
    return Line(
        account=there.address,
        day=payment.bank.day if payment.bank else None,
        money=Money(sign * payment.units, Asset(there.asset, payment.exponent)),
        family="",
        counterparty=Party(payment.personal.payer or "", str(party.get("account", "")), str(party.get("code", ""))),
        purpose=payment.personal.message or "",
        end_to_end=str(party.get("end_to_end", "")),
        is_reversal=is_reversal,
    )
