"""`make conformance-stripe KEY=sk_test_...`: is the stand-in like Stripe? Asks both the same and compares.

The tests never reach Stripe; whoever has a test key can. Each step is carried out on your test account and
on a stand-in, and the two answers are compared: which keys an object has, or how a request is refused.
It makes sessions, payments, refunds and a customer in TEST mode of that account. A live key is refused.
"""

import argparse
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import stripe

from support_service.demo.stripe import KEY, StripeFake
from tests.fixtures.stripe import order, plan_order
from tests.fixtures.stripe_schema import check

STRIPE = "https://api.stripe.com"
# Free text of people, and lists that are filled by what else the account did: their insides are not compared.
FREE = {"metadata", "fraud_details", "card", "payment_method_options", "payment_method_configuration_details"}
Json: TypeAlias = Any


@dataclass
class Seat:
    """One of the two accounts, and what earlier steps made in it."""

    client: stripe.StripeClient
    run: str
    made: dict[str, str] = field(default_factory=dict)

    @property
    def v1(self) -> Any:
        """The API."""
        return self.client.v1


Step: TypeAlias = Callable[[Seat], Json]


def once(seat: Seat, name: str) -> Any:
    """Return request options with an idempotency key of this run."""
    return {"idempotency_key": f"conformance-{seat.run}-{name}"}


def makes_a_session(seat: Seat) -> Json:
    """A Checkout as the service opens it."""
    session = seat.v1.checkout.sessions.create(order(locale="en"), once(seat, "session"))
    seat.made["session"] = session.id
    return session.to_dict()


def brings_the_same_session_again(seat: Seat) -> Json:
    """The same idempotency key."""
    session = seat.v1.checkout.sessions.create(order(locale="en"), once(seat, "session"))
    return {"is_same": session.id == seat.made["session"], "replayed": _header(session, "idempotent-replayed")}


def refuses_another_body_under_one_key(seat: Seat) -> Json:
    """The same idempotency key, another body."""
    return seat.v1.checkout.sessions.create(order(locale="de"), once(seat, "session")).to_dict()


def makes_a_monthly_session(seat: Seat) -> Json:
    """A Checkout for a plan."""
    return seat.v1.checkout.sessions.create(plan_order()).to_dict()


def expires_a_session(seat: Seat) -> Json:
    """A session is closed by request."""
    return seat.v1.checkout.sessions.expire(seat.made["session"]).to_dict()


def expires_it_only_once(seat: Seat) -> Json:
    """A closed session is closed again."""
    return seat.v1.checkout.sessions.expire(seat.made["session"]).to_dict()


def refusing(**wrong: Any) -> Step:
    """Return a step that opens a Checkout with a wrong parameter."""

    def refuses(seat: Seat) -> Json:
        return seat.v1.checkout.sessions.create(order(**wrong)).to_dict()

    return refuses


def pricing(**price: Any) -> Step:
    """Return a step that opens a Checkout with another price."""
    told = order()
    told["line_items"][0]["price_data"] |= price

    def prices(seat: Seat) -> Json:
        return seat.v1.checkout.sessions.create(told).to_dict()

    return prices


