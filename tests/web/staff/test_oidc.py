"""Signing in by the newsroom's own provider: a strict one on loopback, asked through the door, and all who lie."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from support_service.web.card import checkouts
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Reply
from tests.fixtures.oidc import CLIENT_SECRET, OidcProvider, SigningKey, provider_of, told_of
from tests.fixtures.staff import ANNA, BOB, OWN_URL, PASSWORD, FrozenClock, House, Visitor, build_house

BEGIN, BACK, LOGIN = "/staff/login/oidc", "/staff/login/oidc/back", "/staff/login"
COOKIE = "support_staff_oidc"


@contextmanager
def newsroom(folder: Path, url: str, more: str = "") -> Iterator[tuple[House, OidcProvider]]:
    """A house over a database that has a provider; the clock of both is one."""
    clock = FrozenClock()
    with provider_of(folder, clock) as provider:
        made = build_house(folder, url, is_migrated=False, tables=f"{provider.table}{more}")
        provider.clock = made.clock
        yield made, provider
        made.ledger.dispose()


@pytest.fixture
def both(tmp_path: Path, sqlite_url: str) -> Iterator[tuple[House, OidcProvider]]:
    with newsroom(tmp_path, sqlite_url) as made:
        yield made


@pytest.fixture
def house(both: tuple[House, OidcProvider]) -> House:
    both[0].ledger.people.add(ANNA, "admin", PASSWORD)
    return both[0]


@pytest.fixture
def provider(both: tuple[House, OidcProvider]) -> OidcProvider:
    return both[1]


def way_back(visitor: Visitor, provider: OidcProvider, **query: str) -> str:
    """Go to the provider and let it send us back; returns the address without opening it."""
    there = visitor.client.get(BEGIN, query_string=query or None)
    assert there.status_code == 303, there.text
    return provider.pass_through(there.headers["Location"])


def come(visitor: Visitor, address: str) -> TestResponse:
    parts = urlsplit(address)
    assert parts.path == BACK
    return visitor.client.get(f"{parts.path}?{parts.query}")


def enter(visitor: Visitor, provider: OidcProvider, **query: str) -> TestResponse:
    return come(visitor, way_back(visitor, provider, **query))


def is_in(visitor: Visitor) -> bool:
    return visitor.client.get("/staff/").status_code == 200


def refused(visitor: Visitor, answer: TestResponse, what: str) -> None:
    """The visitor stands on the login page, which says why in words of ours, and is not signed in."""
    assert answer.status_code == 303, answer.text
    where = urlsplit(answer.headers["Location"])
    assert (where.netloc, where.path, told_of(answer.headers["Location"])["told"]) == ("", LOGIN, what)
    assert not is_in(visitor)
    assert 'role="alert"' in visitor.get(LOGIN, told=what).text


def test_a_person_signs_in_and_is_led_to_where_they_wanted(house: House, provider: OidcProvider) -> None:
    visitor = house.visitor()
    page = visitor.get(LOGIN, next="/staff/health", lang="en").text
    assert "Sign in with Example ID" in page and f'href="{OWN_URL}{BEGIN}?next=/staff/health&amp;lang=en"' in page
    answer = enter(visitor, provider, next="/staff/health", lang="en")
    assert answer.status_code == 200 and 'content="0; url=/staff/health?lang=en"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert visitor.get("/staff/health").status_code == 200
    assert [one.action for one in house.ledger.people.actions()] == ["bound"]
    mine = visitor.get("/staff/me", lang="en").text
    assert "Your account there is bound to you" in mine
    assert provider.refusals == []


def test_the_way_there_names_what_binds_it_and_the_way_back_comes_from_the_settings(
    house: House, provider: OidcProvider
) -> None:
    visitor = house.visitor()
    headers = {"Host": "localhost", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    first = visitor.client.get(BEGIN, headers=headers)
    asked = told_of(first.headers["Location"])
    assert asked["redirect_uri"] == f"http://127.0.0.1:8000{BACK}"
    assert asked["code_challenge_method"] == "S256" and asked["scope"] == "openid email"
    again = told_of(visitor.client.get(BEGIN).headers["Location"])
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())
    cookie = first.headers["Set-Cookie"]
    assert "SameSite=Lax" in cookie and "HttpOnly" in cookie and "Max-Age=600" in cookie
    assert all(secret not in cookie for secret in asked.values()), "it is sealed"


def test_the_account_stays_bound_to_its_number_whoever_has_the_address_later(
    house: House, provider: OidcProvider
) -> None:
    assert enter(house.visitor(), provider).status_code == 200
    anna = provider.account
    provider.account = {**anna, "sub": "2048-somebody-else"}
    stranger = house.visitor("127.0.0.2")
    refused(stranger, enter(stranger, provider), "unknown")
    provider.account = {**anna, "email": "anna.married@example.org"}
    again = house.visitor("127.0.0.3")
    assert enter(again, provider).status_code == 200
    assert ANNA in again.get("/staff/me").text


def test_nobody_is_made_and_nobody_who_is_shut_out_comes_in(house: House, provider: OidcProvider) -> None:
    provider.account["email"] = "eve@example.org"
    visitor = house.visitor()
    refused(visitor, enter(visitor, provider), "unknown")
    assert [one.email for one in house.ledger.people.list()] == [ANNA]
    provider.account["email"] = ANNA
    assert enter(house.visitor(), provider).status_code == 200
    house.ledger.people.disable(ANNA)
    refused(visitor, enter(visitor, provider), "unknown")
    # Who comes back under the same address may be somebody else, with another account.
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    provider.account["sub"] = "4096-another-anna"
    assert enter(visitor, provider).status_code == 200


LIES: dict[str, dict[str, object]] = {
    "another nonce": {"claims": {"nonce": "x" * 43}},
    "no nonce": {"claims": {"nonce": None}},
    "for others": {"claims": {"aud": "others.apps.example", "azp": None}},
    "for others, too": {"claims": {"aud": ["newsroom.apps.example", "others.apps.example"]}},
    "by the party of others": {"claims": {"azp": "others.apps.example"}},
    "of another issuer": {"claims": {"iss": "https://accounts.evil.example"}},
    "of the issuer with a slash": {"claims": {"iss": "http://127.0.0.1/"}},
    "over": {"claims": {"exp": 1_000_000_000}},
    "never over": {"claims": {"exp": None}},
    "of tomorrow": {"claims": {"iat": 4_000_000_000}},
    "an hour old": {"claims": {"iat": 1_779_280_000}},
    "not valid yet": {"claims": {"nbf": 4_000_000_000}},
    "another access token's": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "without a subject": {"claims": {"sub": None}},
    "a number as subject": {"claims": {"sub": 7}},
    "numbers that are none": {"claims": {"exp": "soon", "iat": []}},
    "unsigned": {"forge": "none"},
    "signed by what everybody may read": {"forge": "HS256 by the public key"},
    "signed by the client's secret": {"forge": "HS256 by the client's secret"},
    "signed by a stranger": {"forge": "a stranger's key"},
    "signed by a key of another name": {"header": {"kid": "unknown"}},
    "signed by a key in its own head": {"header": {"kid": "own", "jwk": SigningKey("own").public}},
    "with what must be understood": {"header": {"crit": ["x"], "x": 1}},
    "no token": {"forge": "no token"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_does_not_fit_opens_nothing(house: House, provider: OidcProvider, lie: str) -> None:
    vars(provider).update(LIES[lie])
    visitor = house.visitor()
    refused(visitor, enter(visitor, provider), "unfit")
    assert house.ledger.people.actions() == ()


@pytest.mark.parametrize(
    "account",
    [
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": None},
        {"email": ["anna@example.org"]},
        {"email": "anna@example.org\u0000"},
    ],
    ids=str,
)
def test_an_address_that_nobody_vouches_for_opens_nothing(
    house: House, provider: OidcProvider, account: dict[str, object]
) -> None:
    provider.account.update(account)
    visitor = house.visitor()
    refused(visitor, enter(visitor, provider), "unknown")


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_keys_that_change_are_asked_for_at_once(house: House, provider: OidcProvider, alg: str) -> None:
    assert enter(house.visitor(), provider).status_code == 200
    assert enter(house.visitor(), provider).status_code == 200
    assert (provider.asked["/keys"], provider.asked["/.well-known/openid-configuration"]) == (1, 1)
    provider.rotate("second", alg)
    assert enter(house.visitor(), provider).status_code == 200
    assert provider.asked["/keys"] == 2


def test_a_way_back_that_this_browser_did_not_begin_opens_nothing(house: House, provider: OidcProvider) -> None:
    visitor, thief = house.visitor(), house.visitor("127.0.0.2")
    address = way_back(visitor, provider)
    refused(thief, come(thief, address), "over")
    way_back(thief, provider)
    refused(thief, come(thief, address), "over")
    parts = urlsplit(address)
    for state in ("", "x" * 43, "ї" * 20):
        elsewhere = house.visitor()
        way_back(elsewhere, provider)
        changed = elsewhere.client.get(parts.path, query_string={**told_of(address), "state": state})
        refused(elsewhere, changed, "over")
    assert provider.asked["/token"] == 0, "no code goes anywhere"
    assert come(visitor, address).status_code == 200, "and nobody's own way is ended by it"


def test_a_way_back_serves_once_and_not_for_long(house: House, provider: OidcProvider) -> None:
    visitor = house.visitor()
    address = way_back(visitor, provider)
    held = visitor.client.get_cookie(COOKIE)
    assert held is not None
    assert come(visitor, address).status_code == 200
    assert visitor.client.get_cookie(COOKIE) is None
    again = house.visitor()
    again.client.set_cookie(COOKIE, held.value)
    refused(again, come(again, address), "over")
    assert provider.asked["/token"] == 1
    late = house.visitor()
    address = way_back(late, provider)
    house.clock.advance(minutes=10)
    refused(late, come(late, address), "over")
    assert provider.asked["/token"] == 1


def test_a_code_that_was_given_back_before_opens_nothing(house: House, provider: OidcProvider) -> None:
    visitor, thief = house.visitor(), house.visitor("127.0.0.2")
    code = told_of(way_back(visitor, provider))["code"]
    own = told_of(way_back(thief, provider))
    refused(thief, thief.client.get(BACK, query_string={**own, "code": code}), "unfit")
    assert provider.refusals == ["invalid_grant"], "another browser's code does not fit the verifier"
    provider.spent.add(code)
    way_back(visitor, provider)
    mine = told_of(way_back(visitor, provider))
    refused(visitor, visitor.client.get(BACK, query_string={**mine, "code": code}), "unfit")


def test_a_way_back_of_another_provider_brings_no_code_anywhere(house: House, provider: OidcProvider) -> None:
    visitor = house.visitor()
    provider.said = {"iss": "https://accounts.evil.example"}
    refused(visitor, enter(visitor, provider), "unfit")
    assert provider.asked["/token"] == 0
    provider.said = {"iss": provider.issuer}
    assert enter(visitor, provider).status_code == 200


def test_a_provider_that_names_itself_always_does(house: House, provider: OidcProvider) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    visitor = house.visitor()
    refused(visitor, enter(visitor, provider), "unfit")
    assert provider.asked["/token"] == 0


@pytest.mark.parametrize("methods", [["client_secret_basic"], None], ids=["named", "not named"])
def test_a_client_may_also_say_its_secret_in_the_head(
    house: House, provider: OidcProvider, methods: list[str] | None
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": methods}
    assert enter(house.visitor(), provider).status_code == 200, provider.refusals


HOSTILE = "<script>alert(1)</script>"


def test_what_the_provider_says_of_an_error_is_told_in_our_own_words(house: House, provider: OidcProvider) -> None:
    visitor = house.visitor()
    told = told_of(way_back(visitor, provider))
    query = {
        "state": told["state"],
        "error": HOSTILE,
        "error_description": HOSTILE,
        "error_uri": "https://evil.example",
    }
    answer = visitor.client.get(BACK, query_string=query)
    refused(visitor, answer, "declined")
    page = visitor.get(answer.headers["Location"]).text
    assert "script>alert" not in page + answer.text + str(answer.headers) and "evil.example" not in page
    for code in ("", "x" * 2_001, "ключ", "a\nb"):
        told = told_of(way_back(visitor, provider))
        refused(visitor, visitor.client.get(BACK, query_string={**told, "code": code}), "declined")
    assert provider.asked["/token"] == 0


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "/staff/../x", "/support"]
)
def test_no_way_leads_elsewhere(house: House, provider: OidcProvider, path: str) -> None:
    visitor = house.visitor()
    answer = enter(visitor, provider, next=path)
    assert 'content="0; url=/staff/"' in answer.text
    assert "Location" not in visitor.client.get(BEGIN, query_string={"next": path}).headers or is_in(visitor)
    signed_in = visitor.client.get(BEGIN, query_string={"next": path})
    assert signed_in.headers["Location"] == "/staff/", "who is signed in goes nowhere"


def _status(number: int) -> Reply:
    return Reply(b"{}", number)


ANSWERS = {
    "nothing": (lambda: Reply(None), "silent"),
    "an error": (lambda: _status(500), "silent"),
    "wait": (lambda: _status(429), "silent"),
    "elsewhere": (lambda: Reply(b"", 302, {"Location": "http://127.0.0.1:1/"}), "silent"),
    "too much": (lambda: Reply(b'{"a": "' + b"x" * 400_000 + b'"}'), "silent"),
    "no JSON": (lambda: Reply(HOSTILE.encode()), "unfit"),
    "deep JSON": (lambda: Reply(b"[" * 100_000), "unfit"),
    "a list": (lambda: Reply(b"[]"), "unfit"),
    "no fields": (lambda: Reply(b"{}"), "unfit"),
    "not UTF-8": (lambda: Reply(b"\xff\xfe{}"), "unfit"),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_the_provider_answers_the_page_is_calm_and_the_password_opens(
    house: House, provider: OidcProvider, caplog: pytest.LogCaptureFixture, path: str, answer: str
) -> None:
    reply, what = ANSWERS[answer]
    provider.answers[path] = reply
    visitor = house.visitor()
    begun = visitor.client.get(BEGIN)
    if "well-known" in path:
        refused(visitor, begun, what)
    else:
        refused(visitor, come(visitor, provider.pass_through(begun.headers["Location"])), what)
    assert "script>" not in caplog.text
    assert visitor.sign_in().status_code == 303 and is_in(visitor)


WRONG_METADATA: list[dict[str, object]] = [
    {"issuer": "https://accounts.evil.example"},
    {"issuer": None},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"authorization_endpoint": "http://evil.example/authorize"},
    {"token_endpoint": "http://evil.example/token X-Header: 1"},
    {"jwks_uri": None},
    {"jwks_uri": ["https://accounts.evil.example/keys"]},
    {"code_challenge_methods_supported": ["plain"]},
]


@pytest.mark.parametrize("metadata", WRONG_METADATA, ids=str)
def test_a_provider_that_is_not_who_it_should_be_is_not_gone_to(
    house: House, provider: OidcProvider, metadata: dict[str, object]
) -> None:
    provider.metadata = metadata
    visitor = house.visitor()
    refused(visitor, visitor.client.get(BEGIN), "unfit")


def test_a_slow_provider_is_waited_for_so_long_and_holds_up_no_password(
    house: House, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.app.extensions["support"].checkouts, "_seconds_max", 0.2)
    provider.seconds_slow = 3
    visitor, began = house.visitor(), time.monotonic()
    refused(visitor, visitor.client.get(BEGIN), "silent")
    assert time.monotonic() - began < 3
    assert visitor.sign_in().status_code == 303


def test_a_provider_that_is_down_is_left_alone_for_a_while(house: House, provider: OidcProvider) -> None:
    provider.answers["/.well-known/openid-configuration"] = lambda: Reply(None)
    visitor = house.visitor()
    for _ in range(checkouts.FAILURES_MAX):
        refused(visitor, visitor.client.get(BEGIN), "silent")
    asked = provider.asked.total()
    refused(visitor, visitor.client.get(BEGIN), "silent")
    assert provider.asked.total() == asked
    provider.answers.clear()
    house.clock.advance(seconds=checkouts.RESTS.total_seconds())
    assert enter(visitor, provider).status_code == 200


def test_a_place_comes_back_so_often_and_no_more(house: House, provider: OidcProvider) -> None:
    provider.account["sub"] = ""
    for _ in range(40):
        visitor = house.visitor()
        assert told_of(enter(visitor, provider).headers["Location"])["told"] == "unfit"
    asked = provider.asked["/token"]
    refused(visitor, enter(visitor, provider), "many")
    assert provider.asked["/token"] == asked
    elsewhere = house.visitor("203.0.113.9")
    assert told_of(enter(elsewhere, provider).headers["Location"])["told"] == "unfit"
    assert visitor.sign_in().status_code == 303, "passwords count by themselves"


def test_the_word_of_the_provider_is_no_proof(house: House, provider: OidcProvider) -> None:
    """It may be hours old: whoever finds a browser open comes in, and neither sends money back nor lets anybody in."""
    visitor = house.visitor()
    enter(visitor, provider)
    answer = visitor.fill("/staff/people", form="invite", email=BOB, role="viewer")
    assert answer.headers["Location"].startswith("/staff/prove?")
    proved = visitor.fill(answer.headers["Location"], form="prove", proof=PASSWORD)
    assert proved.status_code == 303
    assert visitor.fill("/staff/people", form="invite", email=BOB, role="viewer").status_code == 200


def test_codes_of_an_app_are_not_asked_for_after_the_provider_asked_its_own(
    house: House, provider: OidcProvider
) -> None:
    house.ledger.factors.begin_codes(ANNA, "sealed")
    assert house.ledger.factors.confirm_codes(ANNA, 1, ["0" * 64])
    visitor = house.visitor()
    assert enter(visitor, provider).status_code == 200 and is_in(visitor)


def test_a_session_of_the_provider_is_like_any_other(house: House, provider: OidcProvider) -> None:
    visitor, other = house.visitor(), house.visitor("127.0.0.2")
    enter(visitor, provider)
    first = visitor.client.get_cookie("support_staff")
    enter(other, provider)
    second = other.client.get_cookie("support_staff")
    assert first is not None and second is not None and first.value != second.value
    assert first.same_site == "Strict" and first.http_only
    house.clock.advance(minutes=31)
    assert not is_in(visitor)
    enter(visitor, provider)
    house.ledger.people.disable(ANNA)
    assert not is_in(visitor)


def test_one_takes_the_account_away_from_oneself_after_a_proof(house: House, provider: OidcProvider) -> None:
    visitor = house.visitor()
    enter(visitor, provider)
    waits = visitor.fill("/staff/me", form="unbind")
    assert waits.headers["Location"].startswith("/staff/prove?")
    visitor.fill(waits.headers["Location"], form="prove", proof=PASSWORD)
    done = visitor.fill("/staff/me", form="unbind")
    assert told_of(done.headers["Location"])["told"] == "unbound"
    assert "The first account there" in visitor.get("/staff/me", lang="en").text
    assert [one.action for one in house.ledger.people.actions()] == ["unbound", "bound"]
    provider.account["sub"] = "2048-a-new-account"
    assert enter(house.visitor(), provider).status_code == 200


def test_an_admin_takes_the_account_away_with_codes_and_passkeys(house: House, provider: OidcProvider) -> None:
    enter(house.visitor(), provider)
    house.ledger.factors.reset(ANNA, by=BOB)
    assert house.ledger.factors.bound_since(ANNA, provider.issuer) is None


def test_no_secret_and_nobody_stands_in_the_log(
    house: House, provider: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = house.visitor()
    address = way_back(visitor, provider)
    come(visitor, address)
    provider.forge = "none"
    enter(house.visitor(), provider)
    told = told_of(address)
    records = [record for record in caplog.records if record.name.startswith(("support_service", "urllib3", "authlib"))]
    said = json.dumps([{name: str(value) for name, value in vars(record).items()} for record in records])
    assert "staff_signed_in" in said and "staff_oidc_refused" in said
    for secret in (told["code"], told["state"], ANNA, "1090-anna", CLIENT_SECRET, "GOCSPX"):
        assert secret not in said


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [BEGIN, BACK])
def test_without_the_table_nothing_of_it_is_there(tmp_path: Path, sqlite_url: str, method: str, path: str) -> None:
    house = build_house(tmp_path, sqlite_url, is_migrated=False)
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    visitor = house.visitor()
    assert visitor.client.open(path, method=method).status_code in {403, 404, 405}
    assert visitor.client.get(path).status_code == 404
    assert (
        "/oidc" not in visitor.get(LOGIN, told="silent").text and "alert" not in visitor.get(LOGIN, told="silent").text
    )
    visitor.sign_in()
    assert "/oidc" not in visitor.get("/staff/me").text
    house.ledger.dispose()


def test_over_https_what_binds_the_way_is_bound_to_the_host(tmp_path: Path, sqlite_url: str) -> None:
    clock, url = FrozenClock(), "https://support.example"
    with provider_of(tmp_path, clock, url) as provider:
        house = build_house(tmp_path, sqlite_url, url=url, is_migrated=False, tables=provider.table)
        answer = house.app.test_client().get(BEGIN, base_url=url)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"__Host-{COOKIE}=") and "; Secure" in cookie and "Path=/" in cookie
        assert told_of(answer.headers["Location"])["redirect_uri"] == f"{url}{BACK}"
        house.ledger.dispose()


def test_below_a_path_the_way_leads_back_below_it(tmp_path: Path, sqlite_url: str) -> None:
    clock, url = FrozenClock(), "http://127.0.0.1:8000/donate"
    with provider_of(tmp_path, clock, url) as provider:
        house = build_house(tmp_path, sqlite_url, url=url, is_migrated=False, tables=provider.table)
        provider.clock = house.clock
        house.ledger.people.add(ANNA, "viewer", PASSWORD)
        client = house.app.test_client()
        assert f'href="{url}{BEGIN}"' in client.get(f"/donate{LOGIN}").text
        there = client.get(f"/donate{BEGIN}?next=/staff/health")
        back = urlsplit(provider.pass_through(there.headers["Location"]))
        assert back.path == f"/donate{BACK}"
        assert 'content="0; url=/donate/staff/health"' in client.get(f"{back.path}?{back.query}").text
        house.ledger.dispose()


def test_several_processes_share_what_was_used(tmp_path: Path) -> None:
    """Nothing of a way lies in one process: another one ends it, and it serves once for all of them."""
    url = f"sqlite:///{tmp_path}/support.db"
    prepare(url)
    with newsroom(tmp_path, url) as (first, provider):
        first.ledger.people.add(ANNA, "viewer", PASSWORD)
        second = build_house(tmp_path, url, is_migrated=False, tables=provider.table)
        visitor, other = first.visitor(), second.visitor()
        address = way_back(visitor, provider)
        held = visitor.client.get_cookie(COOKIE)
        assert held is not None
        other.client.set_cookie(COOKIE, held.value)
        assert come(other, address).status_code == 200
        refused(visitor, come(visitor, address), "over")
        second.ledger.dispose()
