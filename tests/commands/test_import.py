"""Bank statements by the real command into a real ledger, on both databases: none lost, none doubled, none invented."""

import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support_service.assembly import assemble
from support_service.commands import import_
from support_service.giving import Frequency, Intent
from support_service.ledger import ForPeople
from support_service.ledger.export import csv_tables
from support_service.settings import SettingsError
from tests.fixtures.reports import NOON
from tests.fixtures.statements import Bookkeeper, Json, booked_units, bookkeeper, gift_units, said
from tests.rails.bank.test_orders import OVERLAPPING
from tests.rails.bank.vectors import FOLDER, expected, files, told

READABLE = files(refused=False)
SCENARIOS = expected()["scenarios"]
KINDS = {"gift": "donation", "review": "review", "registry": "review"}
KINDS |= {"payout_stripe": "payout", "payout_acquirer": "payout"}


@pytest.fixture
def books(tmp_path: Path, database_url: str) -> Iterator[Bookkeeper]:
    with bookkeeper(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def sqlite_books(tmp_path: Path) -> Iterator[Bookkeeper]:
    with bookkeeper(tmp_path, f"sqlite:///{tmp_path}/books.db") as made:
        yield made


def shape(row: Json) -> tuple[str, ...]:
    """What a line says of itself whatever it was first read from."""
    names = ("kind", "state", "direction", "asset", "units", "counted_units", "bank_class", "booking_date")
    return tuple(str(row[name]) for name in names)


@pytest.mark.parametrize("name", READABLE)
def test_a_statement_is_booked_line_by_line_and_twice_changes_nothing(books: Bookkeeper, name: str) -> None:
    lines, problems = told(name)["lines"], told(name).get("rejected_rows", [])
    first = books.bring(name)
    assert said(first) == [len(lines), 0, 0, len(problems)]
    assert first.exit_code == (1 if problems else 0)
    rows = books.rows()
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert row["bank_class"] == line["class"]
        assert row["booking_date"] == line["date"]
        assert row["direction"] == ("in" if int(line["units"]) > 0 else "out")
        assert (row["units"], row["asset"]) == (line["units"].lstrip("-"), line["currency"])
        if line["books_money"]:
            assert row["kind"] == KINDS.get(line["class"], "other")
            assert row["occurred_at"] == f"{line['date']}T12:00:00Z"
        assert line["locator"] in (None, row["locator"])
        assert row["locator"].startswith(f"{line['account']}:")
        assert row["bank_rule"]
    again = books.bring(name)
    assert said(again) == [0, len(lines), 0, len(problems)]
    assert books.rows() == rows
    assert books.ledger.verify() == []


@pytest.mark.parametrize("name", READABLE)
def test_what_is_booked_is_what_the_balances_say(sqlite_books: Bookkeeper, name: str) -> None:
    sqlite_books.bring(name)
    booked = sum(int(line["units"]) for line in told(name)["lines"] if line["books_money"])
    assert booked_units(sqlite_books.rows()) == booked
    accounts = told(name)["accounts"]
    if len(accounts) == 1 and accounts[0]["closing_units"] is not None and accounts[0]["opening_units"] is not None:
        assert int(accounts[0]["opening_units"]) + booked == int(accounts[0]["closing_units"])
    held = sqlite_books.ledger.months.three_way(datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
    assert [place.differing for place in held.places] == [()] * len(held.places), "nor does the month say otherwise"


def test_balances_of_a_statement_are_kept_and_a_line_that_is_taken_back_makes_a_difference(
    sqlite_books: Bookkeeper,
) -> None:
    sqlite_books.bring("camt053/v02-plain.xml")
    ledger = sqlite_books.ledger
    ends = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    (place,) = ledger.months.three_way(*ends).places
    assert place.told_units == place.booked_units != 0
    ledger.imports.take_back(1, "staff:anna@example.org", "n1")
    (difference,) = ledger.months.three_way(*ends).differences
    assert difference.units == place.told_units, "the bank still says so"


@pytest.mark.parametrize("name", files(refused=True))
def test_what_is_no_statement_writes_nothing(sqlite_books: Bookkeeper, name: str) -> None:
    refused = sqlite_books.bring(name)
    assert refused.exit_code == 1
    assert said(refused) == [0, 0, 0, 1]
    assert refused.stderr.count("\n") == 1
    assert sqlite_books.rows() == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[one["name"] for one in SCENARIOS])
def test_a_scenario_ends_as_it_is_told(books: Bookkeeper, scenario: Json) -> None:
    wanted: dict[str, Any] = scenario["expect"]
    new, booked, gifts = [], [], []
    for step in scenario["steps"]:
        new.append(said(books.bring(step["import"], *(["--dry-run"] if step.get("dry_run") else [])))[0])
        rows = books.rows()
        booked.append(sum(row["state"] in {"confirmed", "refunded", "partially_refunded"} for row in rows))
        gifts.append(str(gift_units(rows)))
    assert wanted.get("new", new) == new
    assert wanted.get("booked_after_step", booked) == booked
    assert wanted.get("lines_in_ledger", len(books.rows())) == len(books.rows())
    assert wanted.get("gift_units_total", gifts[-1]) == gifts[-1]
    assert wanted.get("gift_units_total_after_step", gifts) == gifts
    assert books.ledger.verify() == []


@pytest.mark.parametrize("group", OVERLAPPING, ids=" ".join)
def test_overlapping_files_end_in_the_same_books_in_every_order(tmp_path: Path, group: tuple[str, ...]) -> None:
    ends = set()
    for number, order in enumerate(itertools.permutations(group)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with bookkeeper(folder, f"sqlite:///{folder}/books.db") as books:
            for name in (*order, *order):
                books.bring(name)
            ends.add(json.dumps(sorted(Counter(map(shape, books.rows())).items())))
            assert len(books.rows()) == OVERLAPPING[group]
            assert books.ledger.verify() == []
    assert len(ends) == 1


def test_a_reversal_lowers_its_original_also_where_it_comes_first(sqlite_books: Bookkeeper) -> None:
    name = "camt053/v08-reversal.xml"
    sqlite_books.bring(name)
    gift, reversal = sqlite_books.rows()
    assert (gift["state"], gift["counted_units"], gift["refunded_units"]) == ("refunded", "0", "50000")
    assert (reversal["kind"], reversal["state"], reversal["direction"]) == ("other", "confirmed", "out")
    history = sqlite_books.ledger.donation(gift["id"])
    other = sqlite_books.ledger.donation(reversal["id"])
    assert history is not None
    assert other is not None
    held: Counter[str] = Counter()
    for _, leg in (*history.postings, *other.postings):
        held[leg.account] += leg.units
    assert set(held.values()) == {0}, "what came was given back, and no account keeps a rest of it"


def test_a_dry_run_tells_and_writes_nothing(sqlite_books: Bookkeeper) -> None:
    dry = sqlite_books.bring("camt053/v02-plain.xml", "--dry-run")
    assert said(dry) == [3, 0, 0, 0]
    assert sqlite_books.rows() == []
    assert sqlite_books.ledger.head().number == 0


def test_an_unreadable_row_is_named_and_the_others_are_kept(sqlite_books: Bookkeeper) -> None:
    brought = sqlite_books.bring("csv/bad-rows.csv")
    assert brought.exit_code == 1
    assert said(brought) == [2, 0, 0, 5]
    assert all(f"row {one['row']}: " in brought.stderr for one in told("csv/bad-rows.csv")["rejected_rows"])


def test_hostile_text_is_kept_as_text_and_runs_nowhere(books: Bookkeeper) -> None:
    text = (FOLDER / "camt053/v02-plain.xml").read_text(encoding="utf-8")
    name = str(told("camt053/v02-plain.xml")["lines"][0]["counterparty"]["name"])
    hostile = "=HYPERLINK(&quot;http://x&quot;);&lt;script&gt;"
    books.bring("camt053/v02-plain.xml", data=text.replace(name, hostile).encode())
    rows = books.rows()
    assert any(row["payer"] and "<script>" in str(row["payer"]) for row in rows)
    written = b"".join(csv_tables.write(books.ledger.exported(), ForPeople())).decode()
    assert ",=HYPERLINK" not in written and ',"=HYPERLINK' not in written
    assert books.ledger.verify() == []


@pytest.mark.parametrize(
    ("damage", "told_of"),
    [
        ("DELETE FROM line_key", "lost the keys"),
        ("DELETE FROM line_key; DELETE FROM known_line", "nothing is kept to know this bank line again"),
    ],
)
def test_verify_tells_of_lines_that_would_be_doubled(tmp_path: Path, damage: str, told_of: str) -> None:
    with bookkeeper(tmp_path, f"sqlite:///{tmp_path}/books.db") as books:
        books.bring("camt053/v02-plain.xml")
        with sqlite3.connect(tmp_path / "books.db") as damaged:
            guards = damaged.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            damaged.executescript("".join(f"DROP TRIGGER {name};" for name, _ in guards))
            damaged.executescript(damage)
            damaged.executescript(";".join(sql for _, sql in guards))
        problems = books.ledger.verify()
    assert len(problems) == 3
    assert all(told_of in problem for problem in problems)


def intent(ref: str) -> Intent:
    return Intent(ref * 32, "stripe", "UAH", 2, 25_000, Frequency.ONCE, "uk", NOON, article="https://example.com/a")


def issue_all(books: Bookkeeper, codes: set[str]) -> None:
    for number, code in enumerate(sorted(codes)):
        made = books.ledger.intents.open(
            intent(f"{number:x}"), nonce=f"{number:x}" * 32, draw_code=iter([code]).__next__
        )
        assert made.support_code == code


def test_a_code_in_the_purpose_tells_whose_gift_it_is_and_moves_no_money(books: Bookkeeper) -> None:
    name = "camt053/v08-purpose-mangled.xml"
    lines = told(name)["lines"]
    coded = [line for line in lines if line["support_code"]]
    assert coded
    issue_all(books, {line["support_code"] for line in coded})
    books.bring(name)
    rows = books.rows()
    for row, line in zip(rows, lines, strict=True):
        assert row["support_code"] == line["support_code"]
        assert row["matched_by"] in (("code", "reference") if line["support_code"] else (None,))
        assert row["counted_units"] == row["units"]
        assert row["article"] == ("https://example.com/a" if line["support_code"] else None)
    head = books.ledger.head()
    books.bring(name)
    assert books.ledger.head() == head
    assert books.ledger.verify() == []


def test_a_code_that_only_a_richer_file_holds_is_read_when_that_file_comes(sqlite_books: Bookkeeper) -> None:
    codes = {line["support_code"] for line in told("monobank/statement.json")["lines"]} - {None}
    issue_all(sqlite_books, codes)
    sqlite_books.bring("monobank/app-uk.csv")
    before = sqlite_books.rows()
    assert {row["support_code"] for row in before} == {None}
    assert said(sqlite_books.bring("monobank/statement.json"))[:3] == [0, len(before), 0]
    after = sqlite_books.rows()
    assert {row["support_code"] for row in after} - {None} == codes
    assert [row["counted_units"] for row in after] == [row["counted_units"] for row in before]


def test_a_code_is_issued_to_one_choice_only(books: Bookkeeper) -> None:
    drawn = iter(["2A3C-4E62", "2A3C-4E62", "PTY9-98HC"])
    first = books.ledger.intents.open(intent("1"), nonce="1" * 32, draw_code=lambda: next(drawn))
    second = books.ledger.intents.open(intent("2"), nonce="2" * 32, draw_code=lambda: next(drawn))
    assert (first.support_code, second.support_code) == ("2A3C-4E62", "PTY9-98HC")
    assert books.ledger.intents.open(intent("3"), nonce="2" * 32, draw_code=lambda: next(drawn)) == second
    assert books.ledger.intents.issued(["2A3C-4E62", "PTY9-98HC", "KP42-M6ME"]) == {
        "2A3C-4E62": "1" * 32,
        "PTY9-98HC": "2" * 32,
    }


def test_a_long_file_says_how_far_it_is(sqlite_books: Bookkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_, "PROGRESS_SECONDS", 0)
    rows = "".join(f"2026-09-{1 + n % 28:02};{n + 1}.00;help;Payer\n" for n in range(1_100))
    brought = sqlite_books.bring("csv/signed-utf8-bom.csv", data=f"Date;Amount;Purpose;Name\n{rows}".encode())
    assert [line for line in brought.stderr.splitlines() if line.startswith(("read ", "booked "))] == [
        "read 1000 rows", "read 1100 rows", "booked 1000 lines", "booked 1100 lines",
    ]  # fmt: skip
    assert said(brought) == [1_100, 0, 0, 0]


def test_two_hundred_lines_in_several_passes_keep_their_order_and_their_twins(sqlite_books: Bookkeeper) -> None:
    rows = "".join(f"2026-09-{1 + n % 28:02};{n % 7 + 1}.00;same;Payer\n" for n in range(1_200))
    data = f"Date;Amount;Purpose;Name\n{rows}".encode()
    assert said(sqlite_books.bring("csv/signed-utf8-bom.csv", data=data))[:1] == [1_200]
    assert said(sqlite_books.bring("csv/signed-utf8-bom.csv", data=data)) == [0, 1_200, 0, 0]
    assert gift_units(sqlite_books.rows()) == sum(n % 7 + 1 for n in range(1_200)) * 100


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[[banks]]\nkey = "a"\nkind = "swift"\naccount = "UA043052990000026007015028783"\nmethod = "iban"', "kind"),
        ('[[banks]]\nkey = "a"\nkind = "file"\naccount = "UA12"\nmethod = "iban"', "account"),
        ('[[banks]]\nkey = "a"\nkind = "file"\naccount = "UA043052990000026007015028783"\nmethod = "no"', "method"),
        ('[bank]\nown_code = "12"', "own_code"),
        ('[bank]\nacquirers = [{name = "anybody"}]', "acquirers[1].code"),
        ('[bank.profiles.mine]\ndate = "Date"', "profiles.mine"),
        ("[bank]\nno_such = 1", "no_such"),
    ],
)
def test_a_mistake_in_the_banks_settings_is_told_by_its_key(tmp_path: Path, table: str, key: str) -> None:
    method = '[[methods]]\nkey = "iban"\nrail = "bank"\niban = "UA043052990000026007015028783"\n'
    (tmp_path / "support.toml").write_text(f'[publisher]\nname = "A"\n{method}{table}\n', encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        assemble(tmp_path / "support.toml")
    assert [mistake.key for mistake in refused.value.mistakes if mistake.key.endswith(key)]
