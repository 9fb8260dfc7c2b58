"""Each way in which a TRON node differs from Ethereum's, by name, and that the source reads rightly all the same."""

import pytest

from support_service.demo.tron_node import CHAIN_ID
from support_service.rails.source import SourceDown, SourceLied
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, OURS, Json, Node
from tests.fixtures.tron import MINE, SEND, MakeTron, TronWorld, token, watch

pytestmark = pytest.mark.node

US = OURS[0]


def answer(here: TronWorld, method: str, *params: Json, is_solid: bool = False) -> Json:
    """What the TRON node says, whole."""
    return here.tron.answer({"id": 1, "method": method, "params": list(params)}, is_solid=is_solid)


def told(here: TronWorld, method: str, *params: Json, is_solid: bool = False) -> Json:
    """What the TRON node says, where it does not refuse."""
    return answer(here, method, *params, is_solid=is_solid)["result"]


@pytest.fixture
def given(tron: MakeTron, node: Node) -> TronWorld:
    """A gift of 5 in the head's block."""
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    node.call(coin, SEND, US, 5)
    node.mine()
    return here


def credited(here: TronWorld) -> None:
    """The gift is booked once and to the unit."""
    here.look()
    here.settle()
    assert here.told("seen", "confirmed", "orphaned", "replaced") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_the_chain_id_is_the_end_of_the_genesis_hash(given: TronWorld) -> None:
    assert told(given, "eth_chainId") == "0x2b6653dc" == hex(CHAIN_ID)
    credited(given)


def test_a_bloom_is_always_zero_in_blocks_and_receipts(given: TronWorld, node: Node) -> None:
    block = told(given, "eth_getBlockByNumber", "latest", True)
    receipts = told(given, "eth_getBlockReceipts", block["number"])
    blooms = {block["logsBloom"], *(receipt["logsBloom"] for receipt in receipts)}
    assert [int(bloom, 16) for bloom in blooms] == [0]
    credited(given)


def test_a_state_root_is_bare_and_other_roots_are_zero(given: TronWorld) -> None:
    block = told(given, "eth_getBlockByNumber", "latest", False)
    assert (block["stateRoot"], block["extraData"], block["baseFeePerGas"]) == ("0x", "0x", "0x0")
    assert int(block["receiptsRoot"], 16) == int(block["sha3Uncles"], 16) == int(block["nonce"], 16) == 0
    credited(given)


def test_a_blocks_hash_begins_with_its_height(given: TronWorld) -> None:
    block = told(given, "eth_getBlockByNumber", "latest", False)
    assert int(block["hash"][2:18], 16) == int(block["number"], 16) == int(block["parentHash"][2:18], 16) + 1
    credited(given)


@pytest.mark.parametrize("tag", ["safe", "pending"])
def test_safe_and_pending_are_refused_and_never_asked_for(given: TronWorld, tag: str) -> None:
    assert answer(given, "eth_getBlockByNumber", tag, False)["error"]["code"] == -32602
    credited(given)


def test_a_height_of_what_is_in_no_block_is_bare(given: TronWorld, node: Node) -> None:
    waiting = node.send(ACCOUNTS[1], 1)
    found = told(given, "eth_getTransactionByHash", waiting)
    assert (found["blockNumber"], found["blockHash"], found["transactionIndex"]) == ("0x", "0x", "0x")
    credited(given)


def test_a_receipt_with_a_bare_height_is_no_answer(given: TronWorld) -> None:
    """As of a transaction that left its block while the node was asked."""

    def loosen(request: Json, answer: Json) -> Json:
        if request["method"] == "eth_getTransactionReceipt":
            bare = {"blockNumber": "0x", "blockHash": "0x"}
            told = answer["result"]
            return {**answer, "result": {**told, **bare, "logs": [{**log, **bare} for log in told["logs"]]}}
        return answer

    with Proxy(given.ports.rpc) as proxy:
        proxy.bend = loosen
        given.settings["rpc"] = proxy.url
        given.restart()
        for one in given.source.nodes:
            one._pause = lambda _seconds: None
        with pytest.raises(SourceDown, match="'0x' is not a"):
            given.look()
    assert given.rows("seen", "confirmed") == []
    given.settings.clear()
    given.restart()
    credited(given)


@pytest.mark.parametrize("place", ["0x1", "finalized", "earliest"])
def test_balances_of_any_state_but_the_newest_are_refused(given: TronWorld, place: str) -> None:
    assert answer(given, "eth_getBalance", US, place)["error"]["code"] == -32602
    credited(given)


def test_a_block_named_by_its_hash_is_silently_answered_with_the_newest_state(given: TronWorld, node: Node) -> None:
    """The source must never ask so: it would take today's balance for that of an old block."""
    coin = node.deploy("PlainToken")
    node.call(coin, SEND, US, 7)
    early = told(given, "eth_getBlockByNumber", hex(node.height), False)["hash"]
    node.mine()
    call = {"to": coin, "data": f"0x70a08231{US[2:].lower():0>64}"}
    assert int(told(given, "eth_call", call, {"blockHash": early}), 16) == 7
    assert int(node.ask("eth_call", call, hex(node.height - 1)), 16) == 0
    credited(given)


