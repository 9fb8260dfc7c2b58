"""One gift that a reader transfers themselves, of any rail: how to pay it, then what became of it.

POST /gift keeps what the reader says, if anything, and gives the gift a support code; for a coin, a sum of its own.
The page under the gift's unguessable reference shows the values with them, and says what the ledger believes.
"""

import logging
import secrets
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from support_service import qr
from support_service.giving import Awaiting, Frequency, Intent, PaymentMethod, Phrase
from support_service.giving.codes import issue
from support_service.ledger import Ledger, LedgerError
from support_service.money import plain
from support_service.web.answers.exact import exact_sums
from support_service.web.answers.gift_by_mail import NO_ADDRESS, is_wrong_email, send_page, typed_email, typed_person
from support_service.web.answers.limits import Limit, admit
from support_service.web.answers.ways import GiftWish, WayToGive, read_gift, read_way, ways_of
from support_service.web.guard import SecretUnusable, is_from_our_page
from support_service.web.i18n import chosen_language, say
from support_service.web.reader import thanks
from support_service.web.reader.articles import article_query, read_article
from support_service.web.reader.thanks import Given
from support_service.web.service import Service, service

log = logging.getLogger(__name__)

blueprint = Blueprint("gift", __name__)

REF_BYTES = NONCE_BYTES = 16
# So long a transfer is told apart by its sum alone; codes and references stay for good.
AWAITED = timedelta(days=3)
LIMIT = Limit("gift", place_max=12, place_long_max=80, net_max=60, net_long_max=400, all_max=400)

TOO_MANY = Phrase(
    "Too many gifts were begun from your network, perhaps by others who share its address, or by everybody together. "
    "You need no page for your gift: every way to give works as always, and whatever you send counts."
)
ELSEWHERE = Phrase("This form came from another page. Please look at it once more and press the button.")
NOT_NOW = Phrase(
    "We cannot reach our records just now, so this page cannot follow your gift. Every way to give works as always, "
    "and whatever you send counts."
)

blueprint.after_request(thanks.keep_to_yourself)


@blueprint.get("/gift")
def form() -> Response:
    """Ask which way and how much; everything may be left out."""
    typed = request.args.get("amount", "").strip()[:40]
    try:
        way = read_way(request.args, ways_of(service().assembly.methods))
    except KeyError:
        way = None
    return _ask(GiftWish(way, typed=typed), 200)


@blueprint.post("/gift")
def begin() -> BaseResponse:
    """Keep what the reader says and lead to the gift's own page."""
    at = service()
    card = _card_method(at, request.form.get("method", "") or request.form.get("way", "").partition(":")[0])
    if card is not None:
        return redirect(_card_form(), 303)
    wish = read_gift(request.form, ways_of(at.assembly.methods))
    if wish.mistake is not None or is_wrong_email(at):
        return _ask(wish, 400, wish.mistake or NO_ADDRESS)
    if not is_from_our_page():
        return _ask(wish, 403, ELSEWHERE)
    try:
        if not admit(at, LIMIT, request.remote_addr or ""):
            return _notice(Phrase("Please wait a moment"), TOO_MANY, 429)
        intent = at.write(partial(_open, at, wish))
        send_page(at, intent)
    except (LedgerError, SecretUnusable) as error:
        log.warning("gift_ledger_down", extra={"error": str(error)})
        return _notice(Phrase("We cannot follow your gift now"), NOT_NOW, 503)
    return redirect(url_for("gift.show", ref=intent.ref, lang=chosen_language()), 303)


@blueprint.get("/gift/<ref>")
def show(ref: str) -> str:
    """Show how to pay a gift and what became of it; a card gift's page is its thank-you page."""
    given = thanks.given_or_404(ref)
    if given.is_card:
        return render_template("thanks.html", **thanks.about(given))
    exact_sum = plain(given.money) if given.money else ""
    around = thanks.about(given)
    return render_template("gift.html", methods=_methods(given), way=_way(given), exact_sum=exact_sum, **around)


