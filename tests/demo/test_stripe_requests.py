"""The stand-in is strict: what it refuses, what it does only once, and the troubles it can be told to have."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import stripe

from support_service.demo.stripe import KEY, CardTrouble, StripeFake
from support_service.demo.stripe.amounts import fee_of
from support_service.demo.stripe.errors import StripeRefusal
from support_service.demo.stripe.form import decoded
from tests.fixtures.service import until
from tests.fixtures.stripe import order, plan_order

Client = stripe.StripeClient
Options = Any


def with_item(**price: Any) -> Any:
    """Return an order whose one price differs so."""
    told = order()
    told["line_items"][0]["price_data"] |= price
    return told


def without(name: str) -> Any:
    """Return an order that lacks a parameter."""
    return {key: value for key, value in order().items() if key != name}


REFUSED: list[tuple[Any, str | None]] = [
    ({**order(), "colour": "red"}, "colour"),
    (order(payment_intent_data={"metadata": {"a": "b"}, "colour": "red"}), "payment_intent_data[colour]"),
    (with_item(colour="red"), "line_items[0][price_data][colour]"),
    (order(payment_method_types=["card"]), "payment_method_types"),
    (order(mode="gift"), "mode"),
    (order(submit_type="give"), "submit_type"),
    (order(locale="uk"), "locale"),
    (with_item(unit_amount="12.50"), "line_items[0][price_data][unit_amount]"),
    (without("line_items"), "line_items"),
    (without("mode"), "mode"),
    (without("success_url"), "success_url"),
    (order(success_url="/thanks"), "success_url"),
    (order(subscription_data={"metadata": {"a": "b"}}), "subscription_data"),
    ({**plan_order(), "payment_intent_data": {"metadata": {"a": "b"}}}, "payment_intent_data"),
    (with_item(recurring={"interval": "month"}), "mode"),
    (order(mode="subscription", payment_intent_data=None), "line_items"),
    (order(metadata={"k" * 41: "v"}), "metadata[" + "k" * 41 + "]"),
    (order(metadata={"k": "v" * 501}), "metadata[k]"),
    (order(metadata={f"k{n}": "v" for n in range(51)}), "metadata"),
    (order(client_reference_id="x" * 201), "client_reference_id"),
    (order(expires_at=1), None),
    (order(customer="cus_nobody"), "customer"),
]


@pytest.mark.parametrize(("params", "param"), REFUSED, ids=[str(param) for _, param in REFUSED])
def test_a_wrong_parameter_is_refused_by_name(
    stripe_fake: StripeFake, stripe_client: Client, params: Any, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stripe_client.v1.checkout.sessions.create(params)
    assert (caught.value.http_status, caught.value.param) == (400, param)
    assert not stripe_fake.events and not stripe_fake.account.all("checkout.session")


@pytest.mark.parametrize(
    ("currency", "units", "is_fine"),
    [
        ("eur", 49, False),
        ("eur", 50, True),
        ("uah", 1999, False),
        ("uah", 2000, True),
        ("eur", 99_999_999, True),
        ("eur", 100_000_000, False),
        ("jpy", 50, True),
        ("jpy", 49, False),
        ("bhd", 1230, True),
        ("bhd", 1234, False),
        ("ugx", 500_000, True),
        ("ugx", 500_050, False),
    ],
)
def test_amounts_follow_the_rules_of_their_currency(
    stripe_client: Client, currency: str, units: int, is_fine: bool
) -> None:
    params = with_item(currency=currency, unit_amount=units)
    if is_fine:
        assert stripe_client.v1.checkout.sessions.create(params).amount_total == units
    else:
        with pytest.raises(stripe.InvalidRequestError):
            stripe_client.v1.checkout.sessions.create(params)


def test_fees_are_a_share_and_a_fixed_sum() -> None:
    assert fee_of(2500, "eur", permille=29, fixed_units=30) == 103  # 72.5 is rounded up
    assert fee_of(2500, "jpy", permille=29, fixed_units=30) == 73
    assert fee_of(2500, "bhd", permille=29, fixed_units=30) == 373
    assert fee_of(10, "eur", permille=29, fixed_units=30) == 10


def test_who_has_no_key_or_a_wrong_version_gets_nothing(stripe_fake: StripeFake) -> None:
    stranger = Client("sk_test_stranger", base_addresses={"api": stripe_fake.url})
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.events.list()
    old = Client(KEY, base_addresses={"api": stripe_fake.url}, stripe_version="2019-08-14")
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        old.v1.events.list()


def test_what_is_not_there_is_404(stripe_client: Client) -> None:
    asks: list[Callable[[], Any]] = [
        lambda: stripe_client.v1.checkout.sessions.retrieve("cs_test_x"),
        lambda: stripe_client.v1.payment_intents.retrieve("pi_x"),
        lambda: stripe_client.v1.subscriptions.cancel("sub_x"),
        lambda: stripe_client.v1.events.retrieve("evt_x"),
        lambda: stripe_client.raw_request("get", "/v1/unheard_of"),
    ]
    for ask in asks:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            ask()
        assert caught.value.http_status == 404


def keyed(key: str) -> Options:
    """Return request options with an idempotency key."""
    return {"idempotency_key": key}


def headers_of(told: Any) -> Any:
    """Return the headers that an object came with."""
    return told.last_response.headers


def test_one_key_makes_one_session(stripe_fake: StripeFake, stripe_client: Client) -> None:
    first = stripe_client.v1.checkout.sessions.create(order(), keyed("i1-1"))
    again = stripe_client.v1.checkout.sessions.create(order(), keyed("i1-1"))
    other = stripe_client.v1.checkout.sessions.create(order(), keyed("i1-2"))
    assert first.id == again.id != other.id
    assert headers_of(again)["Idempotent-Replayed"] == "true" and headers_of(again)["Idempotency-Key"] == "i1-1"
    assert "Idempotent-Replayed" not in headers_of(first)
    assert len(stripe_fake.account.all("checkout.session")) == 2


def test_one_key_with_another_body_or_address_is_refused(stripe_client: Client) -> None:
    stripe_client.v1.checkout.sessions.create(order(), keyed("k"))
    with pytest.raises(stripe.IdempotencyError):
        stripe_client.v1.checkout.sessions.create(with_item(unit_amount=2600), keyed("k"))
    with pytest.raises(stripe.IdempotencyError):
        stripe_client.v1.customers.create({}, keyed("k"))


def test_two_requests_at_once_under_one_key_make_one_session(stripe_fake: StripeFake, stripe_client: Client) -> None:
    stripe_fake.faults.order(CardTrouble.SLOW, seconds=60)
    slow = threading.Thread(target=lambda: stripe_client.v1.checkout.sessions.create(order(), keyed("k")))
    slow.start()
    until(lambda: bool(stripe_fake.account.all("checkout.session")))
    with pytest.raises(stripe.APIError, match="in-progress") as caught:
        stripe_client.v1.checkout.sessions.create(order(), keyed("k"))
    assert caught.value.http_status == 409
    stripe_fake.faults.end()
    slow.join()
    stripe_client.v1.checkout.sessions.create(order(), keyed("k"))
    assert len(stripe_fake.account.all("checkout.session")) == 1


def test_twenty_at_once_under_one_key_make_one_refund(stripe_fake: StripeFake, stripe_client: Client) -> None:
    session = stripe_client.v1.checkout.sessions.create(order())
    intent = stripe_fake.pay(session.id)["payment_intent"]
    client = Client(KEY, base_addresses={"api": stripe_fake.url}, max_network_retries=8)

    def refund() -> None:
        client.v1.refunds.create({"payment_intent": intent, "amount": 100}, keyed("r"))

    threads = [threading.Thread(target=refund) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one["amount"] for one in stripe_fake.account.all("refund")] == [100]


def test_a_refusal_that_was_carried_out_is_kept_a_misunderstanding_is_not(
    stripe_fake: StripeFake, stripe_client: Client
) -> None:
    too_small = with_item(unit_amount=1)
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            stripe_client.v1.checkout.sessions.create(too_small, keyed("small"))
    replayed: Any = caught.value.headers
    assert replayed["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.checkout.sessions.create(order(colour="red"), keyed("red"))
    assert stripe_client.v1.checkout.sessions.create(order(), keyed("red")).id


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (CardTrouble.BUSY, stripe.RateLimitError),
        (CardTrouble.LOCKED, stripe.StripeError),
        (CardTrouble.BROKEN, stripe.APIError),
        (CardTrouble.CUT, stripe.APIConnectionError),
        (CardTrouble.LOST, stripe.APIConnectionError),
    ],
)
def test_a_passing_trouble_ends_with_one_session_under_the_same_key(
    stripe_fake: StripeFake, stripe_client: Client, trouble: CardTrouble, kind: type[Exception]
) -> None:
    stripe_fake.faults.order(trouble)
    with pytest.raises(kind):
        stripe_client.v1.checkout.sessions.create(order(), keyed("k"))
    made = stripe_client.v1.checkout.sessions.create(order(), keyed("k"))
    assert [one["id"] for one in stripe_fake.account.all("checkout.session")] == [made.id]


@pytest.mark.parametrize(("trouble", "status"), [(CardTrouble.BROKEN_FOR_GOOD, 500), (CardTrouble.REFUSED, 400)])
def test_a_lasting_trouble_lasts_for_its_key_alone(
    stripe_fake: StripeFake, stripe_client: Client, trouble: CardTrouble, status: int
) -> None:
    stripe_fake.faults.order(trouble)
    for _ in range(3):
        with pytest.raises(stripe.StripeError) as caught:
            stripe_client.v1.checkout.sessions.create(order(), keyed("1"))
        assert caught.value.http_status == status
    assert stripe_client.v1.checkout.sessions.create(order(), keyed("2")).id


def test_the_sdk_goes_on_after_troubles_by_itself(stripe_fake: StripeFake) -> None:
    client = Client(KEY, base_addresses={"api": stripe_fake.url}, max_network_retries=2)
    stripe_fake.faults.order(CardTrouble.LOST)
    made = client.v1.checkout.sessions.create(order())
    assert [one["id"] for one in stripe_fake.account.all("checkout.session")] == [made.id]
    assert len(stripe_fake.api.asked) == 2


def test_a_slow_answer_outlasts_a_short_patience(stripe_fake: StripeFake) -> None:
    hasty = stripe.RequestsClient(timeout=0.2)
    client = Client(KEY, base_addresses={"api": stripe_fake.url}, http_client=hasty)
    stripe_fake.faults.order(CardTrouble.SLOW, path="/v1/checkout", method="POST")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.checkout.sessions.create(order(), keyed("k"))
    assert len(stripe_fake.account.all("checkout.session")) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a=1&b[c]=2", {"a": "1", "b": {"c": "2"}}),
        ("a[0][b]=x&a[1][b]=y", {"a": [{"b": "x"}, {"b": "y"}]}),
        ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
        ("metadata[0]=x", {"metadata": {"0": "x"}}),
        ("a%5Bb%5D=%D0%94", {"a": {"b": "Д"}}),
        ("", {}),
    ],
)
def test_brackets_are_decoded(text: str, told: Any) -> None:
    assert decoded(text) == told


@pytest.mark.parametrize(
    "text", ["a", "a=1&a=2", "a[b=1", "a[1]=x", "a=1&a[b]=2", "a" + "[b]" * 9 + "=1", "&".join(["a[]=1"] * 501)]
)
def test_brackets_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(StripeRefusal):
        decoded(text)


def test_garbage_is_answered_in_stripes_words(stripe_fake: StripeFake) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    for body in (b"\xff\xfe", b"a[b=1", urlencode({"mode": "payment"}).encode()):
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(f"{stripe_fake.url}/v1/checkout/sessions", body, headers), timeout=10)
        assert caught.value.code == 400 and b'"invalid_request_error"' in caught.value.read()
        caught.value.close()
