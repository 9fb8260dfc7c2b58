"""A ledger of an older version is brought forward: it keeps every row and hash, and takes in what is new.

tests/vectors/ledger-*.json hold the rows of ledgers that the code of their time wrote: gifts on a chain that was
reorganised and on cards, from 0003 on names, claims that wait for theirs, intents and a plan, from 0009 on a bank's
lines.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner
from sqlalchemy import Connection, text

import support_service.ledger.migrations
from support_service import cli
from support_service.giving import Report, State
from support_service.ledger import Ledger, LedgerOutdated, Wanted, migrate
from support_service.ledger.engine import SCHEMA_REVISION, Database
from tests.fixtures.database import Cluster, SteppingClock
from tests.fixtures.reports import gift, pushed, refund
from tests.fixtures.statements import said

Held = dict[str, list[dict[str, Any]]]

VECTORS = Path(__file__).parents[1] / "vectors"
# What others refer to comes first.
FIRST = ("report", "personal_data", "intent", "statement_import", "known_line", "donation", "observation")
# Made from the rest; later versions may find a gift by more words.
DERIVED = {"search_term"}
IBAN = "UA043052990000026007015028783"
# What the ledgers from 0009 on have heard of their bank.
STATEMENT = """date,amount,purpose,name,account,reference
2026-05-01,200.00,Благодійний внесок,Іваненко Іван,UA213223130000026007233566001,r1
2026-05-01,200.00,Благодійний внесок,Іваненко Іван,UA213223130000026007233566001,r2
2026-05-02,-15.00,Комісія банку,ПриватБанк,UA213223130000026007233566099,r3
2026-05-02,1000.00,Повернення,Хтось,UA213223130000026007233566002,r4
"""
SETTINGS = f"""[publisher]
name = "T"
[database]
url = "{{url}}"
[[methods]]
key = "iban"
rail = "bank"
iban = "{IBAN}"
currency = "UAH"
[[banks]]
key = "privat"
kind = "file"
account = "{IBAN}"
method = "iban"
[bank.profiles.mine]
date = "date"
amount = "amount"
purpose = "purpose"
name = "name"
account = "account"
reference = "reference"
"""
LATER = [f"{number:04}" for number in range(2, int(SCHEMA_REVISION) + 1)]
WRITTEN_AT = ["0001", "0002", "0003", "0009", "0018", "0020"]


def written(revision: str) -> Held:
    """The rows that the code of this revision wrote, and beside its own the cursors of all three chains."""
    held: Held = json.loads((VECTORS / f"ledger-{revision}.json").read_text(encoding="utf-8"))
    cursors = json.loads((VECTORS / "cursors-1.json").read_text(encoding="utf-8"))
    for chain in ("evm", "tron", "bitcoin"):
        for place, memo in enumerate(cursors[chain]):
            held["cursor"].append({**held["cursor"][0], "source": f"{chain}:kept{place}", "memo": memo})
    return held


HELD = written("0002")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database at revision 0002 with those rows."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/old.db"
        _begin(url)
        yield url
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    _begin(cluster.url(name))
    yield cluster.url(name)
    cluster.drop(name)


def _begin(url: str, revision: str = "0002", *, held: Held = HELD, held_at: str = "0002") -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(support_service.ledger.migrations.__file__).parent))
    database = Database(url, creates=True)
    with database.migrate() as tx:
        config.attributes["connection"], config.attributes["applied"] = tx, []
        command.upgrade(config, held_at)
        (head,) = held["head"]
        tx.execute(
            text("UPDATE head SET number = :number, hash = :hash"), {name: head[name] for name in ("number", "hash")}
        )
        for table in sorted(set(held) - {"head"}, key=lambda name: (*FIRST, name).index(name)):
            _insert(tx, table, held[table])
        command.upgrade(config, revision)
    database.dispose()


def _insert(tx: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    told = ", ".join(names), ", ".join(f":{name}" for name in names)
    tx.execute(text(f"INSERT INTO {table} ({told[0]}) VALUES ({told[1]})"), rows)


def _rows(url: str, held: Held = HELD) -> Held:
    """Read the rows of each table in the columns it had, amounts as text on either database."""
    amounts = {"units", "refunded_units", "counted_units", "fee_units", "net_units"}
    with Database(url).read() as tx:
        found = {
            table: [dict(row) for row in tx.execute(text(f"SELECT {', '.join(rows[0])} FROM {table}")).mappings()]
            for table, rows in held.items()
        }
    for row in (row for rows in found.values() for row in rows):
        row |= {name: str(row[name]) for name in amounts & set(row) if row[name] is not None}
    return found


def _sorted(held: Held) -> dict[str, list[str]]:
    return {
        table: sorted(json.dumps(row, sort_keys=True) for row in rows)
        for table, rows in held.items()
        if table not in DERIVED
    }


def test_a_ledger_of_an_older_version_keeps_all_of_it_and_takes_card_gifts(old_url: str) -> None:
    ledger = Ledger(old_url, clock=SteppingClock())
    with pytest.raises(LedgerOutdated, match="support-service migrate"):
        ledger.totals()
    assert migrate(old_url) == LATER[1:]
    assert _sorted(_rows(old_url)) == _sorted(HELD)
    assert ledger.verify() == []
    before = {(one.asset, one.units, one.count) for one in ledger.totals()}
    assert before == {("ETH", 15 * 10**17, 2), ("EUR", 750, 1)}
    last = ledger.head().number
    assert ledger.accept(pushed("g1", gift())).report_number is None, "what was known is known"
    ledger.accept(pushed("new", gift("pi_2", units=500), refund(units=100, part="re_2", rank=(2, 9))))
    assert ledger.head().number == last + 1
    states = {one.donation.identity.locator: one.donation.state for one in ledger.donations()}
    assert (states["pi_1"], states["pi_2"]) == (State.PARTIALLY_REFUNDED, State.CONFIRMED)
    assert len(ledger.search.find("pi_1", Wanted(), with_people=False).listed) == 1, (
        "what was there before is found, too"
    )
    assert {(one.asset, one.units, one.count) for one in ledger.totals()} == {
        ("ETH", 15 * 10**17, 2),
        ("EUR", 650 + 500, 2),
    }
    assert ledger.verify() == []
    ledger.dispose()


@pytest.mark.parametrize("revision", LATER[1:-1])
def test_a_ledger_that_stopped_at_any_revision_goes_forward_from_there(revision: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    _begin(url, revision)
    assert migrate(url) == LATER[LATER.index(revision) + 1 :]
    assert _sorted(_rows(url)) == _sorted(HELD)
    ledger = Ledger(url, clock=SteppingClock())
    assert ledger.verify() == []
    assert ledger.accept(pushed("new", gift("pi_2", units=500))).report_number == HELD["head"][0]["number"] + 1
    assert ledger.verify() == []
    ledger.dispose()


def since(first: str) -> list[str]:
    return [revision for revision in WRITTEN_AT if revision >= first]


@pytest.fixture(params=WRITTEN_AT)
def brought_forward(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that the code of an older revision wrote, as it is now."""
    revision, url = request.param, f"sqlite:///{tmp_path}/old.db"
    held = written(revision)
    _begin(url, revision, held=held, held_at=revision)
    assert migrate(url) == [later for later in LATER if later > revision]
    assert _sorted(_rows(url, held)) == _sorted(held)
    ledger = Ledger(url, clock=SteppingClock())
    yield ledger
    assert ledger.verify() == []
    ledger.dispose()


