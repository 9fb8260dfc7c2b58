"""The pages of giving by card: say the sum once more, ask for it, or say why it does not go on."""

import hmac
import secrets
from typing import Any

from flask import Response, make_response, render_template, request, url_for

from support_service.giving import PaymentMethod, Phrase
from support_service.money import plain
from support_service.web.card.form import HONEYPOT, Confirmed, WishRead, preset_value
from support_service.web.card.offer import CardWay, way_or_404
from support_service.web.card.token import SumQuestion, Token, TokenRefused, read_token, write_token
from support_service.web.guard import keys
from support_service.web.i18n import chosen_language
from support_service.web.networks import networks_of
from support_service.web.reader.articles import Article, article_query, read_article
from support_service.web.service import service

NONCE_BYTES = 16
NUMBER_MAX = 9
PAUSE_SECONDS = 300
AGAIN_SECONDS = 30

PAUSED = Phrase(
    "Card payments are closed to everybody for a while, because of how cards are being used here just now; it is not "
    "about you. Nothing was charged. They open again by themselves, mostly within half an hour; every other way to "
    "give works as always."
)


def show_sum(confirmed: Confirmed, token: Token, message: Phrase | None = None, status: int = 200) -> Response:
    """Say the sum once more, who charges it, with the token in the form and, where something is wrong, what."""
    way = way_or_404()
    typed = {name: request.form.get(name, "") for name in ("name", "message")}
    page = render_template(
        "card.html",
        charging=way.charging(confirmed.wish.currency).choice,
        way_key=way.key,
        confirmed=confirmed,
        wish=confirmed.wish,
        exact=plain(confirmed.wish.money),
        token=write_token(token, sign),
        question=token.question,
        typed=typed,
        honeypot=HONEYPOT,
        alert=message,
        **_around(),
    )
    response = make_response(page, status)
    if status == 429:
        # For programs; a person goes on at once.
        response.headers["Retry-After"] = str(AGAIN_SECONDS)
    return response


def ask_sum(way: CardWay, read: WishRead, status: int) -> Response:
    """Ask for the sum, or which of two a text means."""
    return make_response(render_template("card_sum.html", method=way.shown, read=read, **_around()), status)


def show_closed() -> Response:
    """Say that cards, and cards alone, are not taken now."""
    return show_notice(Phrase("Card payments are paused"), PAUSED, 503)


def show_notice(heading: Phrase, text: Phrase, status: int) -> Response:
    """Say why it does not go on, and which other ways there are."""
    page = render_template("card_notice.html", heading=heading, text=text, others=_others(), again=None, **_around())
    response = make_response(page, status)
    if status in {429, 503}:
        response.headers["Retry-After"] = str(PAUSE_SECONDS)
    return response


def show_moment(confirmed: Confirmed, token: Token, text: Phrase, seconds: int) -> Response:
    """Keep all that was typed, and go on by itself in some seconds; without a script by one more press."""
    return _offer(Phrase("One moment, please"), text, _fields(confirmed, token), 429, seconds=seconds)


def offer_again(confirmed: Confirmed, token: Token, text: Phrase) -> Response:
    """Say why no payment page opens, and keep all that was typed; pressing again tries the same payment page."""
    return _offer(Phrase("The payment page does not open now"), text, _fields(confirmed, token), 503)


def _offer(
    heading: Phrase, text: Phrase, again: dict[str, str], status: int, *, seconds: int | None = None
) -> Response:
    """Show a notice with a button that sends the same form again; seconds: when a script may press it."""
    page = render_template(
        "card_notice.html", heading=heading, text=text, others=_others(), again=again, seconds=seconds, **_around()
    )
    response = make_response(page, status)
    response.headers["Retry-After"] = str(seconds or AGAIN_SECONDS)
    return response


def _others() -> list[PaymentMethod]:
    return [method for method in service().assembly.methods if method.card is None]


def new_token(*, is_slowed: bool = False) -> Token:
    """Make the token of one form, with a question where the guard asks one."""
    numbers = (secrets.randbelow(NUMBER_MAX) + 1, secrets.randbelow(NUMBER_MAX) + 1)
    # To the second, as it is written: a token that comes back at once must not be from the future.
    now = service().clock().replace(microsecond=0)
    return Token(secrets.token_hex(NONCE_BYTES), now, SumQuestion(*numbers) if is_slowed else None)


def carried_token() -> Token | None:
    """Take the token that the way back carries: who comes back and goes on finds the same payment page.

    Only where it was spent: whoever follows another's link must not give in their name, nor show them their gift.
    """
    text, _, origin = request.args.get("form", "").rpartition(".")
    try:
        token = read_token(text, sign, service().clock())
    except TokenRefused:
        return None
    return token if hmac.compare_digest(origin.encode(), _origin(token).encode()) else None


def _origin(token: Token) -> str:
    """Name whoever spends a token by a keyed digest: we set no cookie for readers, so address and browser must do."""
    place = networks_of(request.remote_addr or "").place
    return keys().digest("card way back", token.nonce, place, request.headers.get("User-Agent", ""))


def sign(body: str) -> str:
    """Sign a token's body with the secret of this service."""
    return keys().digest("card token", body)


def chosen_article() -> Article | None:
    """Take the article along, if it is one that we name."""
    return read_article(request.values, service().assembly.settings.publisher.sites)


def back_url(confirmed: Confirmed, token: Token) -> str:
    """Write the way back from the payment page: to this sum, with this token."""
    values: dict[str, Any] = {
        "preset": preset_value(confirmed.wish.frequency, confirmed.wish.money),
        **article_query(chosen_article()),
        "form": f"{write_token(token, sign)}.{_origin(token)}",
    }
    path = url_for("card.form", lang=chosen_language(), **values)
    # The path begins with the prefix of publisher.url already.
    return f"{service().assembly.settings.publisher.base.origin}{path}"


def _fields(confirmed: Confirmed, token: Token) -> dict[str, str]:
    personal = confirmed.personal
    fields = {
        "amount": plain(confirmed.wish.money),
        "currency": confirmed.wish.currency.asset.code,
        "frequency": str(confirmed.wish.frequency),
        "cover": "yes" if confirmed.covers_fee else "",
        "name": personal.payer or "",
        "message": personal.message or "",
        "answer": request.form.get("answer", ""),
        "token": write_token(token, sign),
    }
    return {name: value for name, value in fields.items() if value} | article_query(chosen_article())


def _around() -> dict[str, object]:
    return {"article": chosen_article()}
