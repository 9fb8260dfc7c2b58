"""What Stripe did not deliver is fetched: one more source, under the same keys as the webhook.

Each turn reads events since the last one, and an hour before that, as the reports that the webhook would
have made of them; the entries of Stripe's books (balance transactions), which alone tell fees and know of
all money; names that wait in the inbox; and once a day whatever is not over yet. A turn that is cut short
is read again, and what it brought is kept.
"""

from collections.abc import Iterator

from support_service.giving import Clock, Cursor, Report, SourceWarning
from support_service.rails.asides import Asides
from support_service.rails.books import Books
from support_service.rails.processor import SWEEP_POLL_SECONDS, ProcessorAccount
from support_service.rails.rail import RailSettings
from support_service.rails.source import HeldPayment, Source
from support_service.rails.stripe.api import StripeApi
from support_service.rails.stripe.events import SWEEP
from support_service.rails.stripe.method import KEY
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.online import held_payments
from support_service.rails.stripe.processor import is_live_key
from support_service.rails.stripe.settings import own_account
from support_service.rails.stripe.sweep_poll import Memory, SweepAccount, SweepPoll
from support_service.rails.stripe.sweep_state import SweepState


def build_sources(given: RailSettings, books: Books, *, clock: Clock) -> list[Source]:
    """Build the sweep; nobody is asked yet."""
    return [StripeSweep(own_account(given), books, clock=clock)]


class StripeSweep(Source):
    """The Source `stripe:sweep` of one account."""

    name = SWEEP
    poll_seconds: float = SWEEP_POLL_SECONDS

    def __init__(self, account: ProcessorAccount, books: Books, *, clock: Clock) -> None:
        reader = Reader(account.assets, books.intents.find)
        api = StripeApi(account.key, account.api_base, self.name)
        self._account = SweepAccount(api, reader, books, clock, is_live_key(account.key))
        self._memory = Memory()
        self.asides: Asides = Asides(self.name, clock)
        self._warnings: tuple[SourceWarning, ...] = ()

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield what is new since the cursor; raise SourceDown where Stripe does not answer."""
        at = self._account
        state = SweepState.read(after.memo) if after else None
        if state is None:
            first = at.books.sweeps.first_intent_at(KEY)
            if first is None:
                yield self._idle(after)
                return
            state = SweepState.first(first)
        poll = SweepPoll(self.asides, at, self._memory, after=after, state=state.with_gap(at.clock()))
        yield from poll.reports()
        self._warnings = tuple(poll.warnings)

    def warnings(self) -> tuple[SourceWarning, ...]:
        """Say what could not be read, and which events are gone for good."""
        return self._warnings

    def held_payments(self) -> Iterator[HeldPayment]:
        """Say what Stripe's books hold of every payment since the first gift by card; raise SourceDown."""
        at, first = self._account, self._account.books.sweeps.first_intent_at(KEY)
        if first is not None:
            yield from held_payments(at.api, at.reader, first, self.name)

    def _idle(self, after: Cursor | None) -> Report:
        """Say that all is well before the first gift by card: nobody need be asked."""
        step = after.step + 1 if after else 1
        return Report(self.name, str(step), cursor=Cursor(step, None, None, self._account.clock()))
