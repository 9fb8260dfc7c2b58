"""Booking by hand: a card transfer or a bank line becomes a report from `staff:<e-mail>`.

GET makes the nonce, POST books under it: sent twice, it is booked once.
"""

import re
import secrets
from collections.abc import Mapping

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import MatchClaim, Phrase
from support_service.giving.codes import candidates, read_code
from support_service.ledger import History, Outrun
from support_service.ledger.staff import Role
from support_service.rails.bank.settling import settle
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff import manual_gift
from support_service.web.staff.filter import word

blueprint = Blueprint("entry", __name__)

NONCE_BYTES = 16

REF = re.compile(r"[0-9a-f]{24}")


def new_nonce() -> str:
    """Make the key of one form: 128 random bits in hex."""
    return secrets.token_hex(NONCE_BYTES)


def history_or_404(ref: str) -> History:
    """Look a donation up by the public id in a URL; 404 for what is none."""
    history = service().books.donation(ref) if REF.fullmatch(ref) else None
    if history is None:
        abort(404)
    return history


@blueprint.get("/entry")
@login_required(Role.BOOKKEEPER)
def form() -> str:
    """Show the empty form; today is offered as the day, after a gift that one's method and day."""
    method, day = (word(request.args.get(name, "")) for name in ("method", "date"))
    typed = {"nonce": new_nonce(), "method": method, "date": day or service().today().isoformat()}
    return _page(typed, manual_gift.FormRead(None, {}))


@blueprint.post("/entry")
@login_required(Role.BOOKKEEPER)
def book() -> BaseResponse | str | tuple[str, int]:
    """Book what was typed, or ask back; with `action=look` only show what would be booked."""
    at, now = service(), service().clock()
    form_nonce()
    read = manual_gift.read_entry(request.form, manual_gift.bookables(at.configured.methods), now, at.zone)
    if read.entry is None:
        return _page(request.form, read), 400
    if request.form.get("action") == "look":
        return _page(request.form, read)
    ref = read.entry.identity.ref
    source, match = guard.signed_in().person.source, match_of(read.entry.known_as)
    report = manual_gift.entry_report(read.entry, source, now, at.zone, match=match)
    try:
        # A form of somebody else under the same nonce would be a newer statement about their money.
        at.ledger.accept(report, still=lambda held: held is None)
    except Outrun:
        return _to_donation(ref, "already")
    settle(at.ledger.lines.accounts(), at.ledger.lines)
    if request.form.get("action") == "another":
        kept = read.entry
        day = kept.day.isoformat()
        return redirect(url_for("staff.entry.form", method=kept.bookable.value, date=day, ref=ref), 303)
    return _to_donation(ref, "booked")


def match_of(known_as: str | None) -> MatchClaim | None:
    """Read the support code that a gift is known as; None for a reference of the bank."""
    if not known_as:
        return None
    issued = service().ledger.intents.issued(candidates([known_as]))
    code = read_code([known_as], issued).code
    made = service().ledger.intents.find(issued[code]) if code else None
    article = made.article if made else None
    return MatchClaim(code, "code", f"code {code}, typed", issued[code], article) if code else None


@blueprint.post("/donations/<ref>/withdraw")
@login_required(Role.BOOKKEEPER)
def withdraw(ref: str) -> BaseResponse | tuple[str, int]:
    """Take a mistaken entry back, with the reason; only what was booked by hand can be."""
    at, nonce, history = service(), form_nonce(), history_or_404(ref)
    if not manual_gift.may_withdraw(history.donation):
        return _does_not_stand()
    note = manual_gift.read_note(request.form)
    if note is None or request.form.get("sure") != "yes":
        text = Phrase("Tick the box and say in a few words why; then it can be withdrawn.")
        return render_template("staff/notice.html", heading=Phrase("Nothing was changed"), text=text, command=None), 400
    source = guard.signed_in().person.source
    report = manual_gift.withdrawal_report(history.donation, source, nonce, note)
    try:
        at.ledger.accept(report, still=lambda held: held is not None and manual_gift.may_withdraw(held.donation))
    except Outrun:
        return _does_not_stand()
    return _to_donation(ref, "withdrawn")


def form_nonce() -> str:
    """Read the key of a form; 400 for what is none of ours."""
    nonce = request.form.get("nonce", "")
    if not manual_gift.NONCE.fullmatch(nonce):
        abort(400)
    return nonce


def _does_not_stand() -> tuple[str, int]:
    text = Phrase("Only a gift that was entered by hand and still stands can be withdrawn.")
    return render_template("staff/notice.html", heading=Phrase("Nothing was changed"), text=text, command=None), 409


def _to_donation(ref: str, told: str) -> BaseResponse:
    return redirect(url_for("staff.donation", ref=ref, told=told), 303)


def _page(typed: Mapping[str, str], read: manual_gift.FormRead) -> str:
    at = service()
    return render_template(
        "staff/entry.html",
        choices=manual_gift.bookables(at.configured.methods),
        typed={
            name: typed.get(name, "") for name in ("method", "amount", "date", "payer", "note", "known_as", "nonce")
        },
        entry=read.entry,
        mistakes=read.mistakes,
        meant=read.meant,
        today=at.today(),
        booked=request.args.get("ref", "") if REF.fullmatch(request.args.get("ref", "")) else None,
    )
