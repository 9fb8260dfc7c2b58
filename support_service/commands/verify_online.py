"""`verify --online`: what the ledger says that we hold, against what each chain and each processor says."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from support_service.assembly import Assembly, build_sources, expected_sources
from support_service.giving import Clock, Donation, Identity, Kind, State, utc_now
from support_service.ledger import Ledger, Wanted
from support_service.money import Asset, Money, plain
from support_service.rails.source import HeldPayment, Holding, Source, SourceError

# A processor's message about its newest entries may still be on its way.
YOUNG = timedelta(minutes=15)
_BOOKED = frozenset({State.CONFIRMED, State.PARTIALLY_REFUNDED, State.REFUNDED, State.DISPUTED})
_PAGE = 1_000


def compare(assembly: Assembly, ledger: Ledger, *, say: Callable[[str], object], clock: Clock = utc_now) -> list[str]:
    """Compare every watch at the last block that is final for it, and every payment by card; return the problems.

    The ledger's sum is opening + confirmed in - confirmed out, transfers between our own addresses
    included. What could not be compared is a problem, too.
    """
    problems: list[str] = []
    chains = {expected.name for expected in expected_sources(assembly) if expected.network is not None}
    for source in build_sources(assembly, ledger, clock=clock):
        held = _holdings(source, ledger) if source.name in chains else HeldOnline()
        problems += [held.problem] if held.problem else []
        for holding in held.holdings:
            line, is_equal = _compared(holding, ledger)
            say(line)
            problems += [] if is_equal else [line]
        problems += _payment_problems(source, ledger, say, clock)
    for rail in assembly.rails.values():
        for compared in rail.compare_online(assembly.given(rail.name), ledger, clock=clock):
            say(compared.text)
            problems += [] if compared.is_equal else [compared.text]
    return problems


@dataclass(frozen=True, slots=True)
class HeldOnline:
    """What a source says its watches hold, or why it could not be asked."""

    holdings: Sequence[Holding] = ()
    problem: str = ""


def _holdings(source: Source, ledger: Ledger) -> HeldOnline:
    after = ledger.cursor(source.name)
    if after is None:
        return HeldOnline(problem=f"{source.name}: never read yet, so there is nothing to compare")
    try:
        return HeldOnline(source.holdings(after))
    except SourceError as error:
        return HeldOnline(problem=f"{source.name}: could not be compared: {error}")


def _compared(holding: Holding, ledger: Ledger) -> tuple[str, bool]:
    watch, asset = holding.watch, holding.watch.asset
    name = f"{watch.network}: {asset.code} at {watch.address}, block {holding.height}"
    if holding.units is None:
        return f"{name}: could not be compared: {holding.trouble}", False
    held = ledger.held(watch.key, holding.height)
    shown = f"{plain(Money(held, asset))} {asset.code}"
    difference = holding.units - held
    if not difference:
        return f"{name}: {shown}, as on the chain", True
    more = "more" if difference > 0 else "less"
    return f"{name}: the ledger says {shown}, the chain has {plain(Money(abs(difference), asset))} {more}", False


def _payment_problems(source: Source, ledger: Ledger, say: Callable[[str], object], clock: Clock) -> list[str]:
    """Hold every payment in a processor's books against the ledger, and the other way round."""
    rail = source.name.partition(":")[0]
    try:
        told = source.held_payments()
        if told is None:
            return []
        held = [one for one in told if clock() - one.newest_at >= YOUNG]
    except SourceError as error:
        return [f"{source.name}: could not be compared: {error}"]
    names = ledger.sweeps.named_money(rail, [one.name for one in held])
    problems = [
        f"{rail}: {one.name}: the processor holds {_shown(one.units, one)}, the ledger does not know it"
        for one in held
        if one.name not in names
    ]
    theirs: dict[Identity, HeldPayment] = {names[one.name]: one for one in held if one.name in names}
    equal: Counter[Asset] = Counter()
    for donation in _donations(ledger, rail):
        found, ours = theirs.get(donation.identity), _left(donation)
        if donation.state is State.QUARANTINED or donation.state in _BOOKED:
            theirs.pop(donation.identity, None)
        if donation.state not in _BOOKED:
            # What was set aside is held by the processor, and not counted on purpose.
            continue
        problem = _difference(donation, found, ours)
        if problem and clock() - donation.payment.occurred_at >= YOUNG:
            problems.append(f"{rail}: {donation.identity.locator}: {problem}")
        elif not problem:
            equal[Asset(donation.identity.asset, donation.payment.exponent)] += ours
    problems += [
        f"{rail}: {one.name}: the processor holds {_shown(one.units, one)}, the ledger has nothing booked for it"
        for one in theirs.values()
        # What failed after it was booked on its way left nothing behind.
        if one.units
    ]
    for asset, units in sorted(equal.items(), key=lambda one: one[0].code):
        say(f"{rail}: {plain(Money(units, asset))} {asset.code}, payment by payment as in the processor's books")
    return problems


def _donations(ledger: Ledger, rail: str) -> Iterator[Donation]:
    # What was paid out is none of the payments that are compared.
    before: int | None = None
    while page := ledger.donations(Wanted(rail=rail, kind=Kind.DONATION), before=before, limit=_PAGE):
        yield from (one.donation for one in page)
        before = page[-1].number


def _left(donation: Donation) -> int:
    """Tell what of a gift we believe to hold, before fees."""
    return donation.payment.units - donation.refunded_units - donation.withheld_units


def _difference(donation: Donation, found: HeldPayment | None, ours: int) -> str:
    asset = Asset(donation.identity.asset, donation.payment.exponent)
    shown = f"the ledger says {plain(Money(ours, asset))} {asset.code}"
    if found is None:
        return f"{shown}, the processor's books do not have it"
    is_equal = (found.currency, found.exponent, found.units) == (asset.code, asset.exponent, ours)
    return "" if is_equal else f"{shown}, the processor {_shown(found.units, found)}"


def _shown(units: int, of: HeldPayment) -> str:
    sign = "-" if units < 0 else ""
    return f"{sign}{plain(Money(abs(units), Asset(of.currency, of.exponent)))} {of.currency}"
