"""Months are closed and opened by reports; what comes late stands in the next month, and nothing is lost or doubled."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support_service.giving import BankFacts, Observation, Outcome
from support_service.ledger import Ledger, MonthBusy, MonthRow, QuarterSums, is_closed
from support_service.web.staff.month_sums import ends_of, next_month
from tests.fixtures.books import ACCOUNT, bank_line
from tests.fixtures.reports import gift, pushed, refund
from tests.fixtures.staff import ANNA, House, Visitor, build_house

UTC_ZONE = ZoneInfo("UTC")
APRIL, MAY, JUNE = "2026-04", "2026-05", "2026-06"


def ends(name: str) -> tuple[datetime, datetime]:
    return ends_of(date.fromisoformat(f"{name}-01"), UTC_ZONE)


def in_month(name: str, locator: str, units: int = 10_00) -> Observation:
    return gift(locator, units=units, occurred_at=datetime.fromisoformat(f"{name}-15T12:00:00+00:00").astimezone(UTC))


def rows(ledger: Ledger, name: str) -> tuple[MonthRow, ...]:
    return ledger.months.rows(*ends(name))


def summed(rows: tuple[MonthRow, ...]) -> QuarterSums:
    total = QuarterSums()
    for row in rows:
        total = total.plus(row.sums)
    return total


def test_a_closed_month_keeps_its_sums_and_what_is_late_is_told_apart(ledger: Ledger) -> None:
    ledger.accept(pushed("e1", in_month(APRIL, "pi_1"), in_month(APRIL, "pi_2", 20_00)))
    ledger.months.close(APRIL, [], ends, by="anna", note="done")
    ledger.accept(pushed("e2", in_month(APRIL, "pi_late", 5_00)))
    ledger.accept(pushed("e3", refund("pi_2", units=20_00, outcome=Outcome.SUCCEEDED, rank=(9, 9))))
    (closing,) = ledger.months.closings([APRIL])[APRIL]
    assert summed(closing.rows) == QuarterSums(gifts=2, counted_gifts=2, units=30_00)
    (late,) = ledger.months.late([APRIL], ends)
    assert summed(late.rows) == QuarterSums(gifts=1, counted_gifts=0, units=-15_00, refunded_units=20_00)
    assert [one.donation.identity.locator for one in late.gifts] == ["pi_2", "pi_late"]
    assert ledger.verify() == []


def test_money_that_turns_out_to_be_of_another_month_leaves_the_closed_one_by_name(ledger: Ledger) -> None:
    ledger.accept(pushed("e1", in_month(APRIL, "pi_1"), in_month(APRIL, "pi_2", 20_00)))
    ledger.months.close(APRIL, [], ends, by="anna", note="done")
    ledger.accept(pushed("e2", replace(in_month(MAY, "pi_2", 20_00), rank=(9, 9))))
    (late,) = ledger.months.late([APRIL], ends)
    assert summed(late.rows) == QuarterSums(gifts=-1, counted_gifts=-1, units=-20_00)
    assert summed(rows(ledger, MAY)).units == 20_00
    assert ledger.verify() == []


def test_what_is_late_is_taken_along_once(ledger: Ledger) -> None:
    ledger.accept(pushed("e1", in_month(APRIL, "pi_1")))
    ledger.months.close(APRIL, [], ends, by="anna", note="done")
    ledger.accept(pushed("e2", in_month(APRIL, "pi_late", 5_00), in_month(MAY, "pi_may", 7_00)))
    ledger.months.close(MAY, [APRIL], ends, by="anna", note="done")
    assert ledger.months.late([APRIL, MAY], ends) == ()
    ledger.accept(pushed("e3", in_month(APRIL, "pi_later", 1_00)))
    (late,) = ledger.months.late([APRIL, MAY], ends)
    assert summed(late.rows).units == 1_00
    booked = [summed(held[-1].rows) for held in ledger.months.closings([APRIL, MAY]).values()]
    carried = summed(ledger.months.closings([MAY])[MAY][-1].carried[APRIL])
    now = summed(rows(ledger, APRIL)).plus(summed(rows(ledger, MAY)))
    assert booked[0].plus(booked[1]).plus(carried).plus(summed(late.rows)) == now, "nothing lost, nothing doubled"


def test_a_month_is_closed_once_and_can_be_opened_again(ledger: Ledger) -> None:
    ledger.accept(pushed("e1", in_month(APRIL, "pi_1")))
    ledger.months.close(APRIL, [], ends, by="anna", note="done")
    with pytest.raises(MonthBusy):
        ledger.months.close(APRIL, [], ends, by="bob", note="me, too")
    ledger.months.reopen(APRIL, by="anna", note="too early")
    with pytest.raises(MonthBusy):
        ledger.months.reopen(APRIL, by="bob", note="me, too")
    held = ledger.months.closings([APRIL])[APRIL]
    assert [(one.is_close, one.by, one.note) for one in held] == [(True, "anna", "done"), (False, "anna", "too early")]
    assert not is_closed(held)
    assert ledger.months.late([APRIL], ends) == ()
    assert ledger.verify() == []


def test_forgetting_people_forgets_no_closing(ledger: Ledger) -> None:
    ledger.accept(pushed("e1", in_month(APRIL, "pi_1"), raw='{"email": "olena@example.org"}'))
    ledger.months.close(APRIL, [], ends, by="anna", note="done")
    assert ledger.donors.forget_before(datetime(2027, 1, 1, tzinfo=UTC)) == 1
    assert is_closed(ledger.months.closings([APRIL])[APRIL])


# On the pages


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = build_house(tmp_path, sqlite_url, is_migrated=False)
    yield made
    made.ledger.dispose()


def close(visitor: Visitor, month: str, action: str = "close", **fields: str) -> str:
    answer = visitor.fill(
        f"/staff/months/{month}?lang=en", form=action, **{"note": "all there", "sure": "yes"} | fields
    )
    assert answer.status_code == 303
    return visitor.get(answer.headers["Location"]).text


def test_a_bookkeeper_closes_a_month_and_an_admin_opens_it_again(house: House) -> None:
    anna = house.person("bookkeeper")
    anna.book(amount="200", date="2026-04-10")
    assert "Say in a few words why" in close(anna, APRIL, sure="")
    assert "These are the sums of that moment." in close(anna, APRIL)
    anna.book(amount="11", date="2026-04-11")
    page = anna.get(f"/staff/months/{APRIL}", lang="en").text
    assert '<data value="200">' in page and '<data value="211">' not in page
    assert '<data value="11">' in page.partition("Changed since it was closed")[2].partition("</section>")[0]
    assert "As of now, not as closed." in page
    late = anna.get(f"/staff/months/{MAY}", lang="en").text.partition("Late, of the closed month 2026-04")[2]
    assert '<data value="11">' in late
    assert "Open this month again" not in page
    admin = house.person("admin", "admin@example.org")
    assert '<data value="211">' in close(admin, APRIL, "reopen")
    assert house.ledger.verify() == []


def test_a_month_that_is_not_over_is_not_closed(house: House) -> None:
    anna = house.person("bookkeeper")
    assert "Close this month" not in anna.get(f"/staff/months/{MAY}", lang="en").text
    token = anna.form("/staff/", "logout").fields["csrf_token"]
    fields = {"csrf_token": token, "note": "now", "sure": "yes"}
    answer = anna.client.post(f"/staff/months/{MAY}/close", data=fields)
    assert "told=running" in answer.headers["Location"]
    assert house.ledger.months.closings([MAY])[MAY] == []
    viewer = house.person("viewer", "bob@example.org")
    fields["csrf_token"] = viewer.form("/staff/", "logout").fields["csrf_token"]
    assert viewer.client.post(f"/staff/months/{APRIL}/close", data=fields).status_code == 403
    assert viewer.client.post(f"/staff/months/{APRIL}/reopen", data=fields).status_code == 403


@pytest.mark.parametrize("name", ["2026-13", "x", "2026-1", "2026-05-01", "9999-12"])
def test_what_is_no_month_is_not_found(house: House, name: str) -> None:
    assert house.person("viewer").get(f"/staff/months/{name}").status_code == 404


# Held against processors, bank and chains


def with_a_difference(house: House) -> None:
    """Book a bank line of April, and a gift by hand of the same account that no line brought."""
    day = date(2026, 4, 10)
    line = bank_line("r1", bank=BankFacts("gift", "rule", day), occurred_at=datetime(2026, 4, 10, 12, tzinfo=UTC))
    house.ledger.accept(pushed("b1", line, source="bank:iban"))


def test_a_difference_stands_on_the_page_with_its_sum_and_leads_to_its_money(house: House) -> None:
    anna = house.person("bookkeeper")
    with_a_difference(house)
    assert "Booked by hand" not in anna.get(f"/staff/months/{APRIL}", lang="en").text
    ref = anna.book(method="iban", amount="77", date="2026-04-12")
    page = anna.get(f"/staff/months/{APRIL}", lang="en").text
    row = page.partition("Booked by hand, and no line of the bank brought it")
    assert f"/staff/donations/{ref}" in row[0][-200:]
    assert '<data value="77">' in row[2] or '<data value="-77">' in row[2]
    assert "less than the books" in row[2]
    assert "There is 1 difference: say in the note what explains it." in page


def test_a_month_is_closed_with_the_differences_that_were_looked_at_and_its_report_names_them(house: House) -> None:
    anna = house.person("bookkeeper")
    with_a_difference(house)
    anna.book(method="iban", amount="77", date="2026-04-12")
    form = anna.form(f"/staff/months/{APRIL}?lang=en", "close")
    anna.book(method="iban", amount="88", date="2026-04-13")
    answer = anna.send(form, note="the bank is late", sure="yes")
    assert "told=busy" in answer.headers["Location"], "there is one more than was looked at"
    page = close(anna, APRIL, note="the bank is late")
    assert "the bank is late</bdi> (with 2 differences)" in page
    (closing,) = house.ledger.months.closings([APRIL])[APRIL]
    assert closing.differences == 2


def test_accounts_that_were_told_no_balance_and_gifts_of_nobody_are_open_questions(house: House) -> None:
    anna = house.person("bookkeeper")
    with_a_difference(house)
    page = anna.get(f"/staff/months/{APRIL}", lang="en").text
    questions = page.partition('id="questions"')[2]
    assert ACCOUNT in questions
    assert "1 gift by bank names no reader's code" in questions


def test_a_months_file_says_that_it_is_of_now(house: House) -> None:
    anna = house.person("bookkeeper")
    anna.book(amount="200", date="2026-04-10")
    close(anna, APRIL)
    anna.book(amount="11", date="2026-04-11")
    (link,) = re.findall(r'class="button" href="([^"]*donations\.xlsx[^"]*)"', anna.get(f"/staff/months/{APRIL}").text)
    answer = anna.get(unescape(link))
    assert answer.headers["Content-Disposition"].endswith('"donations-2026-04-as-of-2026-05-20.xlsx"')
    assert 'filename="donations-2026-05-20.csv"' in str(anna.get("/staff/exports/donations.csv", month="../x").headers)
    may = anna.get(f"/staff/months/{MAY}", lang="en").text
    assert "What is late of closed months is not in this file" in may


def test_what_is_late_of_a_month_closed_years_ago_stands_in_the_next_open_one(house: House) -> None:
    old, month, anna = "2023-10", date(2023, 10, 1), house.person("bookkeeper")
    while (name := f"{month:%Y-%m}") <= APRIL:
        house.ledger.months.close(name, [], ends, by=ANNA, note="done")
        month = next_month(month)
    house.ledger.accept(pushed("late", in_month(old, "pi_late", 5_00)))
    page = anna.get(f"/staff/months/{MAY}", lang="en").text
    assert '<data value="5">' in page.partition(f"Late, of the closed month {old}")[2].partition("</section>")[0]
