"""The demo's readers on IBAN and card number: their gifts come through the stand-in banks, with and without codes."""

from pathlib import Path

import pytest

from support_service import watcher
from support_service.assembly import assemble, build_sources
from support_service.demo.bank import BankFakes
from support_service.demo.bank_readers import GIFTS, REST_SECONDS, BankReaders, bank_tables
from support_service.demo.settings import bank_numbers
from support_service.ledger import Ledger
from support_service.settings import packaged_block
from tests.fixtures.database import prepare
from tests.fixtures.staff import FrozenClock


def test_gifts_on_iban_and_card_are_seen_then_confirmed_and_codes_find_their_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support_service.demo.bank_readers.POLL_SECONDS", 1)
    url, clock = f"sqlite:///{tmp_path}/demo.db", FrozenClock()
    with BankFakes(clock=clock, minute_seconds=0) as fakes:
        tables, accounts = bank_tables(fakes, tmp_path, *bank_numbers())
        file = tmp_path / "support.toml"
        text = packaged_block().read_text(encoding="utf-8").replace("sqlite:///support.db", url)
        file.write_text(text + tables, encoding="utf-8")
        prepare(url)
        ledger, readers = Ledger(url, clock=clock), BankReaders(accounts)
        sources = build_sources(assemble(file), ledger, clock=clock)
        told = []
        for number in range(len(GIFTS) + 1):
            told += readers.turn(1_000 + number * REST_SECONDS, ledger)
            clock.advance(seconds=15)
            assert all(one.is_good for one in watcher.run_once(sources, ledger))
        rows = list(ledger.export())
    confirmed = [row for row in rows if row["state"] == "confirmed"]
    assert sorted(str(row["method"]) for row in confirmed) == ["card", "card", "iban", "iban"]
    assert sorted(str(row["matched_by"] or "") for row in confirmed) == ["", "", "code", "code"]
    assert [row["state"] for row in rows].count("seen") == 1
    assert len(told) == len(rows) == len(GIFTS) + 1
    ledger.dispose()
