"""What machines ask: alive, ready, how much is confirmed, how fresh that is."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from flask import Blueprint, Response, jsonify

from support_service.assembly import expected_sources, unwatched_networks
from support_service.giving import Phrase, SetAside, WarningKind
from support_service.ledger import Health, Ledger, LedgerError, LedgerOutdated, SourceHealth, Total
from support_service.money import Asset, Money, plain
from support_service.rails.asides import WATCH
from support_service.web.metrics import card_metrics, lease_metrics, metric, outbox_metrics, webhook_metrics
from support_service.web.service import Service, service
from support_service.web.staff.words import rfc3339

blueprint = Blueprint("health", __name__)

# A source is late after ten missed turns, but never before two minutes: nodes restart.
TURNS_MISSED_MAX = 10
SILENCE_SECONDS_MIN = 120
TOTALS_SECONDS = 5

DOWN = "the database cannot be reached"
OUTDATED = "the database is not at this version: run `support-service migrate`"


class Freshness(StrEnum):
    """How far a source's word can be relied on now."""

    OK = "ok"
    STALE = "stale"
    NEVER = "never"
    DOWN = "down"
    LIED = "lied"
    STALLED = "stalled"
    PARTIAL = "partial"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source as outsiders may see it; of warnings the kinds. Why it is so is told to staff alone: texts name nodes.

    network is None for what is no chain: cards, banks, rates. reader is the watcher that has its lease, for staff; ""
    where there are no leases, or nobody has it.
    """

    name: str
    network: str | None
    state: Freshness
    height: int | None
    checked_at: datetime | None
    age_seconds: int | None
    warnings: tuple[WarningKind, ...] = ()
    reader: str = ""

    @property
    def about(self) -> Phrase | None:
        """Say what a source is for that watches no chain; None where its name says it."""
        if self.name.endswith(":sweep"):
            return Phrase("reads what was not delivered, and fees")
        return Phrase("says what gifts were worth") if self.name.startswith("rates:") else None

    def as_json(self) -> dict[str, object]:
        """Write it down for machines; times are RFC 3339, UTC."""
        return {
            "name": self.name,
            "network": self.network,
            "state": self.state,
            "height": self.height,
            "checked_at": rfc3339(self.checked_at) if self.checked_at else None,
            "age_seconds": self.age_seconds,
            "warnings": list(self.warnings),
        }


@blueprint.get("/healthz")
def alive() -> Response:
    """Say that the process answers; nothing else is asked."""
    return _fresh(jsonify(status="ok"))


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Say whether the ledger works and every source is heard; 503 with the reasons otherwise.

    What a source only warns of is told beside it, and is no reason, as long as money is confirmed.
    """
    try:
        at = service()
        views, aside = at.read(lambda ledger: (source_views(at, ledger), ledger.set_aside()))
    except LedgerError as error:
        # The error's own text names files and hosts; it is for staff and the log.
        why = OUTDATED if isinstance(error, LedgerOutdated) else DOWN
        return _fresh(jsonify(status="not ready", database=why, sources=[], reasons=[why])), 503
    reasons = [reason for view in views if (reason := _complaint(view))]
    status = "not ready" if reasons else "ready"
    body = jsonify(
        status=status,
        database="ok",
        sources=[view.as_json() for view in views],
        reasons=reasons,
        set_aside=[_aside_as_json(item) for item in aside],
    )
    return _fresh(body), 503 if reasons else 200


@blueprint.get("/totals.json")
def totals() -> tuple[Response, int]:
    """Tell what is confirmed, by asset and method, and how fresh each source is."""
    at = service()
    try:
        sums, views = at.read(lambda ledger: (ledger.totals(), source_views(at, ledger)))
    except LedgerError:
        # Which database and why is for /readyz and staff; readers' pages only need to know there is none.
        return _fresh(jsonify(error="The ledger cannot be reached; totals are not known now.")), 503
    response = jsonify(
        as_of=rfc3339(at.clock()),
        totals=[_sum_as_json(total) for total in sums],
        sources=[view.as_json() for view in views],
        not_watched=not_watched(at),
    )
    response.headers["Cache-Control"] = f"public, max-age={TOTALS_SECONDS}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response, 200


