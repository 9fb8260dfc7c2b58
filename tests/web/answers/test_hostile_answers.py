"""What strangers type into the pages that answer: every field takes every hostile value and stays calm."""

import itertools
import re
from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from support_service.demo.stripe import StripeFake
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.staff import FrozenClock
from tests.web.test_hostile_requests import VALUES

GOOD = {
    "/gift": {"way": "eth:USDT", "amount": "10"},
    "/arrived": {"way": "eth:ETH", "amount": "1", "day": "2026-05-20", "hour": "16"},
    "/plan/{ref}/amount": {"nonce": "0" * 32, "amount": "300"},
    "/plan/{ref}/stop": {"nonce": "0" * 32},
    "/plan": {"email": "reader@example.org"},
}
FIELDS = (
    "way", "method", "asset", "amount", "exact", "currency", "article", "tx", "day", "hour", "nonce", "email", "title",
    "gift",
)  # fmt: skip
# What each of them looks at; of all others, one request brings the value in all of them at once.
READ = {
    "/gift": ("way", "method", "amount", "exact", "currency", "article", "title", "email"),
    "/arrived": ("tx", "way", "amount", "day", "hour", "gift"),
    "/plan/{ref}/amount": ("amount", "exact", "nonce"),
    "/plan/{ref}/stop": ("nonce",),
    "/plan": ("email",),
}
MARKUP = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardHouse]:
    folder, clock = tmp_path_factory.mktemp("hostile"), FrozenClock()
    with StripeFake(clock=clock) as fake:
        mail = '[mail]\nhost = "127.0.0.1"\nport = 1\nfrom = "support@example.org"\n\n[publisher]'
        built = card_house(folder, f"sqlite:///{folder}/support.db", fake, clock, changes={"[publisher]": mail})
        yield built
        built.ledger.dispose()


@pytest.fixture(scope="module")
def ref(house: CardHouse) -> str:
    """The reference of a monthly gift whose plan runs."""
    session = house.reader().session(frequency="monthly")
    house.fake.pay(session)
    house.deliver_all()
    found = re.search(r"/thanks/([0-9a-f]{32})", house.fake.get("checkout.session", session)["success_url"])
    assert found
    return found[1]


def asked(house: CardHouse, path: str, fields: dict[str, str], number: int) -> TestResponse:
    """Ask from an address of its own, so that no limit answers instead."""
    client = house.reader(f"10.{number // 65_536}.{number // 256 % 256}.{number % 256}").client
    told = {name: value.encode("utf-8", "surrogatepass") for name, value in fields.items()}
    return client.post(f"{path}?lang=en", data=told)


@pytest.mark.parametrize("path", sorted(GOOD))
def test_no_value_in_any_field_breaks_an_answer(house: CardHouse, ref: str, path: str) -> None:
    others = tuple(field for field in FIELDS if field not in READ[path])
    tried = [*((field,) for field in READ[path]), others]
    for number, (fields, value) in enumerate(itertools.product(tried, (*VALUES, MARKUP))):
        answer = asked(house, path.format(ref=ref), GOOD[path] | dict.fromkeys(fields, value), number * 257)
        assert answer.status_code in {200, 303, 400, 403, 409, 413, 429}, (fields, value[:40], answer.status_code)
        assert MARKUP not in answer.text
    assert house.ledger.verify() == []
    assert [held["status"] for held in house.fake.account.all("subscription")] in (["active"], ["canceled"])


def test_hostile_references_and_actions_are_calm(house: CardHouse, ref: str) -> None:
    client = house.reader().client
    for value in VALUES:
        path = value.encode("utf-8", "surrogatepass").hex() if "/" in value or not value.isprintable() else value[:300]
        for room in ("gift", "plan", "thanks", "donations"):
            assert client.get(f"/{room}/{path}").status_code in {400, 404, 405}, value[:40]
        assert client.post(f"/plan/{ref}/{path}").status_code in {400, 404, 405}, value[:40]
