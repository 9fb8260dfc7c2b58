"""A person says what money is about: whose gift it is, what was booked twice, what was given back, what a line holds.

One click each, one report each, taken back by another click: nothing is ever deleted, and a click that came
too late changes nothing.
"""

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import (
    LINK_PART,
    MATCH_PART,
    REVERSAL_PART,
    SPLIT_PART,
    Direction,
    Donation,
    Flag,
    Kind,
    LineBooks,
    LineWork,
    LinkClaim,
    MatchClaim,
    Observation,
    Outcome,
    Pair,
    PaymentClaim,
    Phrase,
    RefundClaim,
    Report,
    SplitClaim,
    State,
    split_identity,
)
from support_service.ledger import Outrun, SourceContradiction, Why
from support_service.ledger.staff import Role
from support_service.money import Asset
from support_service.rails.bank.settling import join_observations
from support_service.web import guard
from support_service.web.card.typed import typed_personal
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.entry import REF, form_nonce, history_or_404
from support_service.web.staff.pasted import PastedRow, read_rows

blueprint = Blueprint("links", __name__)

BY_PEOPLE = "staff"
REASON = "a person says so"
# Suggestions that a person agreed to.
AGREED = {
    Why.PAYER: ("payer", "this account gave by it before, and a person agreed"),
    Why.SUGGESTED: ("amount", "the only announced gift of this sum, and a person agreed"),
}
TOO_LATE = Phrase("Somebody else was faster, or it cannot be so: look at it again.")
_STANDS = (State.CONFIRMED, State.PARTIALLY_REFUNDED)


@blueprint.post("/donations/<ref>/match")
@login_required(Role.BOOKKEEPER)
def change_match(ref: str) -> BaseResponse | tuple[str, int]:
    """Say by a support code whose gift this is; with `code=` empty it is nobody's again."""
    nonce, code, was = form_nonce(), request.form.get("code", ""), request.form.get("was", "")
    identity = history_or_404(ref).donation.identity
    issued = service().ledger.intents.issued([code])
    if code and code not in issued:
        abort(400)
    made = service().ledger.intents.find(issued[code]) if code else None
    why = service().books.inbox.suggested_codes(ref).get(code)
    by, reason = (BY_PEOPLE, REASON) if why is None else AGREED[why]
    claim = MatchClaim(code or None, by, reason, issued.get(code), made.article if made else None)
    report = Report(guard.signed_in().person.source, nonce, (Observation(identity, claim, MATCH_PART),))
    try:
        service().ledger.accept(report, still=lambda held: held is not None and match_seen(held.donation) == was)
    except Outrun:
        return _too_late()
    return _done(ref)


@blueprint.post("/donations/<ref>/join")
@login_required(Role.BOOKKEEPER)
def join(ref: str) -> BaseResponse | tuple[str, int]:
    """Say that a gift booked by hand is a line of the bank; with `line=` empty, that it is one of its own."""
    source, nonce, line = guard.signed_in().person.source, form_nonce(), request.form.get("line", "")

    def work(books: LineBooks) -> LineWork:
        by_hand = _held(books, ref)
        if not line:
            return LineWork((Report(source, nonce, tuple(_apart(books, by_hand))),))
        pair = Pair(by_hand, _held(books, line))
        if not may_join(pair) or books.linked(line):
            raise Outrun("these are not one gift")
        return LineWork((Report(source, nonce, join_observations(pair, REASON)),))

    return _take(work, ref)


