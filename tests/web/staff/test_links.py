"""What people say about money: booked twice, given back, one of many, whose; and every word taken back again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.giving import Frequency, Intent, SetAside, utc_now
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.settings import AccountPlace, BankChoices
from support_service.rails.bank.settling import settle
from support_service.rails.bank.statements import StatementFile, WantedStatement, read_statements
from support_service.web.staff.needs import LOOK_AGAIN
from tests.fixtures.reports import NOON
from tests.fixtures.staff import House, build_house
from tests.fixtures.statements import Json, gift_units
from tests.rails.bank.vectors import WORLD

ACCOUNT = "UA043052990000026007015028783"
PLACES = {ACCOUNT: AccountPlace("iban", "bank")}
CODE = "2A3C-4E62"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = build_house(tmp_path, database_url)
    yield made
    made.ledger.dispose()


def bring(house: House, *rows: str) -> None:
    """Import a table: day; signed sum; purpose; reference, then what follows from it."""
    data = "\n".join(("Date;Amount;Purpose;Reference", *rows)).encode()
    read = read_statements(StatementFile("rows.csv", data), "csv", WantedStatement(account=ACCOUNT, currency="UAH"))
    assert not read.problems
    choices = BankChoices(world=WORLD, places=PLACES)
    list(import_lines(read.lines, house.ledger.lines, choices, now=utc_now()))
    settle({ACCOUNT}, house.ledger.lines)


def rows(house: House) -> list[Json]:
    assert house.ledger.verify() == []
    return list(house.ledger.export())


def row(house: House, start: str) -> Json:
    return next(one for one in rows(house) if one["locator"].startswith(start))


def on_accounts(house: House, start: str) -> int:
    """Sum what the books hold in accounts of one beginning."""
    found = 0
    for one in house.ledger.export():
        history = house.ledger.donation(str(one["id"]))
        assert history is not None
        found += sum(leg.units for _, leg in history.postings if leg.account.startswith(start))
    return found


def issue(house: House) -> None:
    chosen = Intent("a" * 32, "iban", "UAH", 2, 25_000, Frequency.ONCE, "uk", NOON, article="https://example.com/a")
    house.ledger.intents.open(chosen, nonce="b" * 32, draw_code=iter([CODE]).__next__)


def test_a_gift_booked_by_hand_with_the_banks_reference_is_joined_to_its_line_and_counts_once(house: House) -> None:
    visitor = house.person()
    visitor.book(method="iban", amount="250", known_as="rb 77", payer="Olena")
    bring(house, "2026-05-21;250.00;help;RB77", "2026-05-21;250.00;help;RB78")
    hand = row(house, "staff:")
    assert (hand["state"], hand["counted_units"]) == ("replaced", "0")
    assert gift_units(rows(house)) == 50_000
    assert on_accounts(house, "assets:") == 50_000
    assert on_accounts(house, "income:") == -50_000
    page = visitor.get(f"/staff/donations/{hand['id']}").text
    assert row(house, f"{ACCOUNT}:RB77")["id"] in page


def test_a_join_is_undone_by_one_click_and_no_import_joins_again(house: House) -> None:
    visitor = house.person()
    visitor.book(method="iban", amount="250", known_as="RB77")
    bring(house, "2026-05-21;250.00;help;RB77")
    page = f"/staff/donations/{row(house, 'staff:')['id']}"
    assert visitor.fill(page, form="/join", line="").status_code == 303
    bring(house, "2026-05-21;250.00;help;RB77")
    assert gift_units(rows(house)) == 50_000
    line = row(house, ACCOUNT)["id"]
    assert visitor.fill(page, form="/join", line=line).status_code == 303
    assert gift_units(rows(house)) == 25_000


def test_the_same_code_and_sum_joins_and_the_same_sum_alone_asks_a_person(house: House) -> None:
    issue(house)
    visitor = house.person()
    visitor.book(method="iban", amount="250", known_as=CODE)
    visitor.book(method="iban", amount="300")
    bring(house, f"2026-05-21;250.00;дякую {CODE};RB1", "2026-05-22;300.00;help;RB2")
    assert gift_units(rows(house)) == 25_000 + 30_000 + 30_000
    inbox = visitor.get("/staff/inbox").text
    assert row(house, f"{ACCOUNT}:RB2")["id"] in inbox
    hand = next(one for one in rows(house) if one["units"] == "30000" and one["locator"].startswith("staff:"))
    line = row(house, f"{ACCOUNT}:RB2")["id"]
    assert visitor.fill("/staff/inbox", form=f"{hand['id']}/join", line=line).status_code == 303
    assert gift_units(rows(house)) == 25_000 + 30_000
    assert row(house, f"{ACCOUNT}:RB2")["id"] not in visitor.get("/staff/inbox").text


def test_a_gift_typed_after_its_statement_came_is_joined_at_once(house: House) -> None:
    bring(house, "2026-05-19;250.00;help;RB77")
    house.person().book(method="iban", amount="250", known_as="RB77")
    assert gift_units(rows(house)) == 25_000


@pytest.mark.parametrize("other", ["2026-05-21;250.01;help;RB2", "2026-06-21;250.00;help;RB2"])
def test_another_sum_or_a_far_day_is_no_suggestion(house: House, other: str) -> None:
    visitor = house.person()
    visitor.book(method="iban", amount="250")
    bring(house, other)
    assert "/join" not in visitor.get("/staff/inbox").text


def test_two_people_join_one_line_once(house: House) -> None:
    visitor = house.person()
    first, second = (visitor.book(method="iban", amount="250") for _ in range(2))
    bring(house, "2026-05-21;250.00;help;RB1")
    line = row(house, ACCOUNT)["id"]
    late = visitor.form("/staff/inbox", f"{second}/join")
    assert visitor.fill("/staff/inbox", form=f"{first}/join", line=line).status_code == 303
    assert visitor.send(late, line=line).status_code == 409
    assert gift_units(rows(house)) == 50_000


def test_a_match_is_undone_by_one_click_and_the_file_brings_it_not_back(house: House) -> None:
    issue(house)
    visitor = house.person()
    bring(house, f"2026-05-21;250.00;дякую {CODE};RB1")
    page = f"/staff/donations/{row(house, ACCOUNT)['id']}"
    for lang, why in (("uk", "код є в призначенні платежу"), ("en", "the code stands in what was written")):
        seen = visitor.get(page, lang=lang).text
        assert seen.count(why) == 2, "beside the code, and in the history"
        assert "read exact" not in seen
    assert visitor.fill(page, form="/match", code="").status_code == 303
    bring(house, f"2026-05-21;250.00;дякую {CODE};RB1")
    assert row(house, ACCOUNT)["support_code"] is None
    assert visitor.fill(page, form="/match", code=CODE).status_code == 303
    assert (row(house, ACCOUNT)["support_code"], row(house, ACCOUNT)["matched_by"]) == (CODE, "staff")
    assert "так сказала людина" in visitor.get(page, lang="uk").text
    assert gift_units(rows(house)) == 25_000


def test_a_code_that_the_bank_cut_off_is_offered_with_those_it_may_be(house: House) -> None:
    issue(house)
    visitor = house.person()
    bring(house, "2026-05-21;250.00;на статутну діяльність 2A3C-4E;RB1")
    ref = row(house, ACCOUNT)["id"]
    assert row(house, ACCOUNT)["support_code"] is None
    assert visitor.fill("/staff/inbox", form=f"{ref}/match", code=CODE).status_code == 303
    assert row(house, ACCOUNT)["article"] == "https://example.com/a"


def test_a_refund_that_we_sent_lowers_the_gift_once_a_person_links_it(house: House) -> None:
    visitor = house.person()
    bring(house, "2026-05-20;250.00;help;RB1", "2026-05-22;-100.00;повернення внеску;RB2")
    gift, sent = row(house, f"{ACCOUNT}:RB1")["id"], row(house, f"{ACCOUNT}:RB2")["id"]
    assert gift_units(rows(house)) == 25_000
    page = f"/staff/donations/{sent}"
    assert visitor.fill(page, form="/gives-back", gift=gift).status_code == 303
    assert row(house, f"{ACCOUNT}:RB1")["state"] == "partially_refunded"
    assert gift_units(rows(house)) == 15_000
    assert (on_accounts(house, "assets:"), on_accounts(house, "suspense:returned")) == (15_000, 0)
    assert visitor.fill(page, form="/gives-back", gift="").status_code == 303
    assert gift_units(rows(house)) == 25_000
    assert on_accounts(house, "assets:") == 15_000


def test_nothing_gives_back_more_than_came(house: House) -> None:
    visitor = house.person()
    bring(house, "2026-05-20;50.00;help;RB1", "2026-05-22;-100.00;повернення внеску;RB2")
    gift, sent = row(house, f"{ACCOUNT}:RB1")["id"], row(house, f"{ACCOUNT}:RB2")["id"]
    assert visitor.fill(f"/staff/donations/{sent}", form="/gives-back", gift=gift).status_code == 409
    assert gift_units(rows(house)) == 5_000


REGISTRY = "2026-05-20;600.00;Оплата згiдно реєстру № @123 вiд 20.05;RB1"


def test_a_registry_is_split_into_gifts_that_sum_to_it_and_made_one_again(house: House) -> None:
    visitor = house.person()
    bring(house, REGISTRY)
    ref = row(house, ACCOUNT)["id"]
    page = f"/staff/donations/{ref}"
    for wrong in ("100;A\n200;B", "100;A\n500,01;B", "600;A", "100;A\nx;B\n500;C", "0;A\n600;B"):
        assert visitor.fill(page, form="/split", gifts=wrong).status_code == 400
    assert gift_units(rows(house)) == 0
    assert visitor.fill(page, form="/split", gifts="100;Olena\n200\tx\n").status_code == 400
    assert visitor.fill(page, form="/split", gifts="100;Olena\n200,50;Taras\n299.50;=cmd()").status_code == 303
    told = rows(house)
    assert [one["units"] for one in told if one["counted_units"] != "0"] == ["10000", "20050", "29950"]
    assert sum(int(one["units"]) for one in told if one["bank_class"]) == 60_000
    assert on_accounts(house, "assets:") == 60_000 == -on_accounts(house, "income:")
    assert on_accounts(house, "suspense:") == 0
    bring(house, REGISTRY)
    assert gift_units(rows(house)) == 60_000
    assert visitor.fill(page, form="/split", gifts="").status_code == 303
    assert gift_units(rows(house)) == 0
    assert on_accounts(house, "assets:") == 60_000 == -on_accounts(house, "suspense:review")


def test_a_viewer_says_nothing(house: House) -> None:
    bring(house, REGISTRY, "2026-05-22;-100.00;повернення внеску;RB2")
    viewer = house.person(role="viewer")
    for one in rows(house):
        page = viewer.get(f"/staff/donations/{one['id']}").text
        assert not {"/split", "/match", "/gives-back", "/join"} & set(page.split('"'))
    assert viewer.get("/staff/inbox").status_code == 403


def test_the_page_of_a_line_shows_its_own_row_and_no_other(house: House) -> None:
    bring(house, "2026-05-20;250.00;first words;RB1", "2026-05-20;250.00;second words;RB2")
    page = house.person().get(f"/staff/donations/{row(house, f'{ACCOUNT}:RB1')['id']}").text
    assert "first words" in page
    assert "second words" not in page


def test_the_first_page_counts_what_the_inbox_lists_for_whoever_may_judge_it(house: House) -> None:
    visitor = house.person()
    visitor.book(method="iban", amount="300")
    bring(house, "2026-05-22;300.00;help;RB2", "2026-05-22;300.00;help;RB3")
    aside = SetAside("bank:uah", "line 7", "unreadable", house.clock.now, house.clock.now, 1)
    house.ledger.note_set_aside([aside])
    tile = visitor.get("/staff/", lang="en").text.partition('class="tile needs"')[2].partition("</li>")[0]
    told = re.findall(r'<a href="([^"]+)">([^<]+)</a>', tile)
    assert told == [
        ("/staff/inbox?lang=en", "Booked by hand, perhaps the same as a line: 1"),
        ("/staff/health?lang=en#set-aside", "Cannot be read, and set aside: 1"),
    ]
    assert "<strong>2</strong>" in tile
    bob = house.person("viewer", "bob@example.org")
    viewer = bob.get("/staff/", lang="en").text.partition('class="tile needs"')[2].partition("</li>")[0]
    assert "/staff/inbox" not in viewer and "set aside: 1" in viewer
    hand = next(one for one in rows(house) if one["locator"].startswith("staff:"))
    visitor.fill("/staff/inbox", form=f"{hand['id']}/join", line=row(house, f"{ACCOUNT}:RB2")["id"])
    house.clock.now += LOOK_AGAIN
    assert "perhaps the same" not in visitor.get("/staff/", lang="en").text
