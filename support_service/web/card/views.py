"""Giving by card: the page that says the sum once more, and the way from there to the processor's page.

GET /card changes nothing. POST /card spends the form's token: pressed twice, from two tabs or after
going back, one token leads to one payment page. Card data never come here.
"""

import logging
import math
import secrets
from typing import assert_never

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as BaseResponse

from support_service.door import HOLD, HOLD_SECONDS_MAX
from support_service.giving import Phrase
from support_service.ledger import LedgerError
from support_service.money import Money
from support_service.web.amounts import sum_text
from support_service.web.card import guard as card_guard
from support_service.web.card.checkout import ChangedSum, Gift, NoCheckout, NotSetUp, checkout_url
from support_service.web.card.form import (
    HONEYPOT,
    Confirmed,
    currencies,
    frequencies,
    preset_sums,
    preset_value,
    read_confirmed,
    read_wish,
)
from support_service.web.card.guard import Attempt, AttemptVerdict, Mode
from support_service.web.card.offer import Cards, form_policy, way_or_404
from support_service.web.card.pages import (
    ask_sum,
    back_url,
    carried_token,
    chosen_article,
    new_token,
    offer_again,
    show_closed,
    show_moment,
    show_notice,
    show_sum,
    sign,
)
from support_service.web.card.token import Token, TokenRefused, read_token
from support_service.web.card.words import donate, every, often, standing
from support_service.web.guard import SecretUnusable, is_from_our_page
from support_service.web.i18n import chosen_language, say
from support_service.web.service import service

log = logging.getLogger(__name__)

CROWDED_SECONDS = 6
# A clock's tick, so that the second question does not come a moment too soon.
HOLD_MARGIN_SECONDS = 0.02

blueprint = Blueprint("card", __name__)

TOO_OLD = Phrase("This page was open for too long. Please look at the sum once more and press the button again.")
LOOK_AGAIN = Phrase("Please look at the sum once more and press the button again.")
LEFT_EMPTY = Phrase(
    "A field that must stay empty was filled in, perhaps by your browser. Please press the button again."
)
QUESTION = Phrase(
    "Many payments are being started just now, here or from your network. Please answer the small question, as "
    "everybody does now; then it goes on. Or give in another way."
)
CHANGED = Phrase("The sum has changed. Please look at it once more and press the button again.")
TOO_MANY = Phrase(
    "Too many card payments were begun from your network, perhaps by others who share its address, as in a phone "
    "network. It is open again in about ten minutes; everybody else gives as always. Or give in another way."
)
TOO_SOON = Phrase(
    "That was quick. Payments go on a few seconds after their page has opened, so that nobody tries stolen cards here "
    "by the thousand. It goes on by itself in %(seconds)s s; if not, press the button then."
)
CROWDED = Phrase(
    "Very many card payments are being started just now, so they are let through one by one; whoever comes from a "
    "network that began many waits longest. What you wrote is kept. It is tried again by itself in %(seconds)s s; if "
    "not, press the button then."
)
SILENT = Phrase("The card processor does not answer. Nothing was charged. Try again, or give in another way.")
NOT_NOW = Phrase("Nothing was charged. Please try again in a minute, or give in another way.")


@blueprint.record_once
def teach_templates(state: BlueprintSetupState) -> None:
    """Give templates what the card form is made of."""
    state.app.add_template_filter(told_sum, "sum")
    state.app.add_template_filter(lambda frequency: say(often(frequency)), "often")
    state.app.add_template_filter(lambda plan: say(every(plan.frequency, plan.terms)), "every")
    state.app.add_template_filter(
        lambda plan: [say(words) for words in standing(plan.terms, service().clock(), service().zone)], "standing"
    )
    state.app.add_template_filter(lambda frequency, money: say(donate(frequency, told_sum(money))), "donate")
    state.app.add_template_global(frequencies, "card_frequencies")
    state.app.add_template_global(currencies, "card_currencies")
    state.app.add_template_global(preset_sums)
    state.app.add_template_global(preset_value)


@blueprint.after_request
def keep_to_yourself(response: Response) -> Response:
    """Let nobody keep an answer with a token, and let its form lead to the payment page.

    Chromium applies form-action to the redirect after a form, too, so its goal must be named.
    """
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Content-Security-Policy"] = form_policy(service())
    return response


def told_sum(money: Money) -> str:
    """Say a sum in the language of the page."""
    return sum_text(money, chosen_language())


@blueprint.get("/card")
def form() -> Response:
    """Say the sum once more, with a fresh token; or ask for the sum."""
    way = way_or_404()
    read = read_wish(request.args, way.choice, chosen_language())
    # Where no currency was chosen yet, the page offers all of them.
    asked = [way.charging(read.currency)] if read.wish or read.mistake else way.processors
    states = [card_guard.look(service(), cards.processor.key) for cards in asked]
    if all(state.mode in {Mode.PAUSED, Mode.OFF} for state in states):
        return show_closed()
    if read.wish is None:
        return ask_sum(way, read, 400 if read.mistake else 200)
    token = carried_token() or new_token(is_slowed=states[0].mode is Mode.SLOWED)
    return show_sum(read_confirmed({}, read.wish), token)