@blueprint.post("/donations/<ref>/gives-back")
@login_required(Role.BOOKKEEPER)
def gives_back(ref: str) -> BaseResponse | tuple[str, int]:
    """Say which gift a line of ours gives back; with `gift=` empty, that it gives back none."""
    source, nonce, gift = guard.signed_in().person.source, form_nonce(), request.form.get("gift", "").strip()

    def work(books: LineBooks) -> LineWork:
        reversal = books.reversal(ref)
        if reversal is None or reversal.donation.payment.bank is None:
            raise Outrun("no line of the bank")
        line, part = reversal.donation, f"{REVERSAL_PART}{reversal.locator}"
        back = line.payment.units
        if not gift:
            if line.payment.kind is Kind.PAYOUT and line.linked_to is not None:
                # It is the arrival of a payout, and gives nothing back.
                return LineWork((Report(source, nonce, tuple(_unlinked(line))),))
            if reversal.original is None:
                raise Outrun("it gives back nothing")
            claims = [Observation(reversal.original, RefundClaim(back, Outcome.FAILED), part)]
            claims += _unlinked(line)
            return LineWork((Report(source, nonce, tuple(claims)),), (), ((reversal.locator, None),))
        original = _held(books, gift)
        if reversal.original is not None or not may_give_back(line, original):
            raise Outrun("it cannot give this back")
        claims = [Observation(original.identity, RefundClaim(back, Outcome.SUCCEEDED), part)]
        claims.append(Observation(line.identity, LinkClaim(gift, REASON), LINK_PART))
        return LineWork((Report(source, nonce, tuple(claims)),), (), ((reversal.locator, original.identity),))

    return _take(work, ref)


@blueprint.post("/donations/<ref>/split")
@login_required(Role.BOOKKEEPER)
def split(ref: str) -> BaseResponse | tuple[str, int]:
    """Book the gifts that a line holds one by one; with `gifts=` empty it is one line again."""
    source, nonce, text = guard.signed_in().person.source, form_nonce(), request.form.get("gifts", "")
    held = history_or_404(ref).donation
    rows = read_rows(text, Asset(held.identity.asset, held.payment.exponent))
    if text.strip() and (problem := split_problem(held, rows)) is not None:
        return render_template("staff/notice.html", heading=NOTHING, text=problem, command=None), 400

    def work(books: LineBooks) -> LineWork:
        line = _held(books, ref)
        if not rows:
            return LineWork((_whole_again(books, line, source, nonce),))
        if not may_split(line):
            raise Outrun("this line is not split")
        return LineWork((_split_report(line, rows, source, nonce),))

    return _take(work, ref)


NOTHING = Phrase("Nothing was changed")


def match_seen(donation: Donation) -> str:
    """Write whose gift it was when a form was shown."""
    return f"{donation.support_code or ''}|{donation.match.by if donation.match else ''}"


def may_join(pair: Pair) -> bool:
    """Tell whether a gift booked by hand may be this line: one method, one sum, both stand."""
    by_hand, line = pair.by_hand.payment, pair.line.payment
    is_by_hand = Flag.MANUAL in by_hand.flags and by_hand.bank is None and pair.by_hand.linked_to is None
    is_line = line.bank is not None and line.kind is Kind.DONATION and pair.line.identity.direction is Direction.IN
    money = (by_hand.units, pair.by_hand.identity.asset, by_hand.method)
    is_same = money == (line.units, pair.line.identity.asset, line.method)
    return is_by_hand and is_line and is_same and pair.by_hand.state is pair.line.state is State.CONFIRMED


def may_give_back(line: Donation, gift: Donation) -> bool:
    """Tell whether a line that went out, or a reversal, may give this money back: not more than is left of it."""
    is_line = line.payment.bank is not None and line.state is State.CONFIRMED
    is_reversal = line.payment.bank is not None and line.payment.bank.line_class == "reversal"
    is_opposite = gift.identity.direction is not line.identity.direction
    is_in = gift.identity.direction is Direction.IN and gift.payment.kind is Kind.DONATION
    is_ours = gift.payment.rail in {"bank", "card"} and gift.identity.asset == line.identity.asset
    left = gift.payment.units - gift.refunded_units
    fits = line.payment.units <= left and gift.state in _STANDS and gift.identity.ref != line.identity.ref
    return is_line and is_opposite and is_ours and fits and (is_in or (is_reversal and gift.payment.bank is not None))


def may_split(line: Donation) -> bool:
    """Tell whether this is a line of which a person must say which gifts it holds."""
    is_line = line.payment.bank is not None and line.state is State.CONFIRMED
    return is_line and line.payment.kind in {Kind.REVIEW, Kind.DONATION} and line.identity.direction is Direction.IN


