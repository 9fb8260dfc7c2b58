"""`make conformance-tron RPC=...`: does your TRON node do what the watcher relies on? Reads, never writes.

The tests run against a server that imitates a TRON node from its code and documentation; only a real
one can say whether it imitates well. Each check is told by name: `as expected`, `differs` (worth a
word to the developers, harms nothing) or `FAILS` (the watcher would not work, or not safely).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import click

from support_service.commands.errors import CommandForPeople
from support_service.conformance import Differs, Fails, run
from support_service.giving import utc_now
from support_service.rails.asides import Asides
from support_service.rails.chain import strict_fields
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.rpc import Call, Node
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import Refusal
from support_service.rails.evm.rpc_schema import Header, Log
from support_service.rails.options import BadOption
from support_service.rails.source import SourceDown
from support_service.rails.tron import log_index as canary
from support_service.rails.tron import rpc_requests as tron_requests
from support_service.rails.tron.address import read_address, to_evm
from support_service.rails.tron.contract_results import Results
from support_service.rails.tron.reconcile import RANGE_BLOCKS_MAX

CHAIN_ID = 728126428
USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
# A block in 3 seconds, final after some 19: later than this the node lags, or the chain is in trouble.
HEAD_SECONDS_MAX, FINAL_BLOCKS_MAX = 60, 60
# Nobody's address: a search for it finds nothing and costs little.
_NOBODY = "0x" + "0" * 39 + "1"


class TronConformance(CommandForPeople):
    """Told by its own name."""

    program = "conformance-tron"


@dataclass
class Bench:
    """A node on the bench, and what earlier checks found out about it."""

    node: Node
    solid: Node | None
    contract: str
    chain_id: int
    native: tuple[str, ...] = ()
    head: Header | None = None
    final: Header | None = None
    transfer: Log | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def top(self) -> Header:
        """The head, once it is known."""
        if self.head is None:
            raise Fails("the head is not known")
        return self.head

    def refused(self, call: Call[object]) -> Refusal | None:
        """The node's refusal of a question; None where it answers."""
        answer = self.node.ask_all([call])[0]
        return answer if isinstance(answer, Refusal) else None


def chain_id(bench: Bench) -> str:
    """The node is on the chain of the settings."""
    told = bench.node.ask(rpc_requests.chain_id())
    if told != bench.chain_id:
        raise Fails(f"the node is on chain {told}, not on {bench.chain_id}")
    return str(told)


def fresh_head(bench: Bench) -> str:
    """The head is known and not old."""
    bench.head = bench.node.ask(rpc_requests.tip("latest"))
    age = (utc_now() - bench.top.occurred_at).total_seconds()
    if age > HEAD_SECONDS_MAX:
        raise Differs(f"block {bench.top.height} is {age:.0f} s old")
    return f"block {bench.top.height}, {age:.0f} s old"


def finalized(bench: Bench) -> str:
    """The tag `finalized` is answered; older nodes do not know it."""
    bench.final = bench.node.ask(rpc_requests.tip("finalized"))
    if bench.final is None:
        raise Fails("nothing is final")
    behind = bench.top.height - bench.final.height
    if not 0 <= behind <= FINAL_BLOCKS_MAX:
        raise Differs(f"block {bench.final.height}, {behind} below the head")
    return f"block {bench.final.height}, {behind} below the head"


def safe_refused(bench: Bench) -> str:
    """The tag `safe` is refused; it is never asked for."""
    return _expect_refusal(bench, Call("eth_getBlockByNumber", ("safe", False), Header.read_or_none))


def pending_refused(bench: Bench) -> str:
    """The tag `pending` is refused; it is never asked for."""
    return _expect_refusal(bench, Call("eth_getBlockByNumber", ("pending", False), Header.read_or_none))


