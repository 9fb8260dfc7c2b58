"""Stamps confirmed gifts with what they were worth when they came: one more source beside the chains.

It reads from the ledger what has no value yet and says what it is worth, in reports like everybody
else's. So it takes part in the watcher's turns, rests and logs, and it comes after the fact: money
is confirmed first, and stays confirmed while no rate can be had.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from support_service.giving import Clock, Cursor, Donation, Listed, Observation, Report, ValueClaim, utc_now, value_part
from support_service.money import Asset, worth
from support_service.rails.source import Source, SourceDown, SourceError, SourceLied
from support_service.rates import Rate, RateSource, WantedRate
from support_service.rates.conversion import Conversion, convert, rate_text

# A gift need not be valued the minute it is confirmed, and rates change slower than blocks.
POLL_SECONDS = 60.0
# Gifts looked at in one turn: each may cost a few questions to each source.
GIFTS_PER_TURN_MAX = 500
PAGE = 100
# Where nobody has a rate, the question is asked again this much later: a feed or a market may be added.
AGAIN_AFTER = timedelta(hours=1)
PUT_OFF_MAX = 10_000
# Assets that a silent source is asked for in one turn: each costs its whole time limit.
ASSETS_FAILED_MAX = 3
TROUBLES_TOLD_MAX = 5


# Gifts without a value above a number, oldest first, at most so many: `Ledger.unvalued`.
UnvaluedFinder: TypeAlias = Callable[[int, int], Sequence[Listed]]


def source_name(currency: Asset) -> str:
    """Name the source that values gifts in a currency."""
    return f"rates:{currency.code}"


class Valuation(Source):
    """A Source whose reports say what gifts were worth in one currency. Asks nobody before `reports`.

    The key of a report is the gift and its amount: whoever values it first, it is valued once, also
    by two watchers at a time.
    """

    poll_seconds = POLL_SECONDS

    def __init__(
        self,
        currency: Asset,
        sources: Sequence[RateSource],
        unvalued: UnvaluedFinder,
        *,
        clock: Clock = utc_now,
        gifts_per_turn: int = GIFTS_PER_TURN_MAX,
    ) -> None:
        self.name = source_name(currency)
        self._currency, self._sources, self._unvalued, self._clock = currency, tuple(sources), unvalued, clock
        self._gifts_per_turn, self._next = gifts_per_turn, 0
        self._not_before: dict[str, datetime] = {}

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield a report for each gift that can be valued now; then raise what kept the others from it.

        The ledger itself tells what is still to be done; the cursor says only that we looked, and when.
        """
        sources = _RateSources(self._sources)
        for donation in self._due():
            report = self._report(donation, sources)
            if report is not None:
                yield report
        if sources.trouble is not None:
            raise sources.trouble
        step = 1 if after is None else after.step + 1
        yield Report(self.name, str(step), cursor=Cursor(step, None, None, self._clock()))

    def _due(self) -> Iterator[Donation]:
        """Go on through the gifts without a value where the last turn ended, and start again after the last one."""
        left = self._gifts_per_turn
        while left > 0:
            size = min(left, PAGE)
            page, now = self._unvalued(self._next, size), self._clock()
            for found in page:
                self._next = found.number
                if self._not_before.get(found.donation.identity.ref, now) <= now:
                    yield found.donation
            left -= size
            if len(page) < size:
                self._next = 0
                return

    def _report(self, donation: Donation, sources: "_RateSources") -> Report | None:
        payment, identity = donation.payment, donation.identity
        at = payment.occurred_at
        asked = WantedRate(identity.asset, self._currency.code, at, identity.network, payment.block_hash)
        found = convert(asked, sources.ask)
        if found is None:
            if sources.trouble is None:
                self._put_off(identity.ref)
            return None
        asset = Asset(identity.asset, payment.exponent, identity.network)
        units = worth(payment.units, asset, found.rate, self._currency)
        claim = ValueClaim(self._currency.code, self._currency.exponent, units, rate_text(found.rate), found.source, at)
        part = value_part(payment.units)
        return Report(
            source=self.name,
            key=f"{identity.ref}:{part}",
            observations=(Observation(identity, claim, part),),
            raw=_raw(found),
        )

    def _put_off(self, ref: str) -> None:
        if len(self._not_before) >= PUT_OFF_MAX:
            self._not_before.clear()
        self._not_before[ref] = self._clock() + AGAIN_AFTER


class _RateSources:
    """The sources in their order, for one turn: one that is down is not asked again in it.

    A source that fails for one asset may know all others; one that fails for several, and knew none, is down.
    """

    def __init__(self, sources: Sequence[RateSource]) -> None:
        self._sources = list(sources)
        self._failed: dict[RateSource, set[str]] = {source: set() for source in sources}
        self._worked: set[RateSource] = set()
        self._said: dict[str, SourceError] = {}

    @property
    def trouble(self) -> SourceError | None:
        """what was wrong, asset by asset; None where all answered. A lie outweighs silence."""
        if not self._said:
            return None
        kind = SourceLied if any(isinstance(error, SourceLied) for error in self._said.values()) else SourceDown
        more = len(self._said) - TROUBLES_TOLD_MAX
        words = [f"{asset}: {error}" for asset, error in self._said.items()][:TROUBLES_TOLD_MAX]
        return kind("; ".join([*words, *([f"and {more} more"] if more > 0 else [])]))

    def ask(self, asked: WantedRate) -> Rate | None:
        """Give the first rate that a source has; what is wrong with the others is kept as `trouble`."""
        # Over whichever currency: else a silent place would be asked twice for each asset.
        asset = asked.asset
        for source in list(self._sources):
            if asset in self._failed[source]:
                continue
            try:
                rate = source.rate(asked)
            except SourceDown as error:
                self._failed[source].add(asset)
                if source not in self._worked and len(self._failed[source]) >= ASSETS_FAILED_MAX:
                    self._sources.remove(source)
                self._said.setdefault(asset, error)
            except SourceLied as error:
                self._said.setdefault(asset, error)
            else:
                self._worked.add(source)
                if rate is not None:
                    return rate
        return None


def _raw(found: Conversion) -> str | None:
    """Write down what the rate was made of, for whoever checks it; None where nobody was asked."""
    steps = [
        {
            "source": step.source,
            "asset": step.asset,
            "currency": step.currency,
            "rate": rate_text(step.value),
            "told_at": step.told_at.isoformat(),
        }
        for step in found.steps
    ]
    return json.dumps(steps) if steps else None
