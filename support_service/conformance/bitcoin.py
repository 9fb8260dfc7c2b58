"""`make conformance-bitcoin RPC=... ESPLORA=...`: do your nodes do what the watcher relies on? Reads, never writes.

The tests run against adapters before bcoin, which speak as Bitcoin Core does and as Esplora does; only
real ones can say whether these imitate well. Each check is told by
name: `as expected`, `differs` (the watcher can live with it), `unknown` (could not be seen here) or
`FAILS` (the watcher would not work, or not safely).
"""

from dataclasses import dataclass

import click

from support_service.commands.errors import CommandForPeople
from support_service.conformance import Fails, Unknown, run
from support_service.conformance.bitcoin_core import CORE_CHECKS, CoreBench, read_block, transactions
from support_service.conformance.esplora import ESPLORA_CHECKS, EsploraBench
from support_service.rails.bitcoin.address import CHAINS
from support_service.rails.bitcoin.http import BitcoinHttp
from support_service.rails.bitcoin.rpc import CoreRefusal, Rpc
from support_service.rails.chain.bounded_json import BadJson
from support_service.rails.chain.strict_fields import BadAnswer
from support_service.rails.source import SourceDown, SourceLied

FAILURES = (SourceDown, SourceLied, CoreRefusal, BadAnswer, BadJson)


class BitcoinConformance(CommandForPeople):
    """Told by its own name."""

    program = "conformance-bitcoin"


@dataclass
class BothBench:
    """Two servers that should tell the same."""

    core: CoreBench
    esplora: EsploraBench


def both_same_block(bench: BothBench) -> str:
    """Both have the same block a little below their heads."""
    height = max(0, min(bench.core.head.height, bench.esplora.top.height) - 6)
    theirs = bench.core.hash_at(height), bench.esplora.line(f"/block-height/{height}")
    if theirs[0] != theirs[1]:
        raise Fails(f"block {height} is {theirs[0]} here and {theirs[1]} there")
    return f"block {height}"


def both_same_money(bench: BothBench) -> str:
    """Both tell the same outputs of a transaction: BTC as text here, satoshi there, scripts alike."""
    told, block = bench.esplora.transaction, read_block(bench.core, bench.esplora.top.block_hash)
    if told is None:
        raise Unknown("no transaction is known to look at")
    here = next((one for one in transactions(block) if one.txid == told.txid), None)
    if here is None or here.outputs != told.outputs:
        raise Fails(f"{told.txid} pays {here and here.outputs} here and {told.outputs} there")
    return f"{len(told.outputs)} outputs"


BOTH_CHECKS = (both_same_block, both_same_money)


@click.command(cls=BitcoinConformance)
@click.option("--rpc", default="", help="Your node's JSON-RPC, such as http://USER:PASSWORD@127.0.0.1:8332")
@click.option("--esplora", default="", help="Your Esplora server's API, such as http://127.0.0.1:3000")
@click.option("--chain", default="main", show_default=True, type=click.Choice(list(CHAINS)), help="As in the settings.")
@click.option("--search", is_flag=True, help="Let the node search its unspent outputs, too: minutes of its disk.")
def conformance(*, rpc: str, esplora: str, chain: str, search: bool) -> int:
    """Check a Bitcoin Core node, an Esplora server, or both, read-only."""
    if not rpc and not esplora:
        raise click.UsageError("name a node: --rpc, --esplora or both (make conformance-bitcoin RPC=... ESPLORA=...)")
    failed = asked = 0
    core, server = CoreBench(Rpc(rpc or "http://127.0.0.1"), chain, search), EsploraBench(BitcoinHttp(esplora), chain)
    if rpc:
        failed += run(CORE_CHECKS, core, failures=FAILURES)
        asked += len(CORE_CHECKS)
    if esplora:
        failed += run(ESPLORA_CHECKS, server, failures=FAILURES)
        asked += len(ESPLORA_CHECKS)
    if rpc and esplora:
        failed += run(BOTH_CHECKS, BothBench(core, server), failures=FAILURES)
        asked += len(BOTH_CHECKS)
    hosts = " and ".join(http.host for url, http in ((rpc, core.rpc.http), (esplora, server.http)) if url)
    requests = core.rpc.http.http_requests + server.http.http_requests
    click.echo(f"{asked} checks, {failed} failed, {requests} requests to {hosts}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(conformance())
