"""A header behind a node's address: it goes to that node alone, and into no message."""

import json

import pytest

from support_service.rails.chain.http import HttpConnection, JsonServer
from support_service.rails.chain.node_address import read_node_address
from support_service.rails.chain.node_settings import node_urls
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.rpc import Node
from support_service.rails.options import Options
from tests.fixtures.http_servers import Reply, Server

KEY = "8d3f1a2e-0000-4000-8000-000000000001"
HEADER = f"TRON-PRO-API-KEY: {KEY}"


def told(body: bytes) -> Reply:
    """Answer JSON-RPC, and any path with an object."""
    asked = json.loads(body) if body.startswith(b"{") else {}
    return Reply.of({"jsonrpc": "2.0", "id": asked.get("id"), "result": "0x1"})


def test_a_key_goes_to_its_own_node_in_the_header_that_it_asks_for() -> None:
    with Server(told) as theirs, Server(told) as others:
        for address in (f"{theirs.url} {HEADER}", others.url):
            Node(address).ask(rpc_requests.chain_id())
    assert theirs.headers[0]["tron-pro-api-key"] == KEY
    assert "tron-pro-api-key" not in others.headers[0]


def test_no_key_is_in_what_is_said_of_a_node() -> None:
    http = HttpConnection(f"http://node.example:8545/jsonrpc {HEADER}")
    assert (http.host, http.url) == ("node.example:8545", "http://node.example:8545/jsonrpc")
    assert KEY not in repr(read_node_address(f"http://node.example {HEADER}"))
    assert JsonServer(f"http://node.example {HEADER}", bytes_max=1, brackets_max=1).host == "node.example"


@pytest.mark.parametrize("header", ["key", "A:", ": b", "A b: c", "A: b\r\nC: d", "A: ключ", "A: b c"])
def test_what_is_no_header_is_refused_without_being_repeated(header: str) -> None:
    options = Options("networks.tron", {"rpc": ["https://a.example", f"https://b.example {header}"]})
    assert node_urls(options, "rpc") == ()
    (mistake,) = options.mistakes
    assert mistake.key == "networks.tron.rpc"
    assert mistake.reason == "entry 2: what follows the address must be one header, such as X-API-KEY: key"


def test_one_node_under_two_keys_is_one_node() -> None:
    options = Options("networks.tron", {"rpc": ["https://a.example", f"https://a.example {HEADER}"]})
    assert node_urls(options, "rpc") == ()
    assert "names the same node again" in options.mistakes[0].reason
