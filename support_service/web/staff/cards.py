"""Cards for staff: plans, disputes, what waits or was set aside; refunds, cancelling, the switch.

What is asked of the processor here changes nothing in the books: the ledger believes the processor's
own message about it, which comes back like any other. The nonce of a form is the processor's key of
the request: sent twice, it is done once.
"""

import logging
from collections.abc import Callable

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Direction, Donation, Kind, Listed, Phrase, Plan, PlanPlace, State
from support_service.ledger import Freeze, Unfreeze, Wanted
from support_service.ledger.staff import Role
from support_service.money import Asset, BadAmount, Money, plain
from support_service.rails.processor import CheckoutDown, CheckoutRefused, checkout_switch
from support_service.web import guard
from support_service.web.amounts import SeveralMeanings, decimal_sign, read_typed
from support_service.web.card import guard as card_guard
from support_service.web.card.offer import Cards, all_cards, cards_or_404
from support_service.web.guard import login_required
from support_service.web.i18n import chosen_language
from support_service.web.service import service
from support_service.web.staff import entry as staff_entry
from support_service.web.staff.filter import read_number, word
from support_service.web.staff.manual_gift import read_note
from support_service.web.staff.plans import ASKED_CHARACTERS_MAX, find_plans, givers_of
from support_service.web.staff.proof import proof_required

log = logging.getLogger(__name__)

blueprint = Blueprint("cards", __name__)

PAGE_ROWS = 50
# A list of what needs a look; all of it is a filter of the donations page away.
SHORT_ROWS = 20

TOLD = {
    "refund": Phrase("Refund requested. It shows in the history as soon as the processor reports it."),
    "cancel": Phrase("Cancellation requested. It shows here as soon as the processor reports it."),
    "off": Phrase("Card payments are switched off. Pages that are open already can still be paid."),
    "on": Phrase("Card payments are switched on again."),
}
NOTHING = Phrase("Nothing was changed")
DOWN = Phrase("The processor does not answer. Open the page again and see whether it was done before you repeat it.")
REFUSED = Phrase("The processor refuses this. Its own pages (the dashboard) say why.")
SURE = Phrase("Tick the box; then it is done.")
CHANGED = Phrase("Something was given back since this page was opened. Look at what is left, and send it once more.")
SURE_AND_WHY = Phrase("Tick the box and say in a few words why; then it is done.")


@blueprint.get("/cards")
@login_required(Role.VIEWER)
def overview() -> str:
    """Show how cards are taken now, plans, and what needs a look."""
    at, taken = service(), _taken_or_404()
    number, name = read_number(request.args.get("before", "")), word(request.args.get("below", ""))
    asked = request.args.get("q", "")[:ASKED_CHARACTERS_MAX]
    before = None if number is None else PlanPlace(number, name)
    plans = find_plans(at.books, asked, at.processors) if asked else at.books.plans.newest(PAGE_ROWS + 1, before)
    return render_template(
        "staff/cards.html",
        asked=asked,
        givers=givers_of(at.books, plans[:PAGE_ROWS]),
        card_states=[(cards, card_guard.look(at, cards.processor.key)) for cards in taken],
        is_admin=guard.signed_in().person.role.covers(Role.ADMIN),
        plans=plans[:PAGE_ROWS],
        last_of_page=plans[PAGE_ROWS - 1] if len(plans) > PAGE_ROWS and not asked else None,
        disputed=_in_state(State.DISPUTED),
        quarantined=_in_state(State.QUARANTINED),
        waiting=at.books.inbox.waiting(),
        told=TOLD.get(request.args.get("told", "")),
        nonce=staff_entry.new_nonce(),
        plan_is_over=plan_is_over,
    )


@blueprint.route("/donations/<ref>/refund", methods=["GET", "POST"])
@login_required(Role.BOOKKEEPER)
@proof_required
def refund(ref: str) -> BaseResponse | str | tuple[str, int]:
    """Ask once more, then ask the processor to give a gift back, in part or in full."""
    donation = staff_entry.history_or_404(ref).donation
    if not may_refund(donation):
        text = Phrase("Only a card gift that was received, and is not given back yet, can be given back.")
        return _notice(NOTHING, text), 409
    left = left_to_refund(donation)
    if request.method == "GET":
        return _refund_page(donation, left, plain(left).replace(".", decimal_sign(chosen_language())))
    nonce, typed = staff_entry.form_nonce(), request.form.get("amount", "")
    if request.form.get("as_seen") != _as_seen(donation):
        # The processor forgets a form's nonce after a day: an old form must not give back once more.
        return _refund_page(donation, left, typed, CHANGED, nonce=staff_entry.new_nonce()), 409
    money = _read_refund(typed, left)
    if isinstance(money, Phrase):
        return _refund_page(donation, left, typed, money), 400
    processor = cards_or_404(donation.payment.method).processor
    locator, key = donation.identity.locator, f"{nonce}:{money.units}"
    refused = _ask(processor.key, lambda: processor.refund(locator, money.units, key))
    log.info("staff_refund_asked", extra={"donation": ref, "units": money.units, "done": refused is None})
    return refused or redirect(url_for("staff.donation", ref=ref, told="refund"), 303)