def block_form(bench: Bench) -> str:
    """A block has a zero bloom and a bare state root, and its hash begins with its height."""
    call = Call("eth_getBlockByNumber", (hex(bench.top.height), False), strict_fields.mapping)
    told = bench.node.ask(call)
    odd = [f"logsBloom is {str(told.get('logsBloom'))[:12]}..."] if int(str(told.get("logsBloom")), 16) else []
    odd += [] if told.get("stateRoot") == "0x" else [f"stateRoot is {told.get('stateRoot')}"]
    odd += [] if int(str(told["hash"])[2:18], 16) == bench.top.height else [f"hash is {told['hash']}"]
    if odd:
        raise Differs("; ".join(odd))
    return "zero bloom, bare state root, height in the hash"


def log_index(bench: Bench) -> str:
    """A search by contract finds logs: the canary that the watcher lets fly at every start."""
    try:
        canary.check(RpcCache(bench.node), [bench.contract], bench.top.height)
    except SourceDown as error:
        raise Fails(str(error)) from error
    return "alive at the head"


def recent_transfer(bench: Bench) -> str:
    """The token moved in the last blocks, so that there is something to look at."""
    first = bench.top.height - 30
    found = bench.node.ask(tron_requests.transfers([bench.contract], first, bench.top.height - 25))
    if not found:
        raise Differs(f"no transfer of {bench.contract} in blocks {first} to {first + 5}")
    bench.transfer = found[0]
    return f"{len(found)} in 6 blocks"


def logs_by_hash(bench: Bench) -> str:
    """Logs are given for a block named by its hash, all of them and those of one contract."""
    log = _transfer(bench)
    whole = bench.node.ask(tron_requests.logs_of_block(log.block_hash))
    if log.tx not in {one.tx for one in whole}:
        raise Fails("a block's own logs lack one that the search found")
    return f"{len(whole)} in one block"


def receipt(bench: Bench) -> str:
    """A receipt holds the log, in its place, and says success."""
    log = _transfer(bench)
    told = bench.node.ask(rpc_requests.receipt(log.tx))
    if not told.is_success or (log.contract, log.topics, log.data) not in {
        (one.contract, one.topics, one.data) for one in (told.logs or ()) if one is not None
    }:
        raise Fails(f"the receipt of {log.tx} does not bear its log out")
    return f"{len(told.logs or ())} logs, in block {log.height}"


def range_accepted(bench: Bench) -> str:
    """A search over 5,000 blocks is answered."""
    refused = bench.refused(_search(max(0, bench.top.height - RANGE_BLOCKS_MAX + 1), bench.top.height, bench.contract))
    if refused:
        raise Differs(f"refused, so ranges will be shorter: {refused}")
    return "answered"


def range_refused(bench: Bench) -> str:
    """A search over more blocks is refused, and not clipped."""
    first = bench.top.height - 2 * RANGE_BLOCKS_MAX
    if first < 0:
        raise Differs("the chain is too short to ask")
    return _expect_refusal(bench, _search(first, bench.top.height, bench.contract))


def range_beyond_head(bench: Bench) -> str:
    """A search that reaches beyond the head is clipped and not refused."""
    refused = bench.refused(_search(bench.top.height - 5, bench.top.height + 1_000, bench.contract))
    if refused:
        raise Differs(str(refused))
    return "clipped"


def newest_balance(bench: Bench) -> str:
    """A balance of the newest state is told, and the token's decimals."""
    bench.node.ask(tron_requests.balance(bench.contract, _NOBODY))
    return f"told; {int.from_bytes(bench.node.ask(rpc_requests.decimals(bench.contract)), 'big')} decimals"


def old_balance_by_height(bench: Bench) -> str:
    """A balance at a height is refused: there are none of old blocks."""
    return _expect_refusal(bench, rpc_requests.token_balance(bench.contract, _NOBODY, bench.top.height - 100))


def old_balance_by_hash(bench: Bench) -> str:
    """A balance at a block's hash is answered with the newest state, which is why it is never asked for."""
    refused = bench.refused(rpc_requests.token_balance(bench.contract, _NOBODY, _transfer(bench).block_hash))
    if refused:
        raise Differs(f"refused, which would be safer: {refused}")
    return "answered, with the newest state as far as anybody can tell"


