"""The staff's first page, lists and articles: how the month goes, found in a second, in the publisher's calendar."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support_service.giving import Frequency, Intent, Personal, PlanClaim, Report, State
from support_service.ledger import Ledger
from support_service.money import Asset
from support_service.web.staff.articles import section_of
from support_service.web.staff.month_sums import CHART_HEIGHT, add_up, bars, ends_of, read_month
from tests.fixtures.books import valued
from tests.fixtures.reports import gift, pushed, transfer
from tests.fixtures.staff import House, build_house, chain_report

KYIV = ZoneInfo("Europe/Kyiv")
UAH = Asset("UAH", 2)
MAY = date(2026, 5, 1)


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = build_house(tmp_path, sqlite_url, is_migrated=False)
    yield made
    made.ledger.dispose()


def may(ledger: Ledger) -> list[str]:
    """Fill a May: gifts of two days and ways, one refunded, one of the night before June in Kyiv."""
    told = []
    for number, (day, units) in enumerate([(2, 100_00), (2, 200_00), (9, 400_00)]):
        at = datetime(2026, 5, day, 12, tzinfo=UTC)
        made = gift(f"pi_{number}", units=units, occurred_at=at, article="https://example.com/drones", fee_units=1_00)
        told += [made, valued(made, units, "1")]
    ether = transfer("0xa1", state=State.CONFIRMED, block=None, occurred_at=datetime(2026, 5, 9, 1, tzinfo=UTC))
    night = gift("pi_9", units=50_00, occurred_at=datetime(2026, 5, 31, 21, 30, tzinfo=UTC))
    ledger.accept(pushed("may", *told, ether, valued(ether, 8_000_00, "8000"), night))
    return [one.donation.identity.ref for one in ledger.donations()]


def test_a_month_is_added_up_on_the_publishers_calendar(ledger: Ledger) -> None:
    may(ledger)
    month = add_up(MAY, ledger.quarters(*ends_of(MAY, KYIV)), zone=KYIV, currency=UAH)
    assert (month.gifts, month.worth, month.unvalued) == (4, 8_700_00, 0)
    assert [(one.method, one.gifts, month.share(one)) for one in month.methods] == [("eth", 1, 92), ("stripe", 3, 8)]
    assert month.methods[1].by_day == {date(2026, 5, 2): 300_00, date(2026, 5, 9): 400_00}
    june = date(2026, 6, 1)
    assert add_up(june, ledger.quarters(*ends_of(june, KYIV)), zone=KYIV, currency=UAH).gifts == 1
    assert add_up(MAY, ledger.quarters(*ends_of(MAY, ZoneInfo("UTC"))), zone=ZoneInfo("UTC"), currency=None).gifts == 5


def test_the_best_day_is_as_high_as_the_chart_and_ways_stand_upon_each_other(ledger: Ledger) -> None:
    may(ledger)
    drawn = bars(add_up(MAY, ledger.quarters(*ends_of(MAY, KYIV)), zone=KYIV, currency=UAH))
    best = [bar for bar in drawn if bar.x == 80]
    assert sum(bar.height for bar in best) == CHART_HEIGHT
    assert min(bar.y for bar in best) == 0
    assert all(bar.height > 0 and bar.y + bar.height <= CHART_HEIGHT for bar in drawn)


def test_what_is_no_month_is_the_month_of_today() -> None:
    today = date(2026, 5, 20)
    assert read_month("2026-02", today) == date(2026, 2, 1)
    for text in ("", "2026-13", "9999-12", "0001-01", "٢٠٢٦-٠١", "2026-1", "x" * 9000, "2026-W1"):
        assert read_month(text, today) == MAY


def test_the_first_page_tells_how_the_month_goes(house: House) -> None:
    refs = may(house.ledger)
    house.ledger.accept(chain_report(1, State.QUARANTINED))
    page = house.person("viewer").get("/staff/", month="2026-05", lang="en").text
    assert "<svg" in page and "The days as a table" in page
    assert "example.com/drones" in page
    assert re.search(r"need you</span>\s*<a [^>]*state=quarantined[^>]*>1 quarantined", page)
    assert all(f"/staff/donations/{ref}" in page for ref in refs)


def test_numbers_are_written_as_the_language_of_the_page_writes_them(house: House) -> None:
    ref = house.person().book(amount="1 500,50")
    anna = house.visitor()
    anna.sign_in()
    for path in ("/staff/donations", f"/staff/donations/{ref}", "/staff/"):
        assert "1\u202f500,50" in anna.get(path, lang="uk").text, path
        assert "1\u202f500.50" in anna.get(path, lang="en").text, path


def test_one_box_finds_a_gift_and_keeps_what_was_asked(house: House) -> None:
    anna = house.person()
    anna.book(amount="200", payer="Олена Коваль")
    anna.book(amount="300", payer="Іван")
    page = anna.get("/staff/donations", q="коваль", lang="en").text
    assert re.findall(r'<data value="([^"]+)">', page.partition("<table")[2]) == ["200"]
    assert 'name="q" type="search"' in page and 'value="коваль"' in page
    assert "Confirmed, all time" not in page, "sums of everything do not stand above a part of it"
    assert "Nothing was found for this." in anna.get("/staff/donations", q="немає", lang="en").text


def test_a_viewer_finds_nobody_by_name(house: House) -> None:
    house.person("bookkeeper", "bob@example.org").book(payer="Олена Коваль", amount="200")
    viewer = house.person("viewer")
    assert "Nothing was found" in viewer.get("/staff/donations", q="коваль", lang="en").text
    assert '<data value="200">' in viewer.get("/staff/donations", q="200").text


def test_old_addresses_of_lists_still_show_them(house: House) -> None:
    anna = house.person()
    anna.book(amount="11")
    anna.book(amount="22", method="iban")
    table = anna.get("/staff/", method="iban").text.partition("<table")[2]
    assert re.findall(r'<data value="([^"]+)">', table) == ["22"]


def test_articles_say_how_much_came_by_none(house: House) -> None:
    may(house.ledger)
    page = house.person("viewer").get("/staff/articles", month="2026-05", lang="en").text
    row = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert "example.com/drones" in row and '<td class="number" data-label="Gifts">3</td>' in row
    assert "1 gift" in page.partition('id="unknown"')[2]


def test_a_gift_leads_with_the_readers_words_and_folds_the_rest(house: House) -> None:
    made = gift("pi_1", personal=Personal(payer="Олена", message="Дякую за роботу!"), article="https://example.com/a")
    house.ledger.accept(pushed("e1", made))
    ref = house.ledger.donations()[0].donation.identity.ref
    page = house.person().get(f"/staff/donations/{ref}", lang="en").text
    assert (
        page.index("Дякую за роботу!")
        < page.index("From whom")
        < page.index("Technical facts")
        < page.index("pi_1</code>")
    )
    assert "Дякую" not in house.person("viewer", "bob@example.org").get(f"/staff/donations/{ref}").text


def test_that_a_payment_was_on_its_way_is_no_news_once_it_has_come(house: House) -> None:
    house.ledger.accept(pushed("paid", gift("in_1", rank=(3, 0))))
    house.ledger.accept(pushed("made", gift("in_1", state=State.SEEN, rank=(1, 0))))
    ref = house.ledger.donations()[0].donation.identity.ref
    page = house.person().get(f"/staff/donations/{ref}", lang="en").text
    told = re.findall(r'<p><span class="state state-\w+">([^<]+)</span>', page)
    assert told == ["Confirmed"]


@pytest.mark.parametrize(
    ("article", "section"),
    [
        ("https://example.com/news/drones", "news"),
        ("https://example.com/uk/war/2026/11/drones?a=1#b", "war"),
        ("https://example.com/2026/11/drones", ""),
        ("https://example.com/drones", ""),
        ("https://example.com/", ""),
        ("what is no address", ""),
        ("https://example.com/%D0%B2%D1%96%D0%B9%D0%BD%D0%B0/drones/", "війна"),
    ],
)
def test_an_articles_section_is_what_its_address_says(article: str, section: str) -> None:
    assert section_of(article) == section


def test_articles_are_summed_by_section_too(house: House) -> None:
    for number, place in enumerate(("news/a", "news/b", "war/c", "d")):
        made = gift(f"pi_s{number}", occurred_at=house.clock.now, article=f"https://example.com/{place}")
        house.ledger.accept(pushed(f"s{number}", made))
    page = house.person("viewer").get("/staff/articles", month="2026-05", lang="en").text
    sections = page.partition('id="sections"')[2].partition("</section>")[0]
    assert [sections.index(name) for name in (">news<", ">war<", "the address names none")]
    assert sections.index(">news<") < sections.index(">war<")


def test_monthly_gifts_that_were_begun_stand_by_their_placement(house: House) -> None:
    at, ref = house.clock.now, "ab" * 16
    made = Intent(ref, "stripe", "UAH", 2, 200_00, Frequency.MONTHLY, "uk", at, article=None, placement="end")
    house.ledger.intents.open(made, nonce=ref)
    plan = PlanClaim("sub_1", ref, 200_00, "UAH", 2, Frequency.MONTHLY, "active", at, (1, 0))
    house.ledger.accept(Report("stripe", "evt_1", plans=(plan,)))
    page = house.person("viewer").get("/staff/articles", month="2026-05", lang="en").text
    row = page.partition('id="placements"')[2].partition("</tbody>")[0]
    assert ">end<" in row and '<td class="number" data-label="Monthly gifts started">1</td>' in row


def test_filters_offer_ways_and_rails_by_what_people_call_them(house: House) -> None:
    page = house.person("viewer").get("/staff/donations", lang="uk").text
    for value, words in (
        ("eth", "Ethereum (ETH)"),
        ("iban", "Банківський рахунок (IBAN)"),
        ("evm", "Ethereum і подібні мережі"),
    ):
        assert re.search(rf'<option value="{value}"[^>]*>{re.escape(words)}</option>', page), words


def test_the_publishers_name_leads_to_the_first_page(house: House) -> None:
    page = house.person("viewer").get("/staff/donations", lang="en").text
    assert re.search(r'<a class="wordmark" href="/staff/[^"/]*">', page)


VALUE = '[value]\ncurrency = "UAH"\n'


def test_what_comes_monthly_is_about_so_much_in_the_currency_of_values(tmp_path: Path, sqlite_url: str) -> None:
    house = build_house(tmp_path, sqlite_url, is_migrated=False, tables=VALUE)
    at, ledger = house.clock.now, house.ledger
    plans = [
        PlanClaim("sub_1", None, 200_00, "UAH", 2, Frequency.MONTHLY, "active", at, (1, 0)),
        PlanClaim("sub_2", None, 10_00, "EUR", 2, Frequency.MONTHLY, "active", at, (1, 0)),
    ]
    ledger.accept(Report("stripe", "evt_1", plans=tuple(plans)))
    viewer = house.person("viewer")
    assert "≈ " not in viewer.get("/staff/", lang="en").text.partition("repeating gifts")[0].rpartition("<li")[2]
    gifts = [gift(f"pi_{number}", occurred_at=at) for number in range(2)]
    ledger.accept(pushed("gifts", *gifts))
    values = [valued(one, 10 * rate * 100, str(rate)) for one, rate in zip(gifts, (40, 50), strict=True)]
    ledger.accept(pushed("values", *values, source="rates"))
    tile = viewer.get("/staff/", lang="en").text.partition("repeating gifts")[0].rpartition("<li")[2]
    assert '<data value="700">' in tile, "200 and ten times the newest rate, 50"
    whole = viewer.get("/staff/", lang="en").text.partition("repeating gifts")[2].partition("</li>")[0]
    assert '<data value="10">' in whole and '<data value="200">' in whole
    ledger.dispose()
