"""`make conformance-bitcoin`: each check by name; what a node lacks is said so, what no watcher can live with fails."""

import hashlib
import json

import pytest
from click.testing import CliRunner, Result

from support_service.conformance.bitcoin import BOTH_CHECKS, conformance
from support_service.conformance.bitcoin_core import CORE_CHECKS
from support_service.conformance.esplora import ESPLORA_CHECKS
from tests.fixtures.bitcoin import CoreProxy
from tests.fixtures.bitcoin_node import BitcoinNode, Json
from tests.fixtures.esplora import Esplora
from tests.fixtures.http_servers import Reply
from tests.rails.bitcoin.fake_chain import FakeChain, script, served

ALL = (*CORE_CHECKS, *ESPLORA_CHECKS, *BOTH_CHECKS)


def asked(*line: str, chain: str = "regtest") -> Result:
    return CliRunner().invoke(conformance, [*line, "--chain", chain])


def verdicts(ended: Result) -> dict[str, str]:
    lines = [line for line in ended.output.splitlines() if line.startswith(("core_", "esplora_", "both_"))]
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}


def odd(ended: Result) -> dict[str, str]:
    return {name: told for name, told in verdicts(ended).items() if not told.startswith("as expected")}


@pytest.fixture
def busy(bitcoin_node: BitcoinNode) -> BitcoinNode:
    """A chain in whose last blocks somebody pays somebody."""
    bitcoin_node.pay((bytes.fromhex(script(9)), 12_345))
    bitcoin_node.mine(2)
    bitcoin_node.pay((bytes.fromhex(script(9)), 1))
    return bitcoin_node


@pytest.mark.node
def test_the_test_node_and_the_adapter_pass_and_what_the_node_lacks_is_said(
    busy: BitcoinNode, core_proxy: CoreProxy, esplora_server: Esplora
) -> None:
    ended = asked("--rpc", core_proxy.url, "--esplora", esplora_server.url)
    assert ended.exit_code == 0, ended.output
    assert f"{len(ALL)} checks, 0 failed" in ended.output
    assert set(verdicts(ended)) == {check.__name__ for check in ALL}
    told = odd(ended)
    # Its blocks are of another day.
    assert "s old" in told.pop("core_ready") and "s old" in told.pop("esplora_head")
    assert "Method not found: getindexinfo.): each block is read whole" in told.pop("core_filters")
    assert "there is none (scantxoutset" in told.pop("core_search")
    assert not told, ended.output
    assert "SECRETKEY" not in ended.output
    told = verdicts(ended)
    assert told["core_amounts"].endswith("up to 8 decimals written")
    assert told["esplora_history"].startswith("as expected: 25 of ")
    assert told["esplora_next_page"] == "as expected: 25 more"


@pytest.mark.node
def test_it_asks_and_never_sends(busy: BitcoinNode, core_proxy: CoreProxy) -> None:
    asked("--rpc", core_proxy.url, "--search")
    assert {json.loads(body)["method"] for body in core_proxy.bodies} == {
        "getblockchaininfo",
        "getblockhash",
        "getblockheader",
        "getblock",
        "getindexinfo",
        "scantxoutset",
        "nosuchmethod",
    }


@pytest.mark.node
def test_another_chain_and_a_node_that_still_loads_fail(busy: BitcoinNode, core_proxy: CoreProxy) -> None:
    ended = asked("--rpc", core_proxy.url, chain="main")
    assert ended.exit_code == 1
    assert odd(ended)["core_chain"].endswith("is on regtest, settings say chain = 'main'")

    def loading(request: Json, answer: Json) -> Json:
        if request["method"] != "getblockchaininfo":
            return answer
        return {**answer, "result": {**answer["result"], "initialblockdownload": True, "headers": 900_000}}

    core_proxy.bend = loading
    ended = asked("--rpc", core_proxy.url)
    assert (ended.exit_code, "the node is still loading its chain: block" in odd(ended)["core_ready"]) == (1, True)


