"""What TRON costs: catching up with 1,000 blocks that hold 20 donations, and polls in which nothing happens.

    python -m tests.bench.catch_up_tron [--blocks 1000]

The real source and a ledger on SQLite read a real EVM node through the server that speaks as a TRON
node, and counting proxies. The token also moves between strangers. Loopback only; leaves nothing behind.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from support_service import watcher
from support_service.demo.tron_node import CHAIN_ID, TronNode
from support_service.demo.tron_ports import TronPorts
from support_service.giving import Watch, utc_now
from support_service.ledger import Ledger, migrate
from support_service.money import Asset
from support_service.rails.tron.address import from_evm
from support_service.rails.tron.network import read_network
from support_service.rails.tron.source import TronSource
from tests.fixtures.node import ACCOUNTS, OURS, Node, start_node
from tests.worlds.proxy import FaultProxy

NETWORK, SEND = "tron", "transfer(address,uint256)"
DONATIONS, STRANGERS_EVERY = 20, 10
IDLE_POLLS, POLL_SECONDS, POLL_BLOCKS = 10, 12, 4
# HTTP requests: a poll, and a donation found while catching up.
IDLE_AIM, DONATION_AIM = 2.0, 2.0


def chain(node: Node, blocks: int) -> tuple[str, int]:
    """Make the blocks; return the token and the first of them."""
    coin = node.deploy("PlainToken")
    first = node.height + 1
    gifts = {blocks * number // DONATIONS for number in range(DONATIONS)}
    for block in range(blocks):
        if block in gifts:
            node.call(coin, SEND, OURS[0], 10**6)
        if block % STRANGERS_EVERY == 0:
            node.call(coin, SEND, ACCOUNTS[1], 1)
        node.mine()
    node.mine(5)
    return coin, first


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.catch_up_tron")
    parser.add_argument("--blocks", type=int, default=1_000)
    blocks = max(DONATIONS, parser.parse_args(arguments).blocks)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="catch-up-tron-"))
        node = start_node(epoch=2, states=blocks + 200)
        stack.callback(node.stop)
        print(f"making {blocks} blocks with {DONATIONS} donations ...", flush=True)
        coin, first = chain(node, blocks)
        ports = stack.enter_context(TronPorts(TronNode(node.url)))
        full, solid = (stack.enter_context(FaultProxy(url)) for url in (ports.rpc, ports.solid))
        migrate(url := f"sqlite:///{Path(folder) / 'tron.db'}")
        ledger = Ledger(url)
        stack.callback(ledger.dispose)
        table = {"rail": "tron", "chain_id": CHAIN_ID, "rpc": [full.url], "rpc_solid": [solid.url]}
        watch = Watch(NETWORK, from_evm(OURS[0]), Asset("USDT", 6, NETWORK, from_evm(coin)), "usdt", first)
        source = TronSource(read_network(NETWORK, table), (watch,), clock=utc_now)
        return _measure(source, ledger, node, (full, solid))


def _measure(source: TronSource, ledger: Ledger, node: Node, proxies: tuple[FaultProxy, FaultProxy]) -> int:
    full, solid = proxies
    started = time.monotonic()
    watcher.turn(source, ledger)
    seconds, requests, caught_up_bytes = time.monotonic() - started, full.requests, full.answered_bytes
    found = sum(row["kind"] == "donation" and row["state"] == "confirmed" for row in ledger.export())
    print(f"\ncatch-up: {seconds:.2f} s, {requests} HTTP requests, {full.calls} calls, {caught_up_bytes / 1e3:.0f} kB,")
    print(f"          {solid.requests} requests to the solidified port; {found} of {DONATIONS} donations found")
    problems = ledger.verify()
    before = (full.requests, solid.requests, full.answered_bytes)
    for _ in range(IDLE_POLLS):
        node.mine(POLL_BLOCKS)
        watcher.turn(source, ledger)
    polls = 60 / POLL_SECONDS / IDLE_POLLS
    idle, beside, answered = (
        now - then for now, then in zip((full.requests, solid.requests, full.answered_bytes), before, strict=True)
    )
    print(
        f"idle:     {idle * polls:.0f} requests a minute to the node, {beside * polls:.0f} to its solidified port,",
        end=" ",
    )
    print(f"{answered * polls / 1e3:.1f} kB a minute, at {POLL_SECONDS} s a poll")
    aims = (
        ("HTTP requests an idle poll", idle / IDLE_POLLS, IDLE_AIM),
        ("HTTP requests a donation caught up with", requests / DONATIONS, DONATION_AIM),
    )
    for what, value, aim in aims:
        print(f"{value:8.2f} {what} (aim <= {aim}): {'met' if value <= aim else 'MISSED'}")
    is_good = not problems and found == DONATIONS and all(value <= aim for _, value, aim in aims)
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
