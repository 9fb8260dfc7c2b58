"""What every view works with: the assembly, the ledger and the clock of this app."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from support_service.assembly import Assembly
from support_service.giving import Clock
from support_service.ledger import Ledger

EXTENSION = "support"


@dataclass(frozen=True, slots=True)
class Service:
    """One publisher's service. Making it touches no database: the ledger connects when it is asked."""

    assembly: Assembly
    ledger: Ledger
    clock: Clock

    @property
    def base_url(self) -> str:
        """Where readers reach us, without a slash at the end."""
        return self.assembly.settings.publisher.url.rstrip("/")


def service() -> Service:
    """Return the service of the app that answers the current request."""
    return cast("Service", current_app.extensions[EXTENSION])
