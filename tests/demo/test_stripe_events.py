"""What the stand-in tells: shaped as Stripe's samples, signed by Stripe's signer, delivered as badly as it happens."""

import copy
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import stripe

from support_service.demo.stripe import KEY, SECRET, Endpoint, StripeFake
from support_service.demo.stripe.errors import StripeRefusal
from tests.fixtures.stripe import Hearer, order, plan_order
from tests.fixtures.stripe_schema import VECTORS, check, document, problems, schema_name

Client = stripe.StripeClient
SAMPLES = sorted(path for path in (VECTORS / "events").glob("*.json") if path.name != "MANIFEST.json")
# Keys that Stripe removed from these objects before the version we speak.
REMOVED = {
    "invoice": {"charge", "paid", "payment_intent", "subscription", "tax"},
    "payment_intent": {"charges", "invoice"},
    "charge": {"invoice"},
    "subscription": {"current_period_end", "current_period_start"},
}


def live_everything(fake: StripeFake, client: Client) -> None:
    """Let everything happen once that can."""
    make = client.v1.checkout.sessions.create
    one = fake.pay(make(order()).id)["payment_intent"]
    part = fake.refund(one, 1000)["id"]
    fake.refund(one, 1500)
    fake.fail_refund(part)
    fake.settle_refund(fake.refund(one, 10, "pending")["id"])
    for is_won in (True, False):
        fake.close_dispute(fake.dispute(fake.pay(make(order()).id)["payment_intent"])["id"], is_won=is_won)
    fake.close_dispute(fake.dispute(fake.pay(make(order()).id)["payment_intent"], is_inquiry=True)["id"], is_won=True)
    for is_ok in (True, False):
        fake.settle(fake.pay(make(order()).id, is_async=True)["id"], is_ok=is_ok)
    fake.decline(make(order()).id)
    fake.expire(make(order()).id)
    plan = fake.pay(make(plan_order()).id)["subscription"]
    fake.renew(plan)
    fake.retry(fake.renew(plan, is_ok=False)["id"])
    client.v1.subscriptions.update(plan, {"cancel_at_period_end": True})
    fake.cancel(plan)
    fake.decline(make(plan_order("year")).id)
    for is_ok in (True, False):
        fake.settle(fake.pay(make(plan_order("year")).id, is_async=True)["id"], is_ok=is_ok)
    fake.payout("eur")


@pytest.fixture(scope="module")
def lived() -> Any:
    """Return a stand-in in which everything has happened; read-only."""
    with StripeFake(check=check) as fake:
        live_everything(fake, Client(KEY, base_addresses={"api": fake.url}))
        yield fake


def keys(of: Any, path: str = "") -> set[str]:
    """Return every key of an object at every depth, with where it stands; what people name is left out."""
    if isinstance(of, list):
        return set().union(*(keys(one, f"{path}[]") for one in of)) if of else set()
    if not isinstance(of, dict) or path.endswith("metadata"):
        return set()
    return {f"{path}.{name}" for name in of}.union(*(keys(value, f"{path}.{name}") for name, value in of.items()))


def fits(event: Any, sample: Any) -> bool:
    """Tell whether an event of ours tells the same kind of thing as an official one."""
    ours, theirs = event["data"]["object"], sample["data"]["object"]
    # The samples show cards alone; a bank debit has other details.
    cards = ours.get("payment_method_details", {}).get("type", "card") == "card"
    told = ("status", "payment_status", "mode", "refunded", "billing_reason", "cancel_at_period_end")
    return cards and event["type"] == sample["type"] and all(ours.get(name) == theirs.get(name) for name in told)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_an_event_has_the_keys_of_the_official_sample(lived: StripeFake, path: Path) -> None:
    sample = json.loads(path.read_text(encoding="utf-8"))
    if sample["type"] == "customer.subscription.deleted":
        sample["data"]["object"]["cancel_at_period_end"] = False  # ours was ended at once
    ours = [event for event in lived.events if fits(event, sample)]
    assert ours, "the stand-in tells nothing like it"
    for event in ours:
        told, wanted = keys(event["data"]["object"]), keys(sample["data"]["object"])
        optional = {name for name in told ^ wanted if is_open(name, event["data"]["object"], sample["data"]["object"])}
        assert told ^ wanted == optional, (told - wanted, wanted - told)
        assert set(event) == set(sample)


