"""All tokens are held against their balances at once, whatever their number, within the idle budget."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.ledger import Ledger
from support_service.rails.evm import multicall
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, OURS, Json, Node
from tests.fixtures.world import World, fixed_clock, token, watch

pytestmark = pytest.mark.node

US = OURS[0]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


def refuse_programs(request: Json, answer: Json) -> Json:
    """Answer as a node that runs no creation code in eth_call."""
    if request["method"] == "eth_call" and "to" not in request["params"][0]:
        return {"id": request["id"], "error": {"code": -32602, "message": "missing field to"}}
    return answer


def ignore_programs(request: Json, answer: Json) -> Json:
    is_program = request["method"] == "eth_call" and "to" not in request["params"][0]
    return {**answer, "result": "0x"} if is_program else answer


def test_a_program_reads_many_balances_with_one_call(node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine()
    nobody, refuser = "0x" + "77" * 20, node.deploy("Payer")
    pairs = [(coin, US), (coin, ACCOUNTS[0]), (nobody, US), (refuser, US)]
    read = multicall.reader(len(pairs))
    for at in (hex(node.height), {"blockHash": node.block_hash(node.height)}):
        told = read(node.ask("eth_call", {"data": multicall.program(pairs)}, at))
        assert told == (5, node.token_balance(coin, ACCOUNTS[0]), 0, None)
    assert read("0x") == (None,) * 4
    many = [(coin, US)] * multicall.BALANCES_MAX
    assert multicall.reader(len(many))(node.ask("eth_call", {"data": multicall.program(many)}, "latest")) == (5,) * len(
        many
    )


@pytest.mark.parametrize("tokens", [1, 12])
@pytest.mark.parametrize("bend", [None, refuse_programs, ignore_programs])
def test_an_idle_poll_costs_the_same_whatever_the_number_of_assets(
    node: Node, books: Ledger, tokens: int, bend: object
) -> None:
    coins = [node.deploy("PlainToken") for _ in range(tokens)]
    with Proxy(node.url) as proxy:
        if callable(bend):
            proxy.bend = bend
        here = World(node, books, [watch(), *(watch(token(coin, f"T{i}")) for i, coin in enumerate(coins))], proxy.url)
        here.look()
        here.settle()
        costs = []
        for blocks in (0, 1, 0, 1, 2, 12):
            if blocks:
                node.mine(blocks)
            before = proxy.requests
            here.look()
            costs.append(proxy.requests - before)
    assert costs == [1, 2, 1, 2, 2, 2]


@pytest.mark.parametrize("bend", [None, refuse_programs])
def test_what_no_log_tells_is_found_for_every_token(node: Node, books: Ledger, bend: object) -> None:
    coins = [node.deploy("StandardToken", 6) for _ in range(12)]
    with Proxy(node.url) as proxy:
        if callable(bend):
            proxy.bend = bend
        here = World(node, books, [watch(token(coin, f"T{i}")) for i, coin in enumerate(coins)], proxy.url)
        here.look()
        here.settle()
        for units, coin in enumerate(coins, 1):
            node.call(coin, "grant(address,uint256)", US, units)
        # At once where the node runs programs; else a few tokens with each finality, so that the cost stays.
        for _ in range(1 if bend is None else 4):
            node.mine(8)
            here.look()
    assert [row[3] for row in sorted(here.told("confirmed"), key=lambda row: row[3])] == list(range(1, 13))
    here.check()
