"""Staff pages: who gets in, what they see, what they may book, and that nobody else can."""

import csv
import io
import json
import logging
import re
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from werkzeug.test import TestResponse

from support_service.giving import State
from support_service.ledger import FORMATS, ForPeople
from support_service.web.guard import SecretUnusable, read_or_make_secret
from tests.fixtures.origins import SAID_BY_BROWSERS
from tests.fixtures.staff import ANNA, BOB, PASSWORD, Form, House, Visitor, build_house, chain_report

HOSTILE = '<script>alert(1)</script>"\'> =HYPERLINK("http://evil.example") \u202egnp.exe\u202c'
PAGES = (
    *("/staff/", "/staff/donations", "/staff/entry", "/staff/exports", "/staff/health", "/staff/snippet"),
    *("/staff/me", "/staff/me/codes", "/staff/me/passkeys"),
)


Build = Callable[..., House]
Result = TypeVar("Result")


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Build apps whose connections are closed at the end of the test."""
    houses: list[House] = []

    def new(database_url: str, **options: Any) -> House:
        houses.append(build_house(tmp_path, database_url, **options))
        return houses[-1]

    yield new
    for house in houses:
        house.ledger.dispose()


@pytest.fixture
def house(build: Build, tmp_path: Path) -> House:
    """The app on SQLite: most pages ask nothing that differs between databases."""
    return build(f"sqlite:///{tmp_path}/support.db")


@pytest.fixture
def either(build: Build, database_url: str) -> House:
    """The app on each database in turn, for what reaches deep into the ledger."""
    return build(database_url)


# Signing in


@pytest.mark.parametrize("path", [*PAGES, "/staff/donations/abc", "/staff/exports/donations.csv"])
def test_strangers_are_sent_to_the_login(house: House, path: str) -> None:
    answer = house.visitor().get(path)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/staff/login?next={path}"


def test_the_block_for_articles_stands_there_to_copy(house: House) -> None:
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    visitor = house.visitor()
    visitor.sign_in(ANNA)
    page = visitor.get("/staff/snippet?layout=compact&lang=en").text
    assert "&lt;support-block lang=&#34;en&#34; layout=&#34;compact&#34;&gt;" in page
    assert "/widget.js&#34;&gt;&lt;/script&gt;" in page
    assert "layout=&#34;block&#34;" in visitor.get("/staff/snippet?layout=x").text


def test_a_person_signs_in_and_lands_where_they_wanted(house: House) -> None:
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    visitor = house.visitor()
    answer = visitor.fill("/staff/login?next=/staff/health", email=ANNA.upper(), password=PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/health")
    assert visitor.get("/staff/health").status_code == 200


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/staff//evil.example", "/staff/\\evil", "/support", "/staff/../"],
)
def test_the_login_leads_to_no_foreign_page(house: House, target: str) -> None:
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    visitor = house.visitor()
    form = visitor.form("/staff/login")
    form.action = f"/staff/login?next={target}"
    assert visitor.send(form, email=ANNA, password=PASSWORD).headers["Location"] == "/staff/"


def test_refusals_do_not_tell_who_exists(either: House) -> None:
    """Wrong password, disabled, unknown; also when throttled: equal status and equal bodies."""
    either.ledger.people.add(ANNA, "admin", PASSWORD)
    either.ledger.people.add(BOB, "admin", PASSWORD)
    either.ledger.people.disable(BOB)
    told = {}
    for index, (email, password) in enumerate([(ANNA, "wrong"), (BOB, PASSWORD), ("nobody@example.org", "wrong")]):
        visitor = either.visitor(f"127.0.1.{index}")
        told[email] = [_blank(visitor.sign_in(email, password)) for _ in range(7)]
    known, disabled, unknown = told.values()
    assert known == disabled == unknown
    assert [status for status, _ in known] == [403] * 5 + [429] * 2


def test_the_sixth_try_is_refused_even_with_the_right_password(house: House) -> None:
    house.ledger.people.add(ANNA, "admin", PASSWORD)
    visitor = house.visitor()
    for _ in range(5):
        assert visitor.sign_in(ANNA, "wrong").status_code == 403
    assert visitor.sign_in(ANNA).status_code == 429
    house.clock.advance(seconds=61)
    assert visitor.sign_in(ANNA).status_code == 303


def test_one_place_may_not_try_many_accounts(house: House) -> None:
    visitor = house.visitor()
    statuses = [visitor.sign_in(f"person{index}@example.org", "guess").status_code for index in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    assert house.visitor("127.9.9.9").sign_in("other@example.org", "guess").status_code == 403


def test_no_address_is_kept_of_who_tried(house: House, tmp_path: Path) -> None:
    house.visitor("127.99.88.77").sign_in("someone@example.org", "guess")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"127.99.88.77" not in kept
    assert b"someone@example.org" not in kept


def test_the_session_cookie_is_out_of_reach(house: House) -> None:
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    cookie = _cookie(house.visitor().sign_in())
    assert cookie.startswith("support_staff=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "Domain" not in cookie


def test_over_https_the_cookie_is_bound_to_the_host(build: Build, tmp_path: Path) -> None:
    house = build(f"sqlite:///{tmp_path}/support.db", url="https://support.example")
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    client = house.app.test_client()
    base = "https://support.example"
    page = client.get("/staff/login", base_url=base)
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)
    assert token
    fields = {"csrf_token": token[1], "email": ANNA, "password": PASSWORD}
    answer = client.post("/staff/login", base_url=base, data=fields)
    assert answer.status_code == 303
    cookie = _cookie(answer)
    assert cookie.startswith("__Host-support_staff=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


def test_the_token_changes_at_every_login(house: House) -> None:
    visitor = house.person("viewer")
    first = visitor.client.get_cookie("support_staff")
    form = house.visitor().form("/staff/login")
    visitor.client.set_cookie("support_staff_login", "0" * 64)
    visitor.client.delete_cookie("support_staff")
    assert first is not None
    visitor.client.set_cookie("support_staff", "fixed-by-an-attacker")
    assert visitor.sign_in().status_code == 303
    second = visitor.client.get_cookie("support_staff")
    assert second is not None
    assert second.value not in {first.value, "fixed-by-an-attacker"}
    assert form.fields["csrf_token"]


def test_an_idle_session_ends_and_nothing_typed_is_booked(house: House) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry")
    house.clock.advance(minutes=31)
    answer = visitor.send(form, method="card", amount="200", date="2026-05-20")
    assert answer.status_code == 403
    assert 'name="password"' in answer.text
    assert house.ledger.donations() == ()
    assert visitor.get("/staff/").status_code == 303


def test_signing_out_ends_the_session_everywhere(house: House) -> None:
    visitor = house.person("viewer")
    stolen = visitor.client.get_cookie("support_staff")
    assert stolen is not None
    left = visitor.fill("/staff/", form="logout")
    assert left.status_code == 303
    assert left.headers["Clear-Site-Data"] == '"cache", "storage"', "nobody goes back to what stood there"
    thief = house.visitor()
    thief.client.set_cookie("support_staff", stolen.value)
    assert thief.get("/staff/").status_code == 303


def test_who_is_disabled_is_out_at_once(house: House) -> None:
    visitor = house.person("admin")
    house.ledger.people.disable(ANNA)
    assert visitor.get("/staff/").status_code == 303


def test_a_look_at_the_login_is_no_attempt(house: House) -> None:
    visitor = house.visitor()
    assert [visitor.client.head("/staff/login").status_code for _ in range(7)] == [200] * 7
    assert visitor.sign_in(ANNA, "wrong").status_code == 403


def test_text_that_no_database_takes_breaks_nothing(either: House) -> None:
    visitor = either.person("admin")
    assert visitor.get("/staff/donations/a%00b").status_code == 404
    assert visitor.get("/staff/?method=%00&rail=%00&before=99999999999999999999&since=%00").status_code == 200
    assert either.visitor().sign_in("a\x00@b", "p\x00").status_code == 403


# What each role may do


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("viewer", [200, 200, 403, 403, *[200] * 5]), ("bookkeeper", [200] * 9), ("admin", [200] * 9)],
)
def test_a_role_opens_its_pages(house: House, role: str, statuses: list[int]) -> None:
    visitor = house.person(role)
    assert [visitor.get(path).status_code for path in PAGES] == statuses


def test_a_viewer_can_neither_book_nor_withdraw_nor_export(house: House) -> None:
    ref = house.person("bookkeeper", BOB).book()
    viewer = house.person("viewer")
    token = viewer.form("/staff/", "logout").fields["csrf_token"]
    fields = {"csrf_token": token, "nonce": "ab" * 16, "method": "card", "amount": "1", "date": "2026-05-20"}
    assert viewer.client.post("/staff/entry", data=fields).status_code == 403
    withdrawal = {**fields, "note": "because", "sure": "yes"}
    assert viewer.client.post(f"/staff/donations/{ref}/withdraw", data=withdrawal).status_code == 403
    assert viewer.get("/staff/exports/donations.csv").status_code == 403
    assert [item.donation.state for item in house.ledger.donations()] == [State.CONFIRMED]
    assert "/withdraw" not in viewer.get(f"/staff/donations/{ref}").text


def test_who_is_refused_for_their_role_is_told_of_as_a_sign_in_is(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    viewer = house.person("viewer")
    assert viewer.get("/staff/people").status_code == 403
    (came,) = [vars(record) for record in caplog.records if record.message == "staff_signed_in"]
    (told,) = [vars(record) for record in caplog.records if record.message == "staff_role_refused"]
    assert (told["endpoint"], told["account"]) == ("staff.people.overview", came["account"])
    assert ANNA not in str(told)


def test_a_viewer_sees_no_more_of_who_gave_than_the_exports_give(house: House) -> None:
    ref = house.person("bookkeeper", BOB).book(payer="Olena Donor", note="paid at the fair")
    viewer = house.person("viewer")
    for path in ("/staff/", "/staff/donations", f"/staff/donations/{ref}"):
        page = viewer.get(path, lang="en").text
        assert "not shown to your role" in page
        assert not [word for word in ("Olena Donor", "paid at the fair", "As typed") if word in page]
    assert "Olena Donor" in house.person("admin", "admin@example.org").get(f"/staff/donations/{ref}").text


def test_two_people_who_act_on_one_gift_at_once_are_not_both_believed(either: House) -> None:
    """Both opened the page before either sent it: what was checked then is checked again where it is booked."""
    anna, bob = either.person("bookkeeper"), either.person("bookkeeper", BOB)
    ref = anna.book()
    sent = [(one, one.form(f"/staff/donations/{ref}", "withdraw")) for one in (anna, bob) for _ in range(3)]
    statuses = _at_once([partial(_status, o, f, note="mistake", sure="yes") for o, f in sent])
    assert sorted(statuses) == [303, 409, 409, 409, 409, 409]
    history = either.ledger.donation(ref)
    assert history is not None and len(history.observations) == 2
    forms = [(one, one.form("/staff/entry", "entry")) for one in (anna, bob)]
    for _, form in forms:
        form.fields["nonce"] = "ab" * 16
    typed = {"method": "card", "date": "2026-05-20"}
    sums = zip(forms, ("100", "900"), strict=True)
    _at_once([partial(_status, o, f, amount=a, **typed) for (o, f), a in sums])
    booked = [item for item in either.ledger.donations() if item.donation.state is State.CONFIRMED]
    history = either.ledger.donation(booked[0].donation.identity.ref)
    assert len(booked) == 1
    assert history is not None and len(history.observations) == 1
    assert either.ledger.verify() == []


# Browsers that signed in before


def test_the_owners_browser_is_never_locked_out_by_strangers(house: House) -> None:
    owner, stranger = house.person("admin"), house.visitor()
    assert owner.fill("/staff/", form="logout").status_code == 303
    for _ in range(5):
        assert stranger.sign_in(ANNA, "guess").status_code == 403
    assert stranger.sign_in(ANNA).status_code == 429
    assert house.visitor("127.0.0.9").sign_in(ANNA).status_code == 429
    assert owner.sign_in(ANNA).status_code == 303


@pytest.mark.parametrize("end", ["another password", "half a year", "another person", "a changed mark"])
def test_a_mark_of_a_browser_ends(house: House, end: str) -> None:
    owner, stranger = house.person("admin"), house.visitor("127.0.0.9")
    mark = owner.client.get_cookie("support_staff_device")
    assert mark is not None
    assert owner.fill("/staff/", form="logout").status_code == 303
    email = ANNA
    if end == "another password":
        house.ledger.people.disable(ANNA)
        house.ledger.people.add(ANNA, "admin", PASSWORD)
    elif end == "half a year":
        house.clock.advance(days=181)
    elif end == "another person":
        house.ledger.people.add(email := BOB, "admin", PASSWORD)
    else:
        owner.client.set_cookie("support_staff_device", mark.value[:-1] + ("0" if mark.value[-1] != "0" else "1"))
    for _ in range(5):
        assert stranger.sign_in(email, "guess").status_code == 403
    assert owner.sign_in(email).status_code == 429


def test_colleagues_who_share_a_browser_keep_a_mark_each(house: House) -> None:
    shared = house.person("admin")
    house.ledger.people.add(BOB, "viewer", PASSWORD)
    for email in (BOB, ANNA, BOB):
        assert shared.fill("/staff/", form="logout").status_code == 303
        assert shared.sign_in(email).status_code == 303
    held = shared.client.get_cookie("support_staff_device")
    assert held is not None
    assert held.http_only and held.path == "/" and held.same_site == "Strict"
    assert len(held.value.split(".")) == 2


def test_a_refused_login_tells_one_attacker_from_many(house: House, caplog: pytest.LogCaptureFixture) -> None:
    for address in ("127.0.5.1", "127.0.5.1", "127.0.6.1"):
        house.visitor(address).sign_in("nobody@example.org", "guess")
    told = [vars(record) for record in caplog.records if record.message == "staff_login_refused"]
    assert len({one["account"] for one in told}) == 1
    assert [told[0]["place"] == one["place"] for one in told] == [True, True, False]
    assert "nobody" not in str(told) and "127.0.5" not in str([one["place"] for one in told])


# Forged requests


@pytest.mark.parametrize(("origin", "site", "is_ours"), SAID_BY_BROWSERS)
def test_an_origin_is_compared_as_a_value_and_null_needs_better_evidence(
    house: House, origin: str, site: str | None, *, is_ours: bool
) -> None:
    house.ledger.people.add(ANNA, "viewer", PASSWORD)
    visitor = house.visitor()
    form = visitor.form("/staff/login")
    headers = {"Origin": origin} | ({} if site is None else {"Sec-Fetch-Site": site})
    fields = {**form.fields, "email": ANNA, "password": PASSWORD}
    assert visitor.client.post(form.action, data=fields, headers=headers).status_code == (303 if is_ours else 403)


def test_every_unsafe_staff_route_refuses_without_a_token(house: House) -> None:
    visitor = house.person("admin")
    ref = visitor.book()
    before = list(house.ledger.export())
    unsafe = _unsafe_paths(house, ref)
    assert len(unsafe) >= 4
    for path in unsafe:
        for fields in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}, {"csrf_token": "ключ"}):
            assert visitor.client.post(path, data=fields).status_code in {400, 403}, path
            assert house.visitor().client.post(path, data=fields).status_code in {400, 403}, path
    assert list(house.ledger.export()) == before
    assert visitor.get("/staff/").status_code == 200, "nobody else can sign a person out"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_form_from_another_page_is_refused_even_with_the_token(house: House, headers: dict[str, str]) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry")
    fields = {**form.fields, "method": "card", "amount": "5", "date": "2026-05-20"}
    assert visitor.client.post(form.action, data=fields, headers=headers).status_code == 403
    assert house.ledger.donations() == ()
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert visitor.client.post(form.action, data=fields, headers=own).status_code == 303


def test_a_token_of_one_session_does_not_fit_another(house: House) -> None:
    anna, bob = house.person("admin", ANNA), house.person("admin", BOB)
    form = anna.form("/staff/entry")
    assert bob.send(form, method="card", amount="5", date="2026-05-20").status_code == 403


def test_every_staff_answer_stays_private(house: House) -> None:
    visitor = house.person("admin")
    ref = visitor.book()
    answers = [visitor.get(path) for path in (*PAGES, f"/staff/donations/{ref}", "/staff/no-such", "/staff")]
    answers += [visitor.get(f"/staff/exports/donations.{form}") for form in ("csv", "jsonl")]
    answers += [
        house.visitor().get("/staff/login"),
        house.visitor().get("/staff/"),
        visitor.client.post("/staff/entry"),
    ]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store", answer.request.path
        assert "noindex" in answer.headers["X-Robots-Tag"], answer.request.path
        if answer.mimetype == "text/html" and answer.status_code == 200:
            assert '<meta name="robots" content="noindex' in answer.text
            assert "<script" not in answer.text
            assert " style=" not in answer.text


# Booking by hand


@pytest.mark.parametrize(("method", "rail"), [("card", "card"), ("iban", "bank")])
def test_a_gift_is_booked_by_hand(either: House, method: str, rail: str) -> None:
    either.person().book(method=method, amount="1 500,50", date="2026-05-18", payer="Олена", note="за шоломи")
    (row,) = either.ledger.export()
    expected = {
        "kind": "donation",
        "rail": rail,
        "network": None,
        "method": method,
        "address": None,
        "asset": "UAH",
        "units": "150050",
        "amount": "1500.5",
        "counted_units": "150050",
        "flags": ["manual"],
        "state": "confirmed",
        "payer": "Олена",
        "occurred_at": "2026-05-18T12:00:00Z",
        "confirmed_at": "2026-05-20T13:30:00Z",
    }
    assert {name: row[name] for name in expected} == expected
    assert re.fullmatch(r"staff:[0-9a-f]{32}", str(row["locator"]))
    assert either.ledger.verify() == []


def test_a_gift_of_today_is_never_booked_in_the_future(house: House) -> None:
    house.clock.advance(hours=-4)
    house.person().book(date="2026-05-20")
    (item,) = house.ledger.donations()
    assert item.donation.payment.occurred_at == house.clock.now


def test_a_form_sent_twice_books_once(either: House) -> None:
    visitor = either.person()
    form = visitor.form("/staff/entry")
    typed = {"method": "card", "amount": "200", "date": "2026-05-20"}
    first, second = visitor.send(form, **typed), visitor.send(form, **typed)
    assert first.headers["Location"].endswith("told=booked")
    assert second.headers["Location"].endswith("told=already")
    third = visitor.send(form, **{**typed, "amount": "999"})
    assert third.headers["Location"].endswith("told=already")
    assert [row["amount"] for row in either.ledger.export()] == ["200"]


def test_s13_two_equal_transfers_of_one_day_are_both_kept_and_each_line_is_booked_once(either: House) -> None:
    visitor = either.person()
    line = {"method": "iban", "amount": "200", "date": "2026-05-20", "payer": "Олена", "note": "statement 17, line 4"}
    forms = [visitor.form("/staff/entry") for _ in range(2)]
    for form in (*forms, *reversed(forms)):
        visitor.send(form, **line)
    assert [(row["amount"], row["payer"], row["state"]) for row in either.ledger.export()] == [
        ("200", "Олена", "confirmed")
    ] * 2
    assert either.ledger.verify() == []


def test_another_persons_form_cannot_overwrite_a_gift(house: House) -> None:
    anna, bob = house.person(email=ANNA), house.person(email=BOB)
    form = anna.form("/staff/entry")
    anna.send(form, method="card", amount="200", date="2026-05-20")
    mine = bob.form("/staff/entry")
    mine.fields["nonce"] = form.fields["nonce"]
    bob.send(mine, method="card", amount="1", date="2026-05-20")
    assert [row["amount"] for row in house.ledger.export()] == ["200"]


def test_looking_first_books_nothing_and_then_books(house: House) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry")
    typed = {"method": "iban", "amount": "200,5", "date": "2026-05-20"}
    looked = visitor.send(form, **typed, action="look")
    assert looked.status_code == 200
    assert '<data value="200.5">200,50</data>' in looked.text
    assert house.ledger.donations() == ()
    assert visitor.send(form, **typed).status_code == 303


def test_an_ambiguous_amount_is_asked_back(house: House) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry")
    typed = {"method": "card", "amount": "1,000", "date": "2026-05-20"}
    asked = visitor.send(form, **typed)
    assert asked.status_code == 400
    assert re.findall(r'name="meant" value="([^"]+)"', asked.text) == ["1000", "1"]
    assert 'value="1,000"' in asked.text
    assert house.ledger.donations() == ()
    assert visitor.send(form, **typed, meant="1000").status_code == 303
    assert [row["amount"] for row in house.ledger.export()] == ["1000"]


@pytest.mark.parametrize(
    ("typed", "marked"),
    [
        ({"amount": ""}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "1.005"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "1e3"}, "amount"),
        ({"amount": "٣"}, "amount"),
        ({"amount": "9" * 200}, "amount"),
        ({"meant": "1e9"}, "amount"),
        ({"date": "2026-05-21"}, "date"),
        ({"date": "0202-05-01"}, "date"),
        ({"date": "yesterday"}, "date"),
        ({"method": "eth"}, "method"),
        ({"method": ""}, "method"),
        ({"payer": "x" * 201}, "payer"),
        ({"note": "x" * 1001}, "note"),
    ],
    ids=str,
)
def test_what_cannot_be_booked_is_marked_and_kept_in_the_form(house: House, typed: dict[str, str], marked: str) -> None:
    visitor = house.person()
    good = {"method": "card", "amount": "200", "date": "2026-05-20", "note": "keep me"}
    answer = visitor.fill("/staff/entry", form="entry", **{**good, **typed})
    assert answer.status_code == 400
    assert f'id="mistake-{marked}"' in answer.text
    assert typed.get("note", "keep me")[:7] in answer.text
    assert house.ledger.donations() == ()


@pytest.mark.parametrize("nonce", ["", "xyz", "AB" * 16, "ab" * 17])
def test_a_form_without_our_nonce_is_refused(house: House, nonce: str) -> None:
    answer = house.person().fill(
        "/staff/entry", form="entry", method="card", amount="5", date="2026-05-20", nonce=nonce
    )
    assert answer.status_code == 400
    assert house.ledger.donations() == ()


def test_control_characters_do_not_reach_the_ledger(either: House) -> None:
    either.person().book(payer="A\x00B\r\nC\t D")
    (item,) = either.ledger.donations()
    assert item.donation.payment.personal.payer == "A B C D"


def test_a_mistake_is_withdrawn_and_both_stay_told(either: House) -> None:
    visitor = either.person()
    ref = visitor.book(amount="200", note="first note", payer="Олена")
    answer = visitor.fill(f"/staff/donations/{ref}", form="withdraw", note="typed twice", sure="yes")
    assert answer.headers["Location"].endswith("told=withdrawn")
    (row,) = either.ledger.export()
    assert (row["state"], row["counted_units"], row["units"]) == ("replaced", "0", "20000")
    assert either.ledger.totals() == ()
    page = visitor.get(f"/staff/donations/{ref}").text
    assert "first note" in page
    assert "typed twice" in page
    assert f"staff:{ANNA}" in page
    assert "/withdraw" not in page
    assert either.ledger.verify() == []


def test_a_withdrawal_needs_a_reason_and_a_tick(house: House) -> None:
    visitor = house.person()
    ref = visitor.book()
    form = visitor.form(f"/staff/donations/{ref}", "withdraw")
    assert visitor.send(form, note=" ", sure="yes").status_code == 400
    assert visitor.send(form, note="because").status_code == 400
    assert [item.donation.state for item in house.ledger.donations()] == [State.CONFIRMED]


def test_what_a_chain_told_cannot_be_withdrawn(house: House) -> None:
    visitor = house.person("admin")
    house.ledger.accept(chain_report(1, State.CONFIRMED))
    (item,) = house.ledger.donations()
    ref, form = item.donation.identity.ref, visitor.form("/staff/entry", "entry")
    form.action = f"/staff/donations/{ref}/withdraw"
    assert visitor.send(form, note="no", sure="yes").status_code == 409
    assert house.ledger.donations() == (item,)


# What is shown


def test_hostile_text_is_inert_in_pages_and_files(house: House) -> None:
    visitor = house.person()
    ref = visitor.book(payer=HOSTILE, note=HOSTILE)
    visitor.book(payer='=HYPERLINK("http://evil.example")')
    for page in (visitor.get("/staff/donations").text, visitor.get(f"/staff/donations/{ref}").text):
        assert "<script>alert" not in page
        assert re.search(r"<bdi[^>]*>&lt;script&gt;alert\(1\)", page), "isolated, so that its direction marks end there"
    rows = list(csv.DictReader(io.StringIO(visitor.get("/staff/exports/donations.csv").text)))
    assert len(rows) == 2
    assert not any(str(cell).startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    assert rows[0]["payer"] == " ".join(HOSTILE.split())


def test_the_history_is_told_in_words(house: House) -> None:
    visitor = house.person("viewer")
    steps = [(State.SEEN, "a", 100), (State.ORPHANED, "a", 100), (State.SEEN, "b", 101), (State.CONFIRMED, "b", 101)]
    for number, (state, block, height) in enumerate(steps):
        house.clock.advance(minutes=1)
        house.ledger.accept(chain_report(number, state, block=block, height=height))
    (item,) = house.ledger.donations()
    page = visitor.get(f"/staff/donations/{item.donation.identity.ref}", lang="en").text
    told = re.findall(r'<p><span class="state state-\w+">([^<]+)</span>', page)
    assert told == [
        "Seen in block 100",
        "Orphaned: block 100 left the chain",
        "Seen again, in block 101",
        "Confirmed in block 101",
    ]
    assert "income:donations:eth" in page


def test_totals_count_confirmed_money_only(house: House) -> None:
    visitor = house.person()
    visitor.book(amount="200")
    visitor.book(method="iban", amount="1 300.50")
    house.ledger.accept(chain_report(1, State.SEEN))
    page = visitor.get("/staff/donations", lang="en").text
    assert re.findall(r'<li class="sum">\s*<span class="amount"><data value="([^"]+)">', page) == ["1500.5"]
    assert "On the way: 1" in page


def test_donations_are_filtered(either: House) -> None:
    visitor = either.person()
    visitor.book(amount="11", date="2026-05-01")
    visitor.book(amount="22", date="2026-05-10", method="iban")
    either.ledger.accept(chain_report(1, State.SEEN))

    def amounts(**query: str) -> list[str]:
        table = visitor.get("/staff/donations", **query).text.partition("<table")[2]
        return re.findall(r'<data value="([^"]+)">', table)

    assert amounts() == ["0.01", "22", "11"]
    assert amounts(method="iban") == ["22"]
    assert amounts(rail="card") == ["11"]
    assert amounts(state="seen") == ["0.01"]
    assert amounts(kind="outflow") == []
    assert amounts(since="2026-05-10", until="2026-05-20") == ["22"]
    assert amounts(until="2026-05-10") == ["11"]
    assert amounts(state="no-such", since="not a day", before="x") == ["0.01", "22", "11"]


def test_long_lists_are_paged_without_gap_or_double(either: House, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = either.person()
    monkeypatch.setattr("support_service.web.staff.views.PAGE_ROWS", 3)
    for units in range(1, 8):
        visitor.book(amount=str(units))
    found: list[str] = []
    path: str | None = "/staff/donations?lang=en"
    while path:
        page = visitor.get(path).text
        found += re.findall(r'<data value="(\d+)">', page.partition("<table")[2])
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else None
    assert found == ["7", "6", "5", "4", "3", "2", "1"]


@pytest.mark.parametrize("form", ["jsonl", "csv", "csv-excel"])
def test_a_download_is_the_ledgers_export(either: House, form: str) -> None:
    visitor = either.person()
    visitor.book(amount="11", payer="Олена")
    either.ledger.accept(chain_report(1, State.CONFIRMED))
    answer = visitor.get(f"/staff/exports/donations.{form}")
    (wanted,) = [one for one in FORMATS if one.name == form]
    assert answer.data == b"".join(wanted.write(either.ledger.exported(), ForPeople()))
    assert answer.headers["Content-Disposition"] == f'attachment; filename="donations-2026-05-20.{wanted.suffix}"'


def test_a_download_is_filtered_and_an_unreadable_filter_is_told(house: House) -> None:
    visitor = house.person()
    visitor.book(amount="11")
    visitor.book(amount="22", method="iban")
    answer = visitor.get("/staff/exports/donations.jsonl", method="iban", since="2026-05-01")
    assert [json.loads(line)["amount"] for line in answer.text.splitlines()] == ["22"]
    assert visitor.get("/staff/exports/donations.jsonl", since="soon").status_code == 400


def test_health_tells_the_ledgers_head_and_what_is_not_watched(house: House) -> None:
    visitor = house.person("admin")
    visitor.book()
    page = visitor.get("/staff/health", lang="en").text
    head = house.ledger.head()
    assert f"<dt>Last report</dt><dd>{head.number}</dd>" in page
    assert head.hash in page
    not_watched = page.partition('id="not-watched"')[2].partition("</section>")[0]
    assert [key for key in ("eth", "btc", "usdt") if f"<strong>{key}</strong>" in not_watched] == ["eth", "btc", "usdt"]


def test_the_chosen_language_follows_every_link(house: House) -> None:
    visitor = house.person("admin")
    page = visitor.get("/staff/", lang="en").text
    assert '<html lang="en">' in page
    links = re.findall(r'href="(/staff/[^"]*)"', page)
    assert links
    assert all("lang=" in link for link in links)
    assert '<html lang="uk">' in visitor.get("/staff/").text


# When something is broken


def test_an_outdated_database_says_what_to_run(build: Build, tmp_path: Path) -> None:
    house = build(f"sqlite:///{tmp_path}/empty.db", is_migrated=False)
    visitor = house.visitor()
    answer = visitor.fill("/staff/login", email=ANNA, password=PASSWORD)
    assert answer.status_code == 503
    assert "support-service migrate" in answer.text
    assert "Traceback" not in answer.text


def test_a_database_that_is_away_is_told_calmly(build: Build) -> None:
    house = build("postgresql+psycopg://user:hidden@127.0.0.1:9/none", is_migrated=False)
    visitor = house.visitor()
    visitor.client.set_cookie("support_staff", "some-token")
    answer = visitor.get("/staff/")
    assert answer.status_code == 503
    assert "hidden" not in answer.text


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "web.secret"
    first = read_or_make_secret(file)
    assert read_or_make_secret(file) == first
    assert len(first) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["web.secret"]


@pytest.mark.parametrize("spoil", [lambda f: f.write_text("short"), lambda f: f.write_bytes(b"\xff" * 64), Path.mkdir])
def test_a_secret_that_cannot_be_used_is_told_for_people(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    file = tmp_path / "web.secret"
    spoil(file)
    with pytest.raises(SecretUnusable, match=r"web\.secret"):
        read_or_make_secret(file)


def test_an_unusable_secret_stops_the_login_and_nothing_else(house: House, tmp_path: Path) -> None:
    (tmp_path / "web.secret").write_text("short")
    assert house.visitor().get("/staff/login").status_code == 503
    assert house.visitor().get("/support").status_code == 200


def _unsafe_paths(house: House, ref: str) -> list[str]:
    rules = [rule for rule in house.app.url_map.iter_rules() if rule.rule.startswith("/staff")]
    unsafe = [rule for rule in rules if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}]
    with house.app.test_request_context():
        return [rule.rule.replace("<ref>", ref) for rule in unsafe]


def _cookie(answer: TestResponse) -> str:
    return next(c for c in answer.headers.getlist("Set-Cookie") if "support_staff=" in c)


def _blank(answer: TestResponse) -> tuple[int, str]:
    """An answer without the token, which is bound to each browser."""
    return answer.status_code, re.sub(r'value="[0-9a-f]{64}"', "", answer.text)


def _status(person: Visitor, form: Form, **fields: str) -> int:
    return person.send(form, **fields).status_code


def _at_once(acts: list[Callable[[], Result]]) -> list[Result]:
    """Let everybody act at the same moment, and return what each was told."""
    start = threading.Barrier(len(acts))

    def one(act: Callable[[], Result]) -> Result:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))
