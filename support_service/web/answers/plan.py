"""A regular gift's own page, for whoever has its unguessable reference: when it charges next, and how to change that.

Everything is asked of the processor; what the page says is what the ledger believes, as soon as it is told.
"""

import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for
from flask_babel import format_date
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import CardCurrency, Frequency, Intent, Phrase, Plan
from support_service.ledger import Ledger, LedgerError
from support_service.money import Asset, BadAmount, Money, plain
from support_service.rails.processor import CheckoutDown, CheckoutRefused, Processor
from support_service.web.amounts import SeveralMeanings, read_exact, read_typed, sum_text
from support_service.web.answers.limits import Limit, admit
from support_service.web.answers.lost_plan import can_be_asked
from support_service.web.civil_dates import day_of
from support_service.web.guard import SecretUnusable, is_from_our_page
from support_service.web.headers import PAGE_POLICY
from support_service.web.i18n import chosen_language
from support_service.web.reader import thanks
from support_service.web.service import Service, service

log = logging.getLogger(__name__)

blueprint = Blueprint("plan", __name__)

NONCE_BYTES = 16
LIMIT = Limit("plan", place_max=20, place_long_max=60, net_max=80, net_long_max=300, all_max=400)
_REF = _NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)

TOLD = {
    "stop": Phrase("Your regular gift is stopped: nothing more is charged. Thank you for what you gave."),
    "pause": Phrase("Your regular gift is paused: nothing is charged until you resume it."),
    "resume": Phrase("Your regular gift goes on from its next date."),
    "amount": Phrase("The new sum is charged from the next date on."),
}
NOT_RUNNING = Phrase("This regular gift is not running, so there is nothing to change.")
DOWN = Phrase("The processor does not answer. Open this page again in a minute and see whether it was done.")
REFUSED = Phrase("The processor refuses this. Nothing was changed; write to us and we will do it for you.")
NOT_OFFERED = Phrase("This cannot be done here. Write to us and we will do it for you.")
LOOK_AGAIN = Phrase("Please look at this page once more and press the button again.")
TOO_MANY = Phrase("This was asked for very often just now. Nothing was changed; try again in ten minutes.")

blueprint.after_request(thanks.keep_to_yourself)


@dataclass(frozen=True, slots=True)
class Regular:
    """One regular gift: what was chosen, the plan as the processor tells it (None: not yet), and who charges it.

    ended are the processor's words for plans that charge no more, failing for those whose last payment failed.
    """

    intent: Intent
    plan: Plan | None
    processor: Processor
    ended: frozenset[str]
    failing: frozenset[str]

    @property
    def money(self) -> Money:
        """What is charged each time now."""
        held = self.plan or self.intent
        return Money(held.units, Asset(held.currency, held.exponent))

    @property
    def is_running(self) -> bool:
        """Tell whether it charges, or will once it is resumed."""
        return self.plan is not None and self.plan.state not in self.ended

    @property
    def is_paused(self) -> bool:
        """Tell whether nothing is charged until it is resumed."""
        return bool(self.plan and self.plan.terms and self.plan.terms.is_paused)

    @property
    def is_failing(self) -> bool:
        """Tell whether its last payment failed, which another card would mend."""
        return self.plan is not None and self.plan.state in self.failing