@blueprint.get("/metrics")
def metrics() -> Response:
    """Tell the same to Prometheus, in its text format."""
    try:
        lines = [*service().read(lambda ledger: [*_metric_lines(service(), ledger)]), *card_metrics(service())]
    except LedgerError:
        lines = [*metric("support_ledger_up", "1 where the ledger answers.", [({}, "0")])]
    problems = str(len(service().addresses.problems))
    lines += metric("support_addresses_unproved", "What is not as it was signed, and hidden.", [({}, problems)])
    lines += _webhook_lines()
    return _fresh(Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8"))


def _webhook_lines() -> list[str]:
    """Sum what all web processes were pushed; what cannot be added now is told the next time."""
    try:
        return service().write(lambda ledger: [*webhook_metrics(ledger)])
    except LedgerError:
        return []


def source_views(at: Service, ledger: Ledger) -> list[SourceView]:
    """Look at every source that should be heard; raises LedgerError."""
    cursors, health, now = ledger.cursors(), ledger.health(), at.clock()
    frozen = {freeze.source for freeze in ledger.freezes()}
    readers = {lease.source: lease.holder for lease in ledger.leases.list()}
    # A watch that is stopped is money nobody looks for; any other thing set aside was found, and is told by itself.
    stopped = {item.source for item in ledger.set_aside() if item.key.startswith(WATCH)}
    views = []
    for expected in expected_sources(at.configured):
        name, network = expected.name, expected.network
        limit = timedelta(seconds=max(TURNS_MISSED_MAX * expected.poll_seconds, SILENCE_SECONDS_MIN))
        cursor = cursors.get(name)
        age = None if cursor is None else now - cursor.checked_at
        noted = health.get(name)
        state = Freshness.FROZEN if name in frozen else _state(age, noted, limit)
        if name in stopped and state in (Freshness.OK, Freshness.STALLED):
            state = Freshness.PARTIAL
        views.append(
            SourceView(
                name=name,
                network=network,
                state=state,
                height=cursor.height if cursor else None,
                checked_at=cursor.checked_at if cursor else None,
                age_seconds=None if age is None else max(0, int(age.total_seconds())),
                warnings=tuple(sorted({warning.kind for warning in noted.warnings})) if noted else (),
                reader=readers.get(name, ""),
            )
        )
    return views


def not_watched(at: Service) -> list[str]:
    """Name the methods that are shown while no node tells about their money."""
    networks = set(unwatched_networks(at.configured))
    return [m.key for m in at.configured.methods if any(watch.network in networks for watch in m.watches)]


def _state(age: timedelta | None, health: SourceHealth | None, limit: timedelta) -> Freshness:
    if health is not None and health.state is Health.LIED:
        return Freshness.LIED
    if health is not None and health.state is Health.DOWN:
        return Freshness.DOWN
    if age is None:
        return Freshness.NEVER
    if age > limit:
        return Freshness.STALE
    is_unfinal = health is not None and any(warning.kind is WarningKind.UNFINAL for warning in health.warnings)
    return Freshness.STALLED if is_unfinal else Freshness.OK


_COMPLAINTS = {
    Freshness.STALE: "last read {age} s ago",
    Freshness.NEVER: "never read yet; is the watcher running?",
    Freshness.DOWN: "cannot be reached",
    Freshness.LIED: "answered what must not be trusted; it is asked again every few minutes",
    Freshness.STALLED: "its chain goes on, but nothing becomes final; nothing is confirmed meanwhile",
    Freshness.PARTIAL: "one of its assets or addresses cannot be read; all others are; see the staff page on health",
    Freshness.FROZEN: "frozen until a person has looked; see `support-service freezes`",
}


def _complaint(view: SourceView) -> str:
    if view.state is Freshness.OK:
        return ""
    return f"{view.name}: {_COMPLAINTS[view.state].format(age=view.age_seconds)}"


def _aside_as_json(item: SetAside) -> dict[str, object]:
    """Name a thing that cannot be read; why is for staff, for reasons name nodes."""
    again = None if item.next_try_at is None else rfc3339(item.next_try_at)
    told = {"source": item.source, "what": item.key, "since": rfc3339(item.since)}
    return {**told, "next_try_at": again, "tries": item.tries}


def _sum_as_json(total: Total) -> dict[str, object]:
    return {
        "method": total.method,
        "rail": total.rail,
        "network": total.network or None,
        "asset": total.asset,
        "exponent": total.exponent,
        "units": str(total.units),
        "amount": _amount(total),
        "count": total.count,
    }


def _amount(total: Total) -> str:
    return plain(Money(total.units, Asset(total.asset, total.exponent, total.network)))


def _metric_lines(at: Service, ledger: Ledger) -> Iterator[str]:
    sums, views = ledger.totals(), source_views(at, ledger)
    yield from metric("support_ledger_up", "1 where the ledger answers.", [({}, "1")])
    states = [({"source": v.name, "state": str(s)}, str(int(v.state is s))) for v in views for s in Freshness]
    yield from metric("support_source_state", "1 for the state a source is in.", states)
    warned = [
        ({"source": v.name, "kind": str(kind)}, str(int(kind in v.warnings))) for v in views for kind in WarningKind
    ]
    yield from metric("support_source_warning", "1 where a source that is read warns of something.", warned)
    lags = [({"source": v.name}, str(v.age_seconds)) for v in views if v.age_seconds is not None]
    yield from metric("support_source_lag_seconds", "Seconds since a source was last read.", lags)
    heights = [({"source": v.name}, str(v.height)) for v in views if v.height is not None]
    yield from metric("support_source_height", "The block a source was read up to.", heights)
    yield from lease_metrics(ledger)
    aside = Counter({view.name: 0 for view in views})
    aside.update(item.source for item in ledger.set_aside())
    counted = [({"source": name}, str(count)) for name, count in aside.items()]
    about = "Things that cannot be read, count as no money, and are asked for again."
    yield from metric("support_set_aside", about, counted)
    labels = [{"method": t.method, "network": t.network, "asset": t.asset} for t in sums]
    amounts = [(label, _amount(total)) for label, total in zip(labels, sums, strict=True)]
    yield from metric("support_confirmed_amount", "Confirmed money in whole units of its asset.", amounts)
    counts = [(label, str(total.count)) for label, total in zip(labels, sums, strict=True)]
    yield from metric("support_confirmed_donations", "How many donations that sum holds.", counts)
    yield from outbox_metrics(at, ledger)


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
