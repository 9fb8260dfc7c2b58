"""Many gifts booked by hand at once: rows pasted from a table, shown as they are read, then booked by one button."""

import hashlib
from contextlib import suppress
from datetime import date, datetime

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger import Outrun
from support_service.ledger.staff import Role
from support_service.rails.bank.settling import settle
from support_service.web import civil_dates, guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff import manual_gift
from support_service.web.staff.entry import form_nonce, new_nonce
from support_service.web.staff.filter import word
from support_service.web.staff.pasted import PastedRow, read_rows

blueprint = Blueprint("rows", __name__)

NO_ROWS = Phrase("Paste at least one row.")
NO_METHOD = Phrase("Choose how the gifts came.")


@blueprint.route("/entry/rows", methods=["GET", "POST"])
@login_required(Role.BOOKKEEPER)
def paste() -> BaseResponse | str | tuple[str, int]:
    """Show what pasted rows would book; with `action=book` book them, each once however often it is sent."""
    if request.method == "GET":
        return _page({"nonce": new_nonce()})
    nonce, at = form_nonce(), service()
    method, text = word(request.form.get("method", "")), request.form.get("rows", "")
    typed = {"nonce": nonce, "method": method, "rows": text, "date": word(request.form.get("date", ""))}
    bookable = next((one for one in manual_gift.bookables(at.configured.methods) if one.value == method), None)
    if bookable is None:
        return _page(typed, message=NO_METHOD), 400
    day = _day(typed["date"])
    rows = tuple(_dated(row, day, at.clock()) for row in read_rows(text, bookable.asset))
    is_right = bool(rows) and not any(row.mistake for row in rows)
    if request.form.get("action") != "book" or not is_right:
        return _page(typed, rows, None if rows else NO_ROWS), 200 if is_right else 400
    for row in rows:
        assert row.money is not None and row.day is not None
        entry = manual_gift.ManualGift(bookable, row.money, row.day, row.payer, row.note, _row_nonce(nonce, row.number))
        report = manual_gift.entry_report(entry, guard.signed_in().person.source, at.clock(), at.zone)
        # Sent twice, what the first one booked stays.
        with suppress(Outrun):
            at.ledger.accept(report, still=lambda held: held is None)
    settle(at.ledger.lines.accounts(), at.ledger.lines)
    return redirect(url_for("staff.donations", method=bookable.method.key), 303)


def _row_nonce(nonce: str, number: int) -> str:
    return hashlib.sha256(f"{nonce}:{number}".encode()).hexdigest()[:32]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _dated(row: PastedRow, day: date | None, now: datetime) -> PastedRow:
    """Give a row that names no day the day of the form; none is to come, and none long ago."""
    found = row.day or day
    mistake = row.mistake
    if mistake is None and found is None:
        mistake = Phrase("On which day did it come? Write it as 2026-01-31.")
    elif mistake is None and found is not None and not manual_gift.DAY_MIN <= found <= _today(now):
        mistake = Phrase("This day is still to come, or too long ago.")
    return PastedRow(row.number, row.text, row.money, found, row.payer, row.note, mistake)


def _today(now: datetime) -> date:
    return civil_dates.day_of(now, service().zone)


def _page(typed: dict[str, str], rows: tuple[PastedRow, ...] = (), message: Phrase | None = None) -> str:
    at = service()
    return render_template(
        "staff/rows.html",
        choices=manual_gift.bookables(at.configured.methods),
        typed={name: typed.get(name, "") for name in ("method", "rows", "date", "nonce")},
        rows=rows,
        total=sum(row.money.units for row in rows if row.money is not None),
        is_right=bool(rows) and not any(row.mistake for row in rows),
        message=message,
        today=at.today(),
    )
