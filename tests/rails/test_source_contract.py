"""What every Source of a chain must keep, whatever the chain: one suite, run over all of them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import pytest

from support_service import watcher
from support_service.giving import Direction, PaymentClaim, Report
from support_service.ledger import CursorMoved, Health
from support_service.rails.source import Rescan, Source, SourceDown, SourceLied
from tests.fixtures.bench_bitcoin import core_bench, esplora_bench
from tests.fixtures.bench_evm import evm_bench, tron_bench
from tests.fixtures.source_bench import SECRET, Bench

pytestmark = pytest.mark.node

# A new chain is one line.
MAKERS: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Bench]]] = {
    "evm": evm_bench,
    "tron": tron_bench,
    "core": core_bench,
    "esplora": esplora_bench,
}


@pytest.fixture(params=MAKERS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with MAKERS[request.param](request) as made:
        yield made


def three_gifts(bench: Bench) -> None:
    """Gifts in three blocks, blocks apart."""
    for units in (1_001, 1_002, 1_003):
        bench.give(units)
        bench.mine(3)


def units_of(bench: Bench, *states: str) -> list[int]:
    return sorted(units for (_, units), count in bench.rows(*states).items() for _ in range(count))


def test_a_gift_is_seen_then_confirmed_and_is_one_all_the_while(bench: Bench) -> None:
    sent = bench.give(1_000)
    bench.mine()
    bench.turn()
    assert bench.rows("seen") == {(sent, 1_000): 1}
    assert bench.ledger.totals() == ()
    bench.settle()
    assert bench.rows("confirmed") == {(sent, 1_000): 1}
    assert [total.units for total in bench.ledger.totals()] == [1_000]
    for _ in range(3):
        bench.mine()
        assert not bench.turn()
    bench.check()


def test_steps_of_the_cursor_count_up_by_one_and_carry_height_and_hash(bench: Bench) -> None:
    before = bench.cursor()
    assert before is not None
    three_gifts(bench)
    told: list[Report] = []
    for _ in range(3):
        for report in bench.source().reports(bench.cursor()):
            told.append(report)
            bench.ledger.accept(report)
        bench.mine(bench.settle_blocks)
    steps = [report.cursor.step for report in told if report.cursor]
    assert steps == list(range(before.step + 1, before.step + 1 + len(told)))
    assert {report.source for report in told} == {bench.source().name}
    heights = [report.cursor.height for report in told if report.cursor]
    assert heights == sorted(heights, key=lambda height: -1 if height is None else height)
    assert all(report.cursor and report.cursor.block_hash for report in told)


def test_the_same_cursor_on_the_same_chain_tells_the_same(bench: Bench) -> None:
    three_gifts(bench)
    first, second = bench.some(1), bench.some(1)
    assert first == second
    assert sum(len(report.observations) for report in first) > 0


def test_a_report_that_comes_again_changes_nothing(bench: Bench) -> None:
    three_gifts(bench)
    told = list(bench.source().reports(bench.cursor()))
    for report in told:
        bench.ledger.accept(report)
    before, head, cursor = list(bench.ledger.export()), bench.ledger.head(), bench.cursor()
    for report in told:
        with pytest.raises(CursorMoved):
            bench.ledger.accept(report)
    assert (list(bench.ledger.export()), bench.ledger.head(), bench.cursor()) == (before, head, cursor)
    bench.settle()
    bench.check()


def test_of_two_watchers_one_is_told_that_the_other_was_faster_and_nothing_is_lost(bench: Bench) -> None:
    three_gifts(bench)
    fast, slow = bench.source(), bench.source()
    late = slow.reports(bench.cursor())
    first = next(late)
    bench.turn(fast)
    with pytest.raises(CursorMoved):
        bench.ledger.accept(first)
    bench.turn(slow)
    bench.settle()
    assert units_of(bench, "confirmed") == [1_001, 1_002, 1_003]
    bench.check()


def test_a_watcher_that_dies_after_any_report_loses_and_doubles_nothing(bench: Bench) -> None:
    three_gifts(bench)
    bench.mine(bench.settle_blocks)
    for _ in range(50):
        # Every report is read by a new process, which dies once it is stored.
        told = bench.some(1)
        if bench.ledger.accept(told[0]).report_number is None and told[0].claims_nothing:
            break
        assert not bench.rows() - bench.gifts(), "something is shown that is not there"
    bench.settle()
    assert units_of(bench, "confirmed") == [1_001, 1_002, 1_003]
    bench.check()


def test_a_watcher_that_dies_before_it_stored_a_report_reads_it_again(bench: Bench) -> None:
    three_gifts(bench)
    bench.some(1)
    bench.some(2)
    bench.settle()
    bench.check()


def test_a_rescan_of_what_is_true_changes_nothing_and_leaves_the_live_cursor_alone(bench: Bench) -> None:
    three_gifts(bench)
    bench.settle()
    live, source = bench.cursor(), bench.source()
    assert live is not None
    before, head = list(bench.ledger.export()), bench.ledger.head()
    network = source.name.partition(":")[2]
    task = Rescan(bench.method, 0, live, tuple(bench.ledger.blocks(network)))
    name = f"rescan:{bench.method}:{network}"
    told = list(source.read_again(name, task, bench.ledger.cursor(name)))
    assert sum(len(report.observations) for report in told) >= 3
    for report in told:
        assert report.source == name
        assert not bench.ledger.accept(report).donations
    assert (list(bench.ledger.export()), bench.ledger.head(), bench.cursor()) == (before, head, live)
    bench.settle()
    bench.check()


def test_a_node_that_is_gone_delays_and_loses_nothing(bench: Bench) -> None:
    bench.give(1_000)
    bench.mine()
    before, cursor = list(bench.ledger.export()), bench.cursor()
    with bench.unplug():
        for _ in range(2):
            with pytest.raises(SourceDown):
                bench.turn()
    assert (list(bench.ledger.export()), bench.cursor()) == (before, cursor)
    bench.settle()
    assert units_of(bench, "confirmed") == [1_000]
    bench.check()


def test_a_node_of_another_chain_is_a_liar_and_tells_us_nothing(bench: Bench) -> None:
    bench.give(1_000)
    bench.mine()
    before = bench.cursor()
    with bench.elsewhere() as source, pytest.raises(SourceLied, match=r"settings say|another chain|unknown chain"):
        bench.turn(source)
    assert (bench.rows(), bench.cursor()) == ({}, before)
    bench.settle()
    bench.check()


def test_what_is_said_of_a_fault_names_the_node_and_no_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sources: Sequence[Source] = [bench.source()]
    with bench.unplug():
        (outcome,) = watcher.run_once(sources, bench.ledger)
    assert "127.0.0.1:" in outcome.reason
    with bench.elsewhere() as source:
        (lied,) = watcher.run_once([source], bench.ledger)
    told = [outcome.reason, lied.reason, *(one.reason for one in bench.ledger.health().values()), caplog.text]
    assert not [text for text in told if SECRET in text or "only-for-tests" in text]
    assert [one.state for one in bench.ledger.health().values()] == [Health.LIED]
    (well,) = watcher.run_once(sources, bench.ledger)
    assert well.is_good
    assert [one.state for one in bench.ledger.health().values()] == [Health.OK]


def test_a_look_that_finds_nothing_is_fresh_and_stores_no_report(bench: Bench) -> None:
    bench.settle()
    source = bench.source()
    bench.turn(source)
    head = bench.ledger.head()
    for _ in range(3):
        bench.clock.tick(30)
        assert not bench.turn(source)
        now = bench.cursor()
        assert now is not None
        assert now.checked_at == bench.clock.now
    bench.clock.tick(30)
    bench.mine()
    bench.turn(source)
    assert bench.ledger.head() == head


def test_a_statement_names_all_that_its_block_did(bench: Bench) -> None:
    for units in (1_001, 1_002):
        bench.give(units)
    bench.mine()
    bench.give(1_003)
    bench.mine(bench.settle_blocks)
    for _ in range(bench.settle_rounds):
        for report in bench.source().reports(bench.cursor()):
            assert_complete(report)
            bench.ledger.accept(report)
        bench.mine(bench.settle_blocks)
    bench.settle()
    bench.check()


def assert_complete(report: Report) -> None:
    """Every observation in a block lies under a statement of that block, and they sum to what it says."""
    sums: dict[tuple[str, str, str, str], int] = {}
    for one in report.observations:
        if isinstance(one.claim, PaymentClaim) and one.claim.block_hash is not None:
            place = (one.identity.network, one.identity.address, one.identity.asset, one.claim.block_hash)
            sign = 1 if one.identity.direction is Direction.IN else -1
            sums[place] = sums.get(place, 0) + sign * one.claim.units
    stated = {(told.network, told.address, told.asset, told.block_hash): told for told in report.statements}
    assert len(stated) == len(report.statements), "one statement for one block"
    assert sums.keys() <= {place for place, told in stated.items() if told.is_canonical}
    for place, told in stated.items():
        assert told.delta_units is None or told.delta_units == sums.get(place, 0)


def test_a_gift_that_goes_and_comes_back_with_its_block_is_one_gift(bench: Bench) -> None:
    bench.fork()
    sent = bench.give(1_000)
    bench.mine()
    bench.turn()
    assert bench.rows("seen") == {(sent, 1_000): 1}
    for _ in range(2):
        bench.flip()
        bench.turn()
        assert bench.rows() == {}
        assert bench.rows("orphaned") == {(sent, 1_000): 1}
        bench.flip()
        bench.turn()
        assert bench.rows() == {(sent, 1_000): 1}
    bench.settle()
    assert bench.rows("seen", "confirmed", "orphaned", "replaced") == {(sent, 1_000): 1}
    bench.check()


def test_what_is_on_the_other_side_takes_the_place_of_what_was_on_ours(bench: Bench) -> None:
    bench.fork()
    lost = bench.give(1_000)
    bench.mine()
    bench.turn()
    bench.flip()
    found = bench.give(2_000)
    bench.mine(2)
    bench.turn()
    bench.settle()
    assert bench.rows("confirmed") == {(found, 2_000): 1}
    assert bench.rows("orphaned") == {(lost, 1_000): 1}
    bench.check()


def test_a_flip_between_two_reports_of_one_turn_mixes_no_sides(bench: Bench) -> None:
    bench.fork()
    lost = bench.give(1_000)
    bench.mine(2)
    for report in bench.source().reports(bench.cursor()):
        bench.ledger.accept(report)
        break
    bench.flip()
    for _ in range(3):
        try:
            bench.turn()
        except SourceDown:
            continue
    assert bench.rows() == {}
    bench.settle()
    assert lost not in {tx for tx, _ in bench.rows("confirmed")}
    bench.check()


def test_holdings_are_what_the_ledger_says(bench: Bench) -> None:
    three_gifts(bench)
    bench.settle()
    after = bench.cursor()
    assert after is not None
    for holding in bench.source().holdings(after):
        assert holding.units in (None, bench.ledger.held(holding.watch.key, holding.height))
        assert holding.units is not None or holding.trouble


def test_the_balances_that_a_source_remembers_are_those_of_the_ledger_at_their_blocks(bench: Bench) -> None:
    three_gifts(bench)
    bench.settle()
    after = bench.cursor()
    assert after is not None
    told = bench.source().balances(after)
    # A node that does not tell what an address holds has told of no opening, either.
    is_told = any(holding.units is not None for holding in bench.source().holdings(after))
    assert any(one.units for one in told) is is_told
    for one in told:
        assert one.units == bench.ledger.held(one.place, one.mark)


def test_a_source_is_named_by_its_rail_and_network_and_rests_between_looks(bench: Bench) -> None:
    source = bench.source()
    rail, _, network = source.name.partition(":")
    assert rail in ("evm", "tron", "bitcoin")
    assert network
    assert source.poll_seconds > 0
