"""An address on an EVM network: EIP-55 or nothing, tokens by contract, one network named in words."""

from typing import Any

import pytest

from support_service.giving import Watch
from support_service.money import Asset
from support_service.rails.evm.address import checksummed, read_address
from support_service.rails.evm.network import EvmNetwork, read_network
from support_service.rails.options import BadOption
from tests.fixtures.payments import build, built, code_of, known_assets, network_mistakes
from tests.fixtures.uris import read_ethereum
from tests.vectors import vectors

ADDRESS = "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"
NODE = "http://127.0.0.1:8545"


@pytest.mark.parametrize(("given_case", "expected"), vectors("EIP-55"))
def test_an_address_carries_its_checksum(given_case: Any, expected: Any) -> None:
    if expected in {"invalid checksum", "wrong length"}:
        with pytest.raises(BadOption, match="wrong checksum" if "checksum" in expected else "this has 41"):
            read_address(given_case["address"])
    else:
        assert checksummed(given_case["address"]) == expected
        assert read_address(expected) == expected


@pytest.mark.parametrize(("given_case", "expected"), vectors("EIP-681"))
def test_the_uri_reader_of_these_tests_keeps_the_standard(given_case: Any, expected: Any) -> None:
    assert read_ethereum(given_case["uri"]) == expected


def test_the_code_is_the_bare_address_and_the_link_names_the_chain() -> None:
    method = built("evm")
    assert code_of(method).text == ADDRESS
    assert method.link is not None
    assert read_ethereum(method.link.href) == {"target": ADDRESS, "chain_id": "1"}
    assert [(row.label.text, row.copied) for row in method.rows] == [("Address", ADDRESS), ("Network", "Ethereum")]
    assert dict(method.title.values) == {"network": "Ethereum", "asset": "ETH"}
    assert dict(method.facts)["assets"] == "ETH,USDT,USDC,DAI"
    assert dict(method.facts)["contract:USDT"] == "0xdAC17F958D2ee523a2206206994597C13D831ec7"
    assert method.books == ()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (ADDRESS.swapcase().replace("0X", "0x"), "wrong checksum"),
        (ADDRESS.replace("D0E7", "d0E7"), "a letter may be mistyped"),
        (ADDRESS.lower(), "carries no checksum"),
        ("0x" + ADDRESS[2:].upper(), "carries no checksum"),
        ("0X" + ADDRESS[2:], "must be 0x and 40 hex digits"),
        (ADDRESS[2:], "42 characters, this has 40"),
        ("0x" + "0" * 40, "zero address"),
        ("eth:" + ADDRESS, "must be 0x"),
        ("TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V", "must be 0x"),
        ("", "is empty"),
    ],
)
def test_a_wrong_address_is_told_with_its_reason(address: str, words: str) -> None:
    method, mistakes = build("evm", {"address": address})
    assert method is None
    assert list(mistakes) == ["address"]
    assert words in mistakes["address"]


def test_the_right_case_is_never_suggested() -> None:
    assert ADDRESS not in build("evm", {"address": ADDRESS.lower()})[1]["address"]


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"network": "mainnet"}, "network", "[networks.mainnet] (defined: base, bitcoin, ethereum"),
        ({"network": "tron"}, "network", "network of rail 'tron'"),
        ({"assets": ["ETH", "DOGE"]}, "assets", "'DOGE' is not known on 'ethereum'"),
        ({"assets": ["ETH", "ETH"]}, "assets", "stands there twice"),
        ({"assets": []}, "assets", "is empty"),
        ({"assets": "ETH"}, "assets", "must be a list"),
        ({"assets": [1]}, "assets", "must be a list of texts"),
        ({"start_block": -1}, "start_block", "must not be negative"),
        ({"start_block": "1"}, "start_block", "must be a whole number"),
        ({"also_networks": ["polygon"]}, "also_networks", "is not defined"),
        ({"also_networks": ["bitcoin"]}, "also_networks", "network of rail 'bitcoin'"),
        ({"also_networks": ["ethereum"]}, "also_networks", "already watched"),
        ({"also_networks": ["base", "base"]}, "also_networks", "already watched"),
        ({"adress": "x"}, "adress", "is not a known setting"),
    ],
)
def test_a_wrong_option_is_told_at_its_key(changes: dict[str, object], key: str, words: str) -> None:
    mistakes = build("evm", changes)[1]
    assert list(mistakes) == [key]
    assert words in mistakes[key]


@pytest.mark.parametrize("key", ["address", "network"])
def test_a_missing_key_is_told(key: str) -> None:
    assert build("evm", without=key) == (None, {key: "is missing"})


def test_all_mistakes_of_a_method_are_told_at_once() -> None:
    mistakes = build("evm", {"address": "0x1", "assets": ["X"], "start_block": -1, "unknown": 1})[1]
    assert set(mistakes) == {"address", "assets", "start_block", "unknown"}


