"""What people and programs are to be told: what waits, what nobody took, what was said; and saying it once more."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger.outbox import LISTED_MAX, MessageStanding, OutboxMessage
from support_service.ledger.staff import Role
from support_service.notifications.settings import LETTERS
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.filter import read_number

blueprint = Blueprint("messages", __name__)

TITLES = {
    MessageStanding.WAITING: Phrase("What waits"),
    MessageStanding.FAILED: Phrase("What was given up"),
    MessageStanding.SENT: Phrase("What was said"),
    MessageStanding.VOID: Phrase("What there was nothing to say of"),
}
TOLD = {
    "again": Phrase("It waits to be sent again."),
    "not": Phrase("It waits already, or it is gone."),
}


@blueprint.get("/notifications")
@login_required(Role.VIEWER)
def overview() -> str:
    """Show how every channel stands, and the messages that stand in one way, the newest first."""
    at = service()
    wanted, outbox = request.args.get("state", ""), at.books.outbox
    standing = MessageStanding(wanted) if wanted in {str(one) for one in MessageStanding} else MessageStanding.WAITING
    messages = outbox.list(standing, before=read_number(request.args.get("before", "")))
    told = at.configured.told
    keys = [*(channel.key for channel in told.channels), *([LETTERS] if told.mailbox is not None else [])]
    held, noted = outbox.standing(), at.books.health()
    return render_template(
        "staff/messages.html",
        channels=[(key, held.get(key), noted.get(f"notify:{key}")) for key in dict.fromkeys([*keys, *held])],
        letters=LETTERS,
        titles=TITLES,
        standing=standing,
        messages=messages,
        older=messages[-1].number if len(messages) == LISTED_MAX else None,
        again={one.number for one in messages if _may_say_again(one)},
        told=TOLD.get(request.args.get("told", "")),
    )


@blueprint.post("/notifications/<number>/again")
@login_required(Role.BOOKKEEPER)
def again(number: str) -> BaseResponse:
    """Let a message wait once more, under the same key; its channel may know it already."""
    outbox, asked = service().ledger.outbox, read_number(number)
    held = None if asked is None else outbox.find(asked)
    is_done = held is not None and _may_say_again(held) and outbox.replay(held.number)
    state = str(MessageStanding.WAITING if is_done else MessageStanding.FAILED)
    return redirect(url_for("staff.messages.overview", state=state, told="again" if is_done else "not"), 303)


def _may_say_again(held: OutboxMessage) -> bool:
    """Tell whether staff may send a message again: what nobody took, and what a program took and lost.

    People have read what they were sent.
    """
    if not guard.signed_in().person.role.covers(Role.BOOKKEEPER):
        return False
    if held.standing is MessageStanding.FAILED:
        return True
    channels = {channel.key: channel for channel in service().configured.told.channels}
    channel = channels.get(held.news.channel)
    return held.standing is MessageStanding.SENT and channel is not None and channel.way.is_for_programs
