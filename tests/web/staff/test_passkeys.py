"""Passkeys: made on one's own page, for our host alone, with a person's finger or PIN, each challenge once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from support_service.ledger.factors import PASSKEYS_MAX
from tests.fixtures.passkey import PRESENT, SoftKey, asked_on
from tests.fixtures.staff import ANNA, BOB, PASSWORD, House, Visitor, build_house

URL = "http://localhost:8000"
MINE = "/staff/me/passkeys"


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = build_house(tmp_path, sqlite_url, url=URL, is_migrated=False)
    yield made
    made.ledger.dispose()


def add(visitor: Visitor, key: SoftKey, name: str = "phone") -> TestResponse:
    hidden, challenge = asked_on(visitor.get(MINE).text, f"{MINE}/add")
    return visitor.client.post(f"{MINE}/add", data={**hidden, "name": name, "answer": key.make(challenge)})


def enter(visitor: Visitor, key: SoftKey, path: str = "/staff/login") -> TestResponse:
    hidden, challenge = asked_on(visitor.get(path).text, "/staff/login/passkey")
    next_page = path.partition("?")[2]
    where = f"/staff/login/passkey?{next_page}"
    return visitor.client.post(where, data={**hidden, "answer": key.sign(challenge)})


def test_a_passkey_is_added_signs_in_without_a_code_and_is_removed(house: House) -> None:
    anna, key = house.person("viewer"), SoftKey("localhost", URL)
    assert "told=added" in add(anna, key, "  my   phone ").headers["Location"]
    assert add(anna, SoftKey("localhost", URL, b"another"), "tablet").status_code == 303
    page = anna.get(MINE, lang="en").text
    assert "my phone" in page and "tablet" in page and "Remove my phone" in page
    anna.fill("/staff/me/codes", form="begin")
    elsewhere = house.visitor("127.0.0.2")
    answer = enter(elsewhere, key, "/staff/login?next=/staff/health")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/health")
    assert elsewhere.get("/staff/health").status_code == 200
    (held, _) = house.ledger.factors.held(ANNA).passkeys
    assert (held.signs, held.used_at) == (1, house.clock.now)
    remove = next(one for one in anna.get(MINE).text.split("<form") if held.credential in one)
    token = remove.partition('name="csrf_token" value="')[2].partition('"')[0]
    gone = anna.client.post(f"{MINE}/remove", data={"csrf_token": token, "credential": held.credential})
    assert "told=removed" in gone.headers["Location"]
    assert enter(house.visitor("127.0.0.3"), key).status_code == 403
    assert [one.action for one in house.ledger.people.actions()] == ["no_passkey", "passkey", "passkey"]


@pytest.mark.parametrize(
    "lie",
    [
        "another origin",
        "another host",
        "no finger",
        "the count before",
        "a stranger's key",
        "another challenge",
        "late",
    ],
)
def test_an_answer_that_does_not_fit_opens_nothing(house: House, lie: str) -> None:
    key = SoftKey("localhost", URL, signs=5)
    add(house.person("viewer"), key)
    visitor = house.visitor("127.0.0.2")
    hidden, challenge = asked_on(visitor.get("/staff/login").text, "/staff/login/passkey")
    match lie:
        case "another origin":
            key.origin = "http://localhost:9"
        case "another host":
            key.rp_id = "evil.example"
        case "no finger":
            key.flags = PRESENT
        case "the count before":
            key.signs = 4
        case "a stranger's key":
            key.key = SoftKey("localhost", URL).key
        case "another challenge":
            challenge = "AAAA"
        case _:
            house.clock.advance(minutes=5)
    answer = visitor.client.post("/staff/login/passkey", data={**hidden, "answer": key.sign(challenge)})
    assert answer.status_code == 403
    assert visitor.get("/staff/").status_code == 303


def test_an_answer_serves_once_and_in_its_own_browser(house: House) -> None:
    key = SoftKey("localhost", URL)
    add(house.person("viewer"), key)
    visitor, thief = house.visitor("127.0.0.2"), house.visitor("127.0.0.3")
    hidden, challenge = asked_on(visitor.get("/staff/login").text, "/staff/login/passkey")
    told = {**hidden, "answer": key.sign(challenge)}
    stolen = {**told, "csrf_token": thief.form("/staff/login").fields["csrf_token"]}
    assert thief.client.post("/staff/login/passkey", data=stolen).status_code == 403
    assert visitor.client.post("/staff/login/passkey", data=told).status_code == 303
    assert visitor.client.post("/staff/login/passkey", data=told).status_code == 403


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", '{"id": 5}', '{"id": "' + "x" * 9000, "\0", "null", '{"id": "ключ"}']
)
def test_what_is_no_answer_breaks_nothing(house: House, answer: str) -> None:
    visitor = house.person("viewer")
    hidden, _ = asked_on(visitor.get(MINE).text, f"{MINE}/add")
    assert visitor.client.post(f"{MINE}/add", data={**hidden, "name": "x", "answer": answer}).status_code == 400
    stranger = house.visitor()
    hidden, _ = asked_on(stranger.get("/staff/login").text, "/staff/login/passkey")
    assert stranger.client.post("/staff/login/passkey", data={**hidden, "answer": answer}).status_code == 403


def test_a_passkey_proves_its_own_person_alone(house: House) -> None:
    anna, bob, key = house.person("admin"), house.person("admin", BOB), SoftKey("localhost", URL)
    add(anna, key)
    add(bob, SoftKey("localhost", URL, b"bob's"))
    house.clock.advance(minutes=15)
    for visitor, is_proved in ((bob, False), (anna, True)):
        answer = visitor.fill("/staff/people", form="invite", email="eve@example.org", role="viewer")
        hidden, challenge = asked_on(visitor.get(answer.headers["Location"]).text, "/staff/prove/passkey")
        where = f"/staff/prove/passkey?{answer.headers['Location'].partition('?')[2]}"
        after = visitor.client.post(where, data={**hidden, "answer": key.sign(challenge)})
        assert ("/staff/kept/" in after.headers["Location"].partition("?")[0]) == is_proved


def test_the_same_passkey_is_added_once_and_only_so_many(house: House) -> None:
    anna, key = house.person("viewer"), SoftKey("localhost", URL)
    assert add(anna, key).status_code == 303
    assert add(anna, key).status_code == 400
    assert add(anna, SoftKey("localhost", URL, b"nameless"), " ").status_code == 400
    for number in range(PASSKEYS_MAX):
        status = add(anna, SoftKey("localhost", URL, b"%d" % number)).status_code
    assert status == 400
    assert len(house.ledger.factors.held(ANNA).passkeys) == PASSKEYS_MAX


def test_who_is_shut_out_is_not_let_in_by_a_passkey(house: House) -> None:
    key = SoftKey("localhost", URL)
    add(house.person("viewer"), key)
    house.ledger.people.disable(ANNA)
    assert enter(house.visitor("127.0.0.2"), key).status_code == 403


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://support.example", "https://203.0.113.7"])
def test_where_browsers_make_no_passkeys_none_is_offered(tmp_path: Path, sqlite_url: str, url: str) -> None:
    house = build_house(tmp_path, sqlite_url, url=url, is_migrated=False)
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    client = house.app.test_client()
    page = client.get("/staff/login", base_url=url).text
    assert "passkey" not in page and "<script" not in page
    house.ledger.dispose()
