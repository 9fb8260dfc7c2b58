"""Chains that change their mind: what one gift becomes when its transaction lands elsewhere, otherwise or nowhere."""

import pytest

from support_service.ledger import Ledger
from support_service.rails.source import SourceDown
from tests.faults.conftest import MakeWorld
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, ETHER, GWEI, OURS, Json, Node, start_node
from tests.fixtures.world import World, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
EVERY_STATE = ("seen", "confirmed", "orphaned", "replaced")


@pytest.mark.parametrize("depth", [1, 2, 7, 64])
def test_r1_a_reorg_of_any_depth_drops_a_gift(books: Ledger, depth: int) -> None:
    node = start_node(epoch=40)
    try:
        node.mine()
        here = World(node, books, [watch()])
        here.look()
        node.send(US, 100)
        node.mine(depth)
        here.look()
        assert here.told("seen") == [("donation", "ETH", "tx:value", 100)]
        node.reorg(depth)
        here.look()
        assert here.told() == []
        node.mine(100)
        here.look()
        assert here.told(*EVERY_STATE) == [("donation", "ETH", "tx:value", 100)]
        assert here.told("orphaned") == here.told(*EVERY_STATE)
        assert books.totals() == ()
        here.check()
    finally:
        node.stop()


def test_r3_a_gift_that_comes_back_as_a_failure_is_orphaned(world: MakeWorld, node: Node) -> None:
    payer, coin, refuser = node.deploy("Payer"), node.deploy("OwnedToken"), node.deploy("PlainToken")
    node.call(payer, "remember(address)", US)
    node.mine(4)
    here = world(watch(), watch(token(coin)))
    # Signed for the other branch alone: there, whom the contract pays refuses, and the token stands still.
    spoilers = [
        node.call(payer, "remember(address)", refuser, by=ACCOUNTS[2]),
        node.call(coin, "setPaused(bool)", 1, by=ACCOUNTS[3]),
    ]
    raws = [(node.raw(tx), 0) for tx in spoilers]
    for tx in spoilers:
        node.ask("anvil_dropTransaction", tx)
    gifts = [node.send(payer, 10**15), node.call(coin, "transfer(address,uint256)", US, 5)]
    raws += [(node.raw(tx), 1) for tx in gifts]
    node.mine(2)
    here.look()
    gave = [("donation", "ETH", "tx:trace:0", 10**15), ("donation", "USDT", "tx:log:0", 5)]
    assert here.told("seen") == gave
    node.reorg(2, raws)
    assert [node.receipt(tx)["status"] for tx in gifts] == ["0x0", "0x0"]
    here.look()
    here.settle()
    assert here.told() == []
    assert here.told("orphaned") == gave
    assert here.ledger.totals() == ()
    here.check()


def test_r6_receipts_of_another_fork_are_not_taken(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")

    def torn(request: Json, answer: Json) -> Json:
        """Answer as two nodes behind one address do, of which one is on another fork."""
        if request["method"] == "eth_getTransactionReceipt":
            return {**answer, "result": {**answer["result"], "blockHash": "0x" + "ab" * 32}}
        return answer

    with Proxy(node.url) as proxy:
        here = world(watch(), watch(token(coin)), url=proxy.url)
        before = here.ledger.cursor(here.source.name)
        node.send(US, 100)
        node.call(coin, "transfer(address,uint256)", US, 5)
        node.mine()
        proxy.bend = torn
        with pytest.raises(SourceDown, match="a receipt is of another block"):
            here.look()
        assert here.ledger.cursor(here.source.name) == before
        assert here.rows(*EVERY_STATE) == []
        proxy.bend = lambda _request, answer: answer
        here.look()
        here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "ETH", "tx:value", 100), ("donation", "USDT", "tx:log:0", 5)]
    here.check()


@pytest.mark.parametrize("was_mined", [False, True])
@pytest.mark.parametrize("to", [ACCOUNTS[1], ACCOUNTS[2]], ids=["another", "themselves"])
def test_r8_a_gift_whose_nonce_is_used_otherwise_is_none(
    world: MakeWorld, node: Node, to: str, was_mined: bool
) -> None:
    here = world()
    nonce = node.ask("eth_getTransactionCount", ACCOUNTS[2], "latest")
    by = {"from": ACCOUNTS[2], "nonce": nonce, "maxPriorityFeePerGas": hex(GWEI)}
    node.send(US, ETHER, **by, maxFeePerGas=hex(10 * GWEI))
    if was_mined:
        node.mine()
        here.look()
        assert here.told("seen") == [("donation", "ETH", "tx:value", ETHER)]
        node.reorg(1)
    by |= {"maxPriorityFeePerGas": hex(2 * GWEI)}
    node.send(to, ETHER, **by, maxFeePerGas=hex(20 * GWEI))
    here.look()
    node.mine()
    here.look()
    here.settle()
    # What waits in a node's pool is never told, so without a block there is nothing to take back.
    assert here.told(*EVERY_STATE) == ([("donation", "ETH", "tx:value", ETHER)] if was_mined else [])
    assert here.told() == []
    assert here.ledger.totals() == ()
    here.check()
