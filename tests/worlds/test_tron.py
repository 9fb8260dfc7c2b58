"""Random worlds, a few of the campaign's thousand: whatever they went through, the ledger says what happened."""

from collections import Counter

import pytest

from tests.worlds.play import Ending
from tests.worlds.tron import play

pytestmark = pytest.mark.node

SEEDS = range(5)
KILLED = {4: 2}
# What these worlds must have met, or they have proved little; each is well below what these seeds bring.
FLOORS = {
    "reorg": 10,
    "included_again": 2,
    "flip": 8,
    "died_between_reports": 18,
    "turn_down": 4,
    "looks_above_finality": 5,
    "token_gift": 20,
    "between_our_own": 6,
    "spend_token": 8,
    "rebase": 2,
    "fee_gift": 3,
    "noise": 1,
    "unexplained": 6,
    "killed_at_request": 1,
    "killed_in_commit": 1,
}
FAULTS = {"http_429", "http_5xx", "bad_json", "missing_item", "empty_logs", "reset"}


@pytest.fixture(scope="module")
def endings() -> dict[int, Ending]:
    """What the worlds of this run came to."""
    return {}


@pytest.mark.parametrize("seed", SEEDS)
def test_ledger_and_chain_agree_to_the_unit(seed: int, endings: dict[int, Ending]) -> None:
    ending = endings[seed] = play(seed, kills=KILLED.get(seed, 0))
    assert ending.problems == [], (
        f"replay: python -m tests.worlds --chain tron --seed {seed} --kills {KILLED.get(seed, 0)}"
    )
    assert ending.movements > 0
    assert ending.faults.total() > 0


def test_the_worlds_were_as_bad_as_they_claim(endings: dict[int, Ending]) -> None:
    if len(endings) < len(SEEDS):
        pytest.skip("judges all worlds together")
    met = sum((ending.counts for ending in endings.values()), Counter[str]())
    fired = sum((ending.faults for ending in endings.values()), Counter[str]())
    assert {name: met[name] for name, least in FLOORS.items() if met[name] < least} == {}
    assert FAULTS - set(fired) == set(), "these faults never fired"
