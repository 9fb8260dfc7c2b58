"""Card testing: a flood opens few payment pages, a reader among it still gives, and nothing else closes."""

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from support_service.demo.stripe import StripeFake
from support_service.giving import Decline
from support_service.ledger.rate_limits import DECLINES_OF_NET_MAX, DECLINES_OF_PAYMENT_MAX, RateLimit
from support_service.web.card.guard import LIMITS, Mode, look
from support_service.web.networks import networks_of
from tests.fixtures.cards import CardHouse, CardReader, card_house, confirm_fields
from tests.fixtures.staff import FrozenClock

# All of it where somebody wants to see it: CARD_ATTEMPTS=10000.
ATTEMPTS = int(os.environ.get("CARD_ATTEMPTS", "300"))
CALM = "198.51.100.9"
ADDRESSES = [f"127.0.{net}.{host}" for net in range(25) for host in (1, 2)]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, sqlite_url, fake, clock)


@pytest.fixture
def either(tmp_path: Path, database_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    """The house on each database, for what counts; floods ask nothing else of it, a hundred times."""
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, database_url, fake, clock)


def flood(house: CardHouse, attempts: int) -> list[int]:
    """Press the button again and again from all addresses in turn, within one window."""
    answers = []
    step = min(LIMITS.window.total_seconds() / 2 / attempts, 0.5)
    for number in range(attempts):
        attacker = house.reader(ADDRESSES[number % len(ADDRESSES)])
        fields = attacker.fields(amount=str(50 + number % 50), frequency="once")
        house.clock.advance(seconds=step)
        # Tokens gathered before: the time to read has passed for all of them.
        answers.append((attacker, fields))
    house.clock.advance(seconds=LIMITS.dwell.total_seconds())
    return [attacker.press(fields, seconds=0).status_code for attacker, fields in answers]


@dataclass(frozen=True)
class Flood:
    """What a flood left: the books, its last moment, its answers, and the form of a reader who looked before it."""

    books: bytes
    secret: Path
    now: datetime
    sessions: int
    statuses: list[int]
    calm_fields: dict[str, str]


@pytest.fixture(scope="module")
def flood_once(tmp_path_factory: pytest.TempPathFactory) -> Flood:
    """One flood for all tests that begin after one."""
    folder, clock = tmp_path_factory.mktemp("flood"), FrozenClock()
    with StripeFake(clock=clock) as fake:
        house = card_house(folder, f"sqlite:///{folder}/ledger.db", fake, clock)
        fields = house.reader(CALM).fields()
        statuses = flood(house, ATTEMPTS)
        with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as books:
            books.execute("VACUUM INTO ?", [str(folder / "copy.db")])
        secret = house.app.extensions["support"].assembly.settings.web.secret_file
        return Flood((folder / "copy.db").read_bytes(), secret, clock.now, house.sessions, statuses, fields)


@pytest.fixture
def flooded(tmp_path: Path, flood_once: Flood) -> Iterator[CardHouse]:
    """A house at the end of that flood."""
    (tmp_path / "ledger.db").write_bytes(flood_once.books)
    shutil.copy(flood_once.secret, tmp_path)
    clock = FrozenClock(flood_once.now)
    with StripeFake(clock=clock, seed="after the flood") as fake:
        yield card_house(tmp_path, f"sqlite:///{tmp_path}/ledger.db", fake, clock)


def solve(reader: CardReader, **asked: str) -> int:
    """Give as a person does: look, answer the small question when there is one, take the time."""
    answer = reader.press(answered(confirm_fields(reader.look(**asked))), seconds=10)
    if answer.status_code == 429 and "answer" in answer.text:
        answer = reader.press(answered(confirm_fields(answer)), seconds=10)
    return answer.status_code


def answered(fields: dict[str, str]) -> dict[str, str]:
    """Answer the small question, if a form has one."""
    if "answer" not in fields:
        return fields
    _, _, first, second, _ = fields["token"].split("-")
    return {**fields, "answer": str(int(first) + int(second))}


def decline(house: CardHouse, times: int, payment: str = "", intent: str | None = None) -> int:
    """Let cards be declined just now, each of a payment of its own unless it is named; return how many count."""
    at = house.app.extensions["support"]
    for _ in range(times):
        key = secrets.token_hex(8)
        at.ledger.attempts.note_decline(Decline("stripe", key, payment or key, house.clock(), intent))
    return look(at, "stripe").declined


def test_a_flood_opens_few_pages_and_a_reader_among_it_gives(flooded: CardHouse, flood_once: Flood) -> None:
    cap = LIMITS.all_max + 25
    assert flood_once.sessions == flood_once.statuses.count(303) <= cap
    assert set(flood_once.statuses) <= {303, 429}
    assert look(flooded.app.extensions["support"], "stripe").mode is Mode.SLOWED
    donors = [solve(flooded.reader(f"198.51.{net}.9")) for net in range(20)]
    assert donors == [303] * 20, "the first attempt from a quiet network is asked a question, never refused"
    assert flooded.sessions == 20
    assert flooded.reader().client.get("/support").status_code == 200


