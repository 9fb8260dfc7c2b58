"""What the ledger keeps of a report: sealed in a chain, apart from it what points to a person, and its history."""

import hashlib
import json

import pytest
from sqlalchemy import TextClause, text

from support_service.giving import Direction, Identity, Personal, State
from support_service.ledger import BadReport, Ledger
from support_service.ledger.engine import Database
from tests.fixtures.reports import NOON, Chain, gift, polled, pushed, statement, transfer


def test_personal_data_and_raw_messages_are_outside_the_chained_rows(chain: Chain, database_url: str) -> None:
    secret = Personal(payer="Олена Коваль", message="дякую", note="n0te")
    chain.ledger.accept(polled(1, transfer(personal=secret), raw='{"from": "Олена"}'))
    with Database(database_url).read() as tx:
        chained = [str(row) for table in ("report", "observation", "donation") for row in tx.execute(_all(table))]
    assert not [row for row in chained if "Олена" in row or "дякую" in row or "n0te" in row]
    (row,) = chain.ledger.export()
    assert (row["payer"], row["message"]) == ("Олена Коваль", "дякую")
    history = chain.ledger.donation(transfer().identity.ref)
    assert history is not None and history.sources[1].raw == '{"from": "Олена"}'


def test_erased_data_stay_erased_when_the_source_says_them_again(chain: Chain, database_url: str) -> None:
    chain.says(transfer(), statement())
    with Database(database_url).write() as tx:
        tx.execute(text("UPDATE personal_data SET body = NULL, erased_at = 1"))
    chain.says(transfer(state=State.CONFIRMED), statement())
    (row,) = chain.ledger.export()
    assert row["payer"] is None and row["state"] == "confirmed"
    assert chain.ledger.verify() == []


def test_a_gift_is_not_held_up_by_an_odd_message(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(personal=Personal(payer="a\0b", message="half \ud83d")), raw="raw \0 \udc00"))
    (row,) = ledger.export()
    assert (row["payer"], row["message"]) == ("ab", "half ?")
    history = ledger.donation(gift().identity.ref)
    assert history is not None and history.sources[1].raw == "raw \0 \udc00"
    assert ledger.verify() == []


def test_text_that_no_database_keeps_is_refused_by_name(ledger: Ledger) -> None:
    with pytest.raises(BadReport, match="stripe"):
        ledger.accept(pushed("1", gift("pi\0")))
    with pytest.raises(BadReport):
        ledger.accept(pushed("\ud800", gift()))


def test_each_report_seals_all_before_it(chain: Chain, database_url: str) -> None:
    for number in range(1, 4):
        chain.says(transfer(f"0x0{number}"))
    with Database(database_url).read() as tx:
        rows = tx.execute(text("SELECT number, previous_hash, hash, body FROM report ORDER BY number")).all()
    previous = "0" * 64
    for number, row in enumerate(rows, 1):
        assert (row.number, row.previous_hash) == (number, previous)
        # Computed here by other means than the ledger's own: an auditor's script must come to the same.
        previous = hashlib.sha256(f"{row.previous_hash}{row.body}".encode()).hexdigest()
        assert row.hash == previous
        assert row.body == json.dumps(json.loads(row.body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert (chain.ledger.head().number, chain.ledger.head().hash) == (3, previous)


def test_the_history_tells_who_said_what_and_when(chain: Chain) -> None:
    chain.says(transfer())
    chain.ledger.accept(polled(1, transfer(state=State.CONFIRMED), source="rescan:evm:ethereum", raw="{}"))
    history = chain.ledger.donation(transfer().identity.ref)
    assert history is not None
    assert history.number == 1 and history.donation.state is State.CONFIRMED
    assert {number: facts.source for number, facts in history.sources.items()} == {
        1: "evm:ethereum",
        2: "rescan:evm:ethereum",
    }
    assert [number for number, _ in history.postings] == [2, 2]
    assert [one.claim.personal.payer for one in history.observations] == ["0x01-payer"] * 2  # type: ignore[union-attr]
    assert history.donation.seen_at < (history.donation.confirmed_at or NOON)
    assert chain.ledger.donation(Identity("", "EUR", "", Direction.IN, "none").ref) is None


def test_the_list_is_newest_first_and_goes_on_from_a_number(chain: Chain) -> None:
    chain.says(*(transfer(f"0x{number:02}") for number in range(1, 8)))
    first = chain.ledger.donations(limit=3)
    assert [listed.number for listed in first] == [7, 6, 5]
    assert [listed.number for listed in chain.ledger.donations(before=5, limit=9)] == [4, 3, 2, 1]


def _all(table: str) -> TextClause:
    return text(f"SELECT * FROM {table}")
