"""Has my transfer arrived: answered by transaction or by sum and time, never with a name, and never for ever."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support_service.giving import Direction, Identity, Kind, Observation, PaymentClaim, Personal, Report, State
from support_service.ledger import Ledger
from support_service.web.answers.arrived import LIMIT
from tests.fixtures.held import locked
from tests.fixtures.reports import Chain, transfer
from tests.fixtures.staff import NOON, House, build_house

TX = "0x" + "ab" * 32
PAYER = "0x1111111111111111111111111111111111111111"
# NOON is 16:30 in Kyiv.
DAY, HOUR = "2026-05-20", "16"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    built = build_house(tmp_path, database_url)
    yield built
    built.ledger.dispose()


def ask(house: House, *, lang: str = "en", address: str = "127.0.0.1", status: int = 200, **said: str) -> str:
    answer = house.visitor(address).client.post(f"/arrived?lang={lang}", data=said)
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text


def came(ledger: Ledger, *seen: Observation) -> None:
    Chain(ledger).says(*seen)


def ether(tx: str = TX, **fields: Any) -> Observation:
    told: dict[str, Any] = {"occurred_at": NOON, "personal": Personal(payer=PAYER, message="Олена")}
    return transfer(tx, **(told | fields))


def banked(ledger: Ledger, *, days: int = 0, locator: str = "1", units: int = 200_00) -> None:
    identity = Identity("", "UAH", "UA043052990000026007015028783", Direction.IN, locator)
    claim = PaymentClaim(
        State.CONFIRMED, Kind.DONATION, "bank", "iban", units, 2, NOON.replace(hour=12) + timedelta(days=days),
        personal=Personal(payer="Олена Коваль", salt="00"),
    )  # fmt: skip
    ledger.accept(Report("bank:UA04", locator, (Observation(identity, claim),)))


@pytest.mark.parametrize(
    "tx", [TX, TX[2:], TX.upper().replace("0X", "0x"), f" {TX}\n", f"https://etherscan.io/tx/{TX}"]
)
def test_a_transaction_is_found_however_it_is_pasted(house: House, tx: str) -> None:
    came(house.ledger, ether(block="A"))
    text = ask(house, tx=tx)
    assert "We see it" in text
    assert "1\u00a0ETH" in text
    assert "2 of 64 blocks" in text
    assert "min more" in text


def test_nobody_is_named(house: House) -> None:
    came(house.ledger, ether(state=State.CONFIRMED))
    banked(house.ledger)
    for text in (
        ask(house, tx=TX),
        ask(house, way="eth:ETH", amount="1", day=DAY, hour=HOUR),
        ask(house, way="iban:UAH", amount="200", day=DAY),
    ):
        assert "received" in text
        for secret in ("Олена", PAYER, "Коваль"):
            assert secret not in text


def test_sum_and_hour_find_a_transfer_and_another_hour_does_not(house: House) -> None:
    came(house.ledger, ether(units=12 * 10**17))
    assert "We see it" in ask(house, way="eth:ETH", amount="1,2", day=DAY, hour="16:30")
    assert "We see it" in ask(house, way="eth:ETH", amount="1.2", day=DAY, hour="15")
    for day, hour in ((DAY, "19"), (DAY, "11"), ("2026-05-19", HOUR)):
        assert "We do not see it yet" in ask(house, way="eth:ETH", amount="1.2", day=day, hour=hour)
    assert "We do not see it yet" in ask(house, way="eth:ETH", amount="1.3", day=DAY, hour=HOUR)
    assert "We do not see it yet" in ask(house, way="eth:USDC", amount="1.2", day=DAY, hour=HOUR)


def test_a_bank_transfer_is_found_by_sum_and_the_day_it_left(house: House) -> None:
    banked(house.ledger, days=4)
    assert "We see it" in ask(house, way="iban:UAH", amount="200", day=DAY)
    assert "three working days" in ask(house, way="iban:UAH", amount="200", day="2026-05-18")
    assert "three working days" in ask(house, way="iban:UAH", amount="201", day=DAY)


def test_several_of_one_sum_say_what_to_do(house: House) -> None:
    came(house.ledger, ether(TX), ether("0x" + "cd" * 32))
    text = ask(house, way="eth:ETH", amount="1", day=DAY, hour=HOUR)
    assert "Several transfers of this sum came then" in text
    assert "paste the number of the transaction" in text


def test_one_transaction_may_bring_several(house: House) -> None:
    tokens = (ether(TX, asset="USDT", exponent=6, locator=f"{TX}:log:{n}", units=n * 10**6) for n in (1, 2))
    came(house.ledger, *tokens)
    text = ask(house, tx=TX)
    assert "We see it" in text
    assert "1\u00a0USDT" in text
    assert "2\u00a0USDT" in text


def test_what_left_us_and_what_is_no_gift_is_not_told(house: House) -> None:
    came(
        house.ledger,
        ether(direction=Direction.OUT, kind=Kind.OUTFLOW),
        ether(TX, kind=Kind.INTERNAL, locator=f"{TX}:log:9"),
    )
    assert "We do not see it yet" in ask(house, tx=TX)


def test_a_transfer_that_was_taken_back_is_told_so(house: House) -> None:
    came(house.ledger, ether(state=State.ORPHANED))
    assert "no longer on its network" in ask(house, tx=TX)


def test_the_form_is_the_same_for_all_and_writes_nothing(house: House) -> None:
    client = house.visitor().client
    first, second = (client.get("/arrived?lang=en&way=eth:USDT&tx=x", headers={"Cookie": f"a={n}"}) for n in (1, 2))
    assert first.data == second.data
    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert 'value="eth:USDT" selected' in first.text
    with locked(str(house.ledger._url)):
        assert client.get("/arrived?lang=uk").status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"tx": "0x12"},
        {"tx": "ї" * 64},
        {"tx": f"{TX} {'cd' * 32}"},
        {"way": "nobody:X", "amount": "1"},
        {"way": "eth:ETH", "amount": "much", "day": DAY, "hour": HOUR},
        {"way": "eth:ETH", "amount": "1,000", "day": DAY, "hour": HOUR},
        {"way": "eth:ETH", "amount": "1", "day": "yesterday", "hour": HOUR},
        {"way": "eth:ETH", "amount": "1", "day": "0001-01-01", "hour": HOUR},
        {"way": "eth:ETH", "amount": "1", "day": "9999-12-31", "hour": HOUR},
        {"way": "eth:ETH", "amount": "1", "day": DAY, "hour": "24"},
        {"way": "eth:ETH", "amount": "1", "day": DAY},
        {"way": "iban:UAH", "amount": "1", "day": ""},
    ],
    ids=str,
)
def test_what_cannot_be_looked_for_is_said_and_kept(house: House, said: dict[str, str]) -> None:
    text = ask(house, status=400, **said)
    assert 'role="alert"' in text


@pytest.mark.parametrize("amount", ["9" * 30, "0", "0." + "0" * 17 + "1"])
def test_odd_sums_are_looked_for_calmly(house: House, amount: str) -> None:
    assert "We do not see it yet" in ask(house, way="eth:ETH", amount=amount, day=DAY, hour=HOUR)


def test_one_place_asks_so_often_and_others_go_on(house: House) -> None:
    for _ in range(LIMIT.place_max):
        ask(house, tx=TX)
    assert "Ask again in ten minutes" in ask(house, status=429, tx=TX)
    ask(house, tx=TX, address="203.0.113.9")
    house.clock.advance(minutes=11)
    ask(house, tx=TX)


def test_a_held_database_is_told_soon_and_what_was_typed_is_kept(house: House, database_url: str) -> None:
    with locked(database_url):
        text = ask(house, status=503, tx=TX)
    assert "We cannot reach our records" in text
    assert f'value="{TX}"' in text
