"""The demo's Bitcoin Core: what bcoin does not tell is told as Core tells it, and bcoin's own words stay."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from support_service.demo.bitcoin_core import CorePort
from support_service.demo.bitcoin_transactions import Lock
from support_service.rails.bitcoin.rpc import CoreRefusal, Rpc
from support_service.rails.source import SourceDown
from tests.fixtures.bitcoin_node import BitcoinNode, Json

pytestmark = pytest.mark.node
WITH_SPENT_OUTPUTS = 3


@pytest.fixture
def core(bitcoin_node: BitcoinNode) -> Iterator[Rpc]:
    """The session's node as Bitcoin Core on a port of its own."""
    with CorePort(bitcoin_node.rpc_url) as port:
        yield Rpc(port.url)


def block(core: Rpc, digest: str) -> Json:
    return core.ask("getblock", digest, WITH_SPENT_OUTPUTS)


def test_every_input_comes_with_the_output_that_it_spends(core: Rpc, bitcoin_node: BitcoinNode) -> None:
    first, second = Lock(910_001), Lock(910_002)
    coin = bitcoin_node.coin()
    gift = bitcoin_node.pay((first.script, 12_345), (second.script, 1), coins=[coin])
    bitcoin_node.mine()
    spend = bitcoin_node.pay((second.script, 13_000), coins=[gift.coin(0, first), bitcoin_node.coin()])
    within = bitcoin_node.pay((first.script, 12_000), coins=[spend.coin(0, second)])
    (digest,) = bitcoin_node.mine()
    told = block(core, digest)
    assert [tx["txid"] for tx in told["tx"]][1:] == [spend.txid, within.txid]
    assert "prevout" not in told["tx"][0]["vin"][0], "a reward spends nothing"
    spent = [one["prevout"] for tx in told["tx"][1:] for one in tx["vin"]]
    held = [(one["scriptPubKey"]["hex"], int(Decimal(one["value"]).scaleb(8))) for one in spent]
    assert held == [(first.script.hex(), 12_345), (coin.lock.script.hex(), coin.units), (second.script.hex(), 13_000)]
    assert [one["height"] for one in spent] == [told["height"] - 1, 433, told["height"]]
    plain = bitcoin_node.block(digest)
    for one in (one for tx in told["tx"][1:] for one in tx["vin"]):
        del one["prevout"]
    assert (told["tx"], told["hash"], told["previousblockhash"]) == (
        plain["tx"],
        plain["hash"],
        plain["previousblockhash"],
    )


def test_a_block_that_left_the_chain_is_refused_rather_than_told_by_halves(
    core: Rpc, bitcoin_node: BitcoinNode
) -> None:
    bitcoin_node.pay((Lock(910_003).script, 700))
    (lost,) = bitcoin_node.mine()
    bitcoin_node.reorg(1, forgets=True)
    with pytest.raises(CoreRefusal, match="Undo data"):
        block(core, lost)


def test_a_block_that_nobody_knows_has_cores_own_code(core: Rpc) -> None:
    with pytest.raises(CoreRefusal, match="Block not found") as caught:
        block(core, "ab" * 32)
    assert caught.value.code == -5


def test_all_else_is_bcoins_answer_and_its_password_is_asked_for(core: Rpc, bitcoin_node: BitcoinNode) -> None:
    assert core.ask("getblockhash", 0) == bitcoin_node.hash_at(0)
    with pytest.raises(CoreRefusal, match="out of range") as caught:
        core.ask("getblockhash", 10**6)
    assert caught.value.code == -8
    host = core.host
    with pytest.raises(SourceDown, match="401"):
        Rpc(f"http://demo:wrong@{host}").ask("getblockhash", 0)


def test_where_bcoin_is_gone_the_answer_says_so() -> None:
    with CorePort("http://demo:x@127.0.0.1:9") as port, pytest.raises(SourceDown, match="HTTP 502"):
        Rpc(port.url).ask("getblockhash", 0)
