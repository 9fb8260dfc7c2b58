"""What every source must keep, as far as it holds for banks: they have no blocks."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.demo.bank import BankTrouble
from support_service.ledger import CursorMoved, Health
from tests.fixtures.banks import CARD, IBAN, BankHouse, bank_house

BANKS = {"privatbank": IBAN, "monobank": CARD, "monobank_business": IBAN}


@pytest.fixture(params=BANKS)
def bank(request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str) -> Iterator[BankHouse]:
    with bank_house(tmp_path, sqlite_url, {"one": (request.param, BANKS[request.param])}) as made:
        made.fakes.accounts[0].pay(1_001)
        yield made


def test_a_banks_cursor_counts_up_by_one_and_a_report_that_comes_again_changes_nothing(bank: BankHouse) -> None:
    (source,) = bank.sources()
    for step in (1, 2, 3):
        bank.clock.advance(minutes=2)
        (report,) = source.reports(bank.ledger.cursor(source.name))
        assert (report.source, report.key) == ("bank:one", str(step))
        bank.ledger.accept(report)
        before = list(bank.ledger.export()), bank.ledger.head(), bank.ledger.cursor(source.name)
        with pytest.raises(CursorMoved):
            bank.ledger.accept(report)
        assert (list(bank.ledger.export()), bank.ledger.head(), bank.ledger.cursor(source.name)) == before
    assert bank.units() == [1_001]


def test_a_bank_that_is_gone_delays_and_loses_nothing_and_nothing_said_of_it_is_a_secret(
    bank: BankHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sources = bank.sources()
    bank.fakes.faults.order(BankTrouble.CUT_LINE, times=2)
    for _ in range(2):
        (outcome,) = bank.look(sources)
        assert not outcome.is_good
        assert "127.0.0.1:" in outcome.reason
        assert bank.ledger.cursor("bank:one") is None
    told = [outcome.reason, *(one.reason for one in bank.ledger.health().values()), caplog.text]
    assert not [text for text in told if bank.fakes.token in text]
    assert [one.state for one in bank.ledger.health().values()] == [Health.DOWN]
    (well,) = bank.look(sources)
    assert well.is_good
    assert [one.state for one in bank.ledger.health().values()] == [Health.OK]
    assert bank.units() == [1_001]


def test_a_bank_that_has_nothing_new_is_fresh_and_stores_no_report(bank: BankHouse) -> None:
    sources = bank.sources()
    bank.look(sources)
    head = bank.ledger.head()
    for _ in range(3):
        (outcome,) = bank.look(sources)
        assert (outcome.is_good, outcome.donations_changed) == (True, 0)
        now = bank.ledger.cursor("bank:one")
        assert now is not None
        assert now.checked_at == bank.clock.now
    assert bank.ledger.head() == head


def test_a_bank_rests_between_looks_and_is_named_by_its_key(bank: BankHouse) -> None:
    (source,) = bank.sources()
    assert source.name == "bank:one"
    assert source.poll_seconds >= 60
