"""Signing in by the newsroom's own provider (OpenID Connect): there by a link, and back with a code that serves once.

Without [oidc] none of it is there. Where a person comes back to is of publisher.url alone. What binds the way to its
browser lies there in a cookie, sealed, for some minutes; it serves once. Nothing that comes back is shown or logged.
"""

import hmac
import json
import logging
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger.invites import digest_of
from support_service.ledger.issuer_accounts import IssuerAccount
from support_service.ledger.staff import LoginRefused, Role, SignedIn
from support_service.oidc.provider import FlowSecrets, IssuerLied, NotOurAccount, Provider
from support_service.rails.processor import CheckoutDown
from support_service.web import guard
from support_service.web.answers.limits import Limit, admit
from support_service.web.guard import login_required
from support_service.web.i18n import chosen_language
from support_service.web.service import service
from support_service.web.staff import devices, sign_in
from support_service.web.staff.proof import proof_required

if TYPE_CHECKING:
    from support_service.oidc.issuer import Issuer

log = logging.getLogger(__name__)

blueprint = Blueprint("oidc", __name__)

COOKIE = "support_staff_oidc"
# So long somebody looks for the account, its password and a phone.
FLOW_LASTS = timedelta(minutes=10)
CODE_CHARS_MAX, PATH_CHARS_MAX = 2_000, 500
# The line to the provider among those to processors: one deadline, a few at once, a rest while it is silent.
LINE = "provider of staff"
# Nobody guesses a code, and a whole newsroom may come in from one address: this bounds what the provider is asked.
LIMIT = Limit("provider's sign-in", place_max=40, place_long_max=400, net_max=120, net_long_max=1_200, all_max=400)

TOLD = {
    "silent": Phrase("%(name)s does not answer now. Sign in with your password, or try again in a minute."),
    "unfit": Phrase("The answer of %(name)s does not fit, so nobody was signed in. Try again, or take your password."),
    "declined": Phrase("%(name)s did not sign you in. Try again, or take your password."),
    "unknown": Phrase("This account of %(name)s opens nothing here. Choose another, or ask an admin to let you in."),
    "over": Phrase("This sign-in by %(name)s was used, or took too long. Begin once more."),
    "many": Phrase("Too many sign-ins by %(name)s just now. Wait a few minutes, or take your password."),
}


@dataclass(frozen=True, slots=True)
class SignInFlow:
    """One way to the provider and back, as its browser keeps it: until when, what binds it, and where it leads then."""

    until: int
    asked: FlowSecrets
    path: str
    lang: str


def provider_name() -> str:
    """Name the provider as staff do; "" where there is none."""
    provider = service().configured.provider
    return "" if provider is None else provider.name


def link(path: str | None) -> str:
    """Where the way to the provider begins, at publisher.url: what binds it must lie where it leads back to."""
    return f"{service().base.origin}{url_for('staff.oidc.begin', next=path)}"


def told() -> Phrase | None:
    """Say on the login page what became of the way to the provider: words of ours, chosen by what the address tells."""
    phrase, name = TOLD.get(request.args.get("told", "")), provider_name()
    return replace(phrase, values=(("name", name),)) if phrase and name else None


def bound_since() -> datetime | None:
    """Tell since when this person's account at the provider is theirs here; None where none is."""
    provider = _provider_or_404()
    return service().books.factors.bound_since(guard.signed_in().person.email, provider.issuer)


@blueprint.get("/login/oidc")
def begin() -> BaseResponse:
    """Lead to the provider, and let the browser keep what the way back must fit."""
    provider, at = _provider_or_404(), service()
    if guard.current_session():
        return redirect(sign_in.next_page())
    asked, now = FlowSecrets.draw(), at.clock()
    path = guard.next_path(request.args.get("next", "")) or ""
    flow = SignInFlow(
        until=int((now + FLOW_LASTS).timestamp()),
        asked=asked,
        path=path if len(path) <= PATH_CHARS_MAX else "",
        lang=chosen_language() if "lang" in request.args else "",
    )
    try:
        address = at.checkouts.ask(LINE, lambda: issuer_of(provider).sign_in_address(asked, now))
    except (CheckoutDown, IssuerLied) as error:
        return _to_login(_what_went_wrong(error), flow)
    response = redirect(address, 303)
    sealed = guard.keys().seal(_purpose(provider), json.dumps(astuple(flow)).encode())
    guard.set_cookie(response, COOKIE, sealed, lasts=FLOW_LASTS, same_site="Lax")
    return response


