"""What wants a person: lines of the bank that nobody but a person can judge, one button each."""

from flask import Blueprint, render_template, request

from support_service.giving import Phrase
from support_service.ledger import Why
from support_service.ledger.staff import Role
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.entry import new_nonce
from support_service.web.staff.lines import offered_classes
from support_service.web.staff.links import match_seen

blueprint = Blueprint("inbox", __name__)

TITLES = {
    Why.REVERSAL: Phrase("Takes something back: which?"),
    Why.SAME: Phrase("Booked by hand: is it this line?"),
    Why.REVIEW: Phrase("What is it?"),
    Why.SUGGESTED: Phrase("Is it this reader’s?"),
    Why.CODE: Phrase("Which code was meant?"),
    Why.PAYER: Phrase("This account gave before: the same reader?"),
}
# Where the title does not say it.
REASONS = {
    Why.SUGGESTED: Phrase("The only announced gift of this sum that has not come, and the only line that fits it."),
}
DONE = Phrase("Kept. It can be changed again below; the history keeps every word.")


@blueprint.get("/inbox")
@login_required(Role.BOOKKEEPER)
def lines() -> str:
    """Show every line that wants a person, the gravest first; the first button has the keyboard."""
    at = service()
    found = at.books.inbox.lines()
    return render_template(
        "staff/inbox.html",
        lines=found,
        titles=TITLES,
        reasons=REASONS,
        waiting=len(at.books.inbox.waiting()),
        classes={one.donation.identity.ref: offered_classes(one.donation) for one in found if one.why is Why.REVIEW},
        seen={one.donation.identity.ref: match_seen(one.donation) for one in found},
        new_nonce=new_nonce,
        told=DONE if request.args.get("told") else None,
    )
