"""Random worlds on Bitcoin: a real node, told as Core, as Esplora, in turn or as a quorum of three, and badly.

After every look in peace the ledger must say what the chain says, transaction by transaction; at the end
all of it confirmed. The truth is read block by block from the node itself, and no code of ours is in it.
"""

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from support_service.demo.bitcoin_transactions import Lock, UnsignedTransaction, UnspentOutput, payment
from support_service.giving import utc_now
from support_service.ledger import Ledger, LedgerError
from support_service.rails.bitcoin.network import read_network
from support_service.rails.bitcoin.source import BitcoinSource
from support_service.rails.source import MustFreeze, SourceDown, SourceError
from tests.fixtures.bitcoin import NETWORK, CoreProxy, Moved, chain_truth, moved, table, watch
from tests.fixtures.bitcoin_node import COIN, BitcoinNode, start_bitcoin
from tests.fixtures.database import prepare
from tests.fixtures.esplora import Esplora, Index
from tests.fixtures.world import LIVE
from tests.worlds.bitcoin_faults import GONE, MOODS, Faults
from tests.worlds.play import STEPS, Ending, _quiet
from tests.worlds.reading import Reading
from tests.worlds.watching import Kills

OURS, THEIRS = (Lock(1), Lock(2)), Lock(99)
KINDS = ("core", "esplora", "in turn", "quorum")
MATURITY_BLOCKS = 100
LARGE_UNITS = COIN // 20
# What nobody's address is: data, an empty script, an old kind of key, a future kind of witness.
ODD_SCRIPTS = (b"\x6a\x04news", b"", b"\x21" + b"\x02" * 33 + b"\xac", b"\x60\x02ab", b"\x51")


@dataclass(frozen=True)
class Traits:
    """What kind of world a seed makes."""

    kind: str
    confirmations: int
    has_large: bool
    is_raced: bool
    fault_rate: float

    @classmethod
    def of(cls, seed: int) -> "Traits":
        """Draw them."""
        dice = random.Random(f"bitcoin traits {seed}")
        return cls(
            kind=KINDS[seed % len(KINDS)],
            confirmations=dice.choice((2, 3, 3, 6, 6, 12)),
            has_large=dice.random() < 0.4,
            is_raced=dice.random() < 0.4,
            fault_rate=dice.choice((0.05, 0.1, 0.2)),
        )

    @property
    def large_confirmations(self) -> int:
        """How deep a large amount must lie."""
        return max(6, self.confirmations)


