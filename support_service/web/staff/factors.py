"""What a person signs in with besides the password: codes of an app and recovery codes, on a page of their own."""

import logging

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase, QrText
from support_service.ledger.staff import Role
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.i18n import say
from support_service.web.layout import drawing
from support_service.web.service import service
from support_service.web.staff import codes, sign_in
from support_service.web.staff.proof import proof_required

log = logging.getLogger(__name__)

blueprint = Blueprint("factors", __name__)

KEY_CODE = Phrase("The key, for an app on your phone")
NOT_THAT_CODE = Phrase("This is not the code of now. Does your phone keep the right time? Type the next one.")
TOLD = {
    "ended": Phrase("You sign in with your password alone now."),
    "over": Phrase("Nothing was changed: begin anew."),
}


@blueprint.get("/me/codes")
@login_required(Role.VIEWER)
def overview() -> str:
    """Show whether one has codes; while a key waits for its first code, show it."""
    return _page(TOLD.get(request.args.get("told", "")))


@blueprint.post("/me/codes/begin")
@login_required(Role.VIEWER)
@proof_required
def begin() -> BaseResponse:
    """Make a key; it counts for nothing until a code of it is given."""
    email = guard.signed_in().person.email
    sealed = guard.keys().seal(f"code key of {email}", codes.new_key().encode())
    service().ledger.factors.begin_codes(email, sealed)
    return redirect(url_for("staff.factors.overview"), 303)


@blueprint.post("/me/codes/confirm")
@login_required(Role.VIEWER)
@proof_required
def confirm() -> BaseResponse | str | tuple[str, int]:
    """Take the key into use with its first code, and show the recovery codes this once."""
    email, at = guard.signed_in().person.email, service()
    given = codes.read_code(request.form.get("otp", ""), _waiting_key(email), at.clock())
    if given is None or given.step is None:
        return _page(NOT_THAT_CODE), 400
    recovery = codes.new_recovery()
    if not at.ledger.factors.confirm_codes(email, given.step, codes.digests(recovery)):
        return redirect(url_for("staff.factors.overview", told="over"), 303)
    log.info("staff_codes_begun")
    return _page(None, recovery=recovery)


@blueprint.post("/me/codes/recovery")
@login_required(Role.VIEWER)
@proof_required
def renew_recovery() -> BaseResponse | str:
    """Make new recovery codes, shown this once; the old ones open nothing any more."""
    recovery = codes.new_recovery()
    if not service().ledger.factors.renew_recovery(guard.signed_in().person.email, codes.digests(recovery)):
        return redirect(url_for("staff.factors.overview", told="over"), 303)
    log.info("staff_recovery_renewed")
    return _page(None, recovery=recovery)


@blueprint.post("/me/codes/end")
@login_required(Role.VIEWER)
@proof_required
def end() -> BaseResponse:
    """Go back to the password alone."""
    service().ledger.factors.end_codes(guard.signed_in().person.email)
    log.warning("staff_codes_ended")
    return redirect(url_for("staff.factors.overview", told="ended"), 303)


def _waiting_key(email: str) -> str | None:
    sealed = service().books.factors.code_key(email, is_confirmed=False)
    return None if sealed is None else sign_in.open_key(email, sealed)


def _page(message: Phrase | None, recovery: tuple[str, ...] = ()) -> str:
    email, at = guard.signed_in().person.email, service()
    key = None if recovery else _waiting_key(email)
    address = None if key is None else codes.address_of(key, email, at.configured.settings.publisher.name)
    return render_template(
        "staff/codes.html",
        held=at.books.factors.held(email),
        key=key,
        address=address,
        code=None if address is None else drawing(QrText(address, KEY_CODE), say(KEY_CODE)),
        recovery=recovery,
        message=message,
    )