def test_a_flood_ends_and_all_is_as_before(flooded: CardHouse) -> None:
    flooded.clock.advance(minutes=11)
    answer = flooded.reader(ADDRESSES[0]).look()
    assert "answer" not in confirm_fields(answer)
    assert flooded.reader(ADDRESSES[0]).give().status_code == 303


def test_one_address_waits_while_its_neighbours_give(either: CardHouse) -> None:
    one = either.reader("192.0.2.1")
    statuses = [one.give(amount=str(100 + number)).status_code for number in range(LIMITS.place_max + 2)]
    assert statuses == [303] * LIMITS.place_max + [429, 429]
    answer = one.press(one.fields())
    assert "give in another way" in answer.text
    assert answer.headers["Retry-After"]
    assert either.reader("192.0.2.2").give().status_code == 303
    assert either.reader("203.0.113.9").give().status_code == 303


def test_an_address_that_many_share_is_asked_before_it_waits(house: CardHouse) -> None:
    """A phone network hides a town behind one address."""
    one = house.reader("192.0.2.1")
    first = [one.give(amount=str(100 + number)) for number in range(LIMITS.place_max + 1)]
    assert "answer" in confirm_fields(first[-1])
    more = [solve(one, amount=str(200 + number)) for number in range(LIMITS.place_most - LIMITS.place_max + 1)]
    assert more == [303] * (LIMITS.place_most - LIMITS.place_max) + [429]
    answer = one.press(one.fields())
    assert "share its address" in answer.text
    assert answer.headers["Retry-After"]
    assert house.reader("203.0.113.9").give().status_code == 303


def test_a_network_waits_while_others_give(house: CardHouse) -> None:
    statuses = [house.reader(f"192.0.2.{host}").give().status_code for host in range(1, LIMITS.net_max + 3)]
    assert statuses == [303] * LIMITS.net_max + [429, 429]
    assert house.reader("192.0.3.1").give().status_code == 303


def test_a_double_click_is_one_attempt(either: CardHouse) -> None:
    one = either.reader("192.0.2.1")
    fields = one.fields()
    assert {one.press(fields).status_code for _ in range(3 * LIMITS.place_max)} == {303}
    assert one.give(amount="300").status_code == 303


def test_a_wrong_answer_is_asked_again(flooded: CardHouse) -> None:
    donor = flooded.reader(CALM)
    fields = confirm_fields(donor.look())
    answer = donor.press({**fields, "answer": "99"}, seconds=10)
    assert answer.status_code == 429
    assert flooded.sessions == 0
    again = confirm_fields(answer)
    assert again["token"] != fields["token"]
    assert solve(donor) == 303


def test_a_calm_token_is_asked_a_question_when_it_comes_back_in_a_flood(flooded: CardHouse, flood_once: Flood) -> None:
    answer = flooded.reader(CALM).press(flood_once.calm_fields, seconds=10)
    assert answer.status_code == 429
    assert "answer" in confirm_fields(answer)


def test_many_declines_close_cards_alone_and_they_open_again_by_themselves(house: CardHouse) -> None:
    at = house.app.extensions["support"]
    assert house.reader().give().status_code == 303
    decline(house, LIMITS.declines_min)
    assert look(at, "stripe").mode is Mode.PAUSED
    for answer in (house.reader().look(), house.reader("198.51.100.9").look()):
        assert answer.status_code == 503
        assert "Card payments are paused" in answer.text
        assert "declin" not in answer.text, "whoever tries cards learns nothing"
        assert "#method-iban" in answer.text
    client = house.reader().client
    for path in ("/support", "/widget", "/.well-known/support-methods.json"):
        assert client.get(path).status_code == 200
    assert 'support_card_mode{processor="stripe",mode="paused"} 1' in client.get("/metrics").text
    assert "Paused: too many cards were declined" in house.person("viewer").get("/staff/health", lang="en").text
    house.clock.advance(minutes=11)
    assert house.reader().give().status_code == 303


def test_a_few_declines_among_many_gifts_close_nothing(house: CardHouse) -> None:
    at = house.app.extensions["support"]
    for number in range(LIMITS.declines_min * 2):
        assert house.reader(f"10.{number}.0.1").give().status_code == 303
    decline(house, LIMITS.declines_min)
    assert look(at, "stripe").mode is Mode.OPEN


def test_one_payment_page_with_twenty_declines_closes_nothing(either: CardHouse) -> None:
    session = either.reader().session(frequency="once")
    for _ in range(20):
        either.fake.decline(session)
    either.deliver_all()
    assert look(either.app.extensions["support"], "stripe").declined == DECLINES_OF_PAYMENT_MAX
    assert either.reader().give().status_code == 303


def test_one_network_with_many_payment_pages_closes_nothing_for_others(house: CardHouse) -> None:
    for number in range(LIMITS.place_max):
        session = house.reader(f"192.0.2.{number}").session(frequency="once", amount=str(100 + number))
        for _ in range(4):
            house.fake.decline(session)
    house.deliver_all()
    assert look(house.app.extensions["support"], "stripe").declined == DECLINES_OF_NET_MAX
    assert house.reader().give().status_code == 303


