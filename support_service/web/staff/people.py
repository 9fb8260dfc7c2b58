"""People: who may come in, by which role, since when; one's own password and sessions; what was done."""

import logging

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger.staff import LoginRefused, PeopleError, Role
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.filter import read_number
from support_service.web.staff.proof import proof_required

log = logging.getLogger(__name__)

blueprint = Blueprint("people", __name__)

ROLE_WORDS = {
    Role.VIEWER: Phrase("looks"),
    Role.BOOKKEEPER: Phrase("books and exports"),
    Role.ADMIN: Phrase("does everything"),
}
ACTION_WORDS = {
    "invite": Phrase("invited"),
    "join": Phrase("chose a password"),
    "role": Phrase("gave another role to"),
    "disable": Phrase("shut out"),
    "password": Phrase("changed the password of"),
    "codes": Phrase("turned on codes for"),
    "recovery": Phrase("made new recovery codes for"),
    "recovery_used": Phrase("used a recovery code of"),
    "no_codes": Phrase("turned off codes for"),
    "passkey": Phrase("added a passkey for"),
    "no_passkey": Phrase("removed a passkey of"),
    "bound": Phrase("bound the provider’s account to"),
    "unbound": Phrase("unbound the provider’s account from"),
    "factors": Phrase("took codes and passkeys away from"),
    "forgot": Phrase("sent a link to a new password to"),
    "end_sessions": Phrase("ended the other sessions of"),
    "export": Phrase("exported"),
    "erase": Phrase("erased"),
    "look_up": Phrase("looked up what is kept of a person"),
    "export_person": Phrase("exported what is kept of a person"),
}
TOLD = {
    "done": Phrase("Done."),
    "refused": Phrase("Nothing was changed: the person is not known, or it is yourself."),
    "password": Phrase("Your password is changed, and your other sessions have ended."),
    "sessions": Phrase("Your other sessions have ended."),
    "unbound": Phrase("That account is not bound to you any more. The next one that signs in with your e-mail is."),
}
NOT_INVITED = Phrase("Nobody was invited: write an e-mail address, and choose a role.")
BAD_PASSWORD = Phrase("Take 12 characters or more, and none of the words that anybody would try first.")
DIFFERENT = Phrase("The two new passwords are not the same.")
NO_WAY_IN = Phrase("You cannot come in by this link")
LINK_IS_OVER = Phrase("This link was used, or is over. Ask an admin for a new one.")


@blueprint.get("/people")
@login_required(Role.ADMIN)
def overview() -> str:
    """List everybody, and what was done of late."""
    return _overview(TOLD.get(request.args.get("told", "")))


@blueprint.post("/people/invite")
@login_required(Role.ADMIN)
@proof_required
def invite() -> BaseResponse | str | tuple[str, int]:
    """Make a one-time link, shown this once: the database holds its digest alone."""
    people, by = service().ledger.people, guard.signed_in().person.email
    try:
        token = people.invite(request.form.get("email", ""), request.form.get("role", ""), by=by)
    except PeopleError:
        return _overview(NOT_INVITED), 400
    log.info("staff_invited")
    return _overview(None, link=f"{service().base_url}{url_for('staff.people.join', token=token)}")


@blueprint.post("/people/change")
@login_required(Role.ADMIN)
@proof_required
def change() -> BaseResponse:
    """Give a colleague another role, or shut them out."""
    people, by = service().ledger.people, guard.signed_in().person.email
    email, action = request.form.get("email", ""), request.form.get("action", "")
    try:
        if action == "disable":
            people.shut_out(email, by=by)
        elif action == "factors":
            service().ledger.factors.reset(email, by=by)
        else:
            people.change_role(email, action, by=by)
    except PeopleError:
        return redirect(url_for("staff.people.overview", told="refused"), 303)
    log.info("staff_person_changed", extra={"change": action})
    return redirect(url_for("staff.people.overview", told="done"), 303)


@blueprint.route("/invite/<token>", methods=["GET", "POST"])
def join(token: str) -> BaseResponse | str | tuple[str, int]:
    """Let somebody who was invited choose a password."""
    people = service().ledger.people
    held = people.invited(token)
    if held is None:
        return render_template("staff/notice.html", heading=NO_WAY_IN, text=LINK_IS_OVER, command=None), 404
    if request.method == "GET":
        return render_template("staff/join.html", invite=held, email=held.email, message=None)
    password, publisher = request.form.get("password", ""), service().configured.settings.publisher
    message = DIFFERENT if password != request.form.get("again", "") else None
    if message is None:
        try:
            people.join(token, password, publisher=(publisher.name, publisher.url))
        except PeopleError:
            message = BAD_PASSWORD
    if message is not None:
        return render_template("staff/join.html", invite=held, email=held.email, message=message), 400
    log.info("staff_joined")
    return redirect(url_for("staff.sign_in.login"), 303)


@blueprint.get("/me")
@login_required(Role.VIEWER)
def me() -> str:
    """Show one's own sessions, and the form for another password."""
    return _me(TOLD.get(request.args.get("told", "")))


@blueprint.post("/me/password")
@login_required(Role.VIEWER)
def change_password() -> BaseResponse | tuple[str, int]:
    """Change one's own password."""
    session, publisher = guard.signed_in(), service().configured.settings.publisher
    old, new = request.form.get("old", ""), request.form.get("password", "")
    if new != request.form.get("again", ""):
        return _me(DIFFERENT), 400
    try:
        service().ledger.people.change_password(session, old, new, publisher=(publisher.name, publisher.url))
    except LoginRefused:
        log.warning("staff_password_refused")
        return redirect(url_for("staff.sign_in.login"), 303)
    except PeopleError:
        return _me(BAD_PASSWORD), 400
    log.info("staff_password_changed")
    return redirect(url_for("staff.people.me", told="password"), 303)


@blueprint.post("/me/sessions")
@login_required(Role.VIEWER)
@proof_required
def end_others() -> BaseResponse:
    """End every session of one's own but this one."""
    service().ledger.people.end_others(guard.signed_in())
    return redirect(url_for("staff.people.me", told="sessions"), 303)


def _overview(message: Phrase | None, link: str = "") -> str:
    people = service().ledger.people
    actions = people.actions(read_number(request.args.get("before", "")))
    return render_template(
        "staff/people.html",
        people=people.list(),
        actions=actions,
        older=actions[-1].number if actions and actions[-1].number > 1 else None,
        roles=ROLE_WORDS,
        action_words=ACTION_WORDS,
        message=message,
        link=link,
    )


def _me(message: Phrase | None) -> str:
    person = guard.signed_in().person
    sessions = service().ledger.people.sessions(person.email)
    held = service().ledger.factors.held(person.email)
    return render_template("staff/me.html", role=ROLE_WORDS[person.role], sessions=sessions, held=held, message=message)
