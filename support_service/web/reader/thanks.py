"""The thank-you page: what the ledger believes of one gift, under its unguessable reference.

Coming here proves nothing and changes nothing: only what a processor signs, or a chain or bank tells, does. Neither
a name nor an e-mail address is ever shown: whoever has the link sees a sum and how far it has come.
"""

import logging
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Frequency, Intent, Plan, State
from support_service.ledger import Ledger, LedgerError, LedgerOutdated
from support_service.money import Asset, Money, plain
from support_service.web.answers.progress import TransferProgress, progress_of
from support_service.web.card.form import frequencies
from support_service.web.card.offer import find_way
from support_service.web.i18n import chosen_language
from support_service.web.reader.articles import Article
from support_service.web.reader.gift_status import GiftStatus, gift_status_of
from support_service.web.service import Service, service

log = logging.getLogger(__name__)

blueprint = Blueprint("thanks", __name__)

_REF = re.compile(r"[0-9a-f]{32}")
_JSON, _HTML = "application/json", "text/html"


@dataclass(frozen=True, slots=True)
class Given:
    """One gift as its page tells it; received: the transfers that came for it, where no processor charges it."""

    intent: Intent
    gift_status: GiftStatus
    plan: Plan | None = None
    is_card: bool = True
    received: tuple[TransferProgress, ...] = ()

    @property
    def money(self) -> Money | None:
        """What is charged each time, or was said; None where the reader said no sum."""
        intent = self.intent
        return Money(intent.units, Asset(intent.currency, intent.exponent)) if intent.units else None

    @property
    def version(self) -> str:
        """Name what is told of its transfers, so that a page can see that something is new."""
        return "-".join([str(self.gift_status), *(f"{one.done}/{one.needed}{one.state[0]}" for one in self.received)])

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
def thanks(ref: str) -> BaseResponse | str:
    """Thank for a gift that was received; until then say how far it has come."""
    given = given_or_404(ref)
    if not given.is_card:
        return redirect(url_for("gift.show", ref=ref, lang=chosen_language()), 303)
    return render_template("thanks.html", **about(given))


@blueprint.get("/donations/<ref>")
def donation(ref: str) -> Response:
    """Tell the same as a piece of a page, or as JSON for programs."""
    given = given_or_404(ref)
    if request.accept_mimetypes.best_match([_JSON, _HTML]) == _HTML:
        return make_response(render_template("given.html" if given.is_card else "gift_state.html", **about(given)))
    return jsonify(
        ref=given.intent.ref,
        state=str(given.gift_status),
        units=str(given.intent.units) if given.money else None,
        amount=plain(given.money) if given.money else None,
        currency=given.intent.currency or None,
        frequency=str(given.intent.frequency),
        is_final=not given.gift_status.may_change_soon,
        plan=_plan(given),
        received=[_received(one) for one in given.received],
    )


def _received(one: TransferProgress) -> dict[str, object]:
    """Tell one transfer: what came, how far it is, on how many blocks of how many."""
    return {
        "units": str(one.money.units),
        "amount": plain(one.money),
        "asset": one.money.asset.code,
        "network": one.network or None,
        "state": str(one.state),
        "confirmations": one.done if one.is_underway else None,
        "needed": one.needed or None,
    }


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


def given_or_404(ref: str) -> Given:
    """Find the gift of a reference; 404 where nobody has it. Raises LedgerError."""
    at = service()
    if not _REF.fullmatch(ref):
        abort(404)
    try:
        given = at.read(lambda ledger: _given(at, ledger, ref))
    except LedgerOutdated:
        if at.processors:
            raise
        # Before there is a database nobody has chosen anything.
        given = None
    return given or abort(404)


def _given(at: Service, ledger: Ledger, ref: str) -> Given | None:
    intent = ledger.intents.find(ref)
    if intent is None:
        return None
    donations = [listed.donation for listed in ledger.intents.donations(ref)]
    states = [donation.state for donation in donations]
    if intent.method in at.processors:
        attempt = ledger.intents.attempt(ref)
        open_until = attempt.checkout.expires_at if attempt and attempt.checkout else None
        return Given(intent, gift_status_of(states, open_until, at.clock()), ledger.plans.of(ref))
    read_up_to = ledger.lookups.read_up_to() if State.SEEN in states else {}
    received = tuple(progress_of(donation, at.assembly.methods, read_up_to) for donation in donations)
    return Given(intent, gift_status_of(states, None, at.clock()), is_card=False, received=received)


def about(given: Given) -> dict[str, object]:
    """Gather what the pages of a gift tell."""
    is_once = given.intent.frequency is Frequency.ONCE
    way = find_way(service())
    has_monthly = way is not None and Frequency.MONTHLY in frequencies(way.choice)
    address = given.intent.article
    own_units = given.intent.units - given.intent.covered_fee_units
    return {
        "given": given,
        "gift_status": given.gift_status,
        "offers_monthly": is_once and has_monthly and given.gift_status is GiftStatus.RECEIVED,
        "own_money": Money(own_units, given.money.asset) if given.money else None,
        "shares": _shares(address),
        "shared_url": _shared_url(address),
        "article": Article(address, given.intent.article_title, given.intent.placement) if address else None,
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