def is_open(name: str, ours: Any, theirs: Any) -> bool:
    """Tell whether a key may differ: below something that is null or empty on one of the two sides."""
    parts = name.strip(".").split(".")
    for one in (ours, theirs):
        at = one
        for part in parts[:-1]:
            at = at.get(part.removesuffix("[]")) if isinstance(at, dict) else None
            at = at[0] if isinstance(at, list) and at else at
            if at in (None, [], {}):
                return True
    return False


def test_every_object_told_passes_its_schema(lived: StripeFake) -> None:
    unknown = {"invoice_payment"}  # the SDK's document has no schema for it
    for event in lived.events:
        assert problems(event) == []
        if event["data"]["object"]["object"] not in unknown:
            assert problems(event["data"]["object"]) == [], event["type"]
    for kind, objects in lived.account.objects.items():
        if not kind.startswith("_") and kind not in unknown:
            assert [found for one in objects.values() for found in problems(one)] == [], kind


def test_no_object_carries_a_field_that_stripe_removed(lived: StripeFake) -> None:
    for event in lived.events:
        of = event["data"]["object"]
        assert not REMOVED.get(of["object"], set()) & set(of)


def broken(of: Any, at: str, how: Any) -> Any:
    """Return a copy of an object in which one field is broken."""
    told = copy.deepcopy(of)
    told[at] = how
    return told


@pytest.mark.parametrize(
    "kind", ["checkout.session", "payment_intent", "charge", "refund", "invoice", "subscription", "dispute", "payout"]
)
def test_the_checker_of_answers_sees_what_is_broken(lived: StripeFake, kind: str) -> None:
    of = next(iter(lived.account.objects[kind].values()))
    known = document()["components"]["schemas"][str(schema_name(kind))]["properties"]
    typed = [name for name in of if name != "object" and known.get(name, {}) != {}]
    missed = [name for name in typed if not problems(broken(of, name, {"never": ["seen"]}))]
    # Free-form objects take any text; what is not typed cannot be seen to be wrong.
    assert set(missed) <= {"metadata", "fraud_details", "evidence", "transfer_data"}, missed
    # Stripe leaves the statuses of these two open.
    assert problems(broken(of, "status", "happy")) or kind in {"refund", "payout"}
    assert problems(broken(of, "unheard_of", 1))


def test_the_checker_of_requests_sees_what_is_broken() -> None:
    path = "/v1/checkout/sessions"
    fine: Any = {"mode": "payment", "expires_at": "1", "line_items": [{"quantity": "1", "price": "price_1"}]}
    check("POST", path, fine)
    for name, wrong in (("mode", "x"), ("expires_at", "soon"), ("line_items", "x"), ("locale", "uk"), ("x", "y")):
        with pytest.raises(StripeRefusal):
            check("POST", path, {**fine, name: wrong})
    with pytest.raises(StripeRefusal, match=r"line_items\[0\]\[price_data\]\[currency\]"):
        check("POST", path, {**fine, "line_items": [{"price_data": {"unit_amount": "5"}}]})


def test_signatures_are_stripes_own(stripe_fake: StripeFake, stripe_client: Client, hearer: Hearer) -> None:
    stripe_fake.pay(stripe_client.v1.checkout.sessions.create(order()).id)
    assert stripe_fake.hooks.settle()
    for body, header in hearer.heard:
        assert stripe_client.construct_event(body, header, SECRET).id
        for secret, told in (("whsec_other", body), (SECRET, body + b" ")):
            with pytest.raises(stripe.SignatureVerificationError):
                stripe_client.construct_event(told, header, secret)
    assert {event["pending_webhooks"] for event in stripe_fake.events} == {0}
    assert [event["request"]["id"] for event in stripe_fake.events] == [None] * len(stripe_fake.events)


def test_an_event_that_a_request_caused_names_it(stripe_fake: StripeFake, stripe_client: Client) -> None:
    intent = stripe_fake.pay(stripe_client.v1.checkout.sessions.create(order()).id)["payment_intent"]
    stripe_client.v1.refunds.create({"payment_intent": intent}, {"idempotency_key": "refund-1"})
    told = stripe_fake.events[0]["request"]
    assert told["idempotency_key"] == "refund-1" and told["id"].startswith("req_")


