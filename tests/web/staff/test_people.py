"""People let each other in by one-time links, and who gave can ask to be forgotten."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from support_service import cli
from support_service.giving import Personal
from support_service.ledger import DonorError, Wanted
from support_service.ledger.staff import PeopleError
from tests.fixtures.reports import gift, pushed
from tests.fixtures.staff import ANNA, BOB, PASSWORD, House, Visitor, build_house

NEW = "four words nobody knows"
OLENA = Personal(payer="Олена Коваль", message="Дякую!", party='{"email": "olena@example.org"}')


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = build_house(tmp_path, sqlite_url, is_migrated=False)
    yield made
    made.ledger.dispose()


def invited(admin: Visitor, email: str, role: str = "bookkeeper") -> str:
    page = admin.fill("/staff/people?lang=en", form="invite", email=email, role=role).text
    found = re.search(r"http://127\.0\.0\.1:8000(/staff/invite/[\w-]+)", page)
    assert found, page
    return found[1]


def test_an_invited_person_chooses_a_password_once(house: House) -> None:
    link = invited(house.person("admin"), BOB)
    bob = house.visitor()
    assert bob.fill(link, form=link, password=NEW, again="another one entirely").status_code == 400
    assert bob.fill(link, form=link, password="password1234", again="password1234").status_code == 400
    assert bob.fill(link, form=link, password=NEW, again=NEW).status_code == 303
    assert bob.sign_in(BOB, NEW).status_code == 303
    assert bob.get("/staff/entry").status_code == 200
    assert house.visitor().get(link).status_code == 404
    assert NEW not in str([house.ledger.people.actions()])


def test_a_link_ends_after_a_week_and_by_a_newer_one(house: House) -> None:
    admin = house.person("admin")
    first = invited(admin, BOB)
    second = invited(admin, BOB)
    assert house.visitor().get(first).status_code == 404
    house.clock.advance(days=7, seconds=1)
    assert house.visitor().get(second).status_code == 404


def test_a_forgotten_password_is_chosen_anew_and_ends_every_session(house: House) -> None:
    bob = house.person("viewer", BOB)
    link = invited(house.person("admin"), BOB, "viewer")
    assert bob.get("/staff/").status_code == 200, "the old one works until then"
    assert house.visitor().fill(link, form=link, password=NEW, again=NEW).status_code == 303
    assert bob.get("/staff/").status_code == 303
    assert house.visitor().sign_in(BOB, PASSWORD).status_code == 403
    assert house.visitor().sign_in(BOB, NEW).status_code == 303


def test_an_admin_changes_roles_and_shuts_out_but_not_themselves(house: House) -> None:
    admin, bob = house.person("admin"), house.person("viewer", BOB)
    admin.fill("/staff/people", form="change", email=BOB, action="bookkeeper")
    assert bob.get("/staff/entry").status_code == 200
    admin.fill("/staff/people", form="change", email=BOB, action="disable")
    assert bob.get("/staff/").status_code == 303
    house.person("viewer", "eve@example.org")
    for action in ("viewer", "disable"):
        answer = admin.fill("/staff/people", form="change", email=ANNA, action=action)
        assert "told=refused" in answer.headers["Location"]
    assert admin.get("/staff/people").status_code == 200
    told = [(one.by, one.action, one.about) for one in house.ledger.people.actions()]
    assert told == [(ANNA, "disable", BOB), (ANNA, "role", f"{BOB} bookkeeper")]


@pytest.mark.parametrize("role", ["viewer", "bookkeeper"])
def test_people_are_for_admins_alone(house: House, role: str) -> None:
    visitor = house.person(role)
    assert visitor.get("/staff/people").status_code == visitor.get("/staff/donors").status_code == 403
    token = visitor.form("/staff/", "logout").fields["csrf_token"]
    for path in ("people/invite", "people/change", "donors"):
        fields = {"csrf_token": token, "email": BOB, "role": "admin", "action": "admin", "who": "olena@example.org"}
        assert visitor.client.post(f"/staff/{path}", data=fields).status_code == 403
    assert len(house.ledger.people.list()) == 1


def test_a_password_is_changed_by_who_knows_it(house: House) -> None:
    anna, elsewhere = house.person("viewer"), house.visitor()
    elsewhere.sign_in()
    answer = anna.fill("/staff/me", form="password", old=PASSWORD, password=NEW, again=NEW)
    assert "told=password" in answer.headers["Location"]
    assert anna.get("/staff/me").status_code == 200
    assert elsewhere.get("/staff/").status_code == 303, "every other session has ended"
    anna.fill("/staff/me", form="password", old="a wrong one", password=PASSWORD, again=PASSWORD)
    assert anna.get("/staff/").status_code == 303, "who guesses is out"
    assert house.visitor().sign_in(ANNA, NEW).status_code == 303


def test_other_sessions_are_ended_and_the_last_look_is_told(house: House) -> None:
    anna, elsewhere = house.person("admin"), house.visitor()
    elsewhere.sign_in()
    anna.fill("/staff/me", form="sessions")
    assert elsewhere.get("/staff/").status_code == 303
    (person,) = house.ledger.people.list()
    assert person.seen_at == house.clock.now


def test_sessions_are_ended_by_who_proved_a_short_time_ago_who_they_are(house: House) -> None:
    anna, elsewhere = house.person("viewer"), house.visitor()
    elsewhere.sign_in()
    house.clock.advance(minutes=15)
    assert "/staff/prove" in anna.fill("/staff/me", form="sessions").headers["Location"]
    assert elsewhere.get("/staff/").status_code == 200


def test_the_command_prints_a_link(house: House) -> None:
    run = CliRunner().invoke(
        cli.commands, ["--config", str(house.folder / "support.toml"), "staff", "invite", BOB, "--role", "viewer"]
    )
    assert run.exit_code == 0
    found = re.fullmatch(r"http://127\.0\.0\.1:8000/staff/invite/([\w-]+)\n", run.output)
    assert found
    house.ledger.people.join(found[1], NEW)
    with pytest.raises(PeopleError):
        house.ledger.people.join(found[1], NEW)


# Who gave


def fill(house: House) -> None:
    raw = json.dumps({"data": {"customer_email": "Olena@example.org"}})
    house.ledger.accept(pushed("e1", gift("pi_1", personal=OLENA), raw=raw))
    house.ledger.accept(pushed("e2", gift("pi_2", personal=Personal(payer="Олена Іваненко"))))


def command(house: House, *words: str) -> tuple[int, str]:
    run = CliRunner().invoke(cli.commands, ["--config", str(house.folder / "support.toml"), "donor", *words])
    return run.exit_code, run.output


def test_a_person_is_found_given_to_them_and_erased(house: House) -> None:
    fill(house)
    before = list(house.ledger.export())
    code, told = command(house, "find", "olena@example.org")
    assert code == 0 and told.startswith("2 entries: 1 of what gifts say of a person, 1 messages as they came")
    assert "Коваль" not in told
    file = json.loads(command(house, "export", "коваль олена")[1])
    assert len(file["kept"]) == 2 and "Дякую!" in json.dumps(file, ensure_ascii=False)
    assert command(house, "erase", "olena@example.org")[1].startswith("erased: 2 entries of 1 gifts")
    assert command(house, "find", "olena@example.org")[1] == "nothing is kept that fits this\n"
    after = list(house.ledger.export())
    same = {"id", "units", "state", "counted_units", "locator"}
    assert [{k: row[k] for k in same} for row in before] == [{k: row[k] for k in same} for row in after]
    assert [row["payer"] for row in after] == [None, "Олена Іваненко"]
    assert house.ledger.search.find("коваль", Wanted(), with_people=True).listed == ()
    assert house.ledger.verify() == []


def test_a_form_that_waits_for_its_staff_is_found_and_erased_with_who_it_names(house: House) -> None:
    fill(house)
    clerk = house.person("bookkeeper", "bob@example.org")
    for payer in ("Олена Коваль", "Остап Вишня"):
        form = clerk.form("/staff/entry", "entry")
        house.clock.advance(minutes=31)
        assert clerk.send(form, method="iban", amount="5", date="2026-05-02", payer=payer).status_code == 403
        clerk.sign_in("bob@example.org")
    told = command(house, "find", "коваль олена")[1]
    assert "3 entries: 1 of what gifts say of a person, 1 messages as they came, 1 forms of staff that wait" in told
    assert "Олена Коваль" in json.dumps(json.loads(command(house, "export", "коваль олена")[1]), ensure_ascii=False)
    admin = house.person("admin")
    token = admin.form("/staff/donors").fields["csrf_token"]
    asked = {"csrf_token": token, "who": "коваль олена", "action": "erase", "sure": "yes"}
    assert "told=erased" in admin.client.post("/staff/donors", data=asked).headers["Location"]
    assert command(house, "find", "коваль олена")[1] == "nothing is kept that fits this\n"
    assert [one.kept_at for one in house.ledger.kept_forms.all()] == [house.clock.now], "the other's is left"
    house.clock.advance(hours=13)
    house.ledger.donors.forget_before(house.clock.now - timedelta(days=9))
    assert house.ledger.kept_forms.all() == (), "what is over is not kept for want of a newer one"


def test_what_was_erased_is_not_in_the_file_any_more(house: House) -> None:
    fill(house)
    command(house, "erase", "olena@example.org")
    kept = b"".join(path.read_bytes() for path in house.folder.iterdir() if path.is_file())
    assert "Коваль".encode() not in kept and b"lena@example" not in kept and "коваль".encode() not in kept


def test_what_was_erased_stays_erased_when_it_is_told_again(house: House) -> None:
    fill(house)
    command(house, "erase", "olena@example.org")
    house.ledger.accept(pushed("e3", gift("pi_1", personal=OLENA)))
    assert command(house, "find", "olena@example.org")[1] == "nothing is kept that fits this\n"


@pytest.mark.parametrize("text", ["олена", "a@b", "", "   ", "\0", "ко"])
def test_a_word_that_fits_many_people_erases_nobody(house: House, text: str) -> None:
    fill(house)
    with pytest.raises(DonorError):
        house.ledger.donors.erase(text, by="cli")
    assert len(house.ledger.donors.find("olena@example.org").kept) == 2


def test_an_admin_erases_on_the_page_and_it_is_written_down(house: House) -> None:
    fill(house)
    admin = house.person("admin")
    page = admin.fill("/staff/donors?lang=en", form="donors", who="olena@example.org").text
    assert "2 entries are kept" in page
    token = admin.form("/staff/donors").fields["csrf_token"]
    asked = {"csrf_token": token, "who": "olena@example.org", "action": "erase"}
    assert "Tick the box" in admin.client.post("/staff/donors?lang=en", data=asked).text
    answer = admin.client.post("/staff/donors", data={**asked, "sure": "yes"})
    assert "told=erased" in answer.headers["Location"] and "olena" not in answer.headers["Location"]
    assert house.ledger.donors.find("olena@example.org").is_empty
    (action, *_) = house.ledger.people.actions()
    assert (action.by, action.action) == (ANNA, "erase") and "olena" not in action.about


def test_looking_a_person_up_and_exporting_them_is_written_down_without_their_name(house: House) -> None:
    fill(house)
    admin = house.person("admin")
    asked = {"csrf_token": admin.form("/staff/donors").fields["csrf_token"], "who": "olena@example.org"}
    admin.client.post("/staff/donors", data={**asked, "action": "find"})
    assert "Олена Коваль" in admin.client.post("/staff/donors", data={**asked, "action": "export"}).text
    admin.client.post("/staff/donors", data={**asked, "who": "nobody@example.org", "action": "export"})
    newest, export, look, *_ = house.ledger.people.actions()
    assert [(one.by, one.action, one.about) for one in (look, export, newest)] == [
        (ANNA, "look_up", "2 entries"),
        (ANNA, "export_person", "2 entries"),
        (ANNA, "look_up", "0 entries"),
    ]
    told = {lang: admin.get("/staff/people", lang=lang).text.partition('id="actions"')[2] for lang in ("en", "uk")}
    assert "exported what is kept of a person" in told["en"] and "looked up what is kept of a person" in told["en"]
    assert "вивантажено збережене про особу" in told["uk"] and "переглянуто збережене про особу" in told["uk"]
    assert "olena" not in told["en"] and "Олена" not in told["en"]


def test_data_older_than_the_publisher_keeps_them_are_forgotten(house: House) -> None:
    fill(house)
    assert house.ledger.donors.forget_before(house.clock.now) == 0
    house.clock.advance(days=31)
    assert house.ledger.donors.forget_before(house.clock.now) == 3
    assert [row["payer"] for row in house.ledger.export()] == [None, None]
    assert house.ledger.verify() == []
