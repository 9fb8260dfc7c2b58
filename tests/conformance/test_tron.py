"""`make conformance-tron`: it tells each check by name, and what a node does that the watcher cannot live with."""

import json

import pytest
from click.testing import CliRunner, Result

from support_service.conformance.tron import CHECKS, conformance
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, Json, Node
from tests.fixtures.tron import SEND, MakeTron, TronWorld, token

pytestmark = pytest.mark.node


@pytest.fixture
def busy(tron: MakeTron, node: Node) -> TronWorld:
    """A chain whose token moves in every block."""
    coin = node.deploy("PlainToken")
    for _ in range(40):
        node.call(coin, SEND, ACCOUNTS[1], 1)
        node.mine()
    made = tron()
    made.settings["coin"] = token(coin).contract
    return made


def asked(here: TronWorld, *more: str, rpc: str = "") -> Result:
    line = ["--rpc", rpc or here.ports.rpc, "--contract", str(here.settings["coin"])]
    return CliRunner().invoke(conformance, [*line, *more])


def test_a_node_as_documented_passes_every_check(busy: TronWorld) -> None:
    ended = asked(busy, "--solid", busy.ports.solid, "--native", busy.ports.http)
    assert ended.exit_code == 0, ended.output
    verdicts = {line.split()[0]: line for line in ended.output.splitlines() if line[0] != " "}
    odd = {check.__name__ for check in CHECKS if "as expected" not in verdicts[check.__name__]}
    # This chain is short, and its clock is not ours.
    assert odd <= {"fresh_head", "range_refused"}
    assert f"{len(CHECKS)} checks, 0 failed" in ended.output


def test_a_dead_index_and_another_chain_fail_and_an_answered_tag_only_differs(busy: TronWorld, node: Node) -> None:
    busy.tron.index_from = 10**9
    ended = asked(busy)
    assert ended.exit_code == 1
    assert "log_index              FAILS: " in ended.output and "log index is off" in ended.output
    busy.tron.index_from = 0

    def answers(request: Json, answer: Json) -> Json:
        """A node that knows `safe`, as TRON nodes may one day."""
        if request["params"] and request["params"][0] == "safe":
            body = {**request, "params": ["latest", False]}
            return {**busy.tron.answer(body, is_solid=False), "id": request["id"]}
        return answer

    with Proxy(busy.ports.rpc) as proxy:
        proxy.bend = answers
        ended = asked(busy, rpc=proxy.url)
    assert (ended.exit_code, "safe_refused           differs: it is answered" in ended.output) == (0, True)
    ended = asked(busy, "--chain-id", "1")
    assert "FAILS: the node is on chain 728126428, not on 1" in ended.output


def test_a_wrong_contract_is_a_mistake_on_the_command_line(busy: TronWorld) -> None:
    ended = CliRunner().invoke(conformance, ["--rpc", busy.ports.rpc, "--contract", "T123"])
    assert (ended.exit_code, "must be 34 characters" in ended.output) == (2, True)


def test_it_asks_and_never_sends(busy: TronWorld) -> None:
    with Proxy(busy.ports.rpc) as proxy:
        asked(busy, rpc=proxy.url)
        told = [json.loads(body) for body in proxy.bodies]
    methods = {one["method"] for body in told for one in (body if isinstance(body, list) else [body])}
    assert methods <= {
        "eth_chainId",
        "eth_getBlockByNumber",
        "eth_getLogs",
        "eth_getTransactionReceipt",
        "eth_call",
    }