def test_ranges_of_more_than_5000_blocks_are_refused(given: TronWorld, node: Node) -> None:
    node.mine(6)
    given.tron.range_blocks_max = 5
    wide = {"fromBlock": "0x0", "toBlock": hex(node.height)}
    assert answer(given, "eth_getLogs", wide)["error"] == {"code": -32602, "message": "exceed max block range: 5"}
    given.tron.range_blocks_max = 5_000
    credited(given)


def test_no_question_asks_for_more_than_5000_blocks(given: TronWorld) -> None:
    size = given.source._watched[given.source.nodes[0]].logs.size
    for _ in range(500):
        size = size.grown()
    assert size.blocks == 5_000


def test_a_range_beyond_the_head_is_clipped_and_not_refused(given: TronWorld, node: Node) -> None:
    far = {"fromBlock": hex(node.height + 1), "toBlock": hex(node.height + 9)}
    assert told(given, "eth_getLogs", far) == []
    credited(given)


@pytest.mark.parametrize("method", ["eth_getTransactionCount", "eth_sendRawTransaction", "debug_traceBlockByHash"])
def test_methods_that_tron_lacks_are_not_needed(given: TronWorld, method: str) -> None:
    assert answer(given, method, US, "latest")["error"]["code"] == -32601
    credited(given)


def test_value_carries_what_is_no_trx_and_is_never_read(given: TronWorld, node: Node) -> None:
    vote = node.send(US, 0)
    given.tron.values[vote] = 10**12
    node.mine()
    assert int(told(given, "eth_getTransactionByHash", vote)["value"], 16) == 10**12
    credited(given)


def test_the_solidified_port_ends_at_finality(given: TronWorld, node: Node) -> None:
    node.mine(2)
    heads = [int(told(given, "eth_blockNumber", is_solid=is_solid), 16) for is_solid in (False, True)]
    assert heads[1] == int(node.ask("eth_getBlockByNumber", "finalized", False)["number"], 16) < heads[0]
    assert told(given, "eth_getBlockByNumber", hex(heads[0]), False, is_solid=True) is None
    credited(given)


def test_a_log_index_that_is_off_answers_nothing_for_ever_and_is_found_out(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.call(coin, SEND, US, 9)
    node.mine(6)
    here = tron()
    here.tron.index_from = 10**9
    asked = {"fromBlock": "0x0", "toBlock": "latest", "address": coin}
    assert told(here, "eth_getLogs", {**asked, "toBlock": hex(node.height)}) == []
    assert told(here, "eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(node.height)}) != []
    here.watches = [watch(token(coin), start=1)]
    here.restart()
    with pytest.raises(SourceDown, match="log index is off at block"):
        here.look()
    assert here.rows("seen", "confirmed") == []
    here.tron.index_from = 0
    here.settle()
    assert here.told() == [("donation", "USDT", "tx:log:0", 9)]
    here.check()


def test_an_index_that_was_off_long_ago_is_found_out_while_catching_up(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    first = node.mine()
    node.call(coin, SEND, US, 9)
    node.mine(120)
    node.call(coin, SEND, ACCOUNTS[1], 1)
    node.mine(6)
    here = tron()
    here.tron.index_from = node.height - 20
    here.watches = [watch(token(coin), start=first)]
    here.restart()
    with pytest.raises(SourceDown, match="log index is off at block"):
        here.look()
    here.tron.index_from = 0
    here.settle()
    assert here.told() == [("donation", "USDT", "tx:log:0", 9)]
    here.check()


def test_where_nothing_proves_the_index_its_silence_is_not_believed(tron: MakeTron, node: Node) -> None:
    here = tron()
    noisy = node.deploy("NoisyToken")
    here.watches = [watch(token(noisy))]
    here.tron.upstream, quiet = node.url, node
    quiet.ask("anvil_reset")
    assert quiet.height == 0
    noisy = quiet.deploy("NoisyToken")
    here.watches = [watch(token(noisy))]
    here.restart()
    with pytest.raises(SourceDown, match="nothing proves that its log index is alive"):
        here.look()


def test_a_token_with_other_decimals_stops_the_source_by_its_tron_name(tron: MakeTron, node: Node) -> None:
    coin = token(node.deploy("PlainToken"), exponent=18)
    with pytest.raises(SourceLied, match=f"{coin.contract} has 6 decimals, settings say 18"):
        tron(watch(coin))


def test_a_node_of_another_chain_is_refused(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    with pytest.raises(SourceLied, match="is on chain 31337, settings say chain_id = 728126428"):
        tron(watch(token(coin)), rpc=node.url)
    assert MINE[0].startswith("T")