def test_without_a_list_the_networks_own_coin_is_accepted() -> None:
    method = built("evm", without="assets")
    assert [watch.asset.code for watch in method.watches] == ["ETH"]
    assert method.subtitle is None


@pytest.mark.parametrize("contract", ["0xdac17f958d2ee523a2206206994597c13d831ec7", "0x1234"])
def test_a_tokens_contract_carries_its_checksum_too(contract: str) -> None:
    own = (Asset("GIVE", 6, "ethereum", contract),)
    method, mistakes = build("evm", {"assets": ["GIVE"]}, assets=own)
    assert method is None
    assert mistakes["assets"].startswith("the contract of GIVE on 'ethereum'")


def test_one_contract_under_two_codes_is_refused() -> None:
    usdt = next(asset for asset in known_assets() if asset.code == "USDT" and asset.network == "ethereum")
    own = (Asset("TETHER", 6, "ethereum", usdt.contract),)
    assert "have the same contract" in build("evm", {"assets": ["USDT", "TETHER"]}, assets=own)[1]["assets"]


def test_start_blocks_and_other_networks_reach_the_watches() -> None:
    eth = Asset("ETH", 18, "base")
    usdc = Asset("USDC", 6, "base", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913")
    method = built("evm", {"assets": ["ETH", "USDC"], "start_block": 21_000_000, "also_networks": ["base"]})
    assert [watch.start_block for watch in method.watches if not watch.is_off_route] == [21_000_000] * 2
    assert {watch for watch in method.watches if watch.is_off_route} == {
        Watch("base", ADDRESS, eth, "evm", 700, is_off_route=True),
        Watch("base", ADDRESS, usdc, "evm", 700, is_off_route=True),
    }
    assert dict(method.facts)["also_networks"] == "base"


def test_a_network_start_block_counts_where_the_method_names_none() -> None:
    method = built("evm", {"network": "base", "assets": ["ETH"]})
    assert [watch.start_block for watch in method.watches] == [700]
    assert built("evm").watches[0].start_block is None


# --- The network's table -------------------------------------------------------------------------


def test_a_network_is_read_with_its_defaults() -> None:
    table = {"rail": "evm", "chain_id": 1, "rpc": [NODE]}
    assert read_network("ethereum", table) == EvmNetwork("ethereum", 1, (NODE,), 1, None, "finalized", 12)


def test_a_network_is_read_as_set() -> None:
    table = {"rail": "evm", "chain_id": 31337, "rpc": [NODE, "https://n.example/key"], "quorum": 2, "start_block": 0}
    network = read_network("local", {**table, "confirm": 6, "poll_seconds": 1})
    assert (network.quorum, network.start_block, network.confirm, network.poll_seconds) == (2, 0, 6, 1)


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ({"chain_id": 0}, "chain_id", "1 or more"),
        ({"chain_id": "1"}, "chain_id", "whole number"),
        ({"chain_id": True}, "chain_id", "whole number"),
        ({"rpc": NODE}, "rpc", "must be a list"),
        ({"rpc": [NODE, "ws://127.0.0.1:8546"]}, "rpc", "entry 2 must be an http:// or https://"),
        ({"rpc": ["http://"]}, "rpc", "entry 1"),
        ({"rpc": ["http://host:99999"]}, "rpc", "entry 1"),
        ({"rpc": [NODE, NODE], "quorum": 2}, "rpc", "names the same node again"),
        ({"rpc": [NODE], "quorum": 2}, "quorum", "from 1 to the number of nodes in rpc (1)"),
        ({"quorum": 0}, "quorum", "from 1"),
        ({"confirm": "safe"}, "confirm", '"safe" is too early'),
        ({"confirm": 0}, "confirm", "finalized"),
        ({"confirm": True}, "confirm", "finalized"),
        ({"poll_seconds": 0}, "poll_seconds", "1 to 3600"),
        ({"poll_seconds": 3601}, "poll_seconds", "1 to 3600"),
        ({"start_block": -1}, "start_block", "must not be negative"),
        ({"chainid": 1}, "chainid", "is not a known setting"),
    ],
)
def test_a_wrong_network_is_told_at_its_key(table: dict[str, object], key: str, words: str) -> None:
    mistakes = network_mistakes("evm", {"chain_id": 1, **table})
    assert list(mistakes) == [key]
    assert words in mistakes[key]


def test_a_network_without_chain_id_is_refused() -> None:
    assert "is missing" in network_mistakes("evm", {})["chain_id"]
    with pytest.raises(ValueError, match=r"networks\.ethereum\.chain_id"):
        read_network("ethereum", {"rail": "evm"})


def test_a_nodes_password_is_never_repeated() -> None:
    mistakes = network_mistakes("evm", {"chain_id": 1, "rpc": ["ftp://user:hunter2@node"]})
    assert "hunter2" not in str(mistakes)
