"""The database under the ledger: what it refuses, what it survives, and what it says when it cannot be used."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import support_service.ledger.migrations
from support_service.giving import SourceWarning, State, WarningKind
from support_service.ledger import Health, Ledger, LedgerDown, LedgerError, LedgerOutdated, migrate
from support_service.ledger.engine import SCHEMA_REVISION, Database
from support_service.ledger.tables import metadata
from tests.fixtures.database import Cluster
from tests.fixtures.reports import polled, transfer, transfer_report

REVISIONS = [
    "0001",
    "0002",
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
    "0022",
    "0023",
]


def test_the_migrated_schema_is_the_one_that_queries_expect(database_url: str) -> None:
    with Database(database_url).read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": False})
        names = [
            str(one) for one in compare_metadata(context, metadata) if "_table" in str(one) or "_column" in str(one)
        ]
    assert names == []


def test_the_revision_that_is_asked_for_is_the_newest_one() -> None:
    script = ScriptDirectory(str(Path(support_service.ledger.migrations.__file__).parent))
    assert script.get_heads() == [SCHEMA_REVISION] == REVISIONS[-1:]


def test_migrating_creates_names_what_it_applied_and_is_free_to_repeat(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/100%/new.db"
    (tmp_path / "100%").mkdir()
    assert migrate(url) == REVISIONS
    assert migrate(url) == []
    assert Ledger(url).totals() == ()


def test_an_empty_postgresql_database_is_brought_forward(cluster: Cluster) -> None:
    name = cluster.create()
    with pytest.raises(LedgerOutdated, match="support-service migrate"):
        Ledger(cluster.url(name)).totals()
    assert migrate(cluster.url(name)) == REVISIONS
    cluster.drop(name)


def test_a_new_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600


def test_a_missing_file_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    with pytest.raises(LedgerOutdated, match="support-service migrate"):
        Ledger(f"sqlite:///{tmp_path}/none.db").totals()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no folder .*typo"):
        migrate(f"sqlite:///{tmp_path}/typo/new.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("held", ["0000", "9999"])
def test_another_schema_is_refused_with_advice(database_url: str, held: str) -> None:
    with Database(database_url).migrate() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = :held"), {"held": held})
    with pytest.raises(LedgerOutdated, match="migrate" if held < SCHEMA_REVISION else "install the newer version"):
        Ledger(database_url).accept(transfer_report())


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:hunter2@h/d", "sqlite://", "sqlite:///:memory:"])
def test_what_is_no_database_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(LedgerError) as raised:
        Ledger(url)
    assert "database.url" in str(raised.value) and "hunter2" not in str(raised.value)


def test_an_unreachable_server_is_told_without_its_password() -> None:
    with pytest.raises(LedgerDown) as raised:
        Ledger("postgresql+psycopg://us:hunter2@127.0.0.1:1/hunter2", wait_seconds_max=2).totals()
    assert "127.0.0.1" in str(raised.value) and "hunter2@" not in str(raised.value)
    assert ":hunter2" not in str(raised.value)


def test_what_is_no_database_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("not a database" * 100)
    with pytest.raises(LedgerDown, match=r"ledger\.db"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").totals()


def test_a_lock_is_waited_for_and_then_told(database_url: str) -> None:
    patient, other = Ledger(database_url, wait_seconds_max=0.2), Database(database_url)
    with other.write(), pytest.raises(LedgerDown, match="lock"):
        patient.accept(transfer_report())
    assert patient.accept(transfer_report()).report_number == 1


def test_sqlite_keeps_what_it_acknowledged_through_a_power_cut(sqlite_url: str) -> None:
    with Database(sqlite_url).write() as tx:
        held = [
            tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert held == ["delete", 3, 1]  # 3 is EXTRA


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM report",
        "DELETE FROM observation",
        "DELETE FROM posting",
        "UPDATE report SET body = '{}'",
        "UPDATE observation SET part = 'other'",
        "UPDATE posting SET units = '1'",
    ],
)
def test_history_refuses_to_be_changed(ledger: Ledger, database_url: str, change: str) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    with pytest.raises(DBAPIError, match="append-only"), Database(database_url).write() as tx:
        tx.execute(text(change.replace("'1'", "1") if "postgresql" in database_url else change))


@pytest.mark.parametrize(
    "wrong",
    [
        "INSERT INTO total VALUES ('m', 'r', '', 'EUR', 2, '-1', 1)",
        "UPDATE donation SET direction = 'up'",
        "UPDATE donation SET state = 'paid'",
        "UPDATE donation SET state = NULL",
        "UPDATE donation SET units = '-5'",
        "UPDATE donation SET last_report = 7",
        "INSERT INTO report SELECT 2, source, key, 0, hash, previous_hash, body, NULL FROM report",
        "INSERT INTO observation SELECT 9, report_number, donation_id, part, 0, 0, claim FROM observation",
        "INSERT INTO personal_data VALUES ('short', 'raw', 'x', 0, NULL)",
        "UPDATE personal_data SET body = NULL",
        "INSERT INTO staff VALUES ('Anna@example.org', 'viewer', 'x', 0, NULL, NULL)",
        "INSERT INTO staff VALUES ('anna@example.org', 'owner', 'x', 0, NULL, NULL)",
    ],
)
def test_the_database_refuses_what_cannot_be(ledger: Ledger, database_url: str, wrong: str) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED), raw="{}"))
    before = list(ledger.export())
    with pytest.raises(DBAPIError), Database(database_url).write() as tx:
        tx.execute(text(wrong))
    assert list(ledger.export()) == before and ledger.verify() == []


@pytest.mark.parametrize("units", ["007", "", "1e3", "1.0", "+1", " 1", "-0", "0x1", "9" * 79])
def test_sqlite_takes_amounts_in_the_canonical_form_only(sqlite_url: str, units: str) -> None:
    ledger = Ledger(sqlite_url)
    ledger.accept(transfer_report())
    with pytest.raises(DBAPIError, match="CHECK"), Database(sqlite_url).write() as tx:
        tx.execute(text("UPDATE donation SET units = :units"), {"units": units})


def test_health_is_written_only_when_it_changes(ledger: Ledger) -> None:
    ledger.note_health("evm:ethereum", Health.DOWN, "no answer")
    first = ledger.health()["evm:ethereum"]
    ledger.note_health("evm:ethereum", Health.DOWN, "no answer")
    assert ledger.health() == {"evm:ethereum": first}
    ledger.note_health("evm:ethereum", Health.OK)
    assert ledger.health()["evm:ethereum"].state is Health.OK
    assert ledger.health()["evm:ethereum"].changed_at > first.changed_at


def test_warnings_are_kept_with_their_kinds(ledger: Ledger) -> None:
    told = (
        SourceWarning(WarningKind.LATE, "no new block: stuck?"),
        SourceWarning(WarningKind.UNFINAL, "nothing\nfinal"),
    )
    ledger.note_health("evm:ethereum", Health.OK, warnings=told)
    held = ledger.health()["evm:ethereum"]
    assert [(one.kind, one.text) for one in held.warnings] == [
        (WarningKind.LATE, "no new block: stuck?"),
        (WarningKind.UNFINAL, "nothing final"),
    ]
    ledger.note_health("evm:ethereum", Health.OK, warnings=told)
    assert ledger.health()["evm:ethereum"] == held


def test_a_dropped_ledger_leaves_no_open_connection(postgresql_url: str, cluster: Cluster) -> None:
    Ledger(postgresql_url).totals()
    name = postgresql_url.rpartition("/ledger")[2].partition("?")[0]
    with Database(cluster.url(f"ledger{name}")).read() as tx:
        held = tx.exec_driver_sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").scalar()
    assert held == 1
