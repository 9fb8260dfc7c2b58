"""The thank-you page: what the ledger believes, nothing else, and never a name."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from support_service.demo.stripe import StripeFake
from support_service.giving import State
from support_service.web.reader.gift_status import GiftStatus, gift_status_of
from tests.fixtures.cards import CardHouse, CardReader, card_house
from tests.fixtures.staff import NOON, FrozenClock

ARTICLE = "https://example.com/uk/a-story"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(tmp_path: Path, database_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, database_url, fake, clock)


def begun(house: CardHouse, **asked: str) -> tuple[CardReader, str, str]:
    """Go to the payment page: the reader, the session and the gift's reference."""
    reader = house.reader()
    fields = {
        **reader.fields(**{"frequency": "once", "article": ARTICLE, **asked}),
        "name": "Олена",
        "message": "Дякую",
    }
    answer = reader.press(fields)
    session = re.search(r"cs_\w+", answer.headers["Location"])
    assert session
    found = re.search(r"/thanks/([0-9a-f]{32})", house.fake.get("checkout.session", session[0])["success_url"])
    assert found
    return reader, session[0], found[1]


def told(reader: CardReader, ref: str) -> str:
    state: str = reader.client.get(f"/donations/{ref}").get_json()["state"]
    return state


def test_a_paid_gift_is_thanked_for(house: CardHouse) -> None:
    reader, session, ref = begun(house)
    house.fake.pay(session)
    assert told(reader, ref) == "processing", "only what the processor signs counts"
    house.deliver_all()
    page = reader.client.get(f"/thanks/{ref}?lang=en").text
    assert "Received. Thank you!" in page
    assert f'href="{ARTICLE}"' in page
    told_json = reader.client.get(f"/donations/{ref}").get_json()
    assert (told_json["state"], told_json["units"], told_json["amount"]) == ("received", "20000", "200")
    assert (told_json["currency"], told_json["frequency"], told_json["is_final"]) == ("UAH", "once", True)


def test_after_a_one_off_gift_monthly_is_offered_once_and_politely(house: CardHouse) -> None:
    reader, session, ref = begun(house)
    assert "every month" not in reader.client.get(f"/thanks/{ref}?lang=en").text
    house.fake.pay(session)
    house.deliver_all()
    page = reader.client.get(f"/thanks/{ref}?lang=en").text
    assert page.count("200\u00a0UAH every month") == 1
    assert 'value="monthly:UAH:200"' in page
    reader, session, ref = begun(house, frequency="monthly")
    house.fake.pay(session)
    house.deliver_all()
    page = reader.client.get(f"/thanks/{ref}?lang=en").text
    assert "Received. Thank you!" in page
    assert "UAH every month" not in page


def test_a_slow_payment_is_processing_until_it_is_there(house: CardHouse) -> None:
    reader, session, ref = begun(house)
    house.fake.pay(session, is_async=True)
    house.deliver_all()
    assert told(reader, ref) == "processing"
    house.fake.settle(session, is_ok=True)
    house.deliver_all()
    assert told(reader, ref) == "received"


def test_a_slow_payment_that_fails_is_told_so(house: CardHouse) -> None:
    reader, session, ref = begun(house)
    house.fake.pay(session, is_async=True)
    house.fake.settle(session, is_ok=False)
    house.deliver_all()
    assert told(reader, ref) in {"failed", "processing", "expired"}
    assert told(reader, ref) != "received"


def test_a_returned_gift_is_told_so(house: CardHouse) -> None:
    reader, session, ref = begun(house)
    house.fake.pay(session)
    payment = house.fake.get("checkout.session", session)["payment_intent"]
    house.fake.refund(payment, 5000)
    house.deliver_all()
    assert told(reader, ref) == "partially_refunded"
    house.fake.refund(payment, 15000)
    house.deliver_all()
    assert told(reader, ref) == "refunded"
    assert "Your gift was returned" in reader.client.get(f"/thanks/{ref}?lang=en").text


