"""Random worlds on TRON: the chains of the EVM worlds behind a node with java-tron's quirks, tokens alone.

The truth is told by the EVM node itself, which knows no quirks: every transfer by its log, and what
each address holds. What no log tells lies in no block that TRON could name, so only its sum is held.
"""

import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from support_service.demo.tron_node import CHAIN_ID, TronNode
from support_service.demo.tron_ports import TronPorts
from support_service.giving import Watch, utc_now
from support_service.ledger import Ledger, LedgerError
from support_service.money import Asset
from support_service.rails.evm.rpc import Node as RpcNode
from support_service.rails.source import SourceError
from support_service.rails.tron.address import from_evm, to_evm
from support_service.rails.tron.network import read_network
from support_service.rails.tron.source import TronSource
from tests.fixtures.database import prepare
from tests.fixtures.node import OURS, start_node
from tests.fixtures.tron import TRANSFER
from tests.worlds.evm import TOKENS, Traits, World
from tests.worlds.play import STEPS, Ending, Player, _quiet
from tests.worlds.proxy import FaultProxy
from tests.worlds.watching import Kills

NETWORK = "tron"
# A balance that no log explains is booked when a second one says the same, each final first.
ROUNDS_AT_END = 8
EPOCHS = (2, 4, 8)

# (asset, address, direction, transaction, units, block)
Moved = tuple[str, str, str, str, int, int]


class TronWorld(World):
    """An EVM world in which tokens alone concern us."""

    @classmethod
    def begin(cls, seed: int) -> "TronWorld":
        """Start a node and make the world's contracts."""
        traits = replace(Traits.of(seed), code="", epoch=EPOCHS[seed % len(EPOCHS)])
        return cls(seed, start_node(epoch=traits.epoch), traits)

    def _acts(self) -> tuple[Callable[[], object], ...]:
        of_token = {
            "DAI": (self.mint, self.rebase),
            "FEE": (self.fee_gift,),
            "NOISE": (self.noise, self.odd_noise, self.noisy_gift),
        }[self.traits.second_token]
        usual = (self.token_gift, self.token_gift, self.token_gift, self.token_twice, self.spend_token)
        return (*of_token, *usual, self.between_our_own, self.fake_token, self.nothing_of_a_token, self.plain)

    def between_our_own(self) -> None:
        payer = self._spender()
        payee = next(address for address in OURS if address != payer)
        units = self.random.randrange(1, 100)
        self.node.call(self.contracts["USDT"], "transfer(address,uint256)", payee, units, by=payer)

    def logs(self, first: int, last: int) -> Counter[Moved]:
        """Every transfer of the listed tokens to and from us in blocks first..last, by its log."""
        ours, found = {address.lower() for address in OURS}, Counter[Moved]()
        for code, contract in self.contracts.items():
            asked = {"fromBlock": hex(first), "toBlock": hex(last), "address": contract}
            for log in self.node.ask("eth_getLogs", asked) if first <= last else []:
                if len(log["topics"]) != 3 or log["topics"][0] != TRANSFER or len(log["data"]) != 66:
                    continue
                units, (payer, payee) = int(log["data"], 16), (f"0x{topic[-40:]}" for topic in log["topics"][1:])
                for party, way in ((payer, "out"), (payee, "in")):
                    if party in ours and units:
                        place = (log["transactionHash"], units, int(log["blockNumber"], 16))
                        found[(code, from_evm(party), way, *place)] += 1
        return found


