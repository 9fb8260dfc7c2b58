"""Plays one world: a chain, a node that fails, a watcher that dies; and compares the ledger with the truth."""

import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support_service.giving import Watch, utc_now
from support_service.ledger import Ledger, LedgerError, Wanted
from support_service.money import Asset
from support_service.rails.evm.network import read_network
from support_service.rails.evm.rpc import Node as RpcNode
from support_service.rails.evm.source import EvmSource
from support_service.rails.source import MustFreeze, SourceDown, SourceError
from tests.fixtures.database import prepare
from tests.fixtures.node import CHAIN_ID, OURS
from tests.worlds.evm import TOKENS, World
from tests.worlds.evm_truth import Movement
from tests.worlds.proxy import MOODS, FaultProxy
from tests.worlds.reading import Reading
from tests.worlds.watching import Kills

NETWORK = "ethereum"
STEPS = 24
# Tokens are held against their balance a few in a turn; after so many turns each of them was.
ROUNDS_AT_END = 6
QUORUM_EVERY = 5
QUIET = (
    "support_service.rails.evm.poll",
    "support_service.rails.evm.native_coin",
    "support_service.rails.chain.node_pool",
)


@dataclass
class Ending:
    """How a world ended: what differed (nothing, one hopes), and what happened in it."""

    seed: int
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    movements: int = 0
    seconds: float = 0.0


def has_quorum(seed: int) -> bool:
    """Tell whether two of three nodes must agree in this world; the third lies or is gone most of the time."""
    return seed % QUORUM_EVERY == 1


def play(seed: int, *, steps: int = STEPS, kills: int = 0, database_url: str = "") -> Ending:
    """Play a world to its end, by default on a SQLite file of its own.

    kills: how often a real watcher process is killed; else ours dies between reports.
    """
    quorum = has_quorum(seed)
    ending, started = Ending(seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="world-") as folder, _quiet():
        world = World.begin(seed)
        here = None
        try:
            with ExitStack() as stack:
                # Three nodes meet three times as many faults.
                rate = world.traits.fault_rate / (3 if quorum else 1)
                made = [
                    FaultProxy(world.node.url, seed=f"{seed} {place}", rate=rate) for place in range(3 if quorum else 1)
                ]
                proxies = [stack.enter_context(proxy) for proxy in made]
                here = Player(world, proxies, (Path(folder), database_url), ending)
                here.live(steps, kills)
                here.end()
                ending.faults = sum((proxy.fired for proxy in proxies), Counter[str]())
                ending.counts = world.counts
        except (SourceError, LedgerError) as error:
            # No fault here makes a node a liar, so a source that stops for good is as wrong as a lost gift.
            ending.problems.append(f"stopped: {type(error).__name__}: {error}")
        finally:
            world.stop()
            if here is not None:
                here.ledger.dispose()
    ending.seconds = time.monotonic() - started
    return ending


