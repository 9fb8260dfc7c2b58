"""Signing in and out: a password, then a code where the person has codes."""

import json
import logging
from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger.factors import CodeGiven
from support_service.ledger.login_limits import Knock
from support_service.ledger.staff import CodeNeeded, Half, LoginRefused, SignedIn, TooManyAttempts
from support_service.web import guard
from support_service.web.i18n import chosen_language
from support_service.web.service import SAFE_METHODS, service
from support_service.web.staff import codes, devices

log = logging.getLogger(__name__)

blueprint = Blueprint("sign_in", __name__)

# So long a person looks for the phone and types the code.
TICKET_LASTS = timedelta(minutes=5)

WRONG_CODE = Phrase("This code does not fit, or it was used before. Wait for the next one, or take a recovery code.")
WRONG = Phrase("This e-mail and password do not match, or the account is closed.")
TOO_MANY = Phrase("Too many attempts. Wait a minute and try again.")
SESSION_ENDED = Phrase("Your session has ended. Please sign in again; nothing was changed.")
TYPED_WAITS = Phrase("Your session has ended. Sign in again: what you typed is kept, and nothing was sent yet.")
FILE_AGAIN = Phrase("Your session has ended. Sign in again, then choose the file once more; nothing was brought in.")
FORM_TOO_OLD = Phrase("This form was too old. Please try again.")


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> BaseResponse | tuple[str, int]:
    """Let a person in; every refusal reads the same, whoever was asked for."""
    if request.method in SAFE_METHODS:
        return redirect(next_page()) if guard.current_session() else (login_page(), 200)
    email = request.form.get("email", "")
    knock, password = devices.knock_of(email), request.form.get("password", "")
    try:
        signed_in = service().ledger.people.log_in(email, password, knock, old_token=guard.token_in_cookie())
    except CodeNeeded as needed:
        log.info("staff_code_needed", extra=told_of(knock))
        return _code_page(_ticket(needed.half)), 200
    except TooManyAttempts:
        log.warning("staff_login_throttled", extra=told_of(knock))
        return login_page(TOO_MANY), 429
    except LoginRefused:
        log.warning("staff_login_refused", extra=told_of(knock))
        return login_page(WRONG), 403
    return let_in(signed_in, knock)


@blueprint.post("/login/code")
def give_code() -> BaseResponse | tuple[str, int]:
    """Let a person in who gave their password a moment ago, by the code of their app or a recovery code."""
    ticket, at = request.form.get("ticket", ""), service()
    half = _read_ticket(ticket)
    if half is None:
        return login_page(FORM_TOO_OLD), 403
    knock = devices.knock_of(half.email)
    given = read_code_of(half.email, request.form.get("otp", ""))
    try:
        signed_in = at.ledger.people.give_code(half, given, knock, old_token=guard.token_in_cookie())
    except TooManyAttempts:
        log.warning("staff_code_throttled", extra=told_of(knock))
        return _code_page(ticket, TOO_MANY), 429
    except LoginRefused:
        log.warning("staff_code_refused", extra=told_of(knock))
        return _code_page(ticket, WRONG_CODE), 403
    return let_in(signed_in, knock)


def read_code_of(email: str, typed: str) -> CodeGiven | None:
    """Read a code that a person typed; None for what is none of theirs."""
    sealed = service().ledger.factors.code_key(email, is_confirmed=True)
    return codes.read_code(typed, None if sealed is None else open_key(email, sealed), service().clock())


def open_key(email: str, sealed: str) -> str | None:
    """Read the key of a person's codes; None where web.secret is another one than it was sealed with."""
    told = guard.keys().unseal(f"code key of {email}", sealed)
    return None if told is None else told.decode()


def told_of(knock: Knock) -> dict[str, str]:
    """Name an attempt for the log: this tells one attacker from many, and leads to nobody."""
    return {"account": knock.account[:12], "place": knock.place[:12], "network": knock.net[:12]}


@blueprint.post("/logout")
def logout() -> BaseResponse:
    """End the session here and in the database."""
    service().ledger.people.log_out(guard.token_in_cookie())
    response = redirect(url_for("staff.sign_in.login"), 303)
    guard.drop_cookie(response, guard.COOKIE)
    # What a browser keeps to go back to, too: the next one at this machine may be somebody else.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def let_in(signed_in: SignedIn, knock: Knock) -> BaseResponse:
    """Answer with the cookie of a new session, and lead to where the person wanted to go."""
    log.info("staff_signed_in", extra=told_of(knock))
    response = redirect(next_page(), 303)
    guard.set_cookie(response, guard.COOKIE, signed_in.token)
    devices.remember(response, signed_in.account, service().clock())
    return response


def _ticket(half: Half) -> str:
    """Write, for this browser and some minutes, that a password was right."""
    until = int((service().clock() + TICKET_LASTS).timestamp())
    return guard.keys().seal("ticket", json.dumps([half.email, half.account, until, guard.login_seed()]).encode())


def _read_ticket(ticket: str) -> Half | None:
    told = guard.keys().unseal("ticket", ticket) if ticket.isascii() else None
    if told is None:
        return None
    email, account, until, seed = json.loads(told)
    is_ours = seed == guard.login_seed() and service().clock().timestamp() < until
    return Half(email, account) if is_ours else None


def _code_page(ticket: str, message: Phrase | None = None) -> str:
    where = guard.next_path(request.args.get("next", ""))
    return render_template("staff/code.html", ticket=ticket, message=message, next=where)


def login_page(message: Phrase | None = None, *, back: str | None = None) -> str:
    """Show the form to sign in; back is where it leads then, if that is not what the address asks for."""
    where = back or guard.next_path(request.args.get("next", ""))
    return render_template("staff/login.html", message=message, next=where)


def next_page() -> str:
    """Say where a person wanted to go, or home."""
    path = guard.next_path(request.args.get("next", ""))
    if path is None:
        return url_for("staff.home")
    return f"{request.script_root}{path}" + (f"?lang={chosen_language()}" if "lang" in request.args else "")
