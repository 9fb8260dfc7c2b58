"""What mono did not deliver is fetched: one more source, which claims the same as the webhook.

Each turn reads the statement since the last one, and some hours before that: it knows of all money, and alone of fees.
It asks for payment pages that were opened and are not paid, once while they are open and once after: mono tells nobody
that one has expired. Once a day it looks at all plans, at refunds under way, and at the statement of three months.
"""

from collections.abc import Iterator

from support_service.giving import Clock, Cursor, Report, SourceWarning
from support_service.rails.asides import Asides
from support_service.rails.books import Books
from support_service.rails.mono.api import MonoApi
from support_service.rails.mono.claims import ClaimReader
from support_service.rails.mono.fields import BadMessage
from support_service.rails.mono.method import CURRENCY_EXPONENT, KEY
from support_service.rails.mono.settings import SWEEP, MonoAccount, own_account
from support_service.rails.mono.statement import PAID, read_row
from support_service.rails.mono.sweep_poll import MonoMemory, MonoPoll, SweptMerchant
from support_service.rails.mono.sweep_state import MonoSweepState, seconds
from support_service.rails.processor import SWEEP_POLL_SECONDS
from support_service.rails.rail import RailSettings
from support_service.rails.source import HeldPayment, Source, SourceDown


def build_sources(given: RailSettings, books: Books, *, clock: Clock) -> list[Source]:
    """Build the sweep; nobody is asked yet."""
    return [MonoSweep(own_account(given), books, clock=clock)]


class MonoSweep(Source):
    """The Source `mono:sweep` of one merchant."""

    name = SWEEP
    poll_seconds: float = SWEEP_POLL_SECONDS

    def __init__(self, account: MonoAccount, books: Books, *, clock: Clock) -> None:
        api = MonoApi(account.token, account.api_base, self.name)
        self._merchant = SweptMerchant(api, ClaimReader(account.assets, books.intents), books, clock)
        self._memory = MonoMemory()
        self.asides: Asides = Asides(self.name, clock)
        self._warnings: tuple[SourceWarning, ...] = ()

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield what is new since the cursor; raise SourceDown where mono does not answer."""
        at = self._merchant
        state = MonoSweepState.read(after.memo) if after else None
        if state is None:
            first = at.books.sweeps.first_intent_at(KEY)
            if first is None:
                step = after.step + 1 if after else 1
                yield Report(self.name, str(step), cursor=Cursor(step, None, None, at.clock()))
                return
            state = MonoSweepState.at_first(first)
        poll = MonoPoll(self.asides, at, self._memory, state, step=after.step if after else 0)
        yield from poll.reports()
        self._warnings = poll.warnings()

    def warnings(self) -> tuple[SourceWarning, ...]:
        """Say what could not be read."""
        return self._warnings

    def held_payments(self) -> Iterator[HeldPayment]:
        """Say what the statement holds of every payment since the first gift by card; raise SourceDown."""
        at = self._merchant
        first = at.books.sweeps.first_intent_at(KEY)
        if first is None:
            return
        for rows in at.api.statement(seconds(first), seconds(at.clock())):
            for of in rows:
                try:
                    row = read_row(of)
                except BadMessage as error:
                    raise SourceDown(f"{self.name}: a row of the statement cannot be read: {error}") from error
                if row.status == PAID:
                    left = row.units - row.back_units
                    yield HeldPayment(row.invoice, row.code, CURRENCY_EXPONENT, left, row.at)
