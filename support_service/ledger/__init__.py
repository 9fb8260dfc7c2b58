"""The only writer of money tables. One door: `Ledger.accept(report)`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from importlib import import_module

from support_service.giving import Clock, Cursor, Listed, MoneyBlock, Report, SetAside, SourceWarning, utc_now
from support_service.ledger.accept import Change, accept_report, frozen_text
from support_service.ledger.article_totals import PLACEMENT, ArticleSum
from support_service.ledger.asides import read_asides, read_unfit, write_asides
from support_service.ledger.awaited import AwaitedSums
from support_service.ledger.balances import Balances, BalanceSpan, ComparedPlace
from support_service.ledger.changes import ChangeKind, ChangePlace, DonationChange, read_changes
from support_service.ledger.counts import WebhookCounts
from support_service.ledger.donors import Donor, DonorError, Donors, KeptOfPerson
from support_service.ledger.engine import BRIEF_SECONDS_MAX, SCHEMA_REVISION, WAIT_SECONDS_MAX, Database, revision
from support_service.ledger.errors import (
    BadRecord,
    BadReport,
    CursorMoved,
    LedgerDown,
    LedgerError,
    LedgerOutdated,
    Outrun,
    SourceContradiction,
    SourceFrozen,
)
from support_service.ledger.export import FORMATS, Exported, ExportFormat, ExportRow, ForPeople, read_exported
from support_service.ledger.factors import Factors
from support_service.ledger.freezes import (
    Freeze,
    Unfreeze,
    end_freeze,
    read_blocks,
    read_freezes,
    read_held,
    write_freeze,
)
from support_service.ledger.health import Health, SourceHealth, read_health, write_health
from support_service.ledger.imports import FileBrought, Import, Imports
from support_service.ledger.inbox import Inbox, InboxLine, LinesMoney, Why
from support_service.ledger.intents import CheckoutAttempt, Intents
from support_service.ledger.kept_forms import KeptForms
from support_service.ledger.leases import LEASE, Lease, Leases
from support_service.ledger.lines import Lines
from support_service.ledger.lookups import Lookups
from support_service.ledger.months import Closing, Late, MonthBusy, MonthRow, Months, is_closed
from support_service.ledger.outbox import Outbox
from support_service.ledger.overviews import Overviews, PlanSum
from support_service.ledger.plans import PlanGiver, Plans
from support_service.ledger.postings import Leg
from support_service.ledger.quarters import QuarterSums, QuarterTotal, read_quarters
from support_service.ledger.queries import (
    Head,
    History,
    ReportFacts,
    Total,
    Wanted,
    find_history,
    list_donations,
    list_unvalued,
    read_cursors,
    read_head,
    read_totals,
)
from support_service.ledger.rate_limits import Attempts
from support_service.ledger.search import FoundGifts, GiftSearch
from support_service.ledger.staff import People
from support_service.ledger.sweep_queries import SweepQueries
from support_service.ledger.three_way import Difference, DifferenceKind, Payout, ThreeWay
from support_service.ledger.verify import find_problems
from support_service.ledger.view_counts import ViewCounts

__all__ = [
    "BRIEF_SECONDS_MAX",
    "FORMATS",
    "LEASE",
    "PLACEMENT",
    "ArticleSum",
    "BadRecord",
    "BadReport",
    "BalanceSpan",
    "Change",
    "ChangeKind",
    "ChangePlace",
    "CheckoutAttempt",
    "Closing",
    "ComparedPlace",
    "CursorMoved",
    "Difference",
    "DifferenceKind",
    "DonationChange",
    "Donor",
    "DonorError",
    "ExportFormat",
    "ExportRow",
    "Exported",
    "FileBrought",
    "ForPeople",
    "FoundGifts",
    "Freeze",
    "Head",
    "Health",
    "History",
    "Import",
    "InboxLine",
    "KeptOfPerson",
    "Late",
    "Lease",
    "Leases",
    "Ledger",
    "LedgerDown",
    "LedgerError",
    "LedgerOutdated",
    "Leg",
    "LinesMoney",
    "MonthBusy",
    "MonthRow",
    "Outrun",
    "Payout",
    "PlanGiver",
    "PlanSum",
    "QuarterSums",
    "QuarterTotal",
    "ReportFacts",
    "SourceContradiction",
    "SourceFrozen",
    "SourceHealth",
    "ThreeWay",
    "Total",
    "Unfreeze",
    "Wanted",
    "Why",
    "is_closed",
    "migrate",
]

EVERYTHING = Wanted()


class Ledger:
    """One publisher's books. Making it connects to nothing; any method may raise LedgerDown or LedgerOutdated."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock = utc_now,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        answer_seconds_max: float | None = None,
    ) -> None:
        self._url, self._clock = url, clock
        self._database = Database(url, wait_seconds_max=wait_seconds_max, answer_seconds_max=answer_seconds_max)
        self.intents = Intents(self._database, clock=clock)
        self.awaited_sums = AwaitedSums(self._database, self.intents.find, clock=clock)
        self.plans = Plans(self._database)
        self.lookups = Lookups(self._database)
        self.lines = Lines(self._database, clock=clock)
        self.imports = Imports(self._database, clock=clock)
        self.inbox = Inbox(self._database, clock=clock)
        self.balances = Balances(self._database, clock=clock)
        self.months = Months(self._database, clock=clock)
        self.overviews = Overviews(self._database)
        self.search = GiftSearch(self._database)
        self.people = People(self._database, clock=clock)
        self.factors = Factors(self._database, clock=clock)
        self.kept_forms = KeptForms(self._database, clock=clock)
        self.donors = Donors(self._database, self.kept_forms, clock=clock)
        self.attempts = Attempts(self._database, clock=clock)
        self.sweeps = SweepQueries(self._database, self.attempts)
        self.outbox = Outbox(self._database, clock=clock)
        self.leases = Leases(self._database)
        self.webhook_counts = WebhookCounts(self._database)
        self.views = ViewCounts(self._database)

    @cached_property
    def brief(self) -> "Ledger":
        """The same books for pages of everybody: LedgerDown after BRIEF_SECONDS_MAX, whatever takes longer."""
        seconds = BRIEF_SECONDS_MAX
        return Ledger(self._url, clock=self._clock, wait_seconds_max=seconds, answer_seconds_max=seconds)

    @cached_property
    def prompt(self) -> "Ledger":
        """The same books for pages of staff: LedgerDown after BRIEF_SECONDS_MAX of waiting for others.

        Its own work may take longer, for a filter may have to look through everything.
        """
        return Ledger(self._url, clock=self._clock, wait_seconds_max=BRIEF_SECONDS_MAX)

    def accept(self, report: Report, *, still: Callable[[History | None], bool] | None = None) -> Change:
        """Take a report in, in one transaction, and say what changed; known ones change nothing.

        still is asked in that transaction about the donation that the report speaks of first: two people
        who act on one page at once are not both believed. Raises Outrun where it says no, CursorMoved
        where another watcher was faster, SourceContradiction where the report's sums do not hold,
        BadReport for text that is none; then nothing of the report is kept.
        """
        with self._database.write() as tx:
            if still is not None and not still(find_history(tx, report.observations[0].identity.ref)):
                raise Outrun(f"{report.source}: somebody else was faster")
            return accept_report(tx, report, self._clock())

    def cursor(self, source: str) -> Cursor | None:
        """Tell how far a polled source was read; None before its first step."""
        return self.cursors().get(source)

    def cursors(self) -> dict[str, Cursor]:
        """Tell how far every polled source was read."""
        with self._database.read() as tx:
            return read_cursors(tx)

    def note_health(
        self, source: str, state: Health, reason: str = "", warnings: tuple[SourceWarning, ...] = ()
    ) -> None:
        """Keep how a source is; written only when it changed, so that a lasting state costs no write."""
        now = SourceHealth(state, reason, self._clock(), warnings)
        held = self.health().get(source)
        if held is None or held.told != now.told:
            with self._database.write() as tx:
                write_health(tx, source, now)

    def health(self) -> dict[str, SourceHealth]:
        """Tell how every source was at its last turn."""
        with self._database.read() as tx:
            return read_health(tx)

    def set_aside(self, source: str | None = None) -> tuple[SetAside, ...]:
        """Tell what cannot be read and is asked for again by a source; of all with what waits for people."""
        with self._database.read() as tx:
            return read_asides(tx, source) + (read_unfit(tx) if source is None else ())

    def note_set_aside(self, kept: Sequence[SetAside], solved: Sequence[tuple[str, str]] = ()) -> None:
        """Keep what cannot be read, each thing once; drop the (source, key) of what could be read at last."""
        with self._database.write() as tx:
            write_asides(tx, kept, solved)

    def freeze(self, source: str, reason: str, evidence: Mapping[str, str]) -> None:
        """Accept nothing more from a source until `unfreeze`; the first reason stands."""
        with self._database.write() as tx:
            write_freeze(tx, source, reason, evidence, now=self._clock())

    def unfreeze(self, unfreeze: Unfreeze) -> Freeze:
        """End a network's freeze, in one transaction with its staff report and the source's step back."""
        with self._database.write() as tx:
            return end_freeze(tx, unfreeze, self._clock())

    def freezes(self, *, with_ended: bool = False) -> tuple[Freeze, ...]:
        """Tell what is frozen, and if wanted what ever was."""
        with self._database.read() as tx:
            return read_freezes(tx, with_ended=with_ended)

    def refuse_frozen(self, source: str) -> None:
        """Raise SourceFrozen where nothing is accepted from a source now."""
        for held in self.freezes():
            if held.source == source:
                raise SourceFrozen(frozen_text(source, held.reason))

    def held(self, watch: tuple[str, str, str], height: int) -> int:
        """Sum what is confirmed at (network, address, asset) up to a block: what the chain should say, too."""
        with self._database.read() as tx:
            return read_held(tx, watch, height)

    def blocks(self, network: str) -> list[MoneyBlock]:
        """List the blocks that live money stands in, lowest first."""
        with self._database.read() as tx:
            return read_blocks(tx, network)

    def head(self) -> Head:
        """Tell the number and hash of the newest report."""
        with self._database.read() as tx:
            return read_head(tx)

    def totals(self) -> tuple[Total, ...]:
        """Sum the confirmed money that counts, by method and asset; exact base units."""
        with self._database.read() as tx:
            return read_totals(tx)

    def quarters(
        self, since: datetime, until: datetime, starts: Sequence[datetime] | None = None
    ) -> tuple[QuarterTotal, ...]:
        """Read the sums of gifts that came between two moments, by quarter of an hour, method, asset and currency.

        starts: moments, the first of them since, from each of which all up to the next is one sum.
        """
        with self._database.read() as tx:
            return read_quarters(tx, since, until, starts)

    def donations(
        self, wanted: Wanted = EVERYTHING, *, before: int | None = None, limit: int = 50
    ) -> tuple[Listed, ...]:
        """List donations, newest first; `before` is the number of the last one already shown."""
        with self._database.read() as tx:
            return list_donations(tx, wanted, before, limit)

    def donation(self, ref: str) -> History | None:
        """Look up everything the ledger holds about one donation."""
        with self._database.read() as tx:
            return find_history(tx, ref)

    def changes(self, after: ChangePlace | int, limit: int = 200) -> tuple[DonationChange, ...]:
        """List what changed after a report's number, or behind a change's place, oldest first; at most CHANGES_MAX.

        Fewer than asked for may come before the end: go on from the last one's place until nothing comes.
        """
        place = ChangePlace(after) if isinstance(after, int) else after
        with self._database.read() as tx:
            return read_changes(tx, place, limit)

    def unvalued(self, after: int, limit: int) -> tuple[Listed, ...]:
        """List confirmed gifts without a value, oldest first, above a number; personal data are left out."""
        with self._database.read() as tx:
            return list_unvalued(tx, after, limit)

    def export(self, wanted: Wanted = EVERYTHING) -> Iterator[ExportRow]:
        """Stream the ledger as it stands now, in the contract's fields; see `read_exported`."""
        return (one.row for one in self.exported(wanted))

    def exported(self, wanted: Wanted = EVERYTHING) -> Iterator[Exported]:
        """Stream the ledger as it stands now, for a format to write."""
        return read_exported(self._database, wanted)

    def verify(self, on_progress: Callable[[int, int], None] | None = None, *, since: Head | None = None) -> list[str]:
        """Check every invariant from the database alone; [] is good, else one line for people per problem.

        since: the newest report of a ledger that was verified before; then what came after it is checked.
        """
        return find_problems(self._database, on_progress, since)

    def dispose(self) -> None:
        """Close every connection."""
        self._database.dispose()
        for one in (vars(self).get("brief"), vars(self).get("prompt")):
            if one is not None:
                one.dispose()


def migrate(url: str) -> list[str]:
    """Bring the database to this version, creating it where there is none; return the revisions applied."""
    database = Database(url, creates=True)
    try:
        with database.migrate() as connection:
            if revision(connection) == SCHEMA_REVISION:
                return []
            # Late, because Alembic would cost every web worker its memory.
            return list(import_module("support_service.ledger.migrations").upgrade(connection))
    finally:
        database.dispose()
