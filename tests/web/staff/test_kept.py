"""A form that was typed when the session had ended stands there again, filled, for its person alone."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from support_service.demo.stripe import StripeFake
from support_service.ledger.kept_forms import KEPT_OF_ONE_MAX
from support_service.web.staff import kept
from support_service.web.staff.refill import refill
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.staff import ANNA, BOB, PASSWORD, FrozenClock, House, Visitor, build_house, forms

HOSTILE = "<b>\"'&amp; Олена\n\n\tдруга 😀 </textarea>"
WHY = 'he said "no" <b>'
WHY_WRITTEN = escape(WHY, quote=False)
# The page, its form by the end of its action, what is typed, and what must stand there again.
TYPED: dict[str, tuple[str, str, dict[str, str], tuple[str, ...]]] = {
    "entry": (
        *("/staff/entry", "entry"),
        {"method": "iban", "amount": "1 500,5", "date": "2026-05-02", "payer": "Олена", "note": HOSTILE},
        ('value="1 500,5"', 'value="2026-05-02"', 'value="Олена"', escape(HOSTILE, quote=False)),
    ),
    "rows": ("/staff/entry/rows", "rows", {"method": "card", "rows": HOSTILE}, (escape(HOSTILE, quote=False),)),
    "withdraw": (
        *("/staff/donations/{hand}", "withdraw"),
        {"note": WHY, "sure": "yes"},
        (WHY_WRITTEN, 'value="yes" required checked'),
    ),
    "refund": (
        *("/staff/donations/{card}/refund", "refund"),
        {"amount": "12,34", "sure": "yes"},
        ('value="12,34"', 'value="yes" required checked'),
    ),
    "cancel": ("/staff/cards/plans/stripe/{plan}/cancel", "cancel", {"sure": "yes"}, ("checked",)),
    "switch": ("/staff/cards", "switch", {"note": WHY, "sure": "yes"}, (WHY_WRITTEN, "checked")),
    "close": ("/staff/months/2026-04", "close", {"note": WHY, "sure": "yes"}, (WHY_WRITTEN, "checked")),
    "invite": (
        *("/staff/people", "invite"),
        {"email": "eve@example.org", "role": "admin"},
        ('value="eve@example.org"', '<option value="admin" selected>'),
    ),
    "donors": ("/staff/donors", "donors", {"who": "Олена К."}, ('value="Олена К."',)),
}


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardHouse]:
    folder, clock = tmp_path_factory.mktemp("kept"), FrozenClock()
    with StripeFake(clock=clock) as fake:
        house = card_house(folder, f"sqlite:///{folder}/support.db", fake, clock)
        yield house
        house.ledger.dispose()


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = build_house(tmp_path, sqlite_url, is_migrated=False)
    yield made
    made.ledger.dispose()


def sign_in_on(visitor: Visitor, answer: TestResponse, email: str = ANNA) -> TestResponse:
    """Sign in on the very page that the answer shows, and follow to where it leads."""
    form = next(one for one in forms(answer.text) if "/login" in one.action)
    after = visitor.send(form, email=email, password=PASSWORD)
    while after.status_code == 303:
        after = visitor.get(after.headers["Location"])
    return after


@pytest.mark.parametrize("name", TYPED)
def test_what_was_typed_when_the_session_had_ended_stands_there_again(cards: CardHouse, name: str) -> None:
    email = f"{name}@example.org"
    visitor = cards.person("admin", email)
    page, end, fields, again = TYPED[name]
    if "{card}" in page or "{plan}" in page:
        page = page.format(**given_by_card(cards))
    if "{hand}" in page:
        page = page.format(hand=visitor.book())
    form = visitor.form(page, end)
    before = list(cards.ledger.export()), cards.ledger.people.list(), cards.ledger.freezes()
    cards.clock.advance(minutes=31)
    answer = visitor.send(form, **fields)
    assert answer.status_code == 403
    page_again = sign_in_on(visitor, answer, email)
    assert page_again.status_code == 200
    assert page_again.request.path == page
    assert "Набране вами знову тут" in page_again.text
    for part in again:
        assert part in page_again.text, page_again.text
    now = list(cards.ledger.export()), [one.email for one in cards.ledger.people.list()], cards.ledger.freezes()
    assert now == (before[0], [one.email for one in before[1]], before[2]), "nothing is done by itself"
    sent = next(one for one in forms(page_again.text) if one.action.endswith(end))
    assert sent.fields.get("nonce") == form.fields.get("nonce"), "sent twice, it is done once"


def given_by_card(cards: CardHouse) -> dict[str, str]:
    session = cards.reader().session(frequency="monthly", amount="200")
    cards.fake.pay(session)
    cards.deliver_all()
    plan = cards.ledger.plans.newest(1, None)[0].name
    return {"card": cards.ledger.donations()[0].donation.identity.ref, "plan": plan}


def test_every_form_of_staff_has_a_page_that_it_stands_on(cards: CardHouse) -> None:
    rules = [rule for rule in cards.app.url_map.iter_rules() if rule.rule.startswith("/staff")]
    with cards.app.test_request_context():
        for rule in rules:
            if "POST" in (rule.methods or ()):
                path = re.sub(r"<\w+>", "2026-05", rule.rule)
                assert kept.page_of(path) != "/staff/" or rule.endpoint == "staff.sign_in.logout", rule


def test_after_pressing_once_more_it_is_done_once(house: House) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry", "entry")
    house.clock.advance(minutes=31)
    page = sign_in_on(visitor, visitor.send(form, method="card", amount="200", date="2026-05-19", payer="Олена"))
    again = next(one for one in forms(page.text) if one.action.endswith("/entry"))
    for _ in range(2):
        assert visitor.send(again, method="card").status_code == 303
    assert [(row["units"], row["payer"]) for row in house.ledger.export()] == [("20000", "Олена")]


def test_a_form_of_an_earlier_session_of_the_same_person_is_shown_filled(house: House) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry", "entry")
    visitor.fill("/staff/", form="logout")
    visitor.sign_in()
    answer = visitor.send(form, method="card", amount="77", date="2026-05-19")
    assert answer.status_code == 303 and urlsplit(answer.headers["Location"]).path.startswith("/staff/kept/")
    page = visitor.client.get(answer.headers["Location"], follow_redirects=True).text
    assert 'value="77"' in page
    assert house.ledger.donations() == ()


def test_it_is_for_its_person_alone_and_for_hours(house: House) -> None:
    anna, bob = house.person(), house.person("admin", BOB)
    form = anna.form("/staff/entry", "entry")
    anna.fill("/staff/", form="logout")
    answer = anna.send(form, method="card", amount="77", date="2026-05-19")
    found = re.search(r"next=(/staff/kept/[0-9a-f]{32})", answer.text)
    assert found
    assert bob.get(found[1]).status_code == 404
    assert bob.get("/staff/entry", kept=found[1].rpartition("/")[2]).text.count('value="77"') == 0
    assert house.visitor().get(found[1]).headers["Location"] == f"/staff/login?next={found[1]}"
    assert anna.sign_in().status_code == 303
    assert anna.client.get(found[1], follow_redirects=True).text.count('value="77"') == 1
    house.clock.advance(hours=12)
    anna.sign_in()
    assert anna.get(found[1]).status_code == 404


def test_another_person_at_the_browser_sends_nothing_of_the_one_before(house: House) -> None:
    visitor = house.person()
    house.ledger.people.add(BOB, "admin", PASSWORD)
    form = visitor.form("/staff/entry", "entry")
    visitor.fill("/staff/", form="logout")
    visitor.sign_in(BOB)
    assert visitor.send(form, method="card", amount="77", date="2026-05-19").status_code == 403
    assert house.ledger.donations() == ()


@pytest.mark.parametrize("owner", ["", "x", "A" * 40, "ключ", "Ü"])
def test_a_form_that_is_not_ours_is_kept_for_nobody(house: House, owner: str) -> None:
    visitor = house.person()
    token = visitor.form("/staff/entry", "entry").fields["csrf_token"]
    house.clock.advance(minutes=31)
    forged = {"csrf_token": token[:64] + owner, "amount": "5"}
    answer = visitor.client.post("/staff/entry", data=forged)
    assert answer.status_code == 403 and "kept" not in answer.text
    elsewhere = {"Origin": "https://evil.example"}
    answer = visitor.client.post("/staff/entry", data={"csrf_token": token}, headers=elsewhere)
    assert answer.status_code == 403 and "kept" not in answer.text


def test_no_password_and_nothing_in_the_clear_is_kept(house: House) -> None:
    visitor = house.person()
    typed = {"old": PASSWORD, "password": "four words nobody knows", "again": "four words nobody knows"}
    sent = [(visitor.form("/staff/me", "password"), typed), (visitor.form("/staff/entry"), {"payer": "Таємна Олена"})]
    house.clock.advance(minutes=31)
    for form, fields in sent:
        answer = visitor.send(form, **fields)
        assert "four words" not in answer.text and PASSWORD not in answer.text
    found = re.search(r"next=(/staff/kept/[0-9a-f]{32})", answer.text)
    assert found
    files = b"".join(path.read_bytes() for path in house.folder.iterdir() if path.is_file())
    for word in ("four words", PASSWORD, "Таємна", found[1].rpartition("/")[2]):
        assert word.encode() not in files


def test_no_field_that_hides_what_is_typed_is_ever_kept() -> None:
    pages = Path(__file__).parents[3] / "templates" / "staff"
    fields = [tag for file in pages.glob("*.html") for tag in re.findall(r"<input[^>]*>", file.read_text("utf-8"))]
    named = [re.search(r'name="(\w+)"', tag) for tag in fields if 'type="password"' in tag or "one-time-code" in tag]
    assert named and {match[1] for match in named if match} <= kept.NEVER_KEPT


def test_what_is_kept_is_bounded(house: House, sqlite_url: str) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry", "entry")
    house.clock.advance(minutes=31)
    for number in range(KEPT_OF_ONE_MAX + 5):
        house.clock.advance(seconds=1)
        last = visitor.send(form, note=f"{number} " + "ї" * 5000)
    assert sign_in_on(visitor, last).text.count("ї" * 5000) == 1
    with house.ledger._database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM staff_kept_form").scalar_one() == KEPT_OF_ONE_MAX


def test_where_the_form_stands_no_more_what_was_typed_is_shown(house: House) -> None:
    visitor, colleague = house.person(), house.person("bookkeeper", BOB)
    ref = visitor.book()
    form = visitor.form(f"/staff/donations/{ref}", "withdraw")
    colleague.fill(f"/staff/donations/{ref}", form="withdraw", note="mistake", sure="yes")
    house.clock.advance(minutes=31)
    page = sign_in_on(visitor, visitor.send(form, note=HOSTILE, sure="yes"))
    assert escape(HOSTILE) in page.text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert "yes</code>" not in page.text


def test_a_support_code_is_kept_though_a_code_to_sign_in_is_not(house: House) -> None:
    visitor = house.person()
    ref = visitor.book()
    token = visitor.form(f"/staff/donations/{ref}", "withdraw").fields["csrf_token"]
    house.clock.advance(minutes=31)
    typed = {"csrf_token": token, "nonce": "ab" * 16, "code": "ABCD-EFGH", "otp": "123456"}
    page = sign_in_on(visitor, visitor.client.post(f"/staff/donations/{ref}/match", data=typed))
    assert "ABCD-EFGH" in page.text and "123456" not in page.text


def test_a_file_is_chosen_again_and_the_page_is_there(house: House) -> None:
    visitor = house.person()
    form = visitor.form("/staff/imports", "imports")
    house.clock.advance(minutes=31)
    answer = visitor.client.post("/staff/imports", data=form.fields, content_type="multipart/form-data")
    assert answer.status_code == 403
    assert sign_in_on(visitor, answer).request.path == "/staff/imports"


def test_under_a_prefix_everything_leads_back(tmp_path: Path, sqlite_url: str) -> None:
    house = build_house(tmp_path, sqlite_url, url="http://127.0.0.1:8000/donate", is_migrated=False)
    house.ledger.people.add(ANNA, "bookkeeper", PASSWORD)
    client = house.app.test_client()

    def send(page: TestResponse, end: str, **fields: str) -> TestResponse:
        """Send a form as the proxy in front hands it on: without the prefix."""
        form = next(one for one in forms(page.text) if end in one.action)
        assert form.action.startswith("/donate/staff/")
        return client.post(form.action.removeprefix("/donate"), data={**form.fields, **fields})

    asked = send(client.get("/staff/login?next=/staff/entry"), "/login", email=ANNA, password=PASSWORD)
    assert asked.headers["Location"] == "/donate/staff/entry"
    page = client.get("/staff/entry")
    house.clock.advance(minutes=31)
    after = send(send(page, "/entry", amount="77"), "/login", email=ANNA, password=PASSWORD)
    assert after.headers["Location"].startswith("/donate/staff/kept/")
    leads = client.get(after.headers["Location"].removeprefix("/donate"))
    assert leads.headers["Location"].startswith("/donate/staff/entry?kept=")
    assert 'value="77"' in client.get(leads.headers["Location"].removeprefix("/donate")).text
    house.ledger.dispose()


def test_a_form_is_found_by_what_it_hides_and_what_hides_it_is_opened() -> None:
    one, two = (
        f'<details class="change"><summary>x</summary><form method="post" action="/a?lang=en"><input type="hidden"'
        f' name="email" value="{who}"><input name="note"><input type="checkbox" name="sure" checked></form></details>'
        for who in ("anna", "bob")
    )
    filled = refill(one + two, "/a", [("email", "bob"), ("note", "so & so")])
    assert filled is not None
    assert filled.startswith(one)
    assert '<details class="change" open>' in filled and '<input name="note" value="so &amp; so">' in filled
    assert "checked" not in filled.removeprefix(one)
    assert refill(one, "/a", [("email", "eve")]) is None
    assert refill(one, "/b", []) is None