@dataclass
class World:
    """A chain that lives: payments wait, come into blocks, are replaced, and blocks are lost again."""

    seed: int
    node: BitcoinNode
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.traits, self.random = Traits.of(self.seed), random.Random(f"bitcoin {self.seed}")
        self.base = self.highest = self.node.height
        self.purse = {coin.txid for coin in self.node.coins}

    def step(self) -> None:
        """Let one thing happen to the chain."""
        chance = self.random.random()
        if chance < 0.18:
            self.reorganise()
            return
        for _ in range(self.random.choice((1, 1, 2, 3, 5))):
            act = self.random.choice(self._acts())
            act()
            self.counts[act.__name__] += 1
        if chance < 0.8:
            self.mine(self.random.choice((1, 1, 1, 2, 4)))

    def mine(self, count: int = 1) -> None:
        """Mine what waits; now and then only a part of it."""
        kept = [one for one in self.node.pool.values() if self.random.random() < 0.85]
        self.node.mine(count, self._possible(kept))
        self._settle()

    def reorganise(self, *, margin: int = 1) -> list[str]:
        """Replace blocks that are not deep enough to count yet; return the old head and the new one, if any."""
        lowest = max(self.base, self.highest - self.traits.confirmations + margin)
        most = self.node.height - lowest
        if most < 1:
            return []
        depth, old = self.random.randint(1, most), self.node.best
        parent = self.node.height - depth
        lost = [one for digest in self.node.above(parent) for one in self.node.transactions(digest)]
        again = [one for one in lost if self.random.random() < 0.5]
        rivals = [self._rival(one) for one in lost if one not in again and self.random.random() < 0.3]
        txs = self._possible([*again, *rivals], upto=parent)
        made = self.node.reorg(depth, txs, forgets=self.random.random() < 0.2)
        self._settle()
        self.counts["reorg"] += 1
        self.counts["reorg_blocks"] += depth
        self.counts["included_again"] += sum(one in again for one in txs)
        self.counts["double_spent"] += sum(one in rivals for one in txs)
        return [old, made[-1]]

    def extend(self, head: str) -> str:
        """Make a branch the longest by two blocks more; return its new head."""
        made = self.node.mine(2, [], on=head)
        self._settle()
        return made[-1]

    def _settle(self) -> None:
        """Forget what can come no more."""
        self.highest = max(self.highest, self.node.height)
        possible = self._possible(list(self.node.pool.values()))
        self.node.pool = {one.txid: one for one in possible}

    def _possible(self, txs: Sequence[UnsignedTransaction], *, upto: int | None = None) -> list[UnsignedTransaction]:
        """Leave out what the chain up to a height would refuse, and put each behind what it spends."""
        known = {one.txid: one for one in self._chain(upto)}
        spent = {(coin.txid, coin.vout) for one in known.values() for coin in one.coins}
        found: dict[str, UnsignedTransaction] = {}
        for _ in txs:
            for one in txs:
                coins = {(coin.txid, coin.vout) for coin in one.coins}
                is_there = all(txid in known or txid in found or txid in self.purse for txid, _ in coins)
                if is_there and not coins & spent and one.txid not in known:
                    found[one.txid] = one
                    spent |= coins
        return list(found.values())

    def _chain(self, upto: int | None = None) -> list[UnsignedTransaction]:
        digests = self.node.above(self.base)[: None if upto is None else upto - self.base]
        return [one for digest in digests for one in self.node.transactions(digest)]

    def truth(self) -> dict[str, dict[str, Moved]]:
        """What the chain as it is now did to each of our addresses since the world began."""
        return chain_truth(self.node, [lock.address() for lock in OURS], first=self.base + 1)

    def _acts(self) -> tuple[Callable[[], object], ...]:
        few = (self.dust, self.strangers, self.replace, self.forget, self.reward, self.large, self.nothing)
        return (self.gift, self.gift, self.gift, self.several, self.spend, self.spend, self.together, *few)

    def gift(self) -> None:
        self.node.pay((self._ours().script, self._units()))

    def several(self) -> None:
        self.node.pay((OURS[0].script, self._units()), (OURS[1].script, self._units()), (OURS[0].script, self._units()))

    def large(self) -> None:
        self.node.pay((self._ours().script, LARGE_UNITS + self._units()))

    def dust(self) -> None:
        self.node.pay(*((self._ours().script, self.random.randint(1, 546)) for _ in range(self.random.randint(5, 40))))

    def nothing(self) -> None:
        self.node.pay((self._ours().script, 0), (THEIRS.script, self._units()))

    def strangers(self) -> None:
        self.node.pay((self.random.choice(ODD_SCRIPTS), self.random.choice((0, 1_000))), (THEIRS.script, self._units()))

    def spend(self) -> None:
        """Spend coins of ours: to strangers, to our other address, or change alone."""
        coins = self._our_coins()
        if not coins:
            return
        chosen = self.random.sample(coins, min(len(coins), self.random.randint(1, 3)))
        left = sum(coin.units for coin in chosen) - 200
        if left < 10:
            return
        pays = [(self.random.choice((THEIRS, *OURS)).script, left // 3)]
        self.node.send(payment(chosen, pays, change=self.random.choice((THEIRS, *OURS)), fee_units=200))

    def together(self) -> None:
        """Spend our coin and a stranger's in one transaction."""
        coins = self._our_coins()
        if coins:
            ours = self.random.choice(coins)
            self.node.pay((self._ours().script, self._units()), coins=[ours, self.node.coin()])

    def replace(self) -> None:
        """Let a payment that waits be replaced: by more, by less, or by one that does not pay us at all."""
        if self.node.pool:
            self.node.send(self._rival(self.random.choice(list(self.node.pool.values()))))
            self._settle()

    def forget(self) -> None:
        """Let a payment that waits be forgotten, with what spends it."""
        if self.node.pool:
            self.node.forget(self.random.choice(list(self.node.pool)))
            self._settle()

    def reward(self) -> None:
        """Let somebody mine for us."""
        self.node.mine(1, [], to=self._ours().script)
        self._settle()

    def _rival(self, one: UnsignedTransaction) -> UnsignedTransaction:
        """Spend the first of its coins in another way."""
        units = one.coins[0].units
        to = self.random.choice((THEIRS, THEIRS, *OURS))
        return payment(one.coins[:1], [(to.script, units // 2)], change=THEIRS, fee_units=min(2_000, units // 4))

    def _our_coins(self) -> list[UnspentOutput]:
        """Coins of ours that can be spent: in a block or waiting, and spent by nothing that waits."""
        known = {one.txid: one for one in [*self._chain(), *self.node.pool.values()]}
        spent = {(coin.txid, coin.vout) for one in known.values() for coin in one.coins}
        locks = {lock.script: lock for lock in OURS}
        return [
            UnspentOutput(one.txid, vout, units, locks[script])
            for one in known.values()
            for vout, (script, units) in enumerate(one.outputs)
            if script in locks and units > 0 and (one.txid, vout) not in spent
        ]

    def _ours(self) -> Lock:
        return self.random.choice(OURS)

    def _units(self) -> int:
        return self.random.choice((547, 10_000, 100_000 + self.random.randrange(10**6)))


class Ticking:
    """A clock by which a node that failed may be asked again at the next look."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """Tell the time."""
        return utc_now() + self._ahead

    def skip(self) -> None:
        """Let the rest after a fault be over."""
        self._ahead += timedelta(minutes=10)


class Player(Reading):
    """The reader's side of a world: sources, ledger, faults, deaths, and the comparison."""

    def __init__(
        self,
        world: World,
        servers: tuple[CoreProxy, Esplora, Esplora],
        place: tuple[Path, str],
        watched: Sequence[Lock],
    ) -> None:
        self.world, self.ending, self.clock = world, Ending(world.seed), Ticking()
        self.folder, database_url = place
        self.random = random.Random(f"bitcoin reader {world.seed}")
        self.database_url = database_url or f"sqlite:///{self.folder / 'ledger.db'}"
        prepare(self.database_url)
        self.ledger = Ledger(self.database_url)
        rate = world.traits.fault_rate / (3 if world.traits.kind == "quorum" else 1)
        self.faults = [Faults(one, seed=f"{world.seed} {at}", rate=rate) for at, one in enumerate(servers)]
        self.watches = tuple(watch(lock, world.base + 1) for lock in watched)
        self.source, self.rival = self._born(), self._born()

    def settings(self) -> dict[str, object]:
        """The network's table."""
        traits, (core, esplora, other) = self.world.traits, (one.url for one in self.faults)
        nodes: dict[str, dict[str, object]] = {
            "core": {"rpc": [core]},
            "esplora": {"esplora": [esplora]},
            "in turn": {"rpc": [core], "esplora": [esplora]},
            "quorum": {"rpc": [core], "esplora": [esplora, other], "quorum": 2},
        }
        large = {"large_amount": "0.05", "large_confirmations": traits.large_confirmations}
        return table(confirmations=traits.confirmations, **nodes[traits.kind], **(large if traits.has_large else {}))

    def _born(self) -> BitcoinSource:
        """A watcher as after a start: it knows the ledger and nothing else."""
        return BitcoinSource(read_network(NETWORK, self.settings()), self.watches, clock=self.clock)

    def live(self, steps: int, kills: int) -> None:
        """Let the world happen, and watch it badly."""
        if kills:
            BitcoinKills(self).run(kills, self.random)
            steps //= 2
        for _ in range(steps):
            self.world.step()
            if self.world.traits.kind in ("in turn", "quorum"):
                self._change_mood()
            if self.random.random() < 0.12:
                self._flip()
            if self.random.random() < 0.6:
                self._turn()
            if self.random.random() < 0.2:
                self._look_in_peace()

    def _change_mood(self) -> None:
        """One node is gone for a while, or lies: only a quorum can catch it at that."""
        moods = MOODS if self.world.traits.kind == "quorum" else (GONE,)
        self.faults[1].mood = self.random.choice(("", *moods))

    def _flip(self) -> None:
        """A -> B -> A -> B: blocks are lost, come back, and are lost again."""
        heads = self.world.reorganise(margin=4)
        for head in heads:
            self._turn()
            self.world.extend(head)
            self.world.counts["flip"] += 1

    def _here(self) -> World:
        return self.world

    def _turn(self) -> None:
        self.clock.skip()
        super()._turn()

    def _look_into(self, error: MustFreeze) -> None:
        """A person looks, and mends the node that lied; where there is no such node, the source is wrong."""
        if not any(one.mood for one in self.faults):
            raise error
        self.faults[1].mood = ""
        self.world.counts["froze"] += 1

    def _calm_turn(self) -> None:
        """One whole turn, without faults."""
        self.clock.skip()
        before = [(one.rate, one.mood) for one in self.faults]
        for one in self.faults:
            one.rate, one.mood = 0.0, ""
        try:
            self._read(self.source)
        finally:
            for one, (rate, mood) in zip(self.faults, before, strict=True):
                one.rate, one.mood = rate, mood

    def _look_in_peace(self) -> None:
        """Whoever reads in peace knows what the chain says now, and how deep it lies."""
        try:
            self._calm_turn()
        except SourceDown:
            # The chain that is shown now is shorter than what was read: one waits until it is not.
            self.world.counts["turn_down"] += 1
            return
        self._compare("in peace")
        for row in self._rows():
            if row["block_height"] is None:
                self._expect(str(row["tx"]) in self.world.node.pool, f"waits for nothing: {row['locator']}")
            elif row["state"] == "confirmed":
                deep = self.world.highest - int(row["block_height"]) + 1
                least = MATURITY_BLOCKS if row["kind"] == "protocol" else self.world.traits.confirmations
                self._expect(deep >= least, f"confirmed at {deep}: {row['locator']}")
        self.world.counts["looks_in_peace"] += 1

    def end(self) -> None:
        """Make all of it deep enough, read it in peace, and compare to the satoshi."""
        for one in self.faults:
            one.rate, one.mood = 0.0, ""
        self.world.node.pool.clear()
        self.world.node.mine(MATURITY_BLOCKS + 2)
        for _ in range(2):
            self._calm_turn()
        self.ending.movements = self._compare("at the end")
        self.ending.problems += [f"verify: {fault}" for fault in self.ledger.verify()]
        seen = [row["locator"] for row in self._rows() if row["state"] != "confirmed"]
        self._expect(not seen, f"only seen at the end: {seen}")

    def _compare(self, when: str) -> int:
        truth, count = self.world.truth(), 0
        for lock in OURS:
            address = lock.address()
            mine = [row for row in self._rows() if row["address"] == address and row["block_hash"]]
            told, count = moved(mine), count + len(truth[address])
            for txid in sorted({*told, *truth[address]}):
                ours, theirs = told.get(txid), truth[address].get(txid)
                self._expect(ours == theirs, f"{when}: {txid} at {address}: ledger {ours}, chain {theirs}")
        return count

    def _expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.ending.problems.append(otherwise)

    def _rows(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.ledger.export() if row["state"] in LIVE]


class BitcoinKills(Kills):
    """Real watcher processes on a Bitcoin ledger, killed."""

    def __init__(self, player: Player) -> None:
        self.world, self.proxy = player.world, player.faults[1 if player.world.traits.kind == "esplora" else 0]
        self.journal, self.settings = player.folder / "ledger.db-journal", player.folder / "support.toml"
        lines = ['[publisher]\nname = "World"', f'[database]\nurl = "{player.database_url}"']
        for number, one in enumerate(player.watches):
            lines += [f'[[methods]]\nkey = "btc{number}"\nrail = "bitcoin"\nnetwork = "{NETWORK}"']
            lines += [f'address = "{one.address}"\nstart_block = {one.start_block}']
        lines += [f"[networks.{NETWORK}]", *(f"{name} = {_toml(value)}" for name, value in player.settings().items())]
        self.settings.write_text("\n".join(lines) + "\n")


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else json.dumps(value)


def play(
    seed: int,
    *,
    steps: int = STEPS,
    kills: int = 0,
    database_url: str = "",
    watched: Sequence[Lock] = OURS,
    node: BitcoinNode | None = None,
) -> Ending:
    """Play a Bitcoin world to its end. kills: how often a real watcher process is killed.

    node: where an earlier world was; by default one of its own.
    """
    started, ending = time.monotonic(), Ending(seed)
    with tempfile.TemporaryDirectory(prefix="world-bitcoin-") as folder, _quiet(), ExitStack() as stack:
        if node is None:
            node = start_bitcoin()
            stack.callback(node.stop)
        else:
            node.begin_anew()
        world = World(seed, node)
        core = stack.enter_context(CoreProxy(world.node))
        esplora, other = (stack.enter_context(Esplora(Index(world.node))) for _ in range(2))
        here = Player(world, (core, esplora, other), (Path(folder), database_url), watched)
        stack.callback(here.ledger.dispose)
        ending = here.ending
        try:
            here.live(steps, kills)
            here.end()
        except (SourceError, LedgerError) as error:
            # No fault here makes a node a liar, so a source that stops for good is as wrong as a lost gift.
            ending.problems.append(f"stopped: {type(error).__name__}: {error}")
        ending.counts, ending.faults = world.counts, sum((one.fired for one in here.faults), Counter[str]())
    ending.seconds = time.monotonic() - started
    return ending
