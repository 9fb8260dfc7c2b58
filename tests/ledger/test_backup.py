"""Backup and restore: taken while money comes in, proved before it is believed, all of it or nothing."""

import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from support_service.giving import State
from support_service.ledger import Head, Ledger, LedgerDown, migrate
from support_service.ledger.backup import BackupRefused, Contents, WantedBackup, back_up, postgresql, restore
from support_service.ledger.backup.file import FIRST_LINE
from support_service.ledger.engine import SCHEMA_REVISION, Database
from tests.fixtures.database import Cluster, SteppingClock
from tests.fixtures.forked import Forked, forked
from tests.fixtures.reports import NOON, gift, polled, pushed, transfer
from tests.fixtures.service import SEED, Command, until, write_settings

# Drills under load; a campaign asks for 50.
DRILLS = int(os.environ.get("DRILLS", "2"))
KILLS = int(os.environ.get("KILLS", "3"))
DAMAGES = 300
ANY = WantedBackup()

MakePlace = Callable[[], str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.backup"


@pytest.fixture
def place(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakePlace]:
    """Makes empty places for restored ledgers, of the same kind as `ledger`."""
    if database_url.startswith("sqlite"):
        numbers = count()
        yield lambda: f"sqlite:///{tmp_path}/restored-{next(numbers)}.db"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    names: list[str] = []

    def make() -> str:
        names.append(cluster.create())
        return cluster.url(names[-1])

    yield make
    for name in names:
        cluster.drop(name)


@contextmanager
def opened(url: str) -> Iterator[Ledger]:
    ledger = Ledger(url, clock=SteppingClock())
    try:
        yield ledger
    finally:
        ledger.dispose()


def taken(url: str, file: Path) -> Contents:
    return back_up(url, file, publisher="Example", clock=SteppingClock())


def watches(ledger: Ledger, step: int) -> None:
    ledger.accept(polled(step, transfer(f"0x{step:05}", units=step, state=State.CONFIRMED)))


def hears(ledger: Ledger, number: int) -> None:
    ledger.accept(pushed(f"evt_{number}", gift(f"pi_{number}")))


def fill(url: str, steps: int) -> None:
    with opened(url) as ledger:
        for step in range(1, steps + 1):
            watches(ledger, step)


def test_a_restored_ledger_is_the_same_and_sound(
    ledger: Ledger, database_url: str, place: MakePlace, file: Path
) -> None:
    fill(database_url, 5)
    ledger.people.add("a@example.org", "admin", "a long enough password", publisher=("", ""))
    contents, url = taken(database_url, file), place()
    assert restore(url, file, ANY) == contents
    with opened(url) as copy:
        assert contents.moment.head == ledger.head() == copy.head()
        assert [*copy.export()] == [*ledger.export()]
        assert copy.cursors() == ledger.cursors()
        assert copy.people.list() == ledger.people.list()
        assert copy.verify() == []


def test_backups_under_load_are_whole_and_sources_go_on_without_a_gap(
    database_url: str, place: MakePlace, tmp_path: Path
) -> None:
    """Writers never stop; each backup is restored, proved, and read on from its own cursor to the very same books."""
    with _writing(database_url) as (steps, numbers):
        files = []
        for drill in range(DRILLS):
            enough = steps.said + 3
            until(lambda enough=enough: steps.said > enough, what="the writers write")  # type: ignore[misc]
            files.append((tmp_path / f"{drill}.backup", taken(database_url, tmp_path / f"{drill}.backup")))
    heads = [contents.moment.head.number for _, contents in files]
    assert heads == sorted(set(heads)), "each backup is newer than the one before"
    with opened(database_url) as ledger:
        wanted = {(row["locator"], row["units"]) for row in ledger.export()}
        assert heads[-1] <= ledger.head().number
    for backup, contents in files:
        url = place()
        restore(url, backup, WantedBackup("Example", holds=contents.moment.head))
        with opened(url) as copy:
            cursor = copy.cursor("evm:ethereum")
            for step in range(1 + (cursor.step if cursor else 0), steps.said + 1):
                watches(copy, step)
            for number in range(1, numbers.said + 1):
                hears(copy, number)
            assert {(row["locator"], row["units"]) for row in copy.export()} == wanted
            assert copy.verify() == []


@dataclass
class _Writer:
    """One who writes until told to stop: how much was said and kept so far, and what went wrong."""

    says: Callable[[Ledger, int], None]
    said: int = 0
    failure: BaseException | None = None

    def write(self, url: str, stop: threading.Event) -> None:
        with opened(url) as own:
            try:
                while not stop.is_set():
                    self.says(own, self.said + 1)
                    self.said += 1
            except BaseException as error:
                self.failure = error
                raise


@contextmanager
def _writing(url: str) -> Iterator[tuple[_Writer, _Writer]]:
    stop, writers = threading.Event(), (_Writer(watches), _Writer(hears))
    threads = [threading.Thread(target=writer.write, args=(url, stop)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert [writer.failure for writer in writers] == [None, None]


def test_what_is_written_or_restored_is_for_its_owner_alone_and_nothing_is_left_beside(
    sqlite_url: str, file: Path, tmp_path: Path
) -> None:
    taken(sqlite_url, file)
    restore(f"sqlite:///{tmp_path}/restored.db", file, ANY)
    assert file.stat().st_mode & 0o777 == (tmp_path / "restored.db").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.backup", "ledger.db", "restored.db"]


def test_every_changed_bit_and_every_cut_is_refused_and_leaves_nothing(
    sqlite_url: str, file: Path, tmp_path: Path
) -> None:
    fill(sqlite_url, 3)
    taken(sqlite_url, file)
    whole, chance, target = file.read_bytes(), Random(16), tmp_path / "restored.db"
    for number in range(DAMAGES):
        at = chance.randrange(len(whole)) if number > 120 else number
        changed = whole[:at] + bytes([whole[at] ^ 1 << number % 8]) + whole[at + 1 :]
        file.write_bytes(whole[:at] if number % 3 == 0 else changed)
        with pytest.raises(BackupRefused, match=r"damaged|no backup"):
            restore(f"sqlite:///{target}", file, ANY)
    file.write_bytes(whole + b"\0")
    with pytest.raises(BackupRefused, match="damaged"):
        restore(f"sqlite:///{target}", file, ANY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.backup", "ledger.db"]


def test_what_is_no_backup_is_refused(sqlite_url: str, file: Path, tmp_path: Path) -> None:
    for content in (b"", b"hello\n", Path(sqlite_url.removeprefix("sqlite:///")).read_bytes(), FIRST_LINE):
        file.write_bytes(content)
        with pytest.raises(BackupRefused, match=r"no backup|damaged"):
            restore(f"sqlite:///{tmp_path}/restored.db", file, ANY)
    with pytest.raises(OSError, match="No such file"):
        restore(f"sqlite:///{tmp_path}/restored.db", tmp_path / "none", ANY)


def test_a_ledger_that_holds_something_is_never_written_over(database_url: str, place: MakePlace, file: Path) -> None:
    fill(database_url, 2)
    taken(database_url, file)
    url = place()
    restore(url, file, ANY)
    for target in (url, database_url):
        with opened(target) as ledger:
            before = ledger.head()
            with pytest.raises(BackupRefused, match="holds something"):
                restore(target, file, ANY)
            assert ledger.head() == before


def test_a_ledger_in_which_nothing_was_ever_kept_counts_as_empty(
    database_url: str, place: MakePlace, file: Path
) -> None:
    fill(database_url, 2)
    taken(database_url, file)
    url = place()
    migrate(url)
    with opened(url) as copy:
        assert copy.totals() == ()
        restore(url, file, ANY)
        assert copy.head().number == 2


def test_what_a_dead_database_left_would_be_played_back_and_is_refused(
    sqlite_url: str, file: Path, tmp_path: Path
) -> None:
    taken(sqlite_url, file)
    (tmp_path / "restored.db-journal").write_bytes(b"old")
    with pytest.raises(BackupRefused, match=r"restored\.db-journal is left"):
        restore(f"sqlite:///{tmp_path}/restored.db", file, ANY)


def test_an_older_backup_than_asked_for_is_refused(database_url: str, place: MakePlace, file: Path) -> None:
    fill(database_url, 3)
    contents, url = taken(database_url, file), place()
    head = contents.moment.head
    with opened(database_url) as ledger:
        watches(ledger, 4)
        later = ledger.head()
    refused = {
        "before what --since asks for": WantedBackup(since=contents.made_at + timedelta(seconds=1)),
        "ends with report 3, before report 4": WantedBackup(holds=later),
        "another report 3": WantedBackup(holds=Head(3, later.hash)),
        "another report 2": WantedBackup(holds=Head(2, head.hash)),
        "'Example', and these settings are of 'Other'": WantedBackup("Other"),
    }
    for why, wanted in refused.items():
        with pytest.raises(BackupRefused, match=why):
            restore(url, file, wanted)
    restore(url, file, WantedBackup("Example", since=contents.made_at, holds=head))


def test_a_backup_of_a_newer_version_or_of_another_database_is_refused(
    sqlite_url: str, file: Path, tmp_path: Path
) -> None:
    with Database(sqlite_url).migrate() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    taken(sqlite_url, file)
    with pytest.raises(BackupRefused, match="install the newer version"):
        restore(f"sqlite:///{tmp_path}/restored.db", file, ANY)
    with pytest.raises(BackupRefused, match="is of a sqlite database"):
        restore("postgresql+psycopg://nobody@127.0.0.1:1/none", file, ANY)


def test_a_backup_that_an_older_version_made_is_brought_forward(tmp_path: Path, file: Path) -> None:
    from alembic import command
    from alembic.config import Config

    import support_service.ledger.migrations

    url, target = f"sqlite:///{tmp_path}/old.db", f"sqlite:///{tmp_path}/restored.db"
    config = Config()
    config.set_main_option("script_location", str(Path(support_service.ledger.migrations.__file__).parent))
    with Database(url, creates=True).migrate() as tx:
        config.attributes["connection"], config.attributes["applied"] = tx, []
        command.upgrade(config, "0003")
    assert taken(url, file).moment.schema == "0003" < SCHEMA_REVISION
    restore(target, file, ANY)
    with opened(target) as copy:
        assert copy.verify() == []


def test_a_ledger_that_is_not_sound_is_not_restored(database_url: str, place: MakePlace, file: Path) -> None:
    fill(database_url, 2)
    with Database(database_url).migrate() as tx:
        tx.execute(text("UPDATE total SET units = '7'"))
    taken(database_url, file)
    url = place()
    with pytest.raises(BackupRefused, match="not sound"):
        restore(url, file, ANY)
    with pytest.raises(BackupRefused, match="not sound"):
        restore(url, file, WantedBackup("Example"))


def test_a_damaged_database_is_not_backed_up(sqlite_url: str, file: Path, tmp_path: Path) -> None:
    fill(sqlite_url, 50)
    held = tmp_path / "ledger.db"
    damaged = bytearray(held.read_bytes())
    damaged[-8192:-4096] = b"\xff" * 4096
    held.write_bytes(damaged)
    with pytest.raises(LedgerDown, match=r"damaged|malformed"):
        taken(sqlite_url, file)
    assert not file.exists()


def test_a_backup_takes_the_place_of_an_older_one_and_of_nothing_else(
    sqlite_url: str, file: Path, tmp_path: Path
) -> None:
    taken(sqlite_url, file)
    fill(sqlite_url, 1)
    assert taken(sqlite_url, file).moment.head.number == 1
    for precious in (tmp_path / "ledger.db", tmp_path):
        with pytest.raises(BackupRefused, match="is no backup"):
            taken(sqlite_url, precious)
    with pytest.raises(BackupRefused, match="no database"):
        taken(f"sqlite:///{tmp_path}/none.db", tmp_path / "other.backup")


def test_sessions_of_then_open_nothing_now(database_url: str, place: MakePlace, ledger: Ledger, file: Path) -> None:
    ledger.people.add("a@b.c", "admin", "a long enough password", publisher=("", ""))
    with Database(database_url).migrate() as tx:
        tx.execute(
            text("INSERT INTO staff_session (token_digest, email, created_at, seen_at) VALUES ('d', 'a@b.c', 1, 1)")
        )
    taken(database_url, file)
    url = place()
    restore(url, file, ANY)
    with Database(url).read() as tx:
        assert tx.execute(text("SELECT count(*) FROM staff_session")).scalar_one() == 0


def test_a_missing_tool_is_named_in_words(
    postgresql_url: str, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(postgresql, "_DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupRefused, match=r"pg_dump is not on this machine.*postgresql-client"):
        taken(postgresql_url, file)


def test_a_killed_restore_leaves_no_half_database(tmp_path: Path, file: Path, sqlite_url: str) -> None:
    """Killed at any moment: the ledger is not there, or it is there whole; and the next restore works."""
    fill(sqlite_url, 40)
    back_up(sqlite_url, file, publisher="Militarnyi", clock=SteppingClock())
    settings, chance = write_settings(tmp_path, SEED), Random(3)
    target = tmp_path / "support.db"
    # The first of all commands waits for the server that forks them.
    _seconds_of_a_restore(settings, file)
    target.unlink()
    seconds = _seconds_of_a_restore(settings, file)
    killed = 0
    for number in range(KILLS):
        target.unlink(missing_ok=True)
        running = _restoring(settings, file)
        try:
            running.wait(seconds * (0.3 + 0.7 * chance.random() if number else 0.1))
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            killed += 1
        running.wait()
        if target.exists():
            with opened(f"sqlite:///{target}") as copy:
                assert copy.verify() == []
                assert copy.head().number == 40
    assert killed, "nothing was killed: the harness proves nothing"
    target.unlink(missing_ok=True)
    assert _restoring(settings, file).wait(60) == 0


def _seconds_of_a_restore(settings: Path, file: Path) -> float:
    import time

    begun = time.monotonic()
    assert _restoring(settings, file).wait(60) == 0
    return time.monotonic() - begun


def _restoring(settings: Path, file: Path) -> Forked:
    return forked("support_service", ["--config", str(settings), "restore", str(file)])


def test_the_commands_say_what_is_in_the_file_and_what_is_not(
    command: Command, settings_file: Path, file: Path
) -> None:
    url = f"sqlite:///{settings_file.parent}/support.db"
    migrate(url)
    fill(url, 2)
    told = command("--config", settings_file, "backup", file)
    assert told.exit_code == 0
    head = told.stdout.split("head ")[1].split(",")[0]
    assert f"not in it, keep them elsewhere: {settings_file}, " in told.stdout
    assert "web.secret" in told.stdout
    assert command("--config", settings_file, "restore", file).exit_code == 1
    Path(settings_file.parent / "support.db").unlink()
    assert command("--config", settings_file, "restore", file, "--holds", "3:00").exit_code == 1
    assert command("--config", settings_file, "restore", file, "--holds", "three").exit_code == 2
    told = command("--config", settings_file, "restore", file, "--holds", head, "--since", f"{NOON:%Y-%m-%d}")
    assert (told.exit_code, told.stderr) == (0, "")
    assert head in told.stdout
    assert command("--config", settings_file, "verify").exit_code == 0


def test_the_file_can_be_read_by_hand(sqlite_url: str, file: Path, tmp_path: Path) -> None:
    fill(sqlite_url, 2)
    taken(sqlite_url, file)
    by_hand = tmp_path / "by-hand.db"
    subprocess.run(f"sed 1,3d '{file}' | gunzip > '{by_hand}'", shell=True, check=True)
    connection = sqlite3.connect(by_hand)
    assert connection.execute("SELECT count(*) FROM report").fetchone() == (2,)
    connection.close()
