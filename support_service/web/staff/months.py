"""A month for the books: what came by each way, fees, refunds, payouts, open questions; closed and opened again."""

import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Kind, Phrase, State
from support_service.ledger import Late, Ledger, MonthBusy, MonthRow, Wanted, is_closed
from support_service.ledger.staff import Role
from support_service.money import Asset
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.filter import read_number
from support_service.web.staff.manual_gift import read_note
from support_service.web.staff.month_sums import ends_of, next_month, previous_month, read_month
from support_service.web.staff.three_way import tell_differences, tell_places

log = logging.getLogger(__name__)

blueprint = Blueprint("months", __name__)

# So many months at a time are asked whether they are closed, back to the first that is not.
MONTHS_ASKED = 24
LISTED_MAX = 50

TOLD = {
    "closed": Phrase("Closed. What comes later stands in the next month, with a reference to this one."),
    "reopened": Phrase("Open again."),
    "busy": Phrase("A colleague was faster: look at the month as it is now."),
    "running": Phrase("This month is not over yet."),
    "why": Phrase("Say in a few words why, and tick the box."),
}


@blueprint.get("/months")
@login_required(Role.VIEWER)
def this() -> BaseResponse:
    """Lead to the month of today."""
    return redirect(url_for("staff.months.month", name=_name(service().today())))


@blueprint.get("/months/<name>")
@login_required(Role.VIEWER)
def month(name: str) -> str:
    """Show a month as its books have it: those of its closing, or what the ledger says now."""
    at, first = service(), _first_or_404(name)
    history = at.books.months.closings([name])[name]
    closing = history[-1] if is_closed(history) else None
    rows = closing.rows if closing else at.books.months.rows(*ends_of(first, at.zone))
    since, until = ends_of(first, at.zone)
    sides = at.books.months.three_way(since, until)
    return render_template(
        "staff/months.html",
        name=name,
        first=first,
        earlier=_name(previous_month(first)),
        later=_name(next_month(first)) if first < at.today().replace(day=1) else None,
        last_day_after=next_month(first),
        rows=rows,
        closing=closing,
        history=history,
        carried=_carried(closing.carried) if closing else (),
        late=() if closing else at.books.months.late(_closed_before(at.books, first), ends),
        since=at.books.months.late([name], ends) if closing else (),
        questions=_questions(at.books, since, until),
        sides=sides,
        places=tell_places(sides.places),
        differences=tell_differences(at, sides.differences),
        is_over=next_month(first) <= at.today(),
        is_bookkeeper=guard.signed_in().person.role.covers(Role.BOOKKEEPER),
        is_admin=guard.signed_in().person.role.covers(Role.ADMIN),
        told=TOLD.get(request.args.get("told", "")),
        asset_of=asset_of,
        worth_of=worth_of,
    )


@blueprint.post("/months/<name>/close")
@login_required(Role.BOOKKEEPER)
def close(name: str) -> BaseResponse:
    """Close a month that is over, with the sums of now."""
    at, first = service(), _first_or_404(name)
    if next_month(first) > at.today():
        return _back(name, "running")
    closed = _closed_before(at.ledger, first)
    seen = read_number(request.form.get("differences", ""))
    return _done(
        name, "closed", lambda by, note: at.ledger.months.close(name, closed, ends, by=by, note=note, seen=seen)
    )


@blueprint.post("/months/<name>/reopen")
@login_required(Role.ADMIN)
def reopen(name: str) -> BaseResponse:
    """Open a closed month again."""
    _first_or_404(name)
    at = service()
    return _done(name, "reopened", lambda by, note: at.ledger.months.reopen(name, by=by, note=note))


def ends(name: str) -> tuple[datetime, datetime]:
    """Tell when a month of the publisher's calendar begins and ends."""
    return ends_of(date.fromisoformat(f"{name}-01"), service().zone)


def asset_of(row: MonthRow) -> Asset:
    """Name the asset of a row's sums."""
    _, _, network, code, exponent, _, _ = row.key
    return Asset(code, exponent, network)


def worth_of(row: MonthRow) -> Asset | None:
    """Name the currency of a row's worth; None where its gifts have no value."""
    *_, currency, exponent = row.key
    return Asset(currency, exponent) if currency else None


def _done(name: str, told: str, change: Callable[[str, str], None]) -> BaseResponse:
    note = read_note(request.form)
    if note is None or request.form.get("sure") != "yes":
        return _back(name, "why")
    try:
        change(guard.signed_in().person.email, note)
    except MonthBusy:
        return _back(name, "busy")
    log.info("staff_month_changed", extra={"month": name, "change": told})
    return _back(name, told)


def _back(name: str, told: str) -> BaseResponse:
    return redirect(url_for("staff.months.month", name=name, told=told), 303)


def _first_or_404(name: str) -> date:
    first = read_month(name, service().today())
    if _name(first) != name:
        abort(404)
    return first


def _name(first: date) -> str:
    return f"{first:%Y-%m}"


def _closed_before(ledger: Ledger, first: date) -> list[str]:
    """Name the closed months right before this one, however many: what is late of them stands in it."""
    closed: list[str] = []
    while True:
        asked: list[str] = []
        for _ in range(MONTHS_ASKED):
            first = previous_month(first)
            asked.append(_name(first))
        held = ledger.months.closings(asked)
        for name in asked:
            if not is_closed(held[name]):
                return closed[::-1]
            closed.append(name)


def _carried(rows_by_month: Mapping[str, tuple[MonthRow, ...]]) -> list[Late]:
    return [Late(month, rows, ()) for month, rows in sorted(rows_by_month.items())]


def _questions(ledger: Ledger, since: datetime, until: datetime) -> list[tuple[Wanted, int]]:
    """Count what a person should look at before the month is closed."""
    asked = (
        Wanted(state=State.DISPUTED, since=since, until=until),
        Wanted(state=State.QUARANTINED, since=since, until=until),
        Wanted(state=State.SEEN, since=since, until=until),
        Wanted(kind=Kind.REVIEW, since=since, until=until),
        Wanted(kind=Kind.UNATTRIBUTED, since=since, until=until),
    )
    counted = [(wanted, len(ledger.donations(wanted, limit=LISTED_MAX + 1))) for wanted in asked]
    return [(wanted, count) for wanted, count in counted if count]
