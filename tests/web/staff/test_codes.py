"""Codes of an app beside the password, recovery codes for a lost phone, and the proof that is asked for once more."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from click.testing import CliRunner
from werkzeug.test import TestResponse

from support_service import cli
from support_service.demo.stripe import StripeFake
from support_service.ledger.factors import CodeGiven
from support_service.ledger.invites import digest_of
from support_service.web.staff import codes
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.staff import ANNA, BOB, PASSWORD, FrozenClock, House, Visitor, build_house, forms

BY_APP = "/staff/me/codes"
NEW = "four words nobody knows"


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = build_house(tmp_path, sqlite_url, is_migrated=False)
    yield made
    made.ledger.dispose()


class Phone:
    """An app for codes that read the key from the page."""

    def __init__(self, house: House, key: str) -> None:
        self.house, self.totp = house, pyotp.TOTP(key)

    def code(self, seconds: int = 0) -> str:
        return str(self.totp.at(self.house.clock.now, counter_offset=seconds // 30))


def enrol(house: House, visitor: Visitor) -> tuple[Phone, list[str]]:
    """Begin on the own page, read the key, type the first code, and copy the recovery codes."""
    assert visitor.fill(BY_APP, form="begin").status_code == 303
    page = visitor.get(BY_APP, lang="en").text
    found = re.search(r'<code class="long"[^>]*>([A-Z2-7]{32})</code>', page)
    assert found and "<svg" in page and "otpauth://totp/" in page
    phone = Phone(house, found[1])
    shown = visitor.fill(BY_APP, form="confirm", otp=phone.code())
    assert shown.status_code == 200
    recovery = re.findall(r"<code translate=\"no\" dir=\"ltr\">([A-Z2-9-]{29})</code>", shown.text)
    assert len(recovery) == codes.RECOVERY_CODES
    return phone, recovery


def half_in(visitor: Visitor, email: str = ANNA, path: str = "/staff/login") -> TestResponse:
    """Give the password; what is asked for now is the code."""
    answer = visitor.fill(path, email=email, password=PASSWORD)
    assert answer.status_code == 200 and 'name="ticket"' in answer.text
    assert visitor.get("/staff/").status_code == 303, "a password alone opens nothing"
    return answer


def give(visitor: Visitor, page: TestResponse, code: str) -> TestResponse:
    form = next(one for one in forms(page.text) if "/login/code" in one.action)
    return visitor.send(form, otp=code)


def test_a_code_is_asked_for_after_the_password_and_each_opens_once(house: House) -> None:
    anna = house.person("viewer")
    phone, _ = enrol(house, anna)
    house.clock.advance(minutes=1)
    elsewhere, thief = house.visitor("127.0.0.2"), house.visitor("127.0.0.3")
    page = half_in(elsewhere, path="/staff/login?next=/staff/health")
    code = phone.code()
    answer = give(elsewhere, page, f" {code[:3]} {code[3:]} ")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/health")
    assert elsewhere.get("/staff/health").status_code == 200
    assert give(thief, half_in(thief), code).status_code == 403, "read over a shoulder, it opens nothing"
    assert [one.action for one in house.ledger.people.actions()] == ["codes"]


@pytest.mark.parametrize(("seconds", "status"), [(-30, 303), (30, 303), (-60, 403), (60, 403)])
def test_a_phone_may_be_half_a_minute_off(house: House, seconds: int, status: int) -> None:
    anna = house.person("viewer")
    phone, _ = enrol(house, anna)
    house.clock.advance(minutes=5)
    elsewhere = house.visitor("127.0.0.2")
    page = half_in(elsewhere)
    assert give(elsewhere, page, phone.code(seconds)).status_code == status
    if status == 303:
        older = phone.code(seconds - 30)
        assert give(elsewhere, page, older).status_code == 403, "nor does an older one after it"


def test_guesses_are_limited_and_keep_no_owner_out_of_a_browser_they_know(house: House) -> None:
    owner = house.person("admin")
    phone, _ = enrol(house, owner)
    owner.fill("/staff/", form="logout")
    house.clock.advance(minutes=1)
    # Somebody knows the password.
    for number in range(5):
        thief = house.visitor(f"127.0.{number}.1")
        assert give(thief, half_in(thief), "000000").status_code == 403
    stranger = house.visitor("127.0.77.1")
    assert give(stranger, half_in(stranger), phone.code()).status_code == 429
    page = half_in(owner)
    for _ in range(4):
        assert give(owner, page, "000000").status_code == 403
    assert give(owner, page, phone.code()).status_code == 303
    owner.fill("/staff/", form="logout")


def test_whoever_has_the_password_gets_thirty_guesses_in_half_a_day(house: House) -> None:
    phone, recovery = enrol(house, house.person("admin"))
    refused = []
    for minute in range(8):
        house.clock.advance(seconds=61)
        thief = house.visitor(f"127.0.{minute}.1")
        page = half_in(thief)
        refused += [give(thief, page, "000000").status_code for _ in range(5)]
    assert refused == [403] * 30 + [429] * 10
    house.clock.advance(seconds=61)
    honest = house.visitor("127.0.99.1")
    assert give(honest, half_in(honest), phone.code()).status_code == 429
    assert give(honest, half_in(honest), recovery[0].lower().replace("-", " ")).status_code == 303


def test_no_recovery_code_is_guessed_from_its_digest_and_the_shorter_ones_of_before_open_still() -> None:
    (code, *_) = codes.new_recovery()
    assert len(code.replace("-", "")) * math.log2(len(set(codes._LETTERS))) >= 112
    for typed in (code, "ABCD-EFGH-JKMN-PQRS"):
        assert codes.read_code(typed, None, FrozenClock()()) == CodeGiven(recovery=digest_of(typed.replace("-", "")))
    assert codes.read_code("ABCD-EFGH-JKMN-PQRS-TUVW", None, FrozenClock()()) is None


def test_a_recovery_code_opens_once_and_new_ones_end_the_old(house: House) -> None:
    anna = house.person("viewer")
    _, recovery = enrol(house, anna)
    elsewhere = house.visitor("127.0.0.2")
    assert give(elsewhere, half_in(elsewhere), recovery[3]).status_code == 303
    assert "9 recovery codes are left" in elsewhere.get(BY_APP, lang="en").text
    again = house.visitor("127.0.0.4")
    assert give(again, half_in(again), recovery[3]).status_code == 403
    renewed = elsewhere.fill(BY_APP, form="recovery").text
    assert recovery[4] not in renewed and renewed.count('translate="no" dir="ltr">') == codes.RECOVERY_CODES
    assert give(again, half_in(again), recovery[4]).status_code == 403
    kept = b"".join(path.read_bytes() for path in house.folder.glob("ledger.db*"))
    assert kept and not [code for code in recovery if code.encode() in kept or code.replace("-", "").encode() in kept]


def test_the_key_is_sealed_in_the_database_and_opens_for_its_person_alone(house: House) -> None:
    anna, bob = house.person("viewer"), house.person("viewer", BOB)
    phone, _ = enrol(house, anna)
    enrol(house, bob)
    kept = b"".join(path.read_bytes() for path in house.folder.glob("ledger.db*"))
    assert kept and phone.totp.secret.encode() not in kept
    with house.ledger._database.write() as tx:
        tx.exec_driver_sql(
            f"UPDATE staff_code_key SET sealed = (SELECT sealed FROM staff_code_key WHERE email = '{ANNA}')"
        )
    house.clock.advance(minutes=2)
    elsewhere = house.visitor("127.0.0.2")
    assert give(elsewhere, half_in(elsewhere, BOB), phone.code()).status_code == 403


@pytest.mark.parametrize("ticket", ["", "x", "another browser", "late", "another password"])
def test_a_code_without_the_password_of_this_browser_opens_nothing(house: House, ticket: str) -> None:
    anna = house.person("viewer")
    phone, _ = enrol(house, anna)
    house.clock.advance(minutes=1)
    visitor = house.visitor("127.0.0.2")
    form = next(one for one in forms(half_in(visitor).text) if "/login/code" in one.action)
    if ticket in {"", "x"}:
        form.fields["ticket"] = ticket
    elif ticket == "another browser":
        other = house.visitor("127.0.0.3")
        form.fields["csrf_token"] = other.form("/staff/login").fields["csrf_token"]
        visitor = other
    elif ticket == "late":
        house.clock.advance(minutes=5)
    else:
        anna.fill(
            "/staff/me",
            form="password",
            old=PASSWORD,
            password="four words nobody knows",
            again="four words nobody knows",
        )
    assert visitor.send(form, otp=phone.code()).status_code == 403
    assert visitor.get("/staff/").status_code == 303


def test_a_key_counts_for_nothing_until_a_code_of_it_was_given(house: House) -> None:
    anna = house.person("viewer")
    anna.fill(BY_APP, form="begin")
    assert anna.fill(BY_APP, form="confirm", otp="000000").status_code == 400
    assert house.visitor().sign_in().status_code == 303
    phone, _ = enrol(house, anna)
    assert anna.fill(BY_APP, form="end").status_code == 303
    assert house.visitor().sign_in().status_code == 303
    assert phone.totp.secret


def test_an_admin_takes_lost_codes_away_and_it_is_written_down(house: House) -> None:
    admin, bob = house.person("admin"), house.person("viewer", BOB)
    enrol(house, bob)
    admin.fill("/staff/people", form="change", email=BOB, action="factors")
    assert bob.get("/staff/").status_code == 303, "every session has ended"
    assert house.visitor().sign_in(BOB).status_code == 303
    told = house.ledger.people.actions()[0]
    assert (told.by, told.action, told.about) == (ANNA, "factors", BOB)
    enrol(house, admin)
    assert "refused" in admin.fill("/staff/people", form="change", email=ANNA, action="factors").headers["Location"]
    config = ["--config", str(house.folder / "support.toml")]
    assert CliRunner().invoke(cli.commands, [*config, "staff", "reset", ANNA]).exit_code == 0
    assert house.visitor().sign_in().status_code == 303


# The proof that is asked for once more


def prove(visitor: Visitor, answer: TestResponse, proof: str) -> TestResponse:
    """Follow to the question, answer it, and follow to where it leads."""
    assert answer.status_code == 303 and "/staff/prove" in answer.headers["Location"], answer.headers
    after = visitor.send(visitor.form(answer.headers["Location"], "prove"), proof=proof)
    while after.status_code == 303:
        after = visitor.get(after.headers["Location"])
    return after


def test_people_are_changed_only_soon_after_a_proof_and_what_was_typed_waits(house: House) -> None:
    admin = house.person("admin")
    house.clock.advance(minutes=14)
    assert admin.get("/staff/people").status_code == 200
    house.clock.advance(minutes=1)
    answer = admin.fill("/staff/people", form="invite", email=BOB, role="admin")
    page = prove(admin, answer, PASSWORD)
    assert page.request.path == "/staff/people"
    assert f'value="{BOB}"' in page.text and '<option value="admin" selected>' in page.text
    assert house.ledger.people.actions() == (), "nothing is done by itself"
    again = next(one for one in forms(page.text) if one.action.endswith("/invite"))
    assert admin.send(again, role="viewer").status_code == 200
    assert house.ledger.people.actions()[0].about == f"{BOB} viewer"


def test_an_export_is_asked_for_again_with_its_filter_after_the_proof(house: House) -> None:
    person = house.person()
    house.clock.advance(minutes=15)
    answer = person.get("/staff/exports/donations.csv?state=confirmed&since=2026-05-01")
    page = prove(person, answer, PASSWORD)
    assert page.request.path == "/staff/exports"
    assert 'value="2026-05-01"' in page.text and '<option value="confirmed" selected>' in page.text
    assert person.get("/staff/exports/donations.csv").status_code == 200


def test_who_guesses_at_the_question_is_out_after_five_tries(house: House) -> None:
    admin = house.person("admin")
    house.clock.advance(minutes=15)
    answer = admin.fill("/staff/donors", form="donors", who="olena@example.org")
    form = admin.form(answer.headers["Location"], "prove")
    assert [admin.send(form, proof="a wrong one").status_code for _ in range(6)] == [403] * 5 + [429]
    assert admin.get("/staff/").status_code == 303
    assert house.visitor().sign_in().status_code == 303, "and the door is not shut for the owner"


def test_a_code_proves_as_well_and_not_twice(house: House) -> None:
    admin = house.person("admin")
    phone, recovery = enrol(house, admin)
    house.clock.advance(minutes=15)
    code = phone.code()
    page = prove(admin, admin.fill("/staff/people", form="invite", email=BOB, role="admin"), code)
    assert page.request.path == "/staff/people"
    house.clock.advance(minutes=15)
    answer = admin.fill("/staff/people", form="invite", email=BOB, role="admin")
    assert prove(admin, answer, code).status_code == 403
    assert prove(admin, answer, recovery[0]).status_code == 200


@pytest.fixture
def cards(tmp_path: Path, sqlite_url: str) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, sqlite_url, fake, clock)


def test_money_goes_back_and_cards_are_switched_only_after_a_proof(cards: CardHouse) -> None:
    session = cards.reader().session(frequency="once", amount="200")
    cards.fake.pay(session)
    cards.deliver_all()
    ref = cards.ledger.donations()[0].donation.identity.ref
    admin = cards.person("admin")
    cards.clock.advance(minutes=15)
    page = prove(admin, admin.fill(f"/staff/donations/{ref}/refund", form="refund", amount="50", sure="yes"), PASSWORD)
    assert 'value="50"' in page.text and cards.fake.account.all("refund") == []
    again = next(one for one in forms(page.text) if one.action.endswith("/refund"))
    assert admin.send(again, sure="yes").status_code == 303
    assert len(cards.fake.account.all("refund")) == 1
    cards.clock.advance(minutes=15)
    prove(admin, admin.fill("/staff/cards", form="switch", note="closed", sure="yes"), PASSWORD)
    assert cards.ledger.freezes() == ()
