"""One turn of the sweep: events, the entries of Stripe's books, names that wait, and what is not over."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, TypeVar

from support_service.giving import Clock, Cursor, Plan, PlanPlace, Report, SourceWarning, WaitingClaim, WarningKind
from support_service.rails.asides import Asides
from support_service.rails.books import Books
from support_service.rails.stripe.api import PATHS, StripeApi
from support_service.rails.stripe.balance_transactions import entry_said, owner, unexplained
from support_service.rails.stripe.events import DECLINED, HANDLED, SOURCE, SWEEP, UNREAD, event_report, read_decline
from support_service.rails.stripe.fields import NotReadable, StripeJson, moment, name, optional_id
from support_service.rails.stripe.lookup import Lookup
from support_service.rails.stripe.method import RAIL
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.payouts import payout_of
from support_service.rails.stripe.plan_words import ENDED_PLANS
from support_service.rails.stripe.ranks import StripeClaims
from support_service.rails.stripe.sweep_state import AGAIN_AFTER, SweepState, since

# What a message may still be on its way about is not judged before that had time to come.
GRACE = timedelta(minutes=15)
# Older ones say nothing about an attack that goes on now.
DECLINE_IS_FRESH = 600.0
_PLANS_PAGE = 1_000
NOTHING = StripeClaims()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SweepAccount:
    """Whom a turn asks, and who reads the answers."""

    api: StripeApi
    reader: Reader
    books: Books
    clock: Clock
    is_live: bool


@dataclass(slots=True)
class Memory:
    """What need not be asked again by the next turn: entries by their time, names by when they were asked."""

    entries: dict[str, int] = field(default_factory=dict)
    asked: dict[str, datetime] = field(default_factory=dict)

    def forget(self, newest: int, now: datetime) -> None:
        """Drop what no turn will meet any more."""
        oldest = since(newest)["gte"]
        self.entries = {known: at for known, at in self.entries.items() if at >= oldest}
        self.asked = {known: at for known, at in self.asked.items() if now - at < AGAIN_AFTER}


class SweepPoll:
    """Reads everything once; what cannot be read goes to `asides`. Raises SourceDown, and what the ledger raises."""

    def __init__(
        self, asides: Asides, account: SweepAccount, memory: Memory, *, after: Cursor | None, state: SweepState
    ) -> None:
        self._asides, self._account, self._memory = asides, account, memory
        self._state = state
        self._number = after.step if after else 0
        # What could not be read in this turn: of one thing several may be asked.
        self._unread: set[str] = set()
        self.warnings: list[SourceWarning] = []

    def reports(self) -> Iterator[Report]:
        """Yield all that is new; every report of the source's own is one step of its cursor."""
        yield from self._events()
        yield from self._entries()
        for item in self._asides.due():
            yield from self._again(item.key)
        yield from self._inbox()
        now = self._account.clock()
        if now - datetime.fromtimestamp(self._state.again, UTC) >= AGAIN_AFTER:
            yield from self._open()
            yield self._step(again=int(now.timestamp()))
        self._memory.forget(self._state.entries, now)
        told = [f"{item.key} cannot be read: {item.reason}" for item in self._asides.items]
        told += self._state.gap_text(now)
        self.warnings = [SourceWarning(WarningKind.DEGRADED, text) for text in told]

    def _again(self, key: str) -> Iterator[Report]:
        """Try once more what was set aside, by asking for that very thing."""
        api = self._account.api
        if key.startswith("evt_"):
            event = api.one("event", key)
            yield from () if event is None else self._event(event)
        elif key.startswith("txn_"):
            entry = api.one("balance_transaction", key, expand=["source"])
            told = self._entries_said([] if entry is None else [entry])
            if told.said != NOTHING:
                yield self._step(told.said, told.read)
        else:
            yield from self._looked_up(Lookup.anything, key, key)
        if key not in self._unread and self._is_still_there(key):
            # Stripe does not have it any more: people still see what it was.
            self._asides.note(key, "Stripe does not tell it any more")

    def _is_still_there(self, key: str) -> bool:
        return key in {item.key for item in self._asides.items}

    def _step(self, said: StripeClaims = NOTHING, read: Sequence[StripeJson] = (), **changes: int) -> Report:
        self._state, self._number = replace(self._state, **changes), self._number + 1
        return Report(
            source=SWEEP,
            key=str(self._number),
            observations=said.observations,
            cursor=Cursor(self._number, None, None, self._account.clock(), self._state.memo()),
            raw=json.dumps(read) if read else None,
            aliases=said.aliases,
            waiting=said.waiting,
            plans=said.plans,
        )

    def _events(self) -> Iterator[Report]:
        """Read events. The newest come first; no matter, they fold in any order."""
        newest = self._state.events
        for page in self._account.api.pages("/v1/events", created=since(newest)):
            known = self._account.books.sweeps.known_reports(SOURCE, [str(one.get("id")) for one in page])
            for event in page:
                newest = max(newest, _seconds(event))
                if event.get("id") not in known:
                    yield from self._event(event)
        yield self._step(events=self._read_to(newest), looked=int(self._account.clock().timestamp()))

    def _event(self, event: StripeJson) -> Iterator[Report]:
        """Read an event as the webhook does; what says nothing about money is left out, but for a fresh decline."""
        at, is_fresh = self._account, self._account.clock().timestamp() - _seconds(event) < DECLINE_IS_FRESH
        if event.get("type") not in HANDLED and not (is_fresh and event.get("type") == DECLINED):
            return
        report, declined = None, read_decline(event) if is_fresh else None
        with self._reading(_key(event), str(event.get("type"))):
            report = event_report(self._current(event), json.dumps(event), at.reader, is_live=at.is_live)
        self._settle(_key(event))
        if report is not None and (declined or not report.claims_nothing or self._is_kept(report.key)):
            yield report
        if declined is not None:
            at.books.sweeps.note_decline(declined)

    def _is_kept(self, event: str) -> bool:
        """Tell whether the webhook kept an event that it did not understand: then that it says nothing is news."""
        return bool(self._account.books.sweeps.known_reports(SOURCE, [f"{UNREAD}{event}"]))

    def _current(self, event: StripeJson) -> StripeJson:
        """Give an event that was written in another version of the API its object as it is now.

        Stripe writes an event down once, in the account's own version, while an endpoint may have another.
        """
        if event.get("api_version") == import_module("stripe").api_version:
            return event
        data = event.get("data")
        of: Any = data.get("object") if isinstance(data, dict) else None
        kind = of.get("object") if isinstance(of, dict) else None
        found = self._account.api.one(kind, name(of)) if kind in PATHS else None
        return event if found is None else {**event, "data": {"object": found}}

    def _entries(self) -> Iterator[Report]:
        """Read the entries of Stripe's books: one step for each page that says something, one at the end."""
        newest, expand = self._state.entries, ["data.source"]
        for page in self._account.api.pages("/v1/balance_transactions", created=since(newest), expand=expand):
            newest = max([newest, *map(_seconds, page)])
            told = self._entries_said([one for one in page if one.get("id") not in self._memory.entries])
            if told.said != NOTHING:
                yield self._step(told.said, told.read)
            self._memory.entries |= {str(entry.get("id")): _seconds(entry) for entry in told.done}
        yield self._step(entries=self._read_to(newest))

    def _read_to(self, newest: int) -> int:
        """Set no time to come: all until then would be skipped, and so would what is still too young.

        What was put off is younger than GRACE, so that an overlap behind our own time always reads it again.
        """
        return min(newest, int(self._account.clock().timestamp()))

    def _entries_said(self, entries: list[StripeJson]) -> "_ToldEntries":
        """Say what entries tell; money that nobody told of is looked up, once it is old enough."""
        at, said, done, lookup = self._account, NOTHING, [], self._lookup()
        owners = [(entry, payment) for entry in entries for payment in self._owners(entry)]
        known = at.books.sweeps.known_names(RAIL, sorted({payment for _, payment in owners if payment}))
        young = at.clock() - GRACE
        for entry, payment in owners:
            if payment is not None and payment not in known:
                if _seconds(entry) > young.timestamp():
                    continue
                found = NOTHING
                with self._reading(_key(entry), payment):
                    found = lookup.payment(payment)
                with self._reading(_key(entry), payment):
                    said += found if found != NOTHING else unexplained(at.reader, entry, payment)
            if payment is not None:
                with self._reading(_key(entry), payment):
                    said += entry_said(at.reader, entry, payment)
            elif (payout := payout_of(entry)) is not None:
                with self._reading(_key(entry), "payout"):
                    said += lookup.paid_out(entry, payout)
            self._settle(_key(entry))
            done.append(entry)
        told = [
            {**entry, "source": optional_id(entry, "source")}
            for entry, payment in owners
            if payment or payout_of(entry)
        ]
        return _ToldEntries(done, said, [*told, *lookup.read])

    def _inbox(self) -> Iterator[Report]:
        """Look up names that wait for longer than messages take; what Stripe does not know is asked once a day."""
        now = self._account.clock()
        for known_as in self._waiting(now - GRACE):
            if known_as not in self._memory.asked:
                yield from self._looked_up(Lookup.payment, known_as, known_as)
                self._memory.asked[known_as] = now

    def _waiting(self, until: datetime) -> list[str]:
        """Name what waits since then; read whole, for what is found leaves the list."""
        names: dict[str, None] = {}
        after: WaitingClaim | None = None
        while page := self._account.books.inbox.waiting(after, rail=RAIL):
            names |= dict.fromkeys(one.name for one in page if one.since <= until)
            after = page[-1]
        return list(names)

    def _open(self) -> Iterator[Report]:
        """Look up all that has not come to its end."""
        books, after = self._account.books, 0
        while found := books.sweeps.open_money(RAIL, after=after):
            for money in found:
                after = money.number
                yield from self._looked_up(Lookup.again, money, money.identity.locator)
        for plan in self._running():
            yield from self._looked_up(Lookup.plan, plan, plan.name)

    def _running(self) -> list[Plan]:
        """List plans that still charge; read whole, for what is read of one may move it in the list."""
        plans: list[Plan] = []
        before: PlanPlace | None = None
        while page := self._account.books.plans.newest(_PLANS_PAGE, before, rail=RAIL):
            plans += [one for one in page if one.state not in ENDED_PLANS]
            before = page[-1].place
        return plans

    def _owners(self, entry: StripeJson) -> list[str | None]:
        """Name the payment of an entry; nothing of one that cannot be read."""
        found: list[str | None] = []
        with self._reading(_key(entry), "balance transaction"):
            found = [owner(entry)]
        if found == [None]:
            self._settle(_key(entry))
        return found

    def _looked_up(self, look: Callable[[Lookup, T], StripeClaims], of: T, key: str) -> Iterator[Report]:
        lookup, said = self._lookup(), NOTHING
        with self._reading(key, "what Stripe says of it"):
            said = look(lookup, of)
        self._settle(key)
        if said != NOTHING:
            yield self._step(said, lookup.read)

    @contextmanager
    def _reading(self, key: str, what: str) -> Iterator[None]:
        """Go on where something cannot be read: one odd object must not hide all others."""
        try:
            yield
        except NotReadable as error:
            self._unread.add(key)
            self._asides.note(key, f"{what}: {error}")

    def _settle(self, key: str) -> None:
        """Drop what was set aside, if all of it could be read."""
        if key not in self._unread:
            self._asides.solve(key)

    def _lookup(self) -> Lookup:
        return Lookup(self._account.api, self._account.reader, self._account.clock())


@dataclass(frozen=True, slots=True)
class _ToldEntries:
    """Which entries are dealt with, what they say, and all that was read for it."""

    done: list[StripeJson]
    said: StripeClaims
    read: list[StripeJson]


def _seconds(of: StripeJson) -> int:
    """Tell when an object was made; one without a time moves nothing on."""
    try:
        return int(moment(of).timestamp())
    except NotReadable:
        return 0


def _key(of: StripeJson) -> str:
    """Name a thing for people; one without an id of its kind by that alone."""
    try:
        return name(of)
    except NotReadable:
        return f"{str(of.get('object'))[:40]} without an id"