@blueprint.post("/card")
def give() -> BaseResponse:
    """Spend the token and lead to the payment page; everything doubtful is asked back, nothing is charged here."""
    way = way_or_404()
    read = read_wish({**request.form, "exact": request.form.get("amount", "")}, way.choice, chosen_language())
    if read.wish is None:
        return ask_sum(way, read, 400)
    confirmed = read_confirmed(request.form, read.wish)
    try:
        token = read_token(request.form.get("token", ""), sign, service().clock())
    except TokenRefused:
        return show_sum(confirmed, new_token(), TOO_OLD, 400)
    if not is_from_our_page():
        return show_sum(confirmed, new_token(), LOOK_AGAIN, 403)
    if request.form.get(HONEYPOT):
        log.warning("card_honeypot_filled")
        return show_sum(confirmed, token, LEFT_EMPTY, 400)
    if confirmed.mistakes:
        return show_sum(confirmed, token, LOOK_AGAIN, 400)
    return _guarded(way.charging(read.currency), confirmed, token)


def _guarded(cards: Cards, confirmed: Confirmed, token: Token) -> BaseResponse:
    try:
        return _judged(cards, confirmed, token)
    except LedgerError as error:
        log.warning("card_ledger_down", extra={"error": str(error)})
        return offer_again(confirmed, token, NOT_NOW)


def _judged(cards: Cards, confirmed: Confirmed, token: Token) -> BaseResponse:
    answer = request.form.get("answer", "")
    is_answered = token.question is not None and token.question.is_answered(answer)
    attempt = Attempt(request.remote_addr or "", token, is_answered)
    verdict = card_guard.admit(service(), cards.processor.key, attempt)
    if verdict is not AttemptVerdict.ADMIT:
        log.warning("card_attempt_held", extra={"verdict": str(verdict)})
    match verdict:
        case AttemptVerdict.ADMIT:
            return _to_checkout(cards, confirmed, token)
        case AttemptVerdict.HURRIED:
            return _held(_moment(confirmed, token, TOO_SOON, _left(token)), token)
        case AttemptVerdict.CROWDED:
            # Not all at the same second.
            return _moment(confirmed, token, CROWDED, CROWDED_SECONDS + secrets.randbelow(CROWDED_SECONDS))
        case AttemptVerdict.ASK:
            return show_sum(confirmed, new_token(is_slowed=True), QUESTION, 429)
        case AttemptVerdict.WAIT:
            return show_notice(Phrase("Please wait a moment"), TOO_MANY, 429)
        case AttemptVerdict.CLOSED:
            return show_closed()
        case _ as other:
            assert_never(other)


def _moment(confirmed: Confirmed, token: Token, text: Phrase, seconds: int) -> Response:
    return show_moment(confirmed, token, Phrase(text.text, (("seconds", str(seconds)),)), seconds)


def _held(response: Response, token: Token) -> Response:
    """Let the door hold a press that came within the time a person takes to read, and ask once more: it just goes on.

    Where it takes longer, as while all are slowed, the answer itself is shown.
    """
    left = card_guard.remaining(service(), token, Mode.OPEN).total_seconds()
    if 0 < left < HOLD_SECONDS_MAX:
        response.headers[HOLD] = f"{left + HOLD_MARGIN_SECONDS:.2f}"
    return response


def _left(token: Token) -> int:
    """Tell in how many whole seconds the form was read for long enough; the longer time where there are two."""
    left = card_guard.remaining(service(), token, Mode.SLOWED)
    return max(1, math.ceil(left.total_seconds()))


def _to_checkout(cards: Cards, confirmed: Confirmed, token: Token) -> BaseResponse:
    net = card_guard.net_digest(request.remote_addr or "", service())
    gift = Gift(confirmed, chosen_article(), chosen_language(), token.nonce, back_url(confirmed, token), net)
    try:
        goal = checkout_url(service(), cards, gift)
    except ChangedSum:
        return show_sum(confirmed, new_token(), CHANGED, 409)
    except NoCheckout:
        return offer_again(confirmed, token, SILENT)
    except NotSetUp:
        return show_notice(Phrase("Card payments do not work now"), NOT_NOW, 503)
    # werkzeug's redirect would write the address into a page, too; a browser needs the header alone.
    return Response(status=303, headers={"Location": goal})


@blueprint.errorhandler(LedgerError)
def tell_ledger_down(error: LedgerError) -> Response:
    """Say that nothing was charged: without the books no payment page is opened."""
    log.error("card_ledger_down", extra={"error": str(error)})
    return show_notice(Phrase("Card payments do not work now"), NOT_NOW, 503)


@blueprint.errorhandler(SecretUnusable)
def tell_secret_unusable(error: SecretUnusable) -> Response:
    """Say the same where no token can be made."""
    log.error("secret_file_unusable", extra={"error": str(error)})
    return tell_ledger_down(LedgerError("no secret, no token"))