def test_what_was_not_taken_is_delivered_again(stripe_fake: StripeFake, stripe_client: Client, hearer: Hearer) -> None:
    hearer.statuses, stripe_fake.hooks.retry_seconds = [500, 503], 0.01
    stripe_fake.expire(stripe_client.v1.checkout.sessions.create(order()).id)
    assert stripe_fake.hooks.settle()
    assert hearer.types() == ["checkout.session.expired"] * 3
    assert [status for _, status in stripe_fake.hooks.sent] == [500, 503, 200]


def test_what_is_never_taken_is_given_up_and_stays_pending(
    stripe_fake: StripeFake, stripe_client: Client, hearer: Hearer
) -> None:
    hearer.statuses, stripe_fake.hooks.retry_seconds, stripe_fake.hooks.tries_max = [500] * 99, 0.01, 3
    stripe_fake.expire(stripe_client.v1.checkout.sessions.create(order()).id)
    assert stripe_fake.hooks.settle()
    assert len(hearer.heard) == 3
    assert [event.type for event in stripe_client.v1.events.list({"delivery_success": False}).data] == hearer.types()[
        :1
    ]


def test_deliveries_are_doubled_dropped_and_turned_round(
    stripe_fake: StripeFake, stripe_client: Client, hearer: Hearer
) -> None:
    stripe_fake.hooks.times = 2
    stripe_fake.hooks.is_dropped = lambda event: event["type"].startswith("charge")
    stripe_fake.hooks.hold()
    stripe_fake.pay(stripe_client.v1.checkout.sessions.create(order()).id)
    assert not hearer.heard
    stripe_fake.hooks.release(lambda events: events[::-1])
    assert stripe_fake.hooks.settle()
    once = ["checkout.session.completed", "payment_intent.succeeded", "payment_intent.created"]
    assert hearer.types() == [kind for kind in once for _ in range(2)]


def test_events_are_delivered_by_hand_shuffled_and_often(
    stripe_fake: StripeFake, stripe_client: Client, hearer: Hearer
) -> None:
    stripe_fake.hooks.is_on = False
    stripe_fake.pay(stripe_client.v1.checkout.sessions.create(order()).id)
    assert stripe_fake.hooks.settle() and not hearer.heard
    random = Random(7)
    statuses = stripe_fake.deliver(stripe_fake.events, times=3, order=lambda many: random.sample(many, len(many)))
    assert statuses == [200] * 3 * len(stripe_fake.events)
    assert sorted(hearer.types()) == sorted(event["type"] for event in stripe_fake.events for _ in range(3))


def test_nobody_there_is_no_harm(stripe_fake: StripeFake, stripe_client: Client) -> None:
    stripe_fake.hooks.endpoint = Endpoint("http://127.0.0.1:1/webhooks/stripe", SECRET)
    stripe_fake.hooks.tries_max = 1
    stripe_fake.expire(stripe_client.v1.checkout.sessions.create(order()).id)
    assert stripe_fake.hooks.settle() and stripe_fake.hooks.sent[0][1] == 0


def test_many_readers_at_once_lose_and_double_nothing(stripe_fake: StripeFake, hearer: Hearer) -> None:
    def give() -> None:
        client = Client(KEY, base_addresses={"api": stripe_fake.url})
        for _ in range(5):
            stripe_fake.pay(client.v1.checkout.sessions.create(order()).id)

    threads: list[threading.Thread] = [threading.Thread(target=give) for _ in range(8)]
    run: list[Callable[[], None]] = [one.start for one in threads] + [one.join for one in threads]
    for step in run:
        step()
    assert stripe_fake.hooks.settle()
    assert stripe_fake.balance("eur") == 40 * (2500 - 103)
    ids = [event["id"] for event in hearer.events()]
    assert len(ids) == len(set(ids)) == len(stripe_fake.events) == 40 * 5


def test_signatures_carry_the_time_of_the_clock() -> None:
    at = datetime(2020, 1, 2, tzinfo=UTC)
    with StripeFake(clock=lambda: at) as fake:
        header = fake.hooks.signed("{}", SECRET)
    assert header.startswith(f"t={int(at.timestamp())},v1=")
    assert stripe.WebhookSignature.verify_header("{}", header, SECRET, tolerance=None)
