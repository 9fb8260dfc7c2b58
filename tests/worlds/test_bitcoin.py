"""Random worlds, a few of the campaign's two thousand: whatever they went through, the ledger says what happened."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.fixtures.bitcoin_node import BitcoinNode, start_bitcoin
from tests.worlds.bitcoin import KINDS, OURS, Traits, play
from tests.worlds.play import Ending

pytestmark = pytest.mark.node

# In the last one watchers overtake each other most.
SEEDS = (0, 1, 2, 3, 4, 11)
KILLED = {4: 2}
ON_POSTGRESQL = {2}
# What these worlds must have met, or they have proved little; each is well below what these seeds bring.
FLOORS = {
    "reorg": 12,
    "included_again": 8,
    "double_spent": 2,
    "flip": 3,
    "died_between_reports": 15,
    "overtaken": 2,
    "turn_down": 4,
    "froze": 1,
    "looks_in_peace": 12,
    "gift": 25,
    "several": 6,
    "large": 3,
    "dust": 3,
    "spend": 15,
    "together": 3,
    "replace": 3,
    "forget": 3,
    "reward": 3,
    "killed_at_request": 1,
    "killed_in_commit": 1,
}
FAULTS = {"http_429", "http_5xx", "web_page", "cut", "half", "warming_up", "gone", "lies"}


@pytest.fixture(scope="module")
def endings() -> dict[int, Ending]:
    """What the worlds of this run came to."""
    return {}


@pytest.fixture(scope="module")
def node() -> Iterator[BitcoinNode]:
    """The node of all worlds, each of which begins at the same height."""
    made = start_bitcoin()
    yield made
    made.stop()


@pytest.mark.parametrize("seed", SEEDS)
def test_ledger_and_chain_agree_to_the_satoshi(
    seed: int, endings: dict[int, Ending], node: BitcoinNode, request: pytest.FixtureRequest
) -> None:
    url = str(request.getfixturevalue("postgresql_url")) if seed in ON_POSTGRESQL else ""
    ending = endings[seed] = play(seed, kills=KILLED.get(seed, 0), database_url=url, node=node)
    replay = f"replay: python -m tests.worlds --chain bitcoin --seed {seed} --kills {KILLED.get(seed, 0)}"
    assert ending.problems == [], replay
    assert ending.movements > 0


def test_the_worlds_were_as_bad_as_they_claim(endings: dict[int, Ending]) -> None:
    if len(endings) < len(SEEDS):
        pytest.skip("judges all worlds together")
    assert {Traits.of(seed).kind for seed in SEEDS} == set(KINDS)
    met = sum((ending.counts for ending in endings.values()), Counter[str]())
    fired = sum((ending.faults for ending in endings.values()), Counter[str]())
    assert {name: met[name] for name, least in FLOORS.items() if met[name] < least} == {}
    assert FAULTS - set(fired) == set(), "these faults never fired"


def test_a_ledger_that_does_not_hear_of_one_address_disagrees(node: BitcoinNode) -> None:
    ending = play(0, steps=6, watched=OURS[:1], node=node)
    assert any("ledger None" in problem for problem in ending.problems)


def test_what_a_server_told_half_before_it_failed_is_not_told_at_all(node: BitcoinNode) -> None:
    # In this world it fails between our two addresses; what waited at the first was shown as waiting for ever.
    assert play(1154, node=node).problems == []