@contextmanager
def _quiet() -> Iterator[None]:
    """Thousands of reorgs and refused traces are the point here, and no news."""
    loggers = [logging.getLogger(name) for name in QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


class Player(Reading):
    """The reader's side of a world: sources, ledger, faults, deaths, and the comparison."""

    def __init__(self, world: World, proxies: Sequence[FaultProxy], place: tuple[Path, str], ending: Ending) -> None:
        self.world, self.proxies, self.ending = world, proxies, ending
        self.folder, database_url = place
        self.random = random.Random(f"reader {world.seed}")
        self.database_url = database_url or f"sqlite:///{self.folder / 'ledger.db'}"
        prepare(self.database_url)
        self.ledger = Ledger(self.database_url)
        assets = [Asset("ETH", 18, NETWORK)]
        assets += [Asset(code, TOKENS[code][2], NETWORK, at) for code, at in world.contracts.items()]
        self.watches = tuple(Watch(NETWORK, ours, asset, "eth", world.first) for ours in OURS for asset in assets)
        self.source, self.rival = self._born(), self._born()

    def _born(self) -> EvmSource:
        """A watcher as after a start: it knows the ledger and nothing else. It waits for nobody."""
        urls = [proxy.url for proxy in self.proxies]
        table = {"rail": "evm", "chain_id": CHAIN_ID, "rpc": urls, "quorum": len(urls) // 2 + 1, "poll_seconds": 1}
        network = read_network(NETWORK, table)
        return EvmSource(
            network, self.watches, clock=utc_now, node=lambda url: RpcNode(url, pause=lambda _seconds: None)
        )

    def live(self, steps: int, kills: int) -> None:
        """Let the world happen, and watch it badly."""
        forks = {self.random.randrange(steps // 3, steps) for _ in range(self.world.traits.forks)}
        if kills:
            killer = Kills(self.world, self.proxies[0], self.folder, self.database_url, self.watches)
            killer.run(kills, self.random)
            steps //= 2
        for step in range(steps):
            self.world.step()
            if len(self.proxies) > 1:
                self.proxies[-1].mood = self.random.choice(("", *MOODS))
            if step in forks:
                self._flip()
            if self.random.random() < 0.6:
                self._turn()
            if self.random.random() < 0.1:
                self._look_above_finality()

    def _here(self) -> World:
        return self.world

    def _look_into(self, error: MustFreeze) -> None:
        """A person looks, and mends the node that lied; where there is no such node, the source is wrong."""
        if len(self.proxies) == 1:
            raise error
        if not self.proxies[-1].mood:
            # Where no node lies, an answer cut short may still have made two differ, twice in a row.
            self.world.counts["froze_for_a_fault"] += 1
        self.proxies[-1].mood = ""
        self.world.counts["froze"] += 1

    def _calm_turn(self) -> None:
        """One whole turn, without faults."""
        rates = [proxy.rate for proxy in self.proxies]
        self._calm()
        try:
            self._read(self.source)
        finally:
            for proxy, rate in zip(self.proxies, rates, strict=True):
                proxy.rate = rate

    def _calm(self) -> None:
        for proxy in self.proxies:
            proxy.rate, proxy.mood = 0.0, ""

    def _flip(self) -> None:
        """A -> B -> A ... between two futures; then one of them stays."""
        other = self.world.fork()
        sides = [self.world.node, other] * self.random.choice((1, 2))
        for side in [*sides, self.random.choice(sides)]:
            self.world.node = side
            for proxy in self.proxies:
                proxy.upstream = side.url
            self._turn()
            self.world.counts["flip"] += 1

    def _look_above_finality(self) -> None:
        """Nothing that is shown as on its way may be wrong; something may still be missing."""
        try:
            self._calm_turn()
        except SourceDown:
            # The fork that is shown now is shorter than what was read: one waits until it is not.
            self.world.counts["turn_down"] += 1
            return
        final, head = self.world.final_height(), self.world.node.height
        first = max(final + 1, self.world.first)
        shown = Counter({m: n for m, n in self._booked("seen").items() if m.block > final})
        wrong = settled(shown, self.world.truth(head, first=first))[1] if head >= first else shown
        self.ending.problems += [f"shown at {head}, final {final}, and wrong: {m}" for m in wrong.elements()]
        self.world.counts["looks_above_finality"] += 1

    def end(self) -> None:
        """Make everything final, read it in peace, and compare to the wei."""
        self._calm()
        for _ in range(ROUNDS_AT_END):
            self.world.finish()
            self._calm_turn()
        truth = self.world.truth(self.world.final_height())
        self.ending.movements = sum(truth.values())
        missing, extra = settled(self._booked("confirmed"), truth)
        self.ending.problems += [f"missing {m}" for m in missing.elements()]
        self.ending.problems += [f"invented {m}" for m in extra.elements()]
        self.ending.problems += [f"verify: {fault}" for fault in self.ledger.verify()]
        left = sum(self._booked("seen").values())
        if left:
            self.ending.problems.append(f"{left} rows are still only seen")

    def _booked(self, *states: str) -> Counter[Movement]:
        rows = [row for row in self.ledger.export(Wanted()) if row["state"] in states and row["kind"] != "opening"]
        return Counter(
            Movement(
                block=int(str(row["block_height"])),
                asset=str(row["asset"]),
                address=str(row["address"]).lower(),
                direction=str(row["direction"]),
                tx=str(row["tx"] or ""),
                what=next(
                    word
                    for word in ("value", "gas", "log", "trace", "unexplained")
                    if f":{word}" in str(row["locator"])
                ),
                units=int(str(row["units"])),
            )
            for row in rows
        )


def settled(booked: Counter[Movement], truth: Counter[Movement]) -> tuple[Counter[Movement], Counter[Movement]]:
    """What is missing and what is invented.

    A node that refused traces leaves inner payments unattributed: then one row `unexplained` stands for
    the sum of a block's traced ones, to the wei.
    """
    missing, extra = truth - booked, booked - truth
    for unexplained in [m for m in extra if m.what == "unexplained" and not m.tx]:
        place = (unexplained.block, unexplained.asset, unexplained.address)
        traced = [m for m in missing.elements() if (m.block, m.asset, m.address) == place and m.what == "trace"]
        if traced and _net(traced) == _net([unexplained]):
            missing -= Counter(traced)
            extra -= Counter([unexplained])
    return missing, extra


def _net(told: list[Movement]) -> int:
    return sum(m.units if m.direction == "in" else -m.units for m in told)