@blueprint.route("/cards/plans/<rail>/<name>/cancel", methods=["GET", "POST"])
@login_required(Role.BOOKKEEPER)
@proof_required
def cancel(rail: str, name: str) -> BaseResponse | str | tuple[str, int]:
    """Ask once more, then ask the processor to charge this plan no more."""
    processor = cards_or_404(rail).processor
    # PostgreSQL refuses NUL in a text; what cannot be read names no plan.
    plan = service().books.plans.find(rail, name) if name.isprintable() else None
    if plan is None or plan_is_over(plan):
        return _notice(NOTHING, Phrase("This plan is not running.")), 409
    if request.method == "GET" or request.form.get("sure") != "yes":
        message = None if request.method == "GET" else SURE
        page = render_template("staff/cancel.html", plan=plan, nonce=staff_entry.new_nonce(), message=message)
        return page if message is None else (page, 400)
    nonce = staff_entry.form_nonce()
    refused = _ask(rail, lambda: processor.cancel_plan(name, nonce))
    log.info("staff_cancel_asked", extra={"rail": rail, "plan": name, "done": refused is None})
    return refused or redirect(url_for("staff.cards.overview", told="cancel"), 303)


@blueprint.post("/cards/switch")
@login_required(Role.ADMIN)
@proof_required
def switch() -> BaseResponse | tuple[str, int]:
    """Switch the payments of one processor off or on, with the reason; all other ways to give stay as they are."""
    taken = _taken_or_404()
    # Where there is but one, it need not be named.
    cards = taken[0] if len(taken) == 1 else cards_or_404(request.form.get("processor", ""))
    at, person = service(), guard.signed_in().person
    note = read_note(request.form)
    if note is None or request.form.get("sure") != "yes":
        return _notice(NOTHING, SURE_AND_WHY), 400
    held = _switched_off(cards)
    if request.form.get("turn") == "off" and held is None:
        at.ledger.freeze(checkout_switch(cards.processor.key), note, {"by": person.email})
    if request.form.get("turn") == "on" and held is not None:
        at.ledger.unfreeze(Unfreeze(held.network, person.email, note))
    turn = "on" if _switched_off(cards) is None else "off"
    log.warning("cards_switched", extra={"processor": cards.processor.key, "turn": turn})
    return redirect(url_for("staff.cards.overview", told=turn), 303)


def may_refund(donation: Donation) -> bool:
    """Tell whether the processor can be asked to give something of this gift back."""
    is_ours = donation.payment.method in {cards.method.key for cards in all_cards(service())}
    stands = donation.state in {State.CONFIRMED, State.PARTIALLY_REFUNDED, State.QUARANTINED}
    is_gift = donation.identity.direction is Direction.IN and donation.payment.kind is Kind.DONATION
    return is_ours and stands and is_gift and left_to_refund(donation).units > 0


def left_to_refund(donation: Donation) -> Money:
    """Return what was not given back yet."""
    asset = Asset(donation.identity.asset, donation.payment.exponent)
    return Money(donation.payment.units - donation.refunded_units, asset)


def plan_is_over(plan: Plan) -> bool:
    """Tell whether a plan charges nothing any more, by the words of its rail; one whose rail is gone nobody stops."""
    rail = service().configured.rails.get(plan.rail)
    return rail is None or plan.state in rail.ended_plans


def _taken_or_404() -> tuple[Cards, ...]:
    return all_cards(service()) or abort(404)


def _switched_off(cards: Cards) -> Freeze | None:
    source = checkout_switch(cards.processor.key)
    return next((held for held in service().ledger.freezes() if held.source == source), None)


def _in_state(state: State) -> tuple[Listed, ...]:
    rails = [cards.method.rail for cards in all_cards(service())]
    found = (service().books.donations(Wanted(rail=rail, state=state), limit=SHORT_ROWS) for rail in rails)
    return tuple(sorted((one for listed in found for one in listed), key=lambda one: -one.number)[:SHORT_ROWS])


def _ask(processor: str, request_it: Callable[[], None]) -> tuple[str, int] | None:
    """Ask the processor; return the page that says why not, or None."""
    try:
        service().checkouts.ask(processor, request_it)
    except CheckoutDown as error:
        log.warning("processor_down", extra={"error": str(error)})
        return _notice(Phrase("Not known whether it was done"), DOWN), 503
    except CheckoutRefused as error:
        log.warning("processor_refused", extra={"error": str(error)})
        return _notice(NOTHING, REFUSED), 409
    return None


def _read_refund(typed: str, left: Money) -> Money | Phrase:
    """Read the form of a refund; a phrase says what is missing."""
    try:
        money = read_typed(typed, left.asset)
    except SeveralMeanings:
        return Phrase("This may be read as two amounts. Which one is it?")
    except BadAmount:
        return Phrase("Write the sum as a number, such as 200 or 10.50.")
    if not 0 < money.units <= left.units:
        return Phrase("Not more than what is left, and more than zero.")
    return money if request.form.get("sure") == "yes" else SURE


def _as_seen(donation: Donation) -> str:
    """Write how much was given back, and is on its way back, when a form was shown."""
    return f"{donation.refunded_units}+{donation.open_parts}"


def _refund_page(
    donation: Donation, left: Money, typed: str, mistake: Phrase | None = None, *, nonce: str | None = None
) -> str:
    mistakes = {} if mistake is None else {"amount": mistake}
    return render_template(
        "staff/refund.html",
        donation=donation,
        left=left,
        typed=typed,
        mistakes=mistakes,
        nonce=nonce or request.form.get("nonce") or staff_entry.new_nonce(),
        as_seen=_as_seen(donation),
    )


def _notice(heading: Phrase, text: Phrase) -> str:
    return render_template("staff/notice.html", heading=heading, text=text, command=None)