class TronKills(Kills):
    """Real watcher processes on a TRON ledger, killed."""

    def __init__(
        self, world: World, proxy: FaultProxy, folder: Path, database_url: str, watches: tuple[Watch, ...]
    ) -> None:
        self.world, self.proxy = world, proxy
        self.journal, self.settings = folder / "ledger.db-journal", folder / "support.toml"
        lines = ['[publisher]\nname = "World"', f'[database]\nurl = "{database_url}"']
        codes = sorted({watch.asset.code for watch in watches})
        for number, address in enumerate(sorted({watch.address for watch in watches})):
            lines += [
                f'[[methods]]\nkey = "usdt{number}"\nrail = "tron"\nnetwork = "{NETWORK}"\naddress = "{address}"',
                f"assets = {codes}\nstart_block = {watches[0].start_block}",
            ]
        lines += [f'[networks.{NETWORK}]\nrail = "tron"\nchain_id = {CHAIN_ID}\nrpc = ["{proxy.url}"]']
        lines += ["poll_seconds = 1"]
        for asset in {watch.asset.code: watch.asset for watch in watches}.values():
            lines += [f'[[assets]]\ncode = "{asset.code}"\nnetwork = "{NETWORK}"\nexponent = {asset.exponent}']
            lines += [f'contract = "{asset.contract}"']
        self.settings.write_text("\n".join(lines) + "\n")


