"""A ledger of an older version is brought forward: it keeps every row and hash, and takes in what is new.

tests/vectors/ledger-0002.json holds the rows of a ledger that the code of its time wrote.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

import support_service.ledger.migrations
from support_service.giving import State
from support_service.ledger import Ledger, LedgerOutdated, Wanted, migrate
from support_service.ledger.engine import SCHEMA_REVISION, Database
from tests.fixtures.database import Cluster, SteppingClock
from tests.fixtures.reports import gift, pushed, refund

HELD: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ledger-0002.json").read_text(encoding="utf-8")
)

# What others refer to comes first.
IN_ORDER = ("report", "personal_data", "donation", "observation", "posting", "total", "cursor")


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


def _begin(url: str, revision: str = "0002") -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(support_service.ledger.migrations.__file__).parent))
    database = Database(url, creates=True)
    with database.migrate() as tx:
        config.attributes["connection"], config.attributes["applied"] = tx, []
        command.upgrade(config, "0002")
        (head,) = HELD["head"]
        tx.execute(
            text("UPDATE head SET number = :number, hash = :hash"), {name: head[name] for name in ("number", "hash")}
        )
        for table in IN_ORDER:
            _insert(tx, table, HELD[table])
        command.upgrade(config, revision)
    database.dispose()


def _insert(tx: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    told = ", ".join(names), ", ".join(f":{name}" for name in names)
    tx.execute(text(f"INSERT INTO {table} ({told[0]}) VALUES ({told[1]})"), rows)


def _rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Read the rows of each table in the columns it had, amounts as text on either database."""
    amounts = {"units", "refunded_units", "counted_units", "fee_units", "net_units"}
    with Database(url).read() as tx:
        found = {
            table: [dict(row) for row in tx.execute(text(f"SELECT {', '.join(rows[0])} FROM {table}")).mappings()]
            for table, rows in HELD.items()
        }
    for row in (row for rows in found.values() for row in rows):
        row |= {name: str(row[name]) for name in amounts & set(row) if row[name] is not None}
    return found


def _sorted(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {table: sorted(json.dumps(row, sort_keys=True) for row in held) for table, held in rows.items()}


def test_a_ledger_of_an_older_version_keeps_all_of_it_and_takes_card_gifts(old_url: str) -> None:
    ledger = Ledger(old_url, clock=SteppingClock())
    with pytest.raises(LedgerOutdated, match="support-service migrate"):
        ledger.totals()
    assert migrate(old_url) == [
        "0003",
        "0004",
        "0005",
        "0006",
        "0007",
        "0008",
        "0009",
        "0010",
        "0011",
        "0012",
        "0013",
        "0014",
        "0015",
        "0016",
        "0017",
        "0018",
        "0019",
        "0020",
        "0021",
    ]
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


LATER = [f"{number:04}" for number in range(3, int(SCHEMA_REVISION) + 1)]


@pytest.mark.parametrize("revision", LATER[:-1])
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