def one_request(bench: Bench) -> str:
    """Ten questions travel in one HTTP request."""
    before = bench.node.http_requests
    bench.node.ask_all([rpc_requests.header(bench.top.height - depth) for depth in range(10)])
    if bench.node.http_requests - before > 1:
        raise Differs(f"they took {bench.node.http_requests - before} requests")
    return "accepted"


def solidified_port(bench: Bench) -> str:
    """The solidified port's head is final, and it tells balances."""
    if bench.solid is None:
        raise Differs("not given (SOLID=...): balances are proven a minute later")
    head = bench.solid.ask(rpc_requests.tip("latest"))
    bench.solid.ask(tron_requests.balance(bench.contract, _NOBODY))
    if head is None or head.height >= bench.top.height:
        raise Fails(f"its head is {head and head.height}, that of the full node {bench.top.height}")
    same = bench.node.ask(rpc_requests.header(head.height))
    if same is None or same.block_hash != head.block_hash:
        raise Fails(f"its block {head.height} is not the full node's")
    return f"block {head.height}, {bench.top.height - head.height} below the head"


def native_results(bench: Bench) -> str:
    """The node's own interface says whether a transaction succeeded."""
    if not bench.native:
        raise Differs("not given (NATIVE=...): receipts alone are believed")
    if not Results(bench.native, Asides("conformance", utc_now))(_transfer(bench).tx):
        raise Fails(f"it denies {_transfer(bench).tx}, whose receipt says success")
    return "SUCCESS for a recent transfer"


CHECKS: tuple[Callable[[Bench], str], ...] = (
    chain_id,
    fresh_head,
    finalized,
    safe_refused,
    pending_refused,
    block_form,
    log_index,
    recent_transfer,
    logs_by_hash,
    receipt,
    range_accepted,
    range_refused,
    range_beyond_head,
    newest_balance,
    old_balance_by_height,
    old_balance_by_hash,
    one_request,
    solidified_port,
    native_results,
)


@click.command(cls=TronConformance)
@click.option("--rpc", required=True, help="Ethereum-like JSON-RPC of your node, such as http://127.0.0.1:8545/jsonrpc")
@click.option("--solid", default="", help="The same on the solidified port.")
@click.option("--native", default="", help="The node's own HTTP interface, such as http://127.0.0.1:8090")
@click.option("--contract", default=USDT, show_default=True, help="A token that moves in every block.")
@click.option("--chain-id", default=CHAIN_ID, show_default=True, help="The main network's unless set.")
def conformance(*, rpc: str, solid: str, native: str, contract: str, chain_id: int) -> int:
    """Check a TRON node, read-only."""
    try:
        token = to_evm(read_address(contract))
    except BadOption as error:
        raise click.UsageError(f"--contract {error}") from error
    natives = (native,) if native else ()
    bench = Bench(Node(rpc), Node(solid) if solid else None, token, chain_id, natives)
    failed = run(CHECKS, bench, failures=(Refusal, SourceDown))
    click.echo(f"{len(CHECKS)} checks, {failed} failed, {bench.node.http_requests} requests to {bench.node.host}")
    return 1 if failed else 0


def _expect_refusal(bench: Bench, call: Call[object]) -> str:
    refused = bench.refused(call)
    if refused is None:
        raise Differs("it is answered")
    return f"refused ({refused.code})"


def _transfer(bench: Bench) -> Log:
    if bench.transfer is None:
        raise Differs("there was no recent transfer to look at")
    return bench.transfer


def _search(first: int, last: int, contract: str) -> Call[tuple[Log, ...]]:
    return rpc_requests.transfers_to([contract], [_NOBODY], rpc_requests.blocks(first, last))


if __name__ == "__main__":
    raise SystemExit(conformance())
