"""Who is asked once more who they are: before money goes back, data leave, or people are changed.

A session may have been left open at a desk. What was typed meanwhile waits, and is there again after the proof.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger.staff import LoginRefused, Role, TooManyAttempts
from support_service.web import guard
from support_service.web.guard import Answer, login_required
from support_service.web.service import SAFE_METHODS, service
from support_service.web.staff import devices, sign_in
from support_service.web.staff.kept import keep_this

log = logging.getLogger(__name__)

blueprint = Blueprint("proof", __name__)

PROOF_LASTS = timedelta(minutes=15)
PROOF_CHARS_MAX = 1024
# A code of an app, or a recovery code, with the spaces that people put in.
CODE_CHARS_MAX = 50
NO_PASSKEY = Phrase("This passkey opens nothing here. Try once more, or take another way.")
WRONG = Phrase("This is not your password, nor a code that was not used yet.")

P = ParamSpec("P")


def proof_required(view: Callable[P, Answer]) -> Callable[P, Answer | BaseResponse]:
    """Let a view do its work only soon after its person proved who they are; pages with a form to send may be seen."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Answer | BaseResponse:
        is_look = request.method in SAFE_METHODS and request.endpoint != "staff.download"
        if is_look or is_proved():
            return view(*args, **kwargs)
        kept = keep_this(guard.signed_in().person.email)
        return redirect(url_for("staff.proof.prove", next=kept), 303)

    return guarded


def is_proved() -> bool:
    """Tell whether the person of this session proved who they are a short time ago."""
    return service().clock() - guard.signed_in().proved_at < PROOF_LASTS


@blueprint.route("/prove", methods=["GET", "POST"])
@login_required(Role.VIEWER)
def prove() -> BaseResponse | str | tuple[str, int]:
    """Ask for the password, or for a code, and lead on to where something waits."""
    session, at = guard.signed_in(), service()
    if request.method == "GET":
        return _page(NO_PASSKEY if request.args.get("told") == "passkey" else None)
    typed = request.form.get("proof", "")[: PROOF_CHARS_MAX + 1]
    given = sign_in.read_code_of(session.person.email, typed) if len(typed) <= CODE_CHARS_MAX else None
    knock = devices.knock_of(session.person.email)
    try:
        at.ledger.people.prove(session, knock, password=typed, given=given)
    except TooManyAttempts:
        log.warning("staff_proof_throttled", extra=sign_in.told_of(knock))
        return sign_in.login_page(sign_in.TOO_MANY), 429
    except LoginRefused:
        log.warning("staff_proof_refused", extra=sign_in.told_of(knock))
        return _page(WRONG), 403
    log.info("staff_proved", extra=sign_in.told_of(knock))
    return redirect(sign_in.next_page(), 303)


def _page(message: Phrase | None = None) -> str:
    has_codes = service().books.factors.held(guard.signed_in().person.email).has_codes
    where = guard.next_path(request.args.get("next", ""))
    return render_template("staff/prove.html", message=message, next=where, has_codes=has_codes)
