"""One turn of the sweep: the statement, payment pages, what was set aside, and once a day what is not over."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from support_service.giving import (
    Clock,
    Cursor,
    Frequency,
    OpenedPage,
    Plan,
    PlanPlace,
    Report,
    SourceWarning,
    WarningKind,
)
from support_service.rails.asides import Asides
from support_service.rails.books import Books
from support_service.rails.mono.api import MonoApi
from support_service.rails.mono.claims import NOTHING_SAID, ClaimReader, MonoClaims, invoice_of
from support_service.rails.mono.fields import ID, BadMessage, MonoJson
from support_service.rails.mono.invoices import read_invoice, read_subscription
from support_service.rails.mono.method import KEY, RAIL
from support_service.rails.mono.orders import PAGE_LASTS
from support_service.rails.mono.plan_words import ENDED_PLANS
from support_service.rails.mono.settings import SWEEP
from support_service.rails.mono.statement import (
    PAID,
    SAME_CHARGE_WITHIN,
    PlanCharge,
    StatementRow,
    charged_plans,
    read_charges,
    read_row,
)
from support_service.rails.mono.sweep_state import READ_AGAIN_FOR, MonoSweepState, seconds

# What a message may still be on its way about is not asked for before that had time to come.
MESSAGE_GRACE = timedelta(minutes=10)
# An invoice that was not paid in time expires a moment later.
CLOSED_FOR = timedelta(minutes=5)
PAGES_LOOKED_BACK = PAGE_LASTS + timedelta(hours=1)
ROWS_A_STEP = 200
PLANS_A_LOOK = 1_000


@dataclass(frozen=True, slots=True)
class SweptMerchant:
    """Whom a turn asks, and who reads the answers."""

    api: MonoApi
    reader: ClaimReader
    books: Books
    clock: Clock


@dataclass(slots=True)
class MonoMemory:
    """What need not be asked again by the next turn: rows as they were told, by their time; looks at pages."""

    rows: dict[str, int] = field(default_factory=dict)
    pages: dict[str, bool] = field(default_factory=dict)

    def forget(self, oldest: int, pages: set[str]) -> None:
        """Drop rows older than a moment, and pages that no turn will meet any more."""
        self.rows = {row: at for row, at in self.rows.items() if at >= oldest}
        self.pages = {page: is_last for page, is_last in self.pages.items() if page in pages}


@dataclass(frozen=True, slots=True)
class MonoAnswer:
    """What mono answered, as it is kept; claims says what that says, and raises BadMessage where nobody can read it."""

    evidence: tuple[MonoJson, ...]
    claims: Callable[[], MonoClaims]


NOTHING_ANSWERED = MonoAnswer((), lambda: NOTHING_SAID)


class MonoPoll:
    """Reads everything once; what cannot be read goes to `asides`. Raises SourceDown, and what the ledger raises."""

    def __init__(
        self, asides: Asides, merchant: SweptMerchant, memory: MonoMemory, state: MonoSweepState, *, step: int
    ) -> None:
        self._asides, self._merchant, self._memory, self._state = asides, merchant, memory, state
        self._number = step
        self._pages_met: set[str] = set()

    def reports(self) -> Iterator[Report]:
        """Yield all that is new; every report is one step of the cursor."""
        now, start = self._merchant.clock(), self._state.statement_from(self._merchant.clock())
        is_due = self._state.is_due(now)
        # Before the statement, for of a plan that nobody told of its charges are found out by it.
        yield from self._pages(now)
        for told in self._merchant.api.statement(start, seconds(now)):
            for first in range(0, len(told), ROWS_A_STEP):
                yield from self._rows(told[first : first + ROWS_A_STEP])
        yield self._step(statement=seconds(now))
        for item in self._asides.due():
            if ID.fullmatch(item.key):
                yield from self._looked_up(self._anything, item.key)
            else:
                # It names nothing that mono could be asked for: people are told of it with its own reason.
                self._asides.note(item.key, item.reason)
        if is_due:
            yield from self._open()
            yield self._step(again=seconds(now))
        self._memory.forget(seconds(now - READ_AGAIN_FOR), self._pages_met)

    def warnings(self) -> tuple[SourceWarning, ...]:
        """Say what could not be read."""
        told = (f"{item.key} cannot be read: {item.reason}" for item in self._asides.items)
        return tuple(SourceWarning(WarningKind.DEGRADED, text) for text in told)

    def _step(self, said: MonoClaims = NOTHING_SAID, read: Sequence[MonoJson] = (), **changes: int) -> Report:
        self._state, self._number = replace(self._state, **changes), self._number + 1
        return Report(
            source=SWEEP,
            key=str(self._number),
            observations=said.observations,
            cursor=Cursor(self._number, None, None, self._merchant.clock(), self._state.memo()),
            raw=json.dumps(read) if read else None,
            aliases=said.aliases,
            waiting=said.waiting,
            plans=said.plans,
        )

    def _rows(self, told: Sequence[MonoJson]) -> Iterator[Report]:
        """Read rows that are new or have changed: what is known is asked for only where something went back."""
        at, said, read, done = self._merchant, NOTHING_SAID, list[MonoJson](), dict[str, int]()
        rows = [(of, row) for of in told for row in self._row(of) if _digest(of) not in self._memory.rows]
        known = at.books.sweeps.known_names(RAIL, sorted({row.invoice for _, row in rows}))
        unsaid = [row for _, row in rows if row.invoice not in known and row.ref is None and self._is_old(row)]
        plans = charged_plans(unsaid, self._charges(unsaid))
        for of, row in rows:
            if row.status != PAID or (row.invoice not in known and not self._is_old(row)):
                continue
            found = NOTHING_SAID
            if row.invoice not in known or row.back_units:
                with self._reading(row.invoice, "the invoice of a row of the statement"):
                    answered = self._invoice(row.invoice, plans.get(row.invoice))
                    read += answered.evidence
                    found = answered.claims()
                if found == NOTHING_SAID:
                    continue
                said += found
            # Of one thing a report says one thing.
            if row.fee_units and not found.tells_fee:
                said += at.reader.fee(row.invoice, row.code, row.fee_units)
                read.append(of)
            done[_digest(of)] = seconds(row.at)
        if said != NOTHING_SAID:
            yield self._step(said, read)
        self._memory.rows |= done

    def _row(self, of: MonoJson) -> list[StatementRow]:
        name, found = of.get("invoiceId"), list[StatementRow]()
        key = name if isinstance(name, str) and ID.fullmatch(name) else "a row"
        with self._reading(key, "statement", is_whole=False):
            found.append(read_row(of))
        return found

    def _is_old(self, row: StatementRow) -> bool:
        return self._merchant.clock() - row.at >= MESSAGE_GRACE

    def _charges(self, rows: Sequence[StatementRow]) -> list[PlanCharge]:
        """Ask plans that charge such sums when they did, for rows that name nobody."""
        if not rows:
            return []
        sums, since = {(row.units, row.code) for row in rows}, min(row.at for row in rows) - SAME_CHARGE_WITHIN
        found: list[PlanCharge] = []
        for plan in self._plans(lambda plan: (plan.units, plan.currency) in sums):
            for told in self._merchant.api.payments(plan.name, since):
                with self._reading(plan.name, "its payments", is_whole=False):
                    found += read_charges(plan.name, told)
        return found

    def _pages(self, now: datetime) -> Iterator[Report]:
        """Look at pages that may have been paid, or begun a plan, without a word: twice at most."""
        books, after = self._merchant.books, None
        since = min(now, datetime.fromtimestamp(self._state.statement, UTC)) - PAGES_LOOKED_BACK
        while found := books.intents.opened_pages(KEY, since, after):
            after = found[-1].place
            known = books.sweeps.known_names(RAIL, [page.session for page in found])
            for page in found:
                self._pages_met.add(page.session)
                if page.session not in known and self._is_to_look_at(page, now):
                    look = self._invoice if page.frequency is Frequency.ONCE else self._subscription
                    yield from self._looked_up(look, page.session)
                    self._memory.pages[page.session] = now >= page.expires_at + CLOSED_FOR

    def _is_to_look_at(self, page: OpenedPage, now: datetime) -> bool:
        looked = self._memory.pages.get(page.session)
        if looked is None:
            return now >= page.expires_at - PAGE_LASTS + MESSAGE_GRACE
        return not looked and now >= page.expires_at + CLOSED_FOR

    def _open(self) -> Iterator[Report]:
        """Look up all that has not come to its end."""
        books, after = self._merchant.books, 0
        while found := books.sweeps.open_money(RAIL, after=after):
            for money in found:
                after = money.number
                invoice = invoice_of(money.identity.locator)
                if invoice is not None:
                    yield from self._looked_up(self._invoice, invoice)
        for plan in self._plans(lambda plan: plan.state not in ENDED_PLANS):
            yield from self._looked_up(self._subscription, plan.name)

    def _plans(self, is_wanted: Callable[[Plan], bool]) -> list[Plan]:
        """List plans; read whole, for what is read of one may move it in the list."""
        plans: list[Plan] = []
        before: PlanPlace | None = None
        while page := self._merchant.books.plans.newest(PLANS_A_LOOK, before, rail=RAIL):
            plans += [one for one in page if is_wanted(one)]
            before = page[-1].place
        return plans

    def _looked_up(self, look: Callable[[str], MonoAnswer], name: str) -> Iterator[Report]:
        said, read = NOTHING_SAID, tuple[MonoJson, ...]()
        with self._reading(name, "what mono says of it"):
            answered = look(name)
            said, read = answered.claims(), answered.evidence
        if said != NOTHING_SAID:
            yield self._step(said, read)

    def _invoice(self, name: str, plan: str | None = None) -> MonoAnswer:
        """Ask for an invoice."""
        told = self._merchant.api.invoice(name)
        if told is None:
            return NOTHING_ANSWERED
        return MonoAnswer((_evidence(told),), lambda: self._merchant.reader.invoice(read_invoice(told, plan)))

    def _subscription(self, name: str) -> MonoAnswer:
        """Ask for a subscription."""
        told = self._merchant.api.subscription(name)
        if told is None:
            return NOTHING_ANSWERED
        return MonoAnswer((_evidence(told),), lambda: self._merchant.reader.subscription(read_subscription(told)))

    def _anything(self, name: str) -> MonoAnswer:
        """Ask for whatever has a name."""
        answered = self._invoice(name)
        answered = answered if answered.evidence else self._subscription(name)
        if not answered.evidence:
            raise BadMessage("mono knows nothing of that name")
        return answered

    @contextmanager
    def _reading(self, key: str, what: str, *, is_whole: bool = True) -> Iterator[None]:
        """Go on where something cannot be read: one odd thing must not hide all others.

        What is read in part only, as a row of the statement about it, is read no better than before.
        """
        try:
            yield
        except BadMessage as error:
            self._asides.note(key, f"{what}: {error}")
        else:
            if is_whole:
                self._asides.solve(key)


def _evidence(told: MonoJson) -> MonoJson:
    return {key: value for key, value in told.items() if key != "walletData"}


def _digest(of: MonoJson) -> str:
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:32]