@blueprint.get("/login/oidc/back")
def come_back() -> BaseResponse:
    """Let a person in for whom the provider vouches; every way back leads on at once, away from what it brought."""
    provider = _provider_or_404()
    flow = _flow_of_browser(provider)
    if flow is None:
        log.warning("staff_oidc_refused", extra={"reason": "it fits nothing that this browser began"})
        return _to_login("over", None)
    response = _come_back(provider, flow)
    guard.drop_cookie(response, COOKIE, same_site="Lax")
    return response


def _come_back(provider: Provider, flow: SignInFlow) -> BaseResponse:
    at = service()
    code = request.args.get("code", "")
    if "error" in request.args or not _is_code(code):
        log.info("staff_oidc_declined")
        return _to_login("declined", flow)
    if not admit(at, LIMIT, request.remote_addr or ""):
        log.warning("staff_oidc_throttled")
        return _to_login("many", flow)
    if not at.ledger.factors.spend(digest_of(flow.asked.state), datetime.fromtimestamp(flow.until, UTC)):
        log.warning("staff_oidc_refused", extra={"reason": "used before"})
        return _to_login("over", flow)
    now, named = at.clock(), request.args.get("iss")
    try:
        account = at.checkouts.ask(LINE, lambda: issuer_of(provider).account(code, flow.asked, now, named=named))
        signed_in = at.ledger.people.enter_by_issuer(account, old_token=guard.token_in_cookie())
    except (CheckoutDown, IssuerLied, NotOurAccount, LoginRefused) as error:
        return _to_login(_what_went_wrong(error), flow)
    return _let_in(signed_in, account, flow)


@blueprint.post("/me/oidc/unbind")
@login_required(Role.VIEWER)
@proof_required
def unbind() -> BaseResponse:
    """Take the account at the provider away from oneself."""
    _provider_or_404()
    if service().ledger.factors.unbind(guard.signed_in().person.email):
        log.info("staff_oidc_unbound")
    return redirect(url_for("staff.people.me", told="unbound"), 303)


@lru_cache(maxsize=8)
def issuer_of(provider: Provider) -> "Issuer":
    """Return who asks this provider; loaded when the first person signs in by it."""
    return cast("Issuer", import_module("support_service.oidc.issuer").Issuer(provider))


def _let_in(signed_in: SignedIn, account: IssuerAccount, flow: SignInFlow) -> BaseResponse:
    """Answer with the cookie of a new session, and a page that leads on by itself.

    A redirect would still be the provider's: on its way no browser sends a cookie that is for our own pages alone. The
    browser is not marked as one that knows the account either: the marks in it are such a cookie, and would be lost.
    """
    log.info("staff_signed_in", extra={**sign_in.told_of(devices.knock_of(account.email)), "way": "oidc"})
    path = f"{request.script_root}{flow.path}" if flow.path else url_for("staff.home")
    page = render_template("staff/onward.html", onward=f"{path}?lang={flow.lang}" if flow.lang else path)
    response = BaseResponse(page, mimetype="text/html")
    guard.set_cookie(response, guard.COOKIE, signed_in.token)
    return response


def _what_went_wrong(error: Exception) -> str:
    match error:
        case CheckoutDown():
            log.warning("staff_oidc_down", extra={"reason": str(error)})
            return "silent"
        case IssuerLied():
            log.warning("staff_oidc_refused", extra={"reason": str(error)})
            return "unfit"
        case _:
            # Unknown, shut out or of another domain: which of them is not told.
            log.warning("staff_oidc_refused", extra={"reason": str(error) or "nobody's account, or shut out"})
            return "unknown"


def _to_login(what: str, flow: SignInFlow | None) -> BaseResponse:
    """Lead to the login page, which says what happened: the address with what came back is left."""
    path, lang = (flow.path or None, flow.lang or None) if flow else (None, None)
    return redirect(url_for("staff.sign_in.login", told=what, next=path, lang=lang), 303)


def _flow_of_browser(provider: Provider) -> SignInFlow | None:
    """Read the way that this browser began and comes back from; None where it began none or another, or long ago."""
    kept = request.cookies.get(guard.cookie_name(COOKIE), "")
    held = guard.keys().unseal(_purpose(provider), kept) if kept and kept.isascii() else None
    if held is None:
        return None
    until, asked, path, lang = json.loads(held)
    flow, state = SignInFlow(until, FlowSecrets(*asked), path, lang), request.args.get("state", "")
    is_this = hmac.compare_digest(flow.asked.state.encode(), state.encode("utf-8", "surrogatepass"))
    return flow if is_this and service().clock().timestamp() < flow.until else None


def _purpose(provider: Provider) -> str:
    # What was begun with one provider is not ended with another.
    return f"sign-in flow {provider.issuer} {provider.client_id}"


def _is_code(text: str) -> bool:
    return 0 < len(text) <= CODE_CHARS_MAX and text.isascii() and text.isprintable()


def _provider_or_404() -> Provider:
    return service().configured.provider or abort(404)
