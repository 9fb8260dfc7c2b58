"""Verify finds every change that was not made through accept: any field, any row, any order."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support_service.ledger import Head, Ledger, sum_tables, tables
from support_service.ledger.canonical import chain_hash
from support_service.ledger.engine import Database
from support_service.ledger.verify import cores as verify_cores
from support_service.ledger.verify import donations as verify_donations
from support_service.ledger.verify import postings as verify_postings
from support_service.ledger.verify import reports as verify_reports
from tests.fixtures.forged import ALL, ForgedFile, another, fill, forged, rows_of, sql, where
from tests.fixtures.reports import gift, pushed, refund

# What is derived from the reports, and the reports; cursors, health and people are not.
DERIVED = (
    *(tables.report, tables.head, tables.donation, tables.observation, tables.posting, tables.total),
    *(
        sum_tables.quarter_total,
        sum_tables.day_total,
        sum_tables.article_total,
        tables.search_term,
        tables.told_balance,
    ),
)
FORGED = (*DERIVED, tables.cursor, tables.personal_data)

Forge = Callable[..., list[str]]


@pytest.fixture
def books(ledger: Ledger, database_url: str) -> str:
    """The address of a filled, sound ledger that nobody is connected to."""
    fill(ledger)
    assert ledger.verify() == []
    ledger.dispose()
    return database_url


@pytest.fixture
def forge(books: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Forge]:
    """Change the books behind the ledger's back and say what verify finds, or that the database refused; then undo."""
    cluster = None if books.startswith("sqlite") else request.getfixturevalue("cluster")
    with forged(books, tmp_path, cluster) as made:
        yield made.forge


def test_every_field_of_every_table_is_held(books: str, forge: Forge) -> None:
    missed, tried = [], 0
    for table in DERIVED:
        rows = rows_of(books, table)
        for place, row in {0: rows[0], len(rows) - 1: rows[-1]}.items():
            for column in table.c:
                tried += 1
                change = f"SET {column.name} = {another(column.name, row[column.name])}"
                if not forge(f"UPDATE {table.name} {change} WHERE {where(table, row)}"):
                    missed.append(f"{table.name} {place}: {change}")
    assert missed == [] and tried > 60


def test_a_field_that_is_emptied_is_noticed(books: str, forge: Forge) -> None:
    missed = []
    for table in (tables.donation, tables.report):
        row = rows_of(books, table)[0 if table is tables.donation else 4]
        held = [column.name for column in table.c if column.nullable and row[column.name] is not None]
        changes = {name: f"UPDATE {table.name} SET {name} = NULL WHERE {where(table, row)}" for name in held}
        missed += [name for name, change in changes.items() if not forge(change)]
    assert missed == []


def test_every_row_that_is_deleted_is_missed(books: str, forge: Forge) -> None:
    missed, tried = [], 0
    for table in FORGED:
        for row in rows_of(books, table):
            tried += 1
            if not forge(f"DELETE FROM {table.name} WHERE {where(table, row)}"):
                missed.append(f"{table.name}: {where(table, row)}")
    assert missed == [] and tried > 50


def test_the_end_of_the_chain_cannot_be_cut_off(books: str, forge: Forge) -> None:
    last = rows_of(books, tables.report)[-1]["number"]
    cut = [f"DELETE FROM {table} WHERE report_number = {last}" for table in ("posting", "observation")]
    cut += [f"DELETE FROM donation WHERE last_report = {last}", f"DELETE FROM report WHERE number = {last}"]
    assert any("the chain should end at" in problem for problem in forge(*cut))


@pytest.mark.parametrize(
    ("table", "column", "pair"),
    [
        ("report", "number", (2, 3)),
        ("observation", "id", (1, 2)),
        ("posting", "posting_number", (1, 2)),
        ("donation", "id", (1, 2)),
    ],
)
def test_rows_cannot_change_places(forge: Forge, table: str, column: str, pair: tuple[int, int]) -> None:
    one, two = pair
    swap = [(one, 9_000), (two, one), (9_000, two)]
    assert forge(*(f"UPDATE {table} SET {column} = {new} WHERE {column} = {old}" for old, new in swap))


def test_a_report_rewritten_with_a_right_hash_still_breaks_the_chain(books: str, forge: Forge) -> None:
    for row in rows_of(books, tables.report):
        body = row["body"].replace('"accepted_at":', '"accepted_at":1')
        link = chain_hash(row["previous_hash"], body)
        found = forge(f"UPDATE report SET body = {sql(body)}, hash = '{link}' WHERE number = {row['number']}")
        assert any("follow" in problem or "end with" in problem for problem in found)


