"""A lost link to a regular gift, asked for by e-mail: always the same answer, so that nobody learns who gives.

Whether there is such a gift is looked up where letters are written, long after this answer.
"""

import logging

from flask import Blueprint, Response, abort, make_response, render_template, request

from support_service.giving import Phrase
from support_service.ledger import LedgerError
from support_service.ledger.outbox import News
from support_service.notifications.settings import LETTERS
from support_service.notifications.smtp import is_address
from support_service.web.answers.limits import Limit, admit
from support_service.web.guard import SecretUnusable, is_from_our_page, keys
from support_service.web.i18n import chosen_language
from support_service.web.reader import thanks
from support_service.web.service import Service, service

log = logging.getLogger(__name__)

blueprint = Blueprint("lost_plan", __name__)

LIMIT = Limit("lost plan", place_max=5, place_long_max=20, net_max=20, net_long_max=80, all_max=200)

ON_ITS_WAY = Phrase(
    "If a regular gift is known under this e-mail, its link arrives there within a few minutes. If nothing comes, "
    "write to us."
)
NO_ADDRESS = Phrase("This is no e-mail address.")
TOO_MANY = Phrase("Too many links were asked for just now. Try again in ten minutes.")
DOWN = Phrase("We cannot reach our records just now. Please try again in a minute.")
ELSEWHERE = Phrase("This form came from another page. Please look at it once more and press the button.")

blueprint.after_request(thanks.keep_to_yourself)


@blueprint.get("/plan")
def form() -> Response:
    """Ask for the e-mail."""
    _taken_or_404()
    return _page()


@blueprint.post("/plan")
def ask() -> Response:
    """Keep the question; whoever it is, the answer is the same."""
    at, email = _taken_or_404(), request.form.get("email", "").strip()
    if not is_address(email):
        return _page(NO_ADDRESS, email=email[:100], status=400)
    if not is_from_our_page():
        return _page(ELSEWHERE, email=email, status=403)
    try:
        if not admit(at, LIMIT, request.remote_addr or ""):
            return _page(TOO_MANY, email=email, status=429)
        # Once an hour for each address: nobody fills a mailbox of somebody else from here.
        name = keys().digest("lost plan", email.casefold(), f"{at.clock():%Y-%m-%dT%H}")
        news = News(LETTERS, f"lost_link:{name}", "", "lost_link", {"to": email, "lang": chosen_language()})
        at.write(lambda ledger: ledger.outbox.put([news]))
    except (LedgerError, SecretUnusable) as error:
        log.warning("lost_plan_ledger_down", extra={"error": str(error)})
        return _page(DOWN, email=email, status=503)
    return _page(told=ON_ITS_WAY)


def can_be_asked(at: Service) -> bool:
    """Tell whether links are sent here: there are regular gifts, and mail goes out."""
    return bool(at.processors) and at.configured.told.mailbox is not None


def _taken_or_404() -> Service:
    at = service()
    return at if can_be_asked(at) else abort(404)


def _page(alert: Phrase | None = None, *, told: Phrase | None = None, email: str = "", status: int = 200) -> Response:
    response = make_response(render_template("plan_lost.html", alert=alert, told=told, email=email), status)
    if status in {429, 503}:
        response.headers["Retry-After"] = "600" if status == 429 else "60"
    return response