def test_what_the_code_of_its_time_wrote_is_sound_and_known(brought_forward: Ledger) -> None:
    assert brought_forward.verify() == []
    assert brought_forward.accept(pushed("g1", gift(units=750))).report_number is None


@pytest.mark.parametrize("brought_forward", since("0003"), indirect=True)
def test_money_that_an_older_version_waited_for_is_found(brought_forward: Ledger) -> None:
    before = given_back(brought_forward)
    brought_forward.accept(Report("stripe", "named", aliases=(("ch_never", gift("pi_2").identity),)))
    changed = {locator: units for locator, units in given_back(brought_forward).items() if units != before[locator]}
    assert changed == {"pi_2": 100}
    plan = brought_forward.plans.of("b" * 32)
    assert plan is not None
    assert (plan.name, plan.units) == ("sub_1", 10_00)


@pytest.mark.parametrize("brought_forward", since("0009"), indirect=True)
def test_lines_that_an_older_version_booked_are_known(brought_forward: Ledger, tmp_path: Path) -> None:
    (tmp_path / "support.toml").write_text(SETTINGS.format(url=f"sqlite:///{tmp_path}/old.db"), encoding="utf-8")
    (tmp_path / "may.csv").write_text(STATEMENT, encoding="utf-8")
    words = f"--config {tmp_path}/support.toml import {tmp_path}/may.csv --format csv --profile mine --account {IBAN}"
    assert said(CliRunner().invoke(cli.commands, words.split())) == [0, 4, 0, 0]


def given_back(ledger: Ledger) -> dict[str, int]:
    return {one.donation.identity.locator: one.donation.refunded_units for one in ledger.donations()}