def test_money_cannot_be_added_with_every_hash_made_anew(books: str, forge: Forge) -> None:
    """Who rewrites the newest report and the head with it is caught by the rows that follow from it."""
    row = rows_of(books, tables.report)[-1]
    body = json.loads(row["body"])
    body["observations"][0]["claim"]["units"] = "5"
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    link = chain_hash(row["previous_hash"], text)
    found = forge(
        f"UPDATE report SET body = {sql(text)}, hash = '{link}' WHERE number = {row['number']}",
        f"UPDATE head SET hash = '{link}'",
    )
    assert any("the observations stored are not those it claims" in problem for problem in found)


def test_personal_data_may_be_erased_and_not_changed(forge: Forge) -> None:
    erase = "UPDATE personal_data SET body = NULL, erased_at = 1"
    assert forge(erase, "DELETE FROM search_term WHERE term >= '~'") == []
    assert any("is not found by what it says" in problem for problem in forge(erase)), "words of who is erased are left"
    assert forge("UPDATE personal_data SET body = '{}'")
    assert forge("UPDATE personal_data SET kind = 'raw' WHERE kind = 'personal'")


def test_a_cursor_behind_its_reports_is_told(forge: Forge) -> None:
    assert forge("UPDATE cursor SET step = 3") == [
        "the cursor of evm:ethereum stands at step 3, before its report of step 5"
    ]


@pytest.mark.parametrize("units", ["007", "1e3", "", "-0", "x"])
def test_an_amount_in_another_form_is_not_read_as_the_same(sqlite_url: str, tmp_path: Path, units: str) -> None:
    fill(Ledger(sqlite_url))
    with forged(sqlite_url, tmp_path, None) as made:
        for table in ("donation", "posting", "total", "quarter_total", "day_total"):
            assert made.forge(f"UPDATE {table} SET units = '{units}'")


