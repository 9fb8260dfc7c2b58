"""One person in the books, for admins: found, given to them as a file, erased."""

import logging
from functools import partial

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger import Donor, DonorError
from support_service.ledger.search import ASKED_CHARS_MAX
from support_service.ledger.staff import Role
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.kept import read_sealed
from support_service.web.staff.proof import proof_required

log = logging.getLogger(__name__)

blueprint = Blueprint("donors", __name__)

TOO_WIDE = Phrase("Write a whole e-mail, account, address or number of a gift, or a name of two words or more.")
TOLD = {
    "erased": Phrase("Erased. Amounts and proofs stay; backups made before still hold what was erased."),
    "nothing": Phrase("Nothing is kept that fits this."),
    "sure": Phrase("Tick the box; then it is erased."),
}


@blueprint.route("/donors", methods=["GET", "POST"])
@login_required(Role.ADMIN)
@proof_required
def look() -> BaseResponse | str | tuple[str, int]:
    """Find what is kept of a person; asked by a form, so that no address of a page or log names them."""
    if request.method == "GET":
        return _page("", None, TOLD.get(request.args.get("told", "")))
    asked = request.form.get("who", "")[:ASKED_CHARS_MAX]
    action = request.form.get("action", "find")
    reads = partial(read_sealed, guard.keys())
    try:
        if action == "erase" and request.form.get("sure") == "yes":
            held = service().ledger.donors.erase(asked, by=guard.signed_in().person.email, read_form=reads)
            _note("erase", held)
            log.info("staff_donor_erased", extra={"entries": len(held.kept)})
            return redirect(url_for("staff.donors.look", told="nothing" if held.is_empty else "erased"), 303)
        held = service().ledger.donors.find(asked, read_form=reads)
    except DonorError:
        return _page(asked, None, TOO_WIDE), 400
    _note("export_person" if action == "export" and not held.is_empty else "look_up", held)
    if action == "export" and not held.is_empty:
        log.info("staff_donor_exported", extra={"entries": len(held.kept)})
        file = Response(held.as_json(), mimetype="application/json")
        file.headers["Content-Disposition"] = 'attachment; filename="kept.json"'
        return file
    message = TOLD["sure"] if action == "erase" else TOLD["nothing"] if held.is_empty else None
    return _page(asked, held, message)


def _note(action: str, held: Donor) -> None:
    """Write down who looked, and how much there was: never whom they asked for, for that outlives an erasure."""
    service().ledger.people.note(guard.signed_in().person.email, action, f"{len(held.kept)} entries")


def _page(asked: str, held: Donor | None, message: Phrase | None) -> str:
    return render_template("staff/donors.html", who=asked, held=held, message=message)
