"""The ledger's facts in words for staff: states, kinds, amounts, and a donation's history as a story. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never

from support_service.giving import (
    ClassClaim,
    DisputeClaim,
    FeeClaim,
    Flag,
    HoldsClaim,
    LinkClaim,
    MatchClaim,
    Observed,
    Outcome,
    PaymentClaim,
    Phrase,
    Rank,
    RefundClaim,
    SplitClaim,
    StandClaim,
    State,
    ValueClaim,
    Word,
)
from support_service.giving.codes import Tier
from support_service.giving.words import KIND_WORDS, STATE_WORDS
from support_service.money import Asset, Money, plain

FLAG_WORDS = {
    Flag.OFF_ROUTE: Phrase("came over another network"),
    Flag.ESTIMATED: Phrase("amount shared by estimate"),
    Flag.MINT: Phrase("newly minted tokens"),
    Flag.CONFLICT: Phrase("another payment took its coins"),
    Flag.MANUAL: Phrase("entered by hand"),
}
# How a source is, in the words of health.Freshness.
FRESHNESS_WORDS = {
    "ok": Phrase("works"),
    "stale": Phrase("late"),
    "never": Phrase("never read yet"),
    "down": Phrase("cannot be reached"),
    "lied": Phrase("answers what must not be trusted"),
    "stalled": Phrase("works, but nothing becomes final"),
    "partial": Phrase("works, but not for all assets"),
    "frozen": Phrase("frozen until a person has looked"),
}
_WORDS: dict[str, Phrase] = {str(name): words for name, words in (*STATE_WORDS.items(), *KIND_WORDS.items())}
_WORDS |= FRESHNESS_WORDS
# Says an amount: its units, and its exponent where it is none of the money's own.
AmountWriter: TypeAlias = Callable[..., str]
_GROUP_SPACE = "\u202f"


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of the history: the sentence, and the observation it tells of; because: why we think so."""

    sentence: Phrase
    observed: Observed
    state: State | None
    note: str | None = None
    because: Phrase | None = None


def word_for(value: str) -> Phrase:
    """Say a state, a kind or the health of a source; KeyError for what is none of them."""
    return _WORDS[value]


def plan_word(state: str, known: Mapping[str, Phrase]) -> Phrase:
    """Say how a plan is, in the words of its rail; a state without one is told as it came."""
    return known[state] if state in known else Phrase("state “%(state)s”", (("state", state),))


def rfc3339(moment: datetime) -> str:
    """Write a time for machines."""
    return moment.isoformat().replace("+00:00", "Z")


def grouped(units: int, exponent: int, decimal_sign: str = ".") -> str:
    """Write an amount for eyes: "1 234.50" with narrow spaces and a true minus; currencies keep all decimals."""
    whole, _, fraction = exact(units, exponent).partition(".")
    sign, digits = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    groups = _GROUP_SPACE.join(f"{int(digits):,}".split(","))
    if exponent <= 3:
        fraction = fraction.ljust(exponent, "0")
    return f"{sign}{groups}{decimal_sign}{fraction}" if fraction else f"{sign}{groups}"


def exact(units: int, exponent: int) -> str:
    """Write an amount for machines, as the export does."""
    return plain(Money(units, Asset("-", exponent)))


def tell(history: Iterable[Observed], exponent: int, decimal_sign: str = ".") -> list[HistoryLine]:
    """Tell what was observed, in the order in which we learned it: "seen in block 5, orphaned, seen again".

    That a payment was on its way is no news once it has come: a processor tells of both, and not always in their order.
    """

    def write(units: int, places: int = exponent) -> str:
        return grouped(units, places, decimal_sign)

    lines: list[HistoryLine] = []
    before: list[PaymentClaim] = []
    best: Rank = (-1, -1)
    for observed in history:
        match observed.claim:
            case PaymentClaim() as claim:
                if claim.state is not State.SEEN or observed.rank >= best:
                    lines.append(HistoryLine(_payment(claim, before), observed, claim.state, claim.personal.note))
                before.append(claim)
                best = max(best, observed.rank)
            case RefundClaim(units=units, outcome=outcome):
                lines.append(HistoryLine(_refund(outcome, write(units)), observed, None))
            case DisputeClaim(units=units, outcome=outcome):
                lines.append(HistoryLine(_dispute(outcome, write(units)), observed, None))
            case FeeClaim(units=units):
                lines.append(HistoryLine(_fee(units, write), observed, None))
            case ValueClaim() as claim:
                lines.append(HistoryLine(_value(claim, write), observed, None))
            case MatchClaim() | ClassClaim() | LinkClaim() | SplitClaim() | StandClaim() | HoldsClaim() as claim:
                because = match_reason(claim) if isinstance(claim, MatchClaim) and claim.support_code else None
                lines.append(HistoryLine(_said(claim), observed, None, because=because))
            case _ as other:
                assert_never(other)
    return lines


def _said(claim: Word) -> Phrase:
    words = Phrase("What its rule says again")
    match claim:
        case MatchClaim():
            words = _match(claim)
        case LinkClaim():
            words = _link(claim)
        case StandClaim(stands=stands, reason=reason):
            values = (("reason", reason),)
            back = Phrase("Its file was taken back (%(reason)s)", values)
            words = Phrase("It stands again (%(reason)s)", values) if stands else back
        case ClassClaim(kind=kind, line_class=line_class) if kind is not None:
            words = Phrase("A person says it is: %(class)s", (("class", line_class),))
        case SplitClaim(nonce=None):
            words = Phrase("It is one line again, and no gifts")
        case SplitClaim(units=units):
            words = Phrase("Its gifts are booked one by one: %(count)s", (("count", str(len(units))),))
        case HoldsClaim(names=None):
            words = Phrase("Which payments are inside is not told yet")
        case HoldsClaim(names=names):
            words = Phrase("Payments inside: %(count)s", (("count", str(len(names or ()))),))
    return words


