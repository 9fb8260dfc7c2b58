"""The stand-in for plata by mono: strict about what is asked, honest about what happened."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from support_service.demo.mono import TOKEN, CardTrouble, MonoFake
from support_service.rails.mono.client import MonoClient, NotThere, TooOften
from support_service.rails.processor import CheckoutDown, CheckoutRefused, CheckoutSilent
from tests.conformance.mono_merchant import STEPS, compare
from tests.fixtures.mono_schema import held_to_the_description
from tests.fixtures.staff import FrozenClock

HOOK = "http://127.0.0.1:1/webhooks/mono"
ORDER: dict[str, Any] = {"amount": 100_00, "ccy": 980, "webHookUrl": HOOK}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def fake(clock: FrozenClock) -> Iterator[MonoFake]:
    with held_to_the_description(MonoFake(clock=clock)) as made:
        yield made


@pytest.fixture
def client(fake: MonoFake) -> MonoClient:
    return MonoClient(TOKEN, fake.url)


def opened(client: MonoClient, **more: Any) -> str:
    return str(client.post("/api/merchant/invoice/create", ORDER | more)["invoiceId"])


def status(client: MonoClient, invoice: str) -> str:
    return str(client.get("/api/merchant/invoice/status", {"invoiceId": invoice})["status"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"}, {"amount": 0}, {"amount": 1.5}, {"amount": "100"}, {"amount": True}, {"ccy": 643},
        {"validity": 10}, {"paymentType": "hold"}, {"webHookUrl": "here"}, {"merchantPaymInfo": {"reference": 7}},
        {"merchantPaymInfo": {"secret": "x"}},
    ],
)  # fmt: skip
def test_an_order_with_anything_wrong_is_refused_and_opens_nothing(
    fake: MonoFake, client: MonoClient, wrong: dict[str, Any]
) -> None:
    with pytest.raises(CheckoutRefused, match="BAD_REQUEST"):
        opened(client, **wrong)
    assert fake.merchant.invoices == {}


def test_another_token_is_told_nothing(fake: MonoFake) -> None:
    with pytest.raises(CheckoutDown, match="FORBIDDEN"):
        MonoClient("another-token-of-somebody", fake.url).get("/api/merchant/pubkey")


def test_what_is_not_there_is_a_404_and_what_is_asked_too_often_a_429(fake: MonoFake, client: MonoClient) -> None:
    with pytest.raises(NotThere):
        status(client, "nobody")
    fake.faults.order(CardTrouble.BUSY, path="/api/")
    with pytest.raises(TooOften):
        opened(client)
    fake.faults.order(CardTrouble.LOST, path="/api/")
    with pytest.raises(CheckoutSilent):
        opened(client)
    assert len(fake.merchant.invoices) == 1, "all was done, and the answer is lost"


def test_an_invoice_lives_and_each_of_its_states_is_told_but_the_expired_one(
    fake: MonoFake, client: MonoClient, clock: FrozenClock
) -> None:
    paid, declined, left = opened(client), opened(client), opened(client, validity=3600)
    fake.pay(paid)
    fake.decline(declined)
    clock.advance(hours=2)
    assert [status(client, one) for one in (paid, declined, left)] == ["success", "failure", "expired"]
    told = {(one.told["invoiceId"], one.told["status"]) for one in fake.messages}
    assert told == {(paid, "processing"), (paid, "success"), (declined, "processing"), (declined, "failure")}


def test_a_key_gives_back_once_and_never_more_than_is_left(fake: MonoFake, client: MonoClient) -> None:
    invoice = fake.pay(opened(client))
    for _ in range(2):
        client.post("/api/merchant/invoice/cancel", {"invoiceId": invoice, "extRef": "one", "amount": 30_00})
    with pytest.raises(CheckoutRefused):
        client.post("/api/merchant/invoice/cancel", {"invoiceId": invoice, "extRef": "two", "amount": 70_01})
    assert status(client, invoice) == "success"
    client.post("/api/merchant/invoice/cancel", {"invoiceId": invoice, "extRef": "three", "amount": 70_00})
    assert status(client, invoice) == "reversed"
    cancels = fake.merchant.invoices[invoice].told["cancelList"]
    assert [one["amount"] for one in cancels] == [30_00, 70_00]


def test_a_statement_spans_a_month_and_tells_what_is_paid_out(fake: MonoFake, client: MonoClient) -> None:
    fake.pay(opened(client))
    opened(client)
    now = int(fake.merchant._clock().timestamp())
    rows: Any = client.get("/api/merchant/statement", {"from": str(now - 100), "to": str(now + 100)})["list"]
    (row,) = rows
    assert (row["amount"], row["profitAmount"]) == (100_00, 98_70)
    with pytest.raises(CheckoutRefused):
        client.get("/api/merchant/statement", {"from": str(now - 32 * 86_400), "to": str(now)})


def test_a_message_that_is_refused_is_sent_three_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support_service.demo.mono.hooks.RETRY_SECONDS", (0.0, 0.0))
    with MonoFake(is_sending=True) as fake:
        invoice = opened(MonoClient(TOKEN, fake.url), webHookUrl=f"{fake.url}/nowhere")
        fake.pay(invoice)
        assert fake.hooks.settle()
        assert [code for _, code in fake.hooks.sent] == [404] * 6


def test_its_page_speaks_ukrainian_and_pays_once(fake: MonoFake, client: MonoClient) -> None:
    invoice = opened(client, redirectUrl="http://127.0.0.1:1/thanks")
    page = f"{fake.url}/pay/{invoice}"
    with requests.Session() as reader:
        reader.trust_env = False
        assert "Оплатити" in reader.get(page, timeout=10).text
        first = reader.post(page, data={"do": "pay"}, timeout=10, allow_redirects=False)
        second = reader.post(page, data={"do": "pay"}, timeout=10, allow_redirects=False)
    assert (first.status_code, first.headers["Location"]) == (303, "http://127.0.0.1:1/thanks")
    assert second.status_code == 200 and "Оплачено" in second.text
    assert len(fake.merchant.statement(*_all_time())) == 1


def test_a_stand_in_is_like_itself() -> None:
    said: list[str] = []
    with MonoFake(seed="other") as other:
        assert compare(TOKEN, other.url, said.append) == 0
    assert said[-1] == f"{len(STEPS)} of {len(STEPS)} steps alike"


def _all_time() -> Any:
    from datetime import UTC, datetime

    return datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
