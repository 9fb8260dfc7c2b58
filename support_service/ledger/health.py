"""How each source was at its last turn, for staff and probes; no money depends on it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from support_service.ledger.tables import source_health, to_micros


class Health(StrEnum):
    """Read well, not reached, or not to be trusted."""

    OK = "ok"
    DOWN = "down"
    LIED = "lied"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """A source's state, why, and since when."""

    state: Health
    reason: str
    changed_at: datetime


def write_health(tx: Connection, source: str, found: SourceHealth) -> None:
    """Store a source's state if it is another one than before."""
    is_here = source_health.c.source == source
    held = tx.execute(select(source_health.c.state, source_health.c.reason).where(is_here)).first()
    if held is not None and (held.state, held.reason) == (found.state, found.reason):
        return
    values = {"state": found.state, "reason": found.reason, "changed_at": to_micros(found.changed_at)}
    if held is None:
        tx.execute(insert(source_health).values(source=source, **values))
    else:
        tx.execute(update(source_health).where(is_here).values(**values))
