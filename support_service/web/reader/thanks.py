"""The thank-you page: what the ledger believes of one gift, under its unguessable reference.

Coming here proves nothing and changes nothing: only what the processor signs does. Neither a name
nor an e-mail address is ever shown: whoever has the link sees a sum and how far it has come.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request
from flask_babel import gettext

from support_service.giving import Frequency, Intent, Plan
from support_service.ledger import Ledger, LedgerError
from support_service.money import Asset, Money, plain
from support_service.web.card.form import frequencies
from support_service.web.card.offer import find_way
from support_service.web.reader.gift_status import Belief, believe
from support_service.web.service import service

log = logging.getLogger(__name__)

blueprint = Blueprint("thanks", __name__)

_REF = re.compile(r"[0-9a-f]{32}")
_JSON, _HTML = "application/json", "text/html"


@dataclass(frozen=True, slots=True)
class Given:
    """One gift as its page tells it."""

    intent: Intent
    belief: Belief
    plan: Plan | None = None

    @property
    def money(self) -> Money:
        """What is charged each time."""
        return Money(self.intent.units, Asset(self.intent.currency, self.intent.exponent))

    @property
    def plan_money(self) -> Money | None:
        """What its plan charges each time now, as the processor says."""
        return None if self.plan is None else Money(self.plan.units, Asset(self.plan.currency, self.plan.exponent))


@blueprint.after_request
def keep_to_yourself(response: Response) -> Response:
    """Let no cache and no search engine keep what one reader gave."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Vary"] = "Accept"
    return response


@blueprint.get("/thanks/<ref>")
def thanks(ref: str) -> str:
    """Thank for a gift that was received; until then say how far it has come."""
    return render_template("thanks.html", **_about(_given_or_404(ref)))


@blueprint.get("/donations/<ref>")
def donation(ref: str) -> Response:
    """Tell the same as a piece of a page, or as JSON for programs."""
    given = _given_or_404(ref)
    if request.accept_mimetypes.best_match([_JSON, _HTML]) == _HTML:
        return make_response(render_template("given.html", **_about(given)))
    return jsonify(
        ref=given.intent.ref,
        state=str(given.belief),
        units=str(given.intent.units),
        amount=plain(given.money),
        currency=given.intent.currency,
        frequency=str(given.intent.frequency),
        is_final=not given.belief.may_change_soon,
        plan=_plan(given),
    )


def _plan(given: Given) -> dict[str, object] | None:
    """Tell how the gift's plan charges now, as the processor says; the other fields keep what the reader chose."""
    plan, money = given.plan, given.plan_money
    if plan is None or money is None:
        return None
    terms = plan.terms
    return {
        "state": plan.state,
        "units": str(plan.units),
        "amount": plain(money),
        "currency": plan.currency,
        "interval": terms.interval if terms else None,
        "count": terms.count if terms else None,
        "is_paused": terms.is_paused if terms else None,
        "ends_at": terms.ends_at.isoformat() if terms and terms.ends_at else None,
    }


@blueprint.errorhandler(LedgerError)
def tell_ledger_down(error: LedgerError) -> tuple[str, int, dict[str, str]]:
    """Say that we do not know now; the gift goes its way without this page."""
    log.error("thanks_ledger_down", extra={"error": str(error)})
    page = render_template("thanks_later.html")
    return page, 503, {"Retry-After": "30"}


def _given_or_404(ref: str) -> Given:
    at = service()
    given = at.read(lambda ledger: _given(ledger, ref, at.clock())) if at.processors and _REF.fullmatch(ref) else None
    return given or abort(404)


def _given(ledger: Ledger, ref: str, now: datetime) -> Given | None:
    intent = ledger.intent(ref)
    if intent is None:
        return None
    attempt = ledger.attempt(ref)
    open_until = attempt.checkout.expires_at if attempt and attempt.checkout else None
    states = [listed.donation.state for listed in ledger.intent_donations(ref)]
    return Given(intent, believe(states, open_until, now), ledger.plan_of(ref))


def _about(given: Given) -> dict[str, object]:
    is_once = given.intent.frequency is Frequency.ONCE
    way = find_way(service())
    has_monthly = way is not None and Frequency.MONTHLY in frequencies(way.choice)
    return {
        "given": given,
        "belief": given.belief,
        "offers_monthly": is_once and has_monthly and given.belief is Belief.RECEIVED,
        "own_money": Money(given.intent.units - given.intent.covered_fee_units, given.money.asset),
        "shares": _shares(given.intent.article),
        "shared_url": _shared_url(given.intent.article),
        "article": given.intent.article,
    }


def _shared_url(article: str | None) -> str:
    return article or f"{service().base_url}/support"


def _shares(article: str | None) -> list[tuple[str, str]]:
    """Write plain links to share by: nothing is loaded from those sites until somebody goes there."""
    url, name = _shared_url(article), service().assembly.settings.publisher.name
    text = gettext("I support %(name)s", name=name)
    # A mail program shows a plus sign as one.
    mail = urlencode({"subject": text, "body": url}).replace("+", "%20")
    return [
        (gettext("E-mail"), f"mailto:?{mail}"),
        ("Telegram", f"https://t.me/share/url?{urlencode({'url': url, 'text': text})}"),
        ("X", f"https://x.com/intent/post?{urlencode({'url': url, 'text': text})}"),
        ("Facebook", f"https://www.facebook.com/sharer/sharer.php?{urlencode({'u': url})}"),
    ]
