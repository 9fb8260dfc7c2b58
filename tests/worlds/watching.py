"""Real watcher processes, killed without warning: at some request to the node, or in the middle of a commit."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from eth_utils.address import to_checksum_address

from support_service.giving import Watch
from tests.fixtures.forked import Forked, forked
from tests.fixtures.node import CHAIN_ID, OURS
from tests.worlds.evm import World
from tests.worlds.proxy import FaultProxy

KILL_SECONDS_MAX = 60.0
# A start asks some six questions; a turn two to five.
REQUESTS_BEFORE_KILL = (1, 3, 5, 8, 12)
# A real process waits for a node that fails, so it meets fewer faults than one that need not wait.
FAULT_RATE = 0.03


class Lives(Protocol):
    """A chain to which things happen."""

    counts: Counter[str]

    def step(self) -> None:
        """Let one thing happen."""
        ...


class Counts(Protocol):
    """What stands before a node and counts."""

    rate: float
    requests: int
    on_request: Callable[[], object]


class Kills:
    """Runs `watch` as a process on the world's ledger and kills it, again and again, while the world goes on."""

    def __init__(
        self, world: World, proxy: FaultProxy, folder: Path, database_url: str, watches: Sequence[Watch]
    ) -> None:
        self.world: Lives = world
        self.proxy: Counts = proxy
        self.journal = folder / "ledger.db-journal"
        self.settings = folder / "support.toml"
        self.settings.write_text(_settings(proxy.url, database_url, watches))

    def run(self, kills: int, dice: random.Random) -> None:
        """Kill so many watchers. Each sees a world that has moved on, and stays behind in the next."""
        rate, self.proxy.rate = self.proxy.rate, FAULT_RATE
        for number in range(kills):
            for _ in range(4):
                self.world.step()
            if number % 2:
                self._kill_in_commit()
            else:
                self._kill_at_request(dice.choice(REQUESTS_BEFORE_KILL))
        self.proxy.rate = rate

    def _start(self) -> Forked:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("SUPPORT_")}
        return forked("support_service", ["--config", str(self.settings), "watch"], env=environment)

    def _kill_at_request(self, count: int) -> None:
        """Kill it while it waits for its count-th answer."""
        process, reached, left = self._start(), threading.Event(), iter(range(count, -1, -1))

        def on_request() -> None:
            if next(left, 0) <= 1:
                process.send_signal(signal.SIGKILL)
                reached.set()

        self.proxy.on_request = on_request
        try:
            # Something new for each turn, so that it does not only idle.
            deadline = time.monotonic() + KILL_SECONDS_MAX
            while not reached.wait(0.5):
                assert process.poll() is None, f"the watcher ended by itself with {process.returncode}"
                assert time.monotonic() < deadline, f"no request {count} in {KILL_SECONDS_MAX:.0f} s"
                if self.proxy.requests % 2:
                    self.world.step()
        finally:
            self.proxy.on_request = lambda: None
            self._reap(process)
        self.world.counts["killed_at_request"] += 1

    def _kill_in_commit(self) -> None:
        """Kill it while SQLite's rollback journal lies beside the ledger: a transaction is half written."""
        process = self._start()
        try:
            deadline = time.monotonic() + KILL_SECONDS_MAX
            while not self.journal.exists():
                assert process.poll() is None, f"the watcher ended by itself with {process.returncode}"
                assert time.monotonic() < deadline, f"no commit in {KILL_SECONDS_MAX:.0f} s"
                time.sleep(0.0002)  # leaves the processor to the process that is to be caught
            process.send_signal(signal.SIGKILL)
        finally:
            self._reap(process)
        self.world.counts["killed_in_commit"] += 1
        self.world.counts["journal_left_behind"] += self.journal.exists()

    def _reap(self, process: Forked) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def _settings(rpc: str, database_url: str, watches: Sequence[Watch]) -> str:
    """The same watches as a settings file."""
    assets = {watch.asset.code: watch.asset for watch in watches}
    lines = ['[publisher]\nname = "World"', f'[database]\nurl = "{database_url}"']
    for number, address in enumerate(OURS):
        lines += [
            f'[[methods]]\nkey = "eth{number}"\nrail = "evm"\nnetwork = "{watches[0].network}"',
            f'address = "{address}"\nassets = {list(assets)}\nstart_block = {watches[0].start_block}',
        ]
    lines += [
        f'[networks.{watches[0].network}]\nrail = "evm"\nchain_id = {CHAIN_ID}',
        f'rpc = ["{rpc}"]\npoll_seconds = 1',
    ]
    for asset in assets.values():
        lines += [f'[[assets]]\ncode = "{asset.code}"\nnetwork = "{asset.network}"\nexponent = {asset.exponent}']
        lines += [f'contract = "{to_checksum_address(asset.contract)}"'] if asset.contract else []
    return "\n".join(lines) + "\n"