@pytest.mark.node
def test_amounts_in_quotes_and_a_block_of_two_names_fail(busy: BitcoinNode, core_proxy: CoreProxy) -> None:
    def quoted(request: Json, answer: Json) -> Json:
        for one in answer["result"]["tx"] if request["method"] == "getblock" and answer["result"] else []:
            for output in one["vout"]:
                output["value"] = str(output["value"])
        return answer

    core_proxy.bend = quoted
    assert "FAILS" in odd(asked("--rpc", core_proxy.url))["core_levels"]
    other = "ab" * 32
    deep = busy.height - 6
    core_proxy.bend = lambda request, answer: (
        {**answer, "result": other} if (request["method"], request["params"]) == ("getblockhash", [deep]) else answer
    )
    assert "FAILS" in odd(asked("--rpc", core_proxy.url))["core_hashes"]
    core_proxy.is_unplugged = True
    ended = asked("--rpc", core_proxy.url)
    assert (ended.exit_code, "Traceback" in ended.output) == (1, False)
    assert odd(ended)["core_pruned"] == "unknown: the head is not known"


@pytest.mark.node
def test_a_server_with_reversed_names_or_odd_pages_is_told(busy: BitcoinNode, esplora_server: Esplora) -> None:
    paid = busy.block(busy.best)["tx"][0]["vout"][0]["scriptPubKey"]["hex"]
    name = hashlib.sha256(bytes.fromhex(paid)).digest()

    def electrum(path: str, reply: Reply) -> Reply:
        if not path.startswith("/scripthash/"):
            return reply
        is_reversed = path == f"/scripthash/{name[::-1].hex()}"
        return Reply.of({"chain_stats": {"tx_count": 9 if is_reversed else 0}, "mempool_stats": {"tx_count": 0}})

    esplora_server.bend = electrum
    ended = asked("--esplora", esplora_server.url)
    assert (ended.exit_code, "reversed hash, as Electrum" in odd(ended)["esplora_script_name"]) == (1, True)
    assert odd(ended)["esplora_sums"] == "unknown: how scripts are named is not known"

    def short(path: str, reply: Reply) -> Reply:
        return Reply.of(json.loads(reply.body or b"")[:10]) if path.endswith("/txs/chain") else reply

    esplora_server.bend = short
    ended = asked("--esplora", esplora_server.url)
    assert (ended.exit_code, "a page holds 10 of" in odd(ended)["esplora_history"]) == (0, True)


@pytest.mark.node
def test_two_that_tell_different_money_fail(busy: BitcoinNode, core_proxy: CoreProxy, esplora_server: Esplora) -> None:
    def richer(path: str, reply: Reply) -> Reply:
        if not path.startswith("/tx/") or reply.status != 200:
            return reply
        told = json.loads(reply.body or b"")
        told["vout"][0]["value"] += 1
        return Reply.of(told)

    esplora_server.bend = richer
    ended = asked("--rpc", core_proxy.url, "--esplora", esplora_server.url)
    assert (ended.exit_code, "FAILS" in odd(ended)["both_same_money"]) == (1, True)


def test_what_newer_nodes_have_is_seen(chain: FakeChain) -> None:
    with served(chain) as url:
        told = verdicts(asked("--rpc", url, "--search"))
        assert told["core_levels"] == "as expected: 1 inputs of block 11"
        assert told["core_filters"] == "as expected: synced, 0 below the head"
        assert told["core_search"] == "as expected: 11 coins, at block 11"
        assert odd(asked("--rpc", url))["core_search"].startswith("unknown: it is there, and takes a node minutes")
        chain.told = {"pruned": True, "pruneheight": 4}
        assert odd(asked("--rpc", url))["core_pruned"].startswith("differs: it keeps blocks 4 to 11")
        chain.has_prevouts = False
        assert "FAILS: inputs without `prevout`; Bitcoin Core 23" in odd(asked("--rpc", url))["core_levels"]


@pytest.fixture
def chain() -> FakeChain:
    """What the test node lacks: levels, filters, the search. Its hashes are of nothing."""
    made = FakeChain(has_filters=True)
    made.mine(1, made.gift((script(9), 5_000)))
    return made


def test_without_a_node_there_is_nothing_to_ask() -> None:
    ended = asked()
    assert (ended.exit_code, "name a node" in ended.output) == (2, True)
