"""Several at once, and none at all: racing watchers, racing workers, and a writer that is killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from support_service.giving import State
from support_service.ledger import CursorMoved, Ledger, LedgerDown, engine
from tests.fixtures.reports import gift, polled, pushed, transfer
from tests.load.races import Plan, by_force, write, wrong

STEPS = 20
KILLS = 3
LINES_BEFORE_KILL = 12
WAIT_SECONDS_MAX = 60

# A writer as a process of its own: says each key only when accept has returned.
WRITER = """
import sys
from itertools import count
from support_service.giving import State
from support_service.ledger import Ledger
from tests.fixtures.reports import gift, pushed
ledger, name = Ledger(sys.argv[1]), sys.argv[2]
for number in count():
    ledger.accept(pushed(f"{name}-{number}", gift(f"pi_{name}_{number}", units=100), raw="x" * 5_000))
    print(f"{name}-{number}", flush=True)
"""


def test_of_two_racing_watchers_one_wins_each_step_and_nothing_is_lost_or_doubled(database_url: str) -> None:
    start = threading.Barrier(2)

    def watch() -> tuple[int, int]:
        ledger, won, outrun = Ledger(database_url), 0, 0
        start.wait()
        while True:
            held = ledger.cursor("evm:ethereum")
            step = 1 if held is None else held.step + 1
            if step > STEPS:
                ledger.dispose()
                return won, outrun
            try:
                # Both have read the chain alike: the report of a step is the same, whoever brings it.
                ledger.accept(polled(step, transfer(f"0x{step}", state=State.CONFIRMED, units=step)))
                won += 1
            except CursorMoved:
                outrun += 1

    with ThreadPoolExecutor(2) as pool:
        results = [one.result(WAIT_SECONDS_MAX) for one in [pool.submit(watch), pool.submit(watch)]]
    assert sum(won for won, _ in results) == STEPS
    ledger = Ledger(database_url)
    assert [(total.units, total.count) for total in ledger.totals()] == [(sum(range(STEPS + 1)), STEPS)]
    assert ledger.head().number == STEPS and ledger.verify() == []


def test_one_step_brought_by_two_at_the_very_same_time_is_taken_once(database_url: str) -> None:
    outcomes: list[str] = []
    ledgers = [Ledger(database_url), Ledger(database_url)]
    for step in range(1, STEPS + 1):
        together(ledgers, lambda ledger, at=step: outcomes.append(bring(ledger, at)))  # type: ignore[misc]
    assert sorted(outcomes) == ["outrun"] * STEPS + ["won"] * STEPS
    assert ledgers[0].verify() == [] and len(ledgers[0].donations()) == STEPS


def test_one_pushed_report_delivered_by_eight_workers_counts_once(database_url: str) -> None:
    ledgers = [Ledger(database_url) for _ in range(8)]
    numbers: list[int | None] = []
    together(ledgers, lambda ledger: numbers.append(ledger.accept(pushed("evt_1", gift())).report_number))
    assert sorted(numbers, key=str) == [1] + [None] * 7
    assert [total.units for total in ledgers[0].totals()] == [10_00]


def bring(ledger: Ledger, step: int) -> str:
    try:
        ledger.accept(polled(step, transfer(f"0x{step}")))
    except CursorMoved:
        return "outrun"
    return "won"


def together(ledgers: list[Ledger], act: Callable[[Ledger], None]) -> None:
    """Let each act at the same moment, and wait for all."""
    start = threading.Barrier(len(ledgers))

    def one(ledger: Ledger) -> None:
        start.wait()
        act(ledger)

    with ThreadPoolExecutor(len(ledgers)) as pool:
        for future in [pool.submit(one, ledger) for ledger in ledgers]:
            future.result(WAIT_SECONDS_MAX)


def test_a_killed_writer_loses_nothing_that_was_acknowledged(database_url: str, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for kill in range(KILLS):
        acknowledged += write_until_killed(database_url, f"w{kill}", tmp_path)
    assert len(acknowledged) >= KILLS * LINES_BEFORE_KILL
    ledger = Ledger(database_url)
    stored = {str(row["locator"]) for row in ledger.export()}
    assert {f"pi_{key.replace('-', '_')}" for key in acknowledged} <= stored
    # A commit whose answer was lost is told again: redelivery changes nothing, or brings the one that was lost.
    for key in acknowledged:
        assert ledger.accept(pushed(key, gift(units=1))).is_empty
    assert [(total.units, total.count) for total in ledger.totals()] == [(100 * len(stored), len(stored))]
    assert ledger.verify() == []


def write_until_killed(url: str, name: str, folder: Path) -> list[str]:
    """Run a writer under load, kill it at some moment, and return what it had acknowledged."""
    with (folder / f"{name}.err").open("wb") as errors:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, url, name],
            cwd=Path(__file__).resolve().parents[2],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert writer.stdout is not None
    told = [writer.stdout.readline() for _ in range(LINES_BEFORE_KILL)]
    writer.send_signal(signal.SIGKILL)
    told += writer.stdout.readlines()
    writer.stdout.close()
    assert writer.wait(WAIT_SECONDS_MAX) == -signal.SIGKILL, (folder / f"{name}.err").read_text()
    # The last line may have been cut off in the middle of writing it.
    return [line.strip() for line in told if line.endswith("\n")]


@pytest.mark.postgres
def test_a_writer_that_falls_silent_in_its_turn_loses_it_and_holds_up_nobody_for_good(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SILENT_WRITER_SECONDS_MAX", 0.3)
    silent, other = engine.Database(postgresql_url), Ledger(postgresql_url)

    def fall_silent() -> None:
        with silent.write() as tx:
            # It has the writers' lock, and says nothing more: as a process that is stopped, or cut off.
            assert other.accept(pushed("g1", gift())).report_number == 1
            tx.execute(text("SELECT 1"))

    with pytest.raises(LedgerDown):
        fall_silent()
    with silent.write() as tx:
        assert tx.execute(text("SELECT count(*) FROM report")).scalar_one() == 1, "it goes on when it is back"
    silent.dispose()
    other.dispose()


def test_writers_on_the_same_keys_are_believed_once_each(database_url: str) -> None:
    together_on_the_same_keys(database_url, Plan(rounds=2, writers=12, keys=12))


@pytest.mark.postgres
@pytest.mark.parametrize("isolation", ["repeatable-read", "serializable"])
def test_writers_at_another_level_are_refused_and_never_believed_twice(postgresql_url: str, isolation: str) -> None:
    with by_force(isolation):
        together_on_the_same_keys(postgresql_url, Plan(rounds=2, writers=12, keys=12, isolation=isolation))


@pytest.mark.postgres
def test_the_level_of_writers_is_ours_whatever_the_server_is_set_to(postgresql_url: str) -> None:
    database = engine.Database(postgresql_url)
    with database.write() as tx:
        name = tx.execute(text("SELECT current_database()")).scalar_one()
        tx.execute(text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"))
    database.dispose()
    with database.write() as tx:
        assert tx.execute(text("SHOW default_transaction_isolation")).scalar_one() == "serializable"
        assert tx.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"
    database.dispose()


def together_on_the_same_keys(url: str, plan: Plan) -> None:
    ledgers = [Ledger(url) for _ in range(plan.writers)]
    met = write(ledgers, plan, 1, 0)
    # In the second round all are connected, and meet.
    met.add(write(ledgers, plan, 2, 0))
    assert wrong(ledgers[0], plan, met) == []
    for ledger in ledgers:
        ledger.dispose()