def test_lost_triggers_are_told(books: str, forge: Forge) -> None:
    if books.startswith("postgresql"):
        found = forge(
            "ALTER TABLE posting DISABLE TRIGGER posting_no_update", "DROP TRIGGER report_no_delete ON report"
        )
        assert len(found) == 2 and all("is not protected any more" in problem for problem in found)
        return
    connection = sqlite3.connect(books.removeprefix("sqlite:///"))
    connection.execute("DROP TRIGGER report_no_delete")
    connection.close()
    assert Ledger(books).verify() == ["table report is not protected any more against delete"]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_of_any_size_find_the_same(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    fill(ledger)
    for module in (verify_reports, verify_donations, verify_postings):
        monkeypatch.setattr(module, "CHUNK_ROWS", rows)
    monkeypatch.setattr(verify_cores, "GIFTS_PER_PART", rows + 1)
    progress: list[tuple[int, int]] = []
    assert ledger.verify(lambda done, of: progress.append((done, of))) == []
    assert progress == sorted(progress) and progress[-1][0] == progress[-1][1]


def test_a_row_that_is_missing_at_the_edge_of_a_part_is_missed(
    books: str, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_cores, "GIFTS_PER_PART", 2)
    for row in rows_of(books, tables.donation):
        assert forge(f"DELETE FROM donation WHERE id = {row['id']}"), row["id"]


FORGED_EVERYWHERE = (
    "UPDATE report SET source = 'x' WHERE number = 3",
    "UPDATE observation SET part = 'x' WHERE id = 2",
    "UPDATE donation SET units = '7' WHERE id IN (1, 4)",
    "UPDATE posting SET units = '7' WHERE posting_number = 2 AND leg = 1",
    "UPDATE total SET count = count + 1",
    "UPDATE quarter_total SET gifts = gifts + 1",
    "DELETE FROM told_balance",
    "DELETE FROM search_term WHERE donation_id = 5",
    "INSERT INTO known_line (number, locator, account, ref, memo) VALUES (9, 'r9', 'UA1', 'x', '')",
)


def test_all_cores_find_what_one_finds(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(Ledger(sqlite_url))
    monkeypatch.setattr(verify_cores, "GIFTS_PER_PART", 2)
    made = ForgedFile(sqlite_url, tmp_path)
    assert made.change(set(ALL), FORGED_EVERYWHERE) == ""
    alone = made.ledger.verify()
    _on_two_cores(monkeypatch)
    progress: list[tuple[int, int]] = []
    assert made.ledger.verify(lambda done, of: progress.append((done, of))) == alone
    made.close()
    assert progress == sorted(progress) and progress[-1][0] == progress[-1][1]
    assert len(alone) > len(FORGED_EVERYWHERE)


def test_a_large_ledger_that_is_sound_is_so_on_all_cores(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ledger)
    _on_two_cores(monkeypatch)
    assert ledger.verify() == []


def _on_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small ledger be checked as a large one is: by processes of their own."""
    monkeypatch.setattr(verify_cores, "GIFTS_FOR_PROCESSES_MIN", 1)
    monkeypatch.setattr(verify_cores, "cores", lambda: 2)


def test_writers_may_go_on_while_the_ledger_is_verified(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ledger)
    for module in (verify_reports, verify_donations, verify_postings):
        monkeypatch.setattr(module, "CHUNK_ROWS", 2)
    keys = iter(range(1_000))

    def goes_on(_done: int, _of: int) -> None:
        key = next(keys)
        ledger.accept(pushed(f"new{key}", gift(f"pi_new{key}"), refund(part=f"re_{key}", units=1, rank=(3, 0))))

    assert ledger.verify(goes_on) == []
    assert next(keys) > 5 and ledger.verify() == []


def test_from_a_report_that_was_verified_only_what_came_after_is_checked(ledger: Ledger, database_url: str) -> None:
    fill(ledger)
    known = ledger.head()
    ledger.accept(pushed("e7", gift("pi_7", rank=(1, 0))))
    ledger.accept(pushed("e8", refund("pi_7", units=1_00, rank=(2, 0))))
    newest = ledger.head()
    assert ledger.verify(since=known) == []
    assert ledger.verify(since=newest) == []
    assert ledger.verify(since=Head(0, "0" * 64)) != []
    assert "the ledger that was verified had" in ledger.verify(since=Head(known.number, newest.hash))[0]
    assert "its end is lost" in ledger.verify(since=Head(newest.number + 1, newest.hash))[0]
    assert ledger.verify() == []
    database = Database(database_url)
    for change, since, is_found in (
        ("UPDATE donation SET state = 'seen' WHERE locator = 'pi_7'", known, True),
        ("UPDATE donation SET state = 'confirmed' WHERE locator = 'pi_7'", newest, False),
        ("UPDATE total SET count = count + 1", newest, True),
    ):
        with database.write() as tx:
            tx.exec_driver_sql(change)
        assert bool(ledger.verify(since=since)) is is_found, change
    database.dispose()


FORGED_SINCE: dict[str, tuple[str, dict[str, Any]]] = {
    "rows of alias are not those it claims": (
        "alias",
        {"rail": "stripe", "name": "ch_9", "network": "", "asset": "EUR", "address": "", "direction": "in"}
        | {"locator": "pi_7"},
    ),
    "rows of waiting_claim are not those it claims": (
        "waiting_claim",
        {"name": "ch_9", "part": "re_9", "rail": "stripe", "rank_major": 1, "rank_minor": 1, "claim": "{}"},
    ),
    "rows of told_balance are not those it claims": (
        "told_balance",
        {"network": "", "address": "UA1", "asset": "UAH", "mark": 1, "exponent": 2, "units": "5", "at": 1},
    ),
    "no report speaks of plan sub_9": (
        "plan",
        {"rail": "stripe", "name": "sub_9", "units": "5", "currency": "EUR", "exponent": 2, "frequency": "monthly"}
        | {"state": "active", "changed_at": 1, "rank_major": 1, "rank_minor": 1},
    ),
}


@pytest.mark.parametrize("told", FORGED_SINCE)
def test_names_that_came_after_a_verified_report_are_held(sqlite_url: str, told: str) -> None:
    ledger = Ledger(sqlite_url)
    fill(ledger)
    known = ledger.head()
    ledger.accept(pushed("e7", gift("pi_7", rank=(1, 0))))
    assert ledger.verify(since=known) == []
    database = Database(sqlite_url)
    table, values = FORGED_SINCE[told]
    values = {"report_number": ledger.head().number, **values}
    with database.write() as tx:
        tx.exec_driver_sql(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(map(sql, values.values()))})")
    found = ledger.verify(since=known)
    assert any(told in problem for problem in found), found
    assert set(found) <= set(ledger.verify()), "and nothing that the whole check does not tell"
    database.dispose()
    ledger.dispose()


def test_bank_lines_are_held_whatever_was_verified_before(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    fill(ledger)
    database = Database(sqlite_url)
    with database.write() as tx:
        tx.exec_driver_sql(
            "INSERT INTO known_line (number, locator, account, ref, memo) VALUES (9, 'r9', 'UA1', 'x', '')"
        )
    assert any("bank line r9 is kept" in problem for problem in ledger.verify(since=ledger.head()))
    database.dispose()
    ledger.dispose()


def test_an_empty_ledger_is_sound(ledger: Ledger) -> None:
    assert ledger.verify() == []
