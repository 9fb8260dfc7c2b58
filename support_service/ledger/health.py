"""How each source was at its last turn, for staff and probes; no money depends on it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, insert, select, update

from support_service.giving import SourceWarning, WarningKind
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.tables import source_health


class Health(StrEnum):
    """Read well, not reached, or not to be trusted."""

    OK = "ok"
    DOWN = "down"
    LIED = "lied"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """A source's state and since when; why it is not well, or what it warns of though it is."""

    state: Health
    reason: str
    changed_at: datetime
    warnings: tuple[SourceWarning, ...] = ()

    @property
    def told(self) -> tuple[Health, str]:
        """What is stored of it: the state, and the reason or the warnings, one a line, the kind first."""
        lines = "\n".join(f"{warning.kind}: {' '.join(warning.text.splitlines())}" for warning in self.warnings)
        return self.state, lines or self.reason


def write_health(tx: Connection, source: str, found: SourceHealth) -> None:
    """Store a source's state if it is another one than before."""
    state, reason = found.told
    is_here = source_health.c.source == source
    held = tx.execute(select(source_health.c.state, source_health.c.reason).where(is_here)).first()
    if held is not None and (held.state, held.reason) == (state, reason):
        return
    values = {"state": state, "reason": reason, "changed_at": to_micros(found.changed_at)}
    if held is None:
        tx.execute(insert(source_health).values(source=source, **values))
    else:
        tx.execute(update(source_health).where(is_here).values(**values))


def read_health(tx: Connection) -> dict[str, SourceHealth]:
    """Read how every source was at its last turn."""
    return {row["source"]: _health(row) for row in tx.execute(select(source_health)).mappings()}


def _health(row: RowMapping) -> SourceHealth:
    state, changed_at = Health(row["state"]), from_micros(row["changed_at"])
    warnings = tuple(map(_warning, row["reason"].splitlines())) if state is Health.OK else ()
    reason = "; ".join(warning.text for warning in warnings) if warnings else row["reason"]
    return SourceHealth(state, reason, changed_at, warnings)


def _warning(line: str) -> SourceWarning:
    kind, _, text = line.partition(": ")
    # Rows of an earlier version have no kind; the next turn writes another.
    return SourceWarning(WarningKind(kind), text) if kind in _KINDS else SourceWarning(WarningKind.DEGRADED, line)


_KINDS = frozenset(map(str, WarningKind))
