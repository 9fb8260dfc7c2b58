"""Who gave before from an account, by a code: suggested for the next gift without one, never taken for granted."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from support_service.giving import Frequency, Intent, utc_now
from support_service.ledger import Why
from support_service.rails.bank.classes import World
from support_service.rails.bank.line import Line, Party
from tests.fixtures.staff import House, build_house
from tests.fixtures.statements import Json, gift_units
from tests.rails.bank.test_settling import PAYER, bring, line

CODE, OTHER_CODE = "2A3C-4E62", "PTY9-98HC"
ARTICLE = "https://example.com/read"
TITLE = "This account gave before: the same reader?"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = build_house(tmp_path, database_url)
    for number, code in enumerate((CODE, OTHER_CODE)):
        chosen = Intent(f"{number}" * 32, "iban", "UAH", 2, 90_000, Frequency.ONCE, "uk", utc_now(), article=ARTICLE)
        made.ledger.intents.open(chosen, nonce=f"{number + 4}" * 32, draw_code=iter([code]).__next__)
    yield made
    made.ledger.dispose()


def gift(reference: str, units: int, days_ago: int = 1, **fields: object) -> Line:
    return replace(line(reference, units, 20, **fields), day=(utc_now() - timedelta(days_ago)).date())


def row(house: House, reference: str) -> Json:
    assert house.ledger.verify() == []
    return next(one for one in house.ledger.export() if f":{reference}:" in str(one["locator"]))


def test_a_gift_of_a_known_payer_is_suggested_with_its_article_and_matched_by_one_click(house: House) -> None:
    visitor = house.person()
    bring(house, gift("A", 10_000, 20, purpose=f"внесок {CODE}"))
    bring(house, gift("B", 7_000, purpose="ще внесок"))
    assert (row(house, "B")["support_code"], row(house, "B")["matched_by"]) == (None, None)
    inbox = visitor.get("/staff/inbox", lang="en").text
    assert TITLE in inbox
    assert ARTICLE in inbox
    visitor.fill("/staff/inbox", form=f"/{row(house, 'B')['id']}/match", code=CODE)
    matched = row(house, "B")
    assert (matched["support_code"], matched["matched_by"], matched["article"]) == (CODE, "payer", ARTICLE)
    assert gift_units(list(house.ledger.export())) == 17_000
    assert "gave by it before" in visitor.get(f"/staff/donations/{matched['id']}", lang="en").text
    assert TITLE not in visitor.get("/staff/inbox", lang="en").text


def test_a_suggestion_is_refused_by_one_click_and_a_match_undone_by_another_and_neither_comes_back(
    house: House,
) -> None:
    visitor = house.person()
    bring(house, gift("A", 10_000, 20, purpose=CODE), gift("B", 7_000), gift("C", 8_000))
    visitor.fill("/staff/inbox", form=f"/{row(house, 'B')['id']}/match", code="")
    visitor.fill("/staff/inbox", form=f"/{row(house, 'C')['id']}/match", code=CODE)
    visitor.fill(f"/staff/donations/{row(house, 'C')['id']}", form="/match", code="")
    bring(house, gift("A", 10_000, 20, purpose=CODE), gift("B", 7_000), gift("C", 8_000))
    assert {row(house, one)["support_code"] for one in "BC"} == {None}
    assert TITLE not in visitor.get("/staff/inbox", lang="en").text
    assert gift_units(list(house.ledger.export())) == 25_000


def test_the_last_code_of_a_payer_stands_first(house: House) -> None:
    bring(house, gift("A", 10_000, 20, purpose=CODE), gift("B", 7_000, 9, purpose=OTHER_CODE), gift("C", 8_000))
    (found,) = house.ledger.inbox.lines()
    assert house.ledger.inbox.counts()[Why.PAYER] == 1
    assert [choice.value for choice in found.choices] == [OTHER_CODE, CODE]


OTHERS = {
    "another account": {"counterparty": replace(PAYER, account="UA893052990000026001111111111")},
    "another tax code": {"counterparty": replace(PAYER, code="9876543210")},
    "another name and no code": {"counterparty": replace(PAYER, name="Mykola", code="")},
    "no account": {"counterparty": replace(PAYER, account="")},
    "carried by another": {"paid_through": "Bank of somebody"},
    "named in the text alone": {"payer_in_text": "Olena"},
}


@pytest.mark.parametrize("which", ["the earlier", "the later"])
@pytest.mark.parametrize("fields", OTHERS.values(), ids=OTHERS.keys())
def test_whoever_is_not_surely_the_same_is_not_suggested(house: House, fields: dict[str, object], which: str) -> None:
    earlier, later = (fields, {}) if which == "the earlier" else ({}, fields)
    bring(house, gift("A", 10_000, 20, purpose=CODE, **earlier), gift("B", 7_000, 1, **later))
    assert row(house, "A")["support_code"] == CODE
    assert house.ledger.inbox.lines() == ()


def test_a_transit_account_and_one_of_ours_know_nobody(house: House) -> None:
    (transit,) = World().transit_codes
    bank = Party("Транз.рахунок", PAYER.account, transit)
    bring(house, gift("A", 10_000, 20, purpose=CODE, counterparty=bank), gift("B", 7_000, counterparty=bank))
    assert house.ledger.inbox.lines() == ()


def test_a_gift_that_was_taken_back_suggests_nothing(house: House) -> None:
    bring(house, gift("A", 10_000, 20, purpose=CODE), gift("B", 7_000), gift("R", -10_000, 19, is_reversal=True))
    assert row(house, "A")["state"] == "refunded"
    assert house.ledger.inbox.lines() == ()


def test_nobodys_name_or_account_stands_in_keys_or_logs(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bring(house, gift("A", 10_000, 20, purpose=CODE), gift("B", 7_000))
    house.person().get("/staff/inbox", lang="en")
    with house.ledger._database.read() as tx:
        kept = " ".join(tx.exec_driver_sql("SELECT key FROM line_key").scalars())
    assert "payer|" in kept
    for word in (PAYER.name, PAYER.account, PAYER.code):
        assert word not in kept + caplog.text
