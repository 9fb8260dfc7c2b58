"""A forgotten password: a link by e-mail to choose another one, and the same answer whoever asks.

Whether somebody has this e-mail is looked up where letters are written, long after the answer.
"""

import logging

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger.accounts import EMAIL_CHARS_MAX, address_key
from support_service.ledger.outbox import News
from support_service.ledger.staff import PeopleError
from support_service.notifications.settings import LETTERS
from support_service.web.answers.limits import Limit, admit
from support_service.web.guard import keys
from support_service.web.i18n import chosen_language
from support_service.web.service import Service, service
from support_service.web.staff import people as staff_people

log = logging.getLogger(__name__)

blueprint = Blueprint("forgotten", __name__)

LIMIT = Limit("forgotten password", place_max=5, place_long_max=20, net_max=20, net_long_max=80, all_max=200)

ON_ITS_WAY = Phrase("If somebody has this e-mail here, a link arrives there within a few minutes.")
TOO_MANY = Phrase("Too many links were asked for just now. Try again in ten minutes.")
NO_ADDRESS = Phrase("This is no e-mail address.")


def can_be_asked() -> bool:
    """Tell whether links are sent here: where mail goes out."""
    return service().configured.told.mailbox is not None


@blueprint.get("/login/forgotten")
def form() -> str:
    """Ask for the e-mail."""
    _mailed_or_404()
    return _page()


@blueprint.post("/login/forgotten")
def ask() -> str | tuple[str, int]:
    """Keep the question; whoever it is, the answer is the same."""
    at, email = _mailed_or_404(), address_key(request.form.get("email", "")[: EMAIL_CHARS_MAX + 1])
    if "@" not in email or not email.isprintable():
        return _page(NO_ADDRESS), 400
    if not admit(at, LIMIT, request.remote_addr or ""):
        return _page(TOO_MANY), 429
    # Once an hour for each address: nobody fills a mailbox of somebody else from here.
    name = keys().digest("forgotten password", email, f"{at.clock():%Y-%m-%dT%H}")
    news = News(LETTERS, f"new_password:{name}", "", "new_password", {"to": email, "lang": chosen_language()})
    at.ledger.outbox.put([news])
    return _page(told=ON_ITS_WAY)


@blueprint.route("/login/new/<token>", methods=["GET", "POST"])
def choose(token: str) -> BaseResponse | str | tuple[str, int]:
    """Let the person whose link it is choose a password; then they sign in, with a code where they have codes."""
    people, publisher = service().ledger.people, service().configured.settings.publisher
    email = people.whose_link(token)
    if email is None:
        return render_template(
            "staff/notice.html", heading=staff_people.NO_WAY_IN, text=staff_people.LINK_IS_OVER, command=None
        ), 404
    if request.method == "GET":
        return render_template("staff/join.html", invite=None, email=email, message=None)
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return render_template("staff/join.html", invite=None, email=email, message=staff_people.DIFFERENT), 400
    try:
        people.choose_password(token, password, publisher=(publisher.name, publisher.url))
    except PeopleError:
        return render_template("staff/join.html", invite=None, email=email, message=staff_people.BAD_PASSWORD), 400
    log.info("staff_password_chosen")
    return redirect(url_for("staff.sign_in.login"), 303)


def _mailed_or_404() -> Service:
    return service() if can_be_asked() else abort(404)


def _page(alert: Phrase | None = None, *, told: Phrase | None = None) -> str:
    return render_template("staff/forgotten.html", alert=alert, told=told)