@blueprint.after_request
def let_the_portal_follow(response: Response) -> Response:
    """Let the form for the card lead to the processor's page: Chromium applies form-action to the redirect, too."""
    changing = [held.plans for held in service().processors.values() if held.plans is not None]
    pages = [origin for plans in changing for origin in plans.page_origins]
    policy = PAGE_POLICY | {"form-action": " ".join(("'self'", *pages))}
    response.headers["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in policy.items())
    return response


@blueprint.get("/plan/<ref>")
def show(ref: str) -> Response:
    """Say when it charges next and how much, and offer to stop, pause or change it."""
    return _page(_regular_or_404(ref), told=TOLD.get(request.args.get("told", "")))


@blueprint.post("/plan/<ref>/<action>")
def change(ref: str, action: str) -> BaseResponse:
    """Ask the processor once for each form, and say what came of it."""
    regular = _regular_or_404(ref)
    ask = _ACTIONS.get(action) or abort(404)
    nonce = request.form.get("nonce", "")
    if not is_from_our_page() or not _NONCE.fullmatch(nonce):
        return _page(regular, LOOK_AGAIN, status=403)
    if regular.plan is None or not regular.is_running:
        return _page(regular, NOT_RUNNING, status=409)
    at = service()
    if not admit(at, LIMIT, request.remote_addr or ""):
        return _page(regular, TOO_MANY, status=429)
    answer = ask(at, regular, regular.plan.name, nonce)
    log.info("plan_change_asked", extra={"plan": regular.plan.name, "action": action, "status": answer.status_code})
    return answer


@blueprint.errorhandler(LedgerError)
def tell_ledger_down(error: LedgerError) -> tuple[str, int, dict[str, str]]:
    """Say that we do not know now; nothing was changed."""
    log.error("plan_ledger_down", extra={"error": str(error)})
    return render_template("plan_later.html"), 503, {"Retry-After": "30"}


@blueprint.errorhandler(SecretUnusable)
def tell_secret_unusable(error: SecretUnusable) -> tuple[str, int, dict[str, str]]:
    """Say the same where nobody can be counted."""
    return tell_ledger_down(LedgerError(str(error)))


def _stop(at: Service, regular: Regular, name: str, nonce: str) -> BaseResponse:
    return _done(at, regular, "stop", lambda: regular.processor.cancel_plan(name, nonce))


def _pause(at: Service, regular: Regular, name: str, nonce: str) -> BaseResponse:
    plans = regular.processor.plans
    if plans is None:
        return _page(regular, NOT_OFFERED, status=409)
    return _done(at, regular, "pause", lambda: plans.pause(name, nonce))


def _resume(at: Service, regular: Regular, name: str, nonce: str) -> BaseResponse:
    plans = regular.processor.plans
    if plans is None:
        return _page(regular, NOT_OFFERED, status=409)
    return _done(at, regular, "resume", lambda: plans.resume(name, nonce))


def _amount(at: Service, regular: Regular, name: str, nonce: str) -> BaseResponse:
    plans, currency = regular.processor.plans, _currency(at, regular)
    if plans is None or currency is None:
        return _page(regular, NOT_OFFERED, status=409)
    money = _read_sum(currency)
    if isinstance(money, Phrase):
        return _page(regular, money, status=400)
    return _done(at, regular, "amount", lambda: plans.change_sum(name, money.units, f"{nonce}:{money.units}"))


def _card(at: Service, regular: Regular, name: str, _nonce: str) -> BaseResponse:
    plans = regular.processor.plans
    if plans is None:
        return _page(regular, NOT_OFFERED, status=409)
    back = f"{at.base_url}/plan/{regular.intent.ref}?lang={chosen_language()}"
    goal: list[str] = []
    refused = _asked(at, regular, lambda: goal.append(plans.card_page(name, back)))
    # werkzeug's redirect would write the address into a page, too; a browser needs the header alone.
    return refused or Response(status=303, headers={"Location": goal[0]})


_ACTIONS: dict[str, Callable[[Service, Regular, str, str], BaseResponse]] = {
    "stop": _stop,
    "pause": _pause,
    "resume": _resume,
    "amount": _amount,
    "payment": _card,
}


def _done(at: Service, regular: Regular, action: str, request_it: Callable[[], None]) -> BaseResponse:
    goal = url_for("plan.show", ref=regular.intent.ref, told=action, lang=chosen_language())
    return _asked(at, regular, request_it) or redirect(goal, 303)


def _asked(at: Service, regular: Regular, request_it: Callable[[], None]) -> Response | None:
    """Ask the processor; return the page that says why not, or None."""
    try:
        at.checkouts.ask(regular.processor.key, request_it)
    except CheckoutDown as error:
        log.warning("plan_processor_down", extra={"error": str(error)})
        return _page(regular, DOWN, status=503)
    except CheckoutRefused as error:
        log.warning("plan_processor_refused", extra={"error": str(error)})
        return _page(regular, REFUSED, status=409)
    return None


def _read_sum(currency: CardCurrency) -> Money | Phrase:
    """Read the new sum; a phrase says what is wrong with it."""
    asset, typed, exact = currency.asset, request.form.get("amount", "").strip(), request.form.get("exact", "")
    try:
        money = read_exact(exact, asset) if exact else read_typed(typed, asset)
    except SeveralMeanings:
        return Phrase("This may be read as two amounts. Which one is it?")
    except BadAmount:
        return Phrase("Write the sum as a number, such as 200 or 10.50.")
    is_in_bounds = currency.minimum_units <= money.units <= currency.maximum_units
    if is_in_bounds and money.units % currency.step_units == 0:
        return money
    bounds = (currency.minimum_units, currency.maximum_units)
    least, most = (sum_text(Money(units, asset), chosen_language()) for units in bounds)
    return Phrase("Card gifts can be %(least)s to %(most)s.", (("least", least), ("most", most)))


def _currency(at: Service, regular: Regular) -> CardCurrency | None:
    method = next((one for one in at.assembly.methods if one.key == regular.intent.method), None)
    offered = method.card.currencies if method is not None and method.card is not None else ()
    return next((one for one in offered if one.asset.code == regular.money.asset.code), None)


def _regular_or_404(ref: str) -> Regular:
    at = service()
    if not _REF.fullmatch(ref) or not at.processors:
        abort(404)
    return at.read(lambda ledger: _regular(at, ledger, ref)) or abort(404)


def _regular(at: Service, ledger: Ledger, ref: str) -> Regular | None:
    intent = ledger.intents.find(ref)
    processor = None if intent is None else at.processors.get(intent.method)
    if intent is None or processor is None or intent.frequency is Frequency.ONCE:
        return None
    rail = at.configured.rails[processor.key]
    return Regular(intent, ledger.plans.of(ref), processor, rail.ended_plans, rail.failing_plans)


def _page(regular: Regular, alert: Phrase | None = None, *, told: Phrase | None = None, status: int = 200) -> Response:
    at, plan = service(), regular.plan
    next_at = plan.terms.next_at if plan is not None and plan.terms is not None else None
    next_day = day_of(next_at, at.zone) if next_at is not None else None
    page = render_template(
        "plan.html",
        regular=regular,
        plan=plan,
        alert=alert,
        told=told,
        next_day=next_day,
        next_words=format_date(next_day, "d MMMM y") if next_day is not None else "",
        sums=_other_sums(at, regular),
        can_change=regular.processor.plans is not None,
        can_be_found=can_be_asked(at),
        nonce=secrets.token_hex(NONCE_BYTES),
        typed=request.form.get("amount", "")[:30] if alert else "",
    )
    response = make_response(page, status)
    if status in {429, 503}:
        response.headers["Retry-After"] = "600" if status == 429 else "60"
    return response


def _other_sums(at: Service, regular: Regular) -> list[tuple[Money, str]]:
    """Offer the sums of the settings but the present one."""
    currency = _currency(at, regular)
    if currency is None:
        return []
    units = next((units for frequency, units in currency.presets if frequency is regular.intent.frequency), ())
    offered = [Money(one, currency.asset) for one in units if one != regular.money.units]
    return [(money, plain(money)) for money in offered]