def _fee(units: int, write: AmountWriter) -> Phrase:
    amount = (("amount", write(abs(units))),)
    if units < 0:
        return Phrase("The processor gave %(amount)s of its fee back", amount)
    return Phrase("The processor kept a fee of %(amount)s", amount)


# By the word that a match keeps how its code was read.
TIERS = {
    Tier.EXACT: Phrase("the code stands in what was written with the money"),
    Tier.LOOSE: Phrase(
        "the code stands in what was written with the money, in letters that look or sound like its own"
    ),
    Tier.SLIDING: Phrase("the code stands in what was written with the money, run together with other words"),
}
# What a match keeps as its reason, behind its code -> the same for people.
_REASONS = {
    **{f"read {tier}": words for tier, words in TIERS.items()},
    "typed": Phrase("the code was typed with the gift"),
    "is the same": Phrase("the same code was typed when it was booked by hand"),
    "the bank's reference is the same": Phrase("it was booked by hand under the same reference of the bank"),
    "a person says so": Phrase("a person says so"),
    "this account gave by it before, and a person agreed": Phrase(
        "this account gave by it before, and a person agreed"
    ),
    "the only announced gift of this sum, and a person agreed": Phrase(
        "the only announced gift of this sum, and a person agreed"
    ),
    "signed by the wallet that sent it": Phrase("the wallet that sent it signed for it"),
    "came in exactly the sum that the gift was told apart by": Phrase(
        "it came in exactly the sum that this gift was told apart by"
    ),
}


def match_reason(claim: MatchClaim) -> Phrase:
    """Say for people why a gift is taken for a reader's; what we know no words for is said as it is kept."""
    if claim.by == "reference":
        return Phrase("the code is the payment's own reference")
    code = claim.support_code or "-"
    kept = claim.reason.removeprefix(f"code {code}").replace(f" {code}", "").lstrip(", ")
    return _REASONS.get(kept) or Phrase("%(reason)s", (("reason", claim.reason),))


def _match(claim: MatchClaim) -> Phrase:
    if claim.by == "hint":
        return Phrase("What may be a code, for a person to see: %(reason)s", (("reason", claim.reason),))
    if claim.support_code is None:
        return Phrase("Taken off its reader again")
    return Phrase("Whose gift it is: code %(code)s", (("code", claim.support_code),))


def _link(claim: LinkClaim) -> Phrase:
    if claim.to is None:
        return Phrase("A person says it is about no other money")
    return Phrase("It is about the money %(ref)s (%(reason)s)", (("ref", claim.to), ("reason", claim.reason)))


def _value(claim: ValueClaim, write: AmountWriter) -> Phrase:
    whole, _, fraction = claim.rate.partition(".")
    values = (
        ("amount", write(claim.units, claim.exponent)),
        ("currency", claim.currency),
        ("rate", write(int(whole + fraction), len(fraction))),
        ("source", claim.source),
    )
    return Phrase("Worth %(amount)s %(currency)s when it came, at %(rate)s (%(source)s)", values)


def _payment(claim: PaymentClaim, before: list[PaymentClaim]) -> Phrase:
    is_again = claim.state in _AGAIN and any(one.state is claim.state for one in before)
    known = _AGAIN if is_again else _FIRST
    words = known[claim.state]
    if claim.block_height is None:
        return words[0]
    return replace(words[1], values=(("height", str(claim.block_height)),))


# Words off chain, and words on a chain.
_FIRST = {
    State.SEEN: (Phrase("Seen"), Phrase("Seen in block %(height)s")),
    State.CONFIRMED: (Phrase("Confirmed"), Phrase("Confirmed in block %(height)s")),
    State.ORPHANED: (Phrase("Orphaned"), Phrase("Orphaned: block %(height)s left the chain")),
    State.REPLACED: (
        Phrase("Replaced: it no longer counts"),
        Phrase("Replaced by a newer statement about block %(height)s"),
    ),
    State.QUARANTINED: (
        Phrase("Set aside until a person has looked"),
        Phrase("Set aside in block %(height)s until a person has looked"),
    ),
}
_AGAIN = {
    State.SEEN: (Phrase("Seen again"), Phrase("Seen again, in block %(height)s")),
    State.CONFIRMED: (Phrase("Confirmed again"), Phrase("Confirmed again, in block %(height)s")),
}


def _refund(outcome: Outcome, amount: str) -> Phrase:
    values = (("amount", amount),)
    match outcome:
        case Outcome.PENDING:
            return Phrase("A refund of %(amount)s was started", values)
        case Outcome.SUCCEEDED:
            return Phrase("%(amount)s was refunded", values)
        case Outcome.FAILED:
            return Phrase("A refund of %(amount)s failed", values)
        case _ as other:
            assert_never(other)


def _dispute(outcome: Outcome, amount: str) -> Phrase:
    values = (("amount", amount),)
    match outcome:
        case Outcome.PENDING:
            return Phrase("%(amount)s is disputed by the payer", values)
        case Outcome.SUCCEEDED:
            return Phrase("The payer won the dispute over %(amount)s", values)
        case Outcome.FAILED:
            return Phrase("The payer lost the dispute over %(amount)s", values)
        case _ as other:
            assert_never(other)
