"""A person says what a line of the bank account is, and takes it back again: one click each, one report each."""

import json

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import CLASS_PART, ClassClaim, Direction, Donation, Kind, Observation, Phrase, Report
from support_service.ledger import History, Outrun, ReportFacts
from support_service.ledger.staff import Role
from support_service.rails.bank.booking import KINDS
from support_service.rails.bank.classes import CLASS_WORDS, SAID_OF_INCOMING, SAID_OF_OUTGOING, LineClass
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.entry import form_nonce, history_or_404

blueprint = Blueprint("lines", __name__)


@blueprint.app_template_filter()
def class_words(line_class: str) -> Phrase:
    """Say the class of a line in words."""
    return CLASS_WORDS[LineClass(line_class)]


def offered_classes(donation: Donation) -> tuple[str, ...]:
    """List what a person may say a line is; nothing for money that is no bank line, and for a reversal."""
    bank = donation.payment.bank
    if bank is None or bank.line_class == LineClass.REVERSAL or donation.is_split or donation.linked_to is not None:
        return ()
    choices = SAID_OF_INCOMING if donation.identity.direction is Direction.IN else SAID_OF_OUTGOING
    return tuple(str(one) for one in choices if one != bank.line_class)


def own_raw(facts: ReportFacts) -> str | None:
    """Give a report as it came; of one about many lines of the bank nothing, for the others are other people's."""
    if facts.raw is None or not facts.source.startswith("bank:"):
        return facts.raw
    rows = json.loads(facts.raw)
    return str(rows[0]) if len(rows) == 1 else None


@blueprint.post("/donations/<ref>/class")
@login_required(Role.BOOKKEEPER)
def change_class(ref: str) -> BaseResponse | tuple[str, int]:
    """Say what a line is; with `class=` empty what its rule said holds again."""
    nonce, history, wanted = form_nonce(), history_or_404(ref), request.form.get("class", "")
    if wanted and wanted not in offered_classes(history.donation):
        abort(400)
    kind = KINDS.get(LineClass(wanted), Kind.OTHER) if wanted else None
    seen = Observation(history.donation.identity, ClassClaim(kind, wanted), CLASS_PART)
    report = Report(guard.signed_in().person.source, nonce, (seen,))
    was = request.form.get("was", "")

    def still(held: History | None) -> bool:
        bank = held.donation.payment.bank if held is not None else None
        return bank is not None and was == f"{bank.line_class}|{bank.rule}"

    try:
        service().ledger.accept(report, still=still)
    except Outrun:
        text = Phrase("Somebody else was faster: look at the line again.")
        return render_template("staff/notice.html", heading=Phrase("Nothing was changed"), text=text, command=None), 409
    if request.form.get("back") == "inbox":
        return redirect(url_for("staff.inbox.lines", told="classed"), 303)
    return redirect(url_for("staff.donation", ref=ref, told="classed"), 303)