@blueprint.get("/gift/<ref>/qr.svg")
def qr_svg(ref: str) -> Response:
    """Draw the code of one gift; never of text from a request."""
    methods = _methods(thanks.given_or_404(ref))
    if len(methods) != 1 or methods[0].qr is None:
        abort(404)
    name = gettext("QR code: %(what)s", what=say(methods[0].title))
    return Response(qr.svg(methods[0].qr, name), mimetype="image/svg+xml")


@blueprint.errorhandler(LedgerError)
def tell_ledger_down(error: LedgerError) -> tuple[str, int, dict[str, str]]:
    """Say that we do not know now; the gift goes its way without this page."""
    return thanks.tell_ledger_down(error)


def _open(at: Service, wish: GiftWish, ledger: Ledger) -> Intent:
    way, money, now = wish.way, wish.money, at.clock()
    asset = money.asset if money is not None else way.asset if way is not None else None
    article = read_article(request.form, at.assembly.settings.publisher.sites)
    made = Intent(
        ref=secrets.token_hex(REF_BYTES),
        method=way.method.key if way is not None else "",
        currency=asset.code if asset is not None else "",
        exponent=asset.exponent if asset is not None else 0,
        units=money.units if money is not None else 0,
        frequency=Frequency.ONCE,
        lang=chosen_language(),
        made_at=now,
        article=article.address if article else None,
        article_title=article.title if article else "",
        placement=article.placement if article else "",
        personal=typed_person(at),
    )
    awaiting = None
    if way is not None and way.watch is not None and money is not None:
        sums = exact_sums(money.units, secrets.randbelow)
        awaiting = Awaiting(way.watch.network, way.watch.address, now + AWAITED, sums)
    draw_code = partial(issue, secrets.randbelow)
    return ledger.intents.open(made, nonce=secrets.token_hex(NONCE_BYTES), draw_code=draw_code, awaiting=awaiting)


def _methods(given: Given) -> list[PaymentMethod]:
    """Return the way that was chosen, else all, with the gift's code and sum in what they show."""
    methods = [method for method in service().assembly.methods if method.card is None]
    chosen = [method for method in methods if method.key == given.intent.method] or methods
    code = given.intent.support_code or ""
    return [method.of_gift(code, given.money) for method in chosen]


def _way(given: Given) -> WayToGive | None:
    ways = ways_of(service().assembly.methods)
    chosen = (given.intent.method, given.intent.currency)
    return next((way for way in ways if (way.method.key, way.asset.code) == chosen), None)


def _card_method(at: Service, key: str) -> PaymentMethod | None:
    return next((one for one in at.assembly.methods if one.key == key and one.card is not None), None)


def _card_form() -> str:
    asked = request.form.get
    goal = {"amount": asked("amount"), "currency": asked("currency"), "frequency": asked("frequency")}
    article = read_article(request.form, service().assembly.settings.publisher.sites)
    values: dict[str, Any] = {**goal, **article_query(article), "lang": chosen_language()}
    return url_for("card.form", **values)


def _ask(wish: GiftWish, status: int, alert: Phrase | None = None) -> Response:
    at = service()
    asked = request.values
    page = render_template(
        "gift_form.html",
        ways=ways_of(at.assembly.methods),
        chosen_way=wish.way.key if wish.way is not None else asked.get("way", ""),
        wish=wish,
        meant=[(money, plain(money)) for money in wish.meant],
        alert=alert or wish.mistake,
        asks_email=at.configured.told.mailbox is not None,
        email=typed_email(),
        article=read_article(asked, at.assembly.settings.publisher.sites),
    )
    return make_response(page, status)


def _notice(heading: Phrase, text: Phrase, status: int) -> Response:
    others = service().assembly.methods
    page = render_template("card_notice.html", heading=heading, text=text, others=others, again=None, article=None)
    response = make_response(page, status)
    response.headers["Retry-After"] = "300" if status == 429 else "30"
    return response