class TronPlayer(Player):
    """The reader's side of a TRON world."""

    def __init__(self, world: TronWorld, tron: TronNode, proxies: tuple[FaultProxy, FaultProxy], folder: Path) -> None:
        self.world, self.tron, self.folder = world, tron, folder
        self.proxy, self.solid = proxies
        self.proxies = (self.proxy,)
        self.ending = Ending(world.seed)
        self.random = random.Random(f"reader {world.seed}")
        self.has_solid = random.Random(f"solid {world.seed}").random() < 0.6
        self.database_url = f"sqlite:///{folder / 'ledger.db'}"
        prepare(self.database_url)
        self.ledger = Ledger(self.database_url)
        assets = [Asset(code, TOKENS[code][2], NETWORK, from_evm(at)) for code, at in world.contracts.items()]
        mine = [from_evm(address) for address in OURS]
        self.watches = tuple(
            Watch(NETWORK, address, asset, "usdt", world.first) for address in mine for asset in assets
        )
        self.source, self.rival = self._born(), self._born()

    def _born(self) -> TronSource:
        table = {"rail": "tron", "chain_id": CHAIN_ID, "rpc": [self.proxy.url], "poll_seconds": 1}
        if self.has_solid:
            table["rpc_solid"] = [self.solid.url]
        network = read_network(NETWORK, table)
        return TronSource(
            network, self.watches, clock=utc_now, node=lambda url: RpcNode(url, pause=lambda _seconds: None)
        )

    def live(self, steps: int, kills: int) -> None:
        """Let the world happen, and watch it badly."""
        forks = {self.random.randrange(steps // 3, steps) for _ in range(self.world.traits.forks)}
        if kills:
            TronKills(self.world, self.proxy, self.folder, self.database_url, self.watches).run(kills, self.random)
            steps //= 2
        for step in range(steps):
            self.world.step()
            if step in forks:
                self._flip()
            if self.random.random() < 0.6:
                self._turn()
            if self.random.random() < 0.1:
                self._look_above_finality()

    def _flip(self) -> None:
        """A -> B -> A ... between two futures; then one of them stays."""
        other = self.world.fork()
        sides = [self.world.node, other] * self.random.choice((1, 2))
        for side in [*sides, self.random.choice(sides)]:
            self.world.node, self.tron.upstream = side, side.url
            self._turn()
            self.world.counts["flip"] += 1
        # What stays is the longer future: else a deep reorg would reach below what the other one called final.
        highest = max(side.height for side in sides)
        self.world.node.mine(max(1, highest - self.world.node.height))

    def _calm_turn(self) -> None:
        rate, self.solid.rate = self.solid.rate, 0.0
        try:
            super()._calm_turn()
        finally:
            self.solid.rate = rate

    def _look_above_finality(self) -> None:
        """Nothing that is shown as on its way may be wrong; something may still be missing."""
        try:
            self._calm_turn()
        except SourceError:
            self.world.counts["turn_down"] += 1
            return
        final, head = self.world.final_height(), self.world.node.height
        shown = Counter({moved: count for moved, count in self._moved("seen").items() if moved[5] > final})
        wrong = shown - self._logs(max(final + 1, self.world.first), head)
        self.ending.problems += [f"shown at {head}, final {final}, and wrong: {moved}" for moved in wrong.elements()]
        self.world.counts["looks_above_finality"] += 1

    def end(self) -> None:
        """Make everything final, read it in peace, and compare: transfers one by one, balances to the unit."""
        self.proxy.rate = self.solid.rate = 0.0
        for _ in range(ROUNDS_AT_END):
            self.world.finish()
            self._calm_turn()
        truth, booked = self._logs(self.world.first, self.world.final_height()), self._moved("confirmed")
        self.ending.movements = truth.total()
        self.ending.problems += [f"missing {moved}" for moved in (truth - booked).elements() if not self._hid(moved)]
        self.ending.problems += [f"invented {moved}" for moved in (booked - truth).elements()]
        self.ending.problems += [f"verify: {fault}" for fault in self.ledger.verify()]
        self.ending.problems += [f"only seen: {moved}" for moved in self._moved("seen")]
        for watch in self.watches:
            held = self.world.node.token_balance(to_evm(watch.asset.contract), to_evm(watch.address))
            if self._held(watch) != held:
                self.ending.problems.append(f"{watch.asset.code} at {watch.address}: {self._held(watch)}, not {held}")
        unnamed = [row for row in self.ledger.export() if ":unexplained" in str(row["locator"])]
        self.world.counts["unexplained"] += len(unnamed)

    def _hid(self, moved: Moved) -> bool:
        """Tell of a log that moved nothing: where a node hides it, no balance betrays that, and no money is missed."""
        is_hidden = moved[0] == "NOISE" and moved[3] in self.proxy.hidden
        self.world.counts["hidden_noise"] += is_hidden
        return is_hidden

    def _logs(self, first: int, last: int) -> Counter[Moved]:
        assert isinstance(self.world, TronWorld)
        return self.world.logs(first, last)

    def _held(self, watch: Watch) -> int:
        rows = [row for row in self.ledger.export() if row["state"] == "confirmed"]
        mine = [row for row in rows if (row["address"], row["asset"]) == (watch.address, watch.asset.code)]
        return sum(int(str(row["units"])) * (1 if row["direction"] == "in" else -1) for row in mine)

    def _moved(self, state: str) -> Counter[Moved]:
        rows = [row for row in self.ledger.export() if row["state"] == state and row["tx"]]
        return Counter(
            (
                str(row["asset"]),
                str(row["address"]),
                str(row["direction"]),
                str(row["tx"]),
                int(str(row["units"])),
                int(str(row["block_height"])),
            )
            for row in rows
        )


def play(seed: int, *, steps: int = STEPS, kills: int = 0) -> Ending:
    """Play a TRON world to its end. kills: how often a real watcher process is killed."""
    started = time.monotonic()
    logging.getLogger("support_service.rails.tron.range_proof").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="world-tron-") as folder, _quiet():
        world = TronWorld.begin(seed)
        here = None
        ending = Ending(seed)
        try:
            tron, rate = TronNode(world.node.url), world.traits.fault_rate
            with (
                TronPorts(tron) as ports,
                FaultProxy(ports.rpc, seed=seed, rate=rate) as proxy,
                FaultProxy(ports.solid, seed=f"{seed} solid", rate=rate) as solid,
            ):
                here = TronPlayer(world, tron, (proxy, solid), Path(folder))
                ending = here.ending
                here.live(steps, kills)
                here.end()
                ending.faults, ending.counts = proxy.fired + solid.fired, world.counts
        except (SourceError, LedgerError) as error:
            # No fault here makes a node a liar, so a source that stops for good is as wrong as a lost gift.
            ending.problems.append(f"stopped: {type(error).__name__}: {error}")
        finally:
            world.stop()
            if here is not None:
                here.ledger.dispose()
    ending.seconds = time.monotonic() - started
    return ending