def split_problem(line: Donation, rows: tuple[PastedRow, ...]) -> Phrase | None:
    """Say why these rows are not the gifts that a line holds: one cannot be read, or they are more or less than it."""
    for row in rows:
        if row.mistake is not None:
            return Phrase("Row %(row)s cannot be read: %(text)s", (("row", str(row.number)), ("text", row.text)))
    total = sum(row.money.units for row in rows if row.money is not None)
    if total == line.payment.units and len(rows) >= 2:
        return None
    return Phrase("The gifts must be two or more, and sum to the line exactly.")


def _split_report(line: Donation, rows: tuple[PastedRow, ...], source: str, nonce: str) -> Report:
    units = tuple(row.money.units for row in rows if row.money is not None)
    seen = [Observation(line.identity, SplitClaim(nonce, units), SPLIT_PART)]
    for number, row in enumerate(rows, 1):
        assert row.money is not None
        claim = PaymentClaim(
            state=State.CONFIRMED,
            kind=Kind.DONATION,
            rail=line.payment.rail,
            method=line.payment.method,
            units=row.money.units,
            exponent=line.payment.exponent,
            occurred_at=line.payment.occurred_at,
            personal=typed_personal(payer=row.payer, note=row.note),
        )
        seen.append(Observation(split_identity(line.identity, nonce, number), claim))
    return Report(source, nonce, tuple(seen))


def _whole_again(books: LineBooks, line: Donation, source: str, nonce: str) -> Report:
    """Take a split back: none of its gifts counts, and the line is what it was."""
    if line.split is None or line.split.nonce is None:
        raise Outrun("this line is not split")
    seen = [Observation(line.identity, SplitClaim(None), SPLIT_PART)]
    for number in range(1, len(line.split.units) + 1):
        ref = split_identity(line.identity, line.split.nonce, number).ref
        gift = books.people({ref})[ref]
        if gift.refunded_units:
            raise Outrun("one of its gifts was given back")
        seen.append(Observation(gift.identity, replaced(gift)))
    return Report(source, nonce, tuple(seen))


def replaced(gift: Donation) -> PaymentClaim:
    """Say that a gift counts no more; who gave it stays with it."""
    return replace(gift.payment, state=State.REPLACED)


def _apart(books: LineBooks, by_hand: Donation) -> list[Observation]:
    """Say that a gift booked by hand is none of the bank's lines, and take back what was said of a line with it."""
    if Flag.MANUAL not in by_hand.payment.flags:
        raise Outrun("this was not booked by hand")
    seen = [Observation(by_hand.identity, LinkClaim(None, REASON), LINK_PART)]
    line = books.donations({by_hand.linked_to or ""}).get(by_hand.linked_to or "")
    match = line.match if line is not None else None
    if line is None or match is None or by_hand.link is None:
        return seen
    if (match.by, match.reason) == (BY_PEOPLE, by_hand.link.reason):
        seen.append(Observation(line.identity, MatchClaim(None, BY_PEOPLE, REASON), MATCH_PART))
    return seen


def _unlinked(line: Donation) -> list[Observation]:
    return [Observation(line.identity, LinkClaim(None, REASON), LINK_PART)] if line.linked_to is not None else []


def _held(books: LineBooks, ref: str) -> Donation:
    found = books.donations({ref}).get(ref) if REF.fullmatch(ref) else None
    if found is None:
        raise Outrun("there is no such money")
    return found


def _take(work: Callable[[LineBooks], LineWork], ref: str) -> BaseResponse | tuple[str, int]:
    try:
        service().ledger.lines.take(work)
    except (Outrun, SourceContradiction):
        return _too_late()
    return _done(ref)


def _done(ref: str) -> BaseResponse:
    if request.form.get("back") == "inbox":
        return redirect(url_for("staff.inbox.lines", told="classed"), 303)
    return redirect(url_for("staff.donation", ref=ref, told="classed"), 303)


def _too_late() -> tuple[str, int]:
    return render_template("staff/notice.html", heading=NOTHING, text=TOO_LATE, command=None), 409