def test_declines_on_pages_of_many_networks_close_cards(house: CardHouse) -> None:
    for number in range(7):
        session = house.reader(f"10.{number}.0.1").session(frequency="once", amount=str(100 + number))
        for _ in range(4):
            house.fake.decline(session)
    house.deliver_all()
    assert look(house.app.extensions["support"], "stripe").mode is Mode.PAUSED


def test_a_decline_counts_once_whoever_tells_of_it(either: CardHouse) -> None:
    attempts = either.app.extensions["support"].ledger.attempts
    for at in (either.clock(), either.clock(), either.clock() - timedelta(hours=13)):
        attempts.note_decline(Decline("stripe", "evt_1" if at == either.clock() else "evt_old", "pi_1", at))
    assert decline(either, 0) == 1


def test_a_slowed_down_time_lets_many_wide_networks_through_only_in_turn(house: CardHouse) -> None:
    """A tester with thousands of networks: a cap for all, then one page every few seconds; a reader goes on."""
    addresses = [f"2a01:{number:x}::1" for number in range(LIMITS.all_most + 60)]
    readers = [house.reader(address) for address in addresses]
    calm = [(one, one.fields(amount="50", frequency="once")) for one in readers[: LIMITS.all_max]]
    house.clock.advance(seconds=3)
    assert {one.press(fields, seconds=0).status_code for one, fields in calm} == {303}
    forms = [(one, answered(one.fields(amount="50", frequency="once"))) for one in readers[LIMITS.all_max :]]
    house.clock.advance(seconds=8)
    statuses = [one.press(fields, seconds=0).status_code for one, fields in forms]
    assert statuses == [303] * (LIMITS.all_most - LIMITS.all_max) + [303] + [429] * 59
    donor = house.reader("198.51.100.9")
    fields = answered({**donor.fields(), "name": "Олена"})
    early = donor.press(fields, seconds=0)
    assert early.status_code == 429
    again = confirm_fields(early)
    assert again["name"] == "Олена"
    assert donor.press(again, seconds=7).status_code == 303


def test_one_providers_networks_do_not_use_up_what_is_left_for_others(house: CardHouse) -> None:
    """250 networks (/48) of one provider (/32) within ten seconds."""
    readers = [house.reader(f"2a01:db8:{number:x}::1") for number in range(250)]
    calm = [(one, one.fields(amount="50", frequency="once")) for one in readers[: LIMITS.all_max]]
    house.clock.advance(seconds=3)
    opened = [one.press(fields, seconds=0).status_code for one, fields in calm]
    slowed = [(one, answered(one.fields(amount="50", frequency="once"))) for one in readers[LIMITS.all_max :]]
    house.clock.advance(seconds=7)
    opened += [one.press(fields, seconds=0).status_code for one, fields in slowed]
    assert opened.count(303) == LIMITS.all_max + 1
    assert [solve(house.reader(f"198.51.{net}.9")) for net in range(20)] == [303] * 20


def test_declines_are_counted_up_to_a_bound(either: CardHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support_service.ledger.rate_limits.DECLINES_NOTED_MAX", 5)
    assert decline(either, 9) == 5


def test_the_place_of_a_reader_is_not_kept(house: CardHouse) -> None:
    assert house.reader("192.0.2.77").give().status_code == 303
    ledger = house.ledger
    asked = [RateLimit(name, LIMITS.window) for name in ("192.0.2.77", "192.0.2", "c000024d/24")]
    assert set(ledger.attempts.count(asked).values()) == {0}


@pytest.mark.parametrize(
    ("one", "other", "is_same_place", "is_same_net"),
    [
        ("192.0.2.1", "192.0.2.1", True, True),
        ("192.0.2.1", "192.0.2.2", False, True),
        ("192.0.2.1", "192.0.3.1", False, False),
        ("::ffff:192.0.2.1", "192.0.2.1", True, True),
        ("2001:db8:1:2::1", "2001:db8:1:2:3::9", True, True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False, True),
        ("2001:db8:1::1", "2001:db8:2::1", False, False),
        ("", "unix:", False, False),
    ],
)
def test_what_counts_as_one_place_and_one_network(
    one: str, other: str, *, is_same_place: bool, is_same_net: bool
) -> None:
    here, there = networks_of(one), networks_of(other)
    assert (here.place == there.place, here.near == there.near) == (is_same_place, is_same_net)


def test_a_forwarded_address_counts_only_behind_a_proxy_of_ours(house: CardHouse) -> None:
    one = house.reader("192.0.2.1")
    for number in range(LIMITS.place_max):
        assert one.give(amount=str(100 + number)).status_code == 303
    fields = one.fields(amount="999")
    house.clock.advance(seconds=3)
    lied = one.client.post("/card?lang=en", data=fields, headers={"X-Forwarded-For": "198.51.100.1"})
    assert lied.status_code == 429
