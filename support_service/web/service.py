"""What every view works with: the assembly, the ledger, the processors and the clock of this app."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, TypeVar, cast
from zoneinfo import ZoneInfo

from flask import current_app, request

from support_service.assembly import Assembly
from support_service.giving import Clock
from support_service.ledger import Ledger
from support_service.origin import BaseUrl, Host
from support_service.web import civil_dates
from support_service.web.breaker import PublicReads
from support_service.web.card.checkouts import Checkouts
from support_service.web.proved import ProvedAddresses

if TYPE_CHECKING:
    from support_service.rails.processor import Processor

EXTENSION = "support"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Every name of this machine that reaches it alone.
_LOOPBACK = (Host("127.0.0.1"), Host("localhost"), Host("[::1]"))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """One publisher's service. Making it touches no database: the ledger connects when it is asked.

    addresses hold the methods, and which of them may be shown.
    `read` is how pages for everybody ask the ledger, `write` how they tell it something, `books` how views of staff
    do both; checkouts is how they ask processors.
    processors take cards, by the key of their method; none where the settings name none.
    """

    addresses: ProvedAddresses
    ledger: Ledger
    reads: PublicReads
    writes: PublicReads
    clock: Clock
    checkouts: Checkouts
    processors: "Mapping[str, Processor]" = field(default_factory=dict)

    @property
    def assembly(self) -> Assembly:
        """What readers may see: settings, and the methods that are proved now."""
        return self.addresses.shown

    @property
    def configured(self) -> Assembly:
        """What the settings say, proved or not: for books and watching, never for readers."""
        return self.addresses.configured

    def read(self, question: Callable[[Ledger], T]) -> T:
        """Ask the ledger for a page for everybody: briefly, and not at all while it is down; raises LedgerError."""
        return self.reads.ask(self.ledger, question)

    def write(self, change: Callable[[Ledger], T]) -> T:
        """Change the ledger for a reader: as briefly, and apart from reading, which goes on while others write."""
        return self.writes.ask(self.ledger, change)

    @property
    def books(self) -> Ledger:
        """The ledger for a view of staff: who only looks is told soon that it is held by others; what is done waits."""
        return self.ledger.prompt if request.method in SAFE_METHODS else self.ledger

    @property
    def base(self) -> BaseUrl:
        """Where readers reach us, as a value."""
        return self.assembly.settings.publisher.base

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts that we answer to: those of web.trusted_hosts, or else our own."""
        own = _LOOPBACK if self.base.site.host.is_loopback else (self.base.site.host,)
        return self.assembly.settings.web.trusted_hosts or own

    @property
    def base_url(self) -> str:
        """Where readers reach us, without a slash at the end."""
        return self.assembly.settings.publisher.base.url

    @property
    def zone(self) -> ZoneInfo:
        """Whose calendar people read and write here."""
        return self.assembly.settings.publisher.zone

    def today(self) -> date:
        """Return the publisher's day now."""
        return civil_dates.day_of(self.clock(), self.zone)


def service() -> Service:
    """Return the service of the app that answers the current request."""
    return cast("Service", current_app.extensions[EXTENSION])