def pays(seat: Seat) -> Json:
    """A payment with Stripe's test card, without Checkout."""
    methods = {"enabled": True, "allow_redirects": "never"}
    told = {"amount": 2500, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa"}
    intent = seat.v1.payment_intents.create({**told, "automatic_payment_methods": methods}, once(seat, "pay"))
    seat.made["intent"], seat.made["charge"] = intent.id, str(intent.latest_charge)
    return intent.to_dict()


def declines(seat: Seat) -> Json:
    """A test card that is declined."""
    methods = {"enabled": True, "allow_redirects": "never"}
    told = {"amount": 2500, "currency": "eur", "confirm": True, "payment_method": "pm_card_chargeDeclined"}
    return seat.v1.payment_intents.create({**told, "automatic_payment_methods": methods}).to_dict()


def refunds_a_part(seat: Seat) -> Json:
    """A refund of 10.00 of 25.00."""
    return seat.v1.refunds.create({"payment_intent": seat.made["intent"], "amount": 1000}).to_dict()


def refuses_to_refund_too_much(seat: Seat) -> Json:
    """15.01 of the 15.00 that are left."""
    return seat.v1.refunds.create({"payment_intent": seat.made["intent"], "amount": 1501}).to_dict()


def reads_the_charge(seat: Seat) -> Json:
    """The charge with its balance transaction."""
    return seat.v1.charges.retrieve(seat.made["charge"], {"expand": ["balance_transaction"]}).to_dict()


def knows_no_such_session(seat: Seat) -> Json:
    """What is not there."""
    return seat.v1.checkout.sessions.retrieve("cs_test_nobody").to_dict()


def lists_events(seat: Seat) -> Json:
    """An event's envelope."""
    events = seat.v1.events.list({"limit": 1, "types": ["charge.refunded", "refund.created"]})
    return {key: value for key, value in events.data[0].to_dict().items() if key != "data"}


STEPS: dict[str, Step] = {
    "makes a session": makes_a_session,
    "brings the same session again": brings_the_same_session_again,
    "refuses another body under one key": refuses_another_body_under_one_key,
    "makes a monthly session": makes_a_monthly_session,
    "expires a session": expires_a_session,
    "expires it only once": expires_it_only_once,
    "refuses an unknown parameter": refusing(colour="red"),
    "refuses an unknown nested parameter": refusing(payment_intent_data={"colour": "red"}),
    "knows no Ukrainian page": refusing(locale="uk"),
    "refuses an early expiry": refusing(expires_at=1),
    "refuses a plan's data for a one-off": refusing(subscription_data={"metadata": {"a": "b"}}),
    "refuses too little": pricing(unit_amount=1),
    "refuses too much": pricing(unit_amount=100_000_000),
    "refuses half a cent of a three-decimal currency": pricing(currency="kwd", unit_amount=12_345),
    "takes a sum in hryvnias": pricing(currency="uah", unit_amount=10_000),
    "takes a sum in yen": pricing(currency="jpy", unit_amount=1_000),
    "pays": pays,
    "declines": declines,
    "refunds a part": refunds_a_part,
    "refuses to refund too much": refuses_to_refund_too_much,
    "reads the charge": reads_the_charge,
    "knows no such session": knows_no_such_session,
    "lists events": lists_events,
}


def outcome(step: Step, seat: Seat) -> Json:
    """Carry a step out: the shape of what it answers, or how it was refused."""
    try:
        return shape(step(seat))
    except KeyError as missing:
        return {"needs": f"what an earlier step should have made: {missing}"}
    except stripe.StripeError as error:
        return {"refused": type(error).__name__, "status": error.http_status, "param": getattr(error, "param", None)}


def shape(of: Json, name: str = "") -> Json:
    """Return an object's keys at every depth, with plain yes and no; nothing of its texts and numbers."""
    if isinstance(of, dict) and name not in FREE:
        return {key: shape(value, key) for key, value in of.items()}
    if isinstance(of, list):
        return "list"
    return of if isinstance(of, bool) else "value"


def differences(theirs: Json, ours: Json, at: str = "") -> list[str]:
    """Say where two shapes differ. What is null on one side has no shape there, and is passed over."""
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        is_alike = theirs == ours or "value" in (theirs, ours)
        return [] if is_alike else [f"{at or 'answer'}: Stripe {theirs!r}, stand-in {ours!r}"]
    found = [f"{at}.{key}: Stripe alone has it".lstrip(".") for key in sorted(theirs.keys() - ours.keys())]
    found += [f"{at}.{key}: the stand-in alone has it".lstrip(".") for key in sorted(ours.keys() - theirs.keys())]
    for key in sorted(theirs.keys() & ours.keys()):
        found += differences(theirs[key], ours[key], f"{at}.{key}".lstrip("."))
    return found


def compare(key: str, base: str, tell: Callable[[str], None] = print) -> int:
    """Carry out every step on both, tell how each went, and return how many differ."""
    run, different = secrets.token_hex(6), 0
    with StripeFake(check=check) as fake:
        theirs = Seat(stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=2), run)
        ours = Seat(stripe.StripeClient(KEY, base_addresses={"api": fake.url}), run)
        for name, step in STEPS.items():
            found = differences(outcome(step, theirs), outcome(step, ours))
            different += bool(found)
            tell(f"{'DIFFERS' if found else 'alike  '}  {name}")
            for one in found:
                tell(f"           {one}")
    tell(f"{len(STEPS) - different} of {len(STEPS)} steps alike")
    return different


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="conformance-stripe", description=__doc__)
    parser.add_argument(
        "--key", required=True, help="a secret or restricted key of TEST mode: sk_test_... or rk_test_..."
    )
    parser.add_argument("--api-base", default=STRIPE)
    asked = parser.parse_args()
    if not asked.key.startswith(("sk_test_", "rk_test_")):
        print("conformance-stripe: give a key of test mode (KEY=sk_test_...); nothing was asked", file=sys.stderr)
        return 2
    return 1 if compare(asked.key, asked.api_base) else 0


def _header(of: Any, name: str) -> bool:
    return bool({key.lower(): value for key, value in of.last_response.headers.items()}.get(name))


if __name__ == "__main__":
    sys.exit(main())