def test_a_page_nobody_paid_on_is_over_in_the_end(house: CardHouse) -> None:
    reader, _, ref = begun(house)
    house.clock.advance(hours=2)
    assert told(reader, ref) == "expired"
    assert "We have heard of no payment" in reader.client.get(f"/thanks/{ref}?lang=en").text


def test_nobody_is_named(house: CardHouse) -> None:
    reader, session, ref = begun(house)
    house.fake.pay(session)
    house.deliver_all()
    for path in (f"/thanks/{ref}", f"/donations/{ref}"):
        text = reader.client.get(path, headers={"Accept": "text/html"}).text + reader.client.get(path).text
        for secret in ("Олена", "Дякую<", "reader@example.org", "Demo Reader", session, "pi_"):
            assert secret not in text


@pytest.mark.parametrize("ref", ["0" * 32, "x", "0" * 31, "..%2f..", "A" * 32, "0" * 33, "0" * 31 + "ї"])
def test_a_reference_nobody_has_is_a_calm_404(house: CardHouse, ref: str) -> None:
    client = house.reader().client
    for path in (f"/thanks/{ref}", f"/donations/{ref}"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.headers["Cache-Control"] == "no-store"


def test_no_cache_and_no_search_engine_keeps_it(house: CardHouse) -> None:
    reader, _, ref = begun(house)
    for path in (f"/thanks/{ref}", f"/donations/{ref}"):
        headers = reader.client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert "noindex" in headers["X-Robots-Tag"]
        assert headers["Referrer-Policy"] == "same-origin"


def test_the_fragment_and_the_json_go_by_what_is_accepted(house: CardHouse) -> None:
    reader, _, ref = begun(house)
    path = f"/donations/{ref}"
    assert reader.client.get(path).mimetype == "application/json"
    assert reader.client.get(path, headers={"Accept": "application/json"}).mimetype == "application/json"
    fragment = reader.client.get(path, headers={"Accept": "text/html"})
    assert fragment.mimetype == "text/html"
    assert "<html" not in fragment.text
    assert 'data-state="processing"' in fragment.text


def test_links_to_share_by_are_plain_and_carry_no_tracker(house: CardHouse) -> None:
    reader, _, ref = begun(house)
    page = reader.client.get(f"/thanks/{ref}?lang=en").text
    links = re.findall(r'href="((?:mailto:\?|https://(?:t\.me|x\.com|www\.facebook))[^"]+)"', page)
    assert len(links) == 4
    for link in links:
        assert "example.com" in link
        assert not re.search(r"utm_|fbclid|ref=|via=", link)
        assert ref not in link
    assert re.findall(r'<(?:script|img|iframe|link)[^>]+(?:src|href)="(?!/static/)', page) == []


@pytest.mark.parametrize(
    ("states", "hours", "gift_status"),
    [
        ((), 1, GiftStatus.PROCESSING),
        ((), -1, GiftStatus.EXPIRED),
        ((State.SEEN,), -1, GiftStatus.PROCESSING),
        ((State.CONFIRMED,), 1, GiftStatus.RECEIVED),
        ((State.REFUNDED, State.CONFIRMED), 1, GiftStatus.RECEIVED),
        ((State.PARTIALLY_REFUNDED,), 1, GiftStatus.PARTIALLY_REFUNDED),
        ((State.REFUNDED,), 1, GiftStatus.REFUNDED),
        ((State.DISPUTED,), 1, GiftStatus.DISPUTED),
        ((State.QUARANTINED,), 1, GiftStatus.CHECKING),
        ((State.REPLACED,), 1, GiftStatus.FAILED),
        ((State.ORPHANED,), -1, GiftStatus.FAILED),
    ],
)
def test_the_states_of_the_ledger_alone_make_the_gift_status(
    states: tuple[State, ...], hours: int, gift_status: GiftStatus
) -> None:
    assert gift_status_of(states, NOON + timedelta(hours=hours), NOON) is gift_status


def test_every_state_has_a_gift_status() -> None:
    for state in State:
        gift_status_of([state], None, NOON)
