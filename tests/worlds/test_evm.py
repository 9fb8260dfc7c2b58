"""Random worlds, a few of the campaign's two thousand: whatever they went through, the ledger says what happened."""

from collections import Counter
from pathlib import Path

import pytest

from tests.worlds.__main__ import State, main
from tests.worlds.evm_truth import Movement
from tests.worlds.play import Ending, has_quorum, play, settled
from tests.worlds.proxy import FAULTS, MOODS

pytestmark = pytest.mark.node

# Together these meet everything, the deepest reorg included.
SEEDS = (0, 1, 2, 3, 4, 6, 7, 18)
# Real processes take seconds to start, so a few worlds have them; all others lose their watcher in this process.
KILLED = {4: 2, 7: 2}
# These have their ledger on PostgreSQL.
POSTGRESQL = frozenset({2, 6})
# What these worlds must have met, or they have proved little; each is well below what these seeds bring.
FLOORS = {
    "reorg": 15,
    "reorg_deep": 1,
    "included_again": 3,
    "flip": 12,
    "died_between_reports": 30,
    "overtaken": 5,
    "turn_down": 25,
    "looks_above_finality": 8,
    "wallet_pays": 2,
    "fee_gift": 3,
    "noise": 1,
    "rebase": 3,
    "killed_at_request": 2,
    "killed_in_commit": 2,
    "froze": 2,
}


@pytest.fixture(scope="module")
def endings() -> dict[int, Ending]:
    """What the worlds of this run came to."""
    return {}


@pytest.mark.parametrize("seed", SEEDS)
def test_ledger_and_chain_agree_to_the_wei(
    seed: int, endings: dict[int, Ending], request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgresql_url") if seed in POSTGRESQL else ""
    ending = endings[seed] = play(seed, kills=KILLED.get(seed, 0), database_url=url)
    assert ending.problems == [], f"replay: python -m tests.worlds --seed {seed} --kills {KILLED.get(seed, 0)}"
    assert ending.movements > 0
    assert ending.faults.total() > 0
    assert not has_quorum(seed) or any(ending.faults[mood] for mood in MOODS), "the third node was never bad"


def test_the_worlds_were_as_bad_as_they_claim(endings: dict[int, Ending]) -> None:
    if len(endings) < len(SEEDS):
        pytest.skip("judges all worlds together")
    met = sum((ending.counts for ending in endings.values()), Counter[str]())
    fired = sum((ending.faults for ending in endings.values()), Counter[str]())
    assert {name: met[name] for name, least in FLOORS.items() if met[name] < least} == {}
    assert {*FAULTS, *MOODS} - set(fired) == set(), "these faults never fired"


GIFT = Movement(7, "ETH", "0xa", "in", "0xt", "trace", 5)


@pytest.mark.parametrize(
    "booked",
    [
        Counter[Movement](),
        Counter({GIFT: 2}),
        Counter([Movement(7, "ETH", "0xa", "in", "0xt", "trace", 6)]),
        Counter([Movement(8, "ETH", "0xa", "in", "0xt", "trace", 5)]),
        Counter([Movement(7, "ETH", "0xa", "in", "", "unexplained", 4)]),
    ],
    ids=["nothing", "twice", "another sum", "another block", "unexplained, but less"],
)
def test_the_comparison_sees_a_wrong_ledger(booked: Counter[Movement]) -> None:
    missing, invented = settled(booked, Counter([GIFT]))
    assert missing.total() + invented.total() > 0


def test_a_refused_trace_leaves_a_sum_without_a_name() -> None:
    unnamed = Counter([Movement(7, "ETH", "0xa", "in", "", "unexplained", 5)])
    assert settled(unnamed, Counter([GIFT])) == (Counter(), Counter())


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "campaign.json"
    done = State.load(file)
    done.add(Ending(0, [], Counter(reorg=3), Counter(http_429=2), 9, 1.0), kills=0)
    done.add(Ending(1, ["missing a gift"], Counter(reorg=1), Counter(), 4, 1.0), kills=0)
    done.save(file)
    assert main(["--worlds", "2", "--state", str(file)]) == 1
    told = capsys.readouterr().out
    assert "2 worlds, 13 movements, 1 disagreed" in told
    assert "python -m tests.worlds --seed 1 --kills 0" in told
