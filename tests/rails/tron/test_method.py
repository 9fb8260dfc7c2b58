"""A TRON address: base58check of the main network, tokens by contract, the network said in words."""

from typing import Any

import pytest

from support_service.giving import Watch
from support_service.money import Asset
from support_service.rails.options import BadOption
from support_service.rails.tron.address import read_address, to_hex
from tests.fixtures.payments import build, built, code_of, network_mistakes
from tests.vectors import vectors

ADDRESS = "TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V"
USDT = Asset("USDT", 6, "tron", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")


@pytest.mark.parametrize(("given_case", "expected"), vectors("TRON-address"))
def test_an_address_is_read_or_refused(given_case: Any, expected: Any) -> None:
    if expected["valid"]:
        assert read_address(given_case["address"]) == given_case["address"]
        assert to_hex(given_case["address"]) == expected["hex"]
    else:
        with pytest.raises(BadOption):
            read_address(given_case["address"])


def test_the_code_is_the_bare_address_and_the_network_is_said_in_words() -> None:
    method = built("tron")
    assert code_of(method).text == ADDRESS
    assert method.link is None
    assert [(row.label.text, row.copied) for row in method.rows] == [("Address", ADDRESS), ("Network", "TRON (TRC20)")]
    assert "Send only %(assets)s" in method.notes[0].text
    assert dict(method.notes[0].values) == {"assets": "USDT", "network": "TRON (TRC20)"}
    assert dict(method.facts)["contract:USDT"] == USDT.contract
    assert method.watches == (Watch("tron", ADDRESS, USDT, "tron"),)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (ADDRESS[:-1] + "W", "wrong checksum"),
        (ADDRESS[:-1], "must be 34 characters that begin with T, this has 33"),
        (ADDRESS[:-1] + "0", "holds '0'"),
        (ADDRESS.lower(), "in the wrong case"),
        ("27QkZaHePRpBLkkYPZxbXpVMcY2vLz263jQ", "old test network (prefix A0)"),
        ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "another chain"),
        ("0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2", "must be 34 characters"),
        ("T" * 10_000, "this has 10000"),
        ("", "is empty"),
    ],
)
def test_a_wrong_address_is_told_with_its_reason(address: str, words: str) -> None:
    method, mistakes = build("tron", {"address": address})
    assert method is None
    assert list(mistakes) == ["address"]
    assert words in mistakes["address"]


@pytest.mark.parametrize("at", range(1, len(ADDRESS)))
def test_one_mistyped_character_is_found(at: int) -> None:
    wrong = ADDRESS[:at] + ("k" if ADDRESS[at] != "k" else "m") + ADDRESS[at + 1 :]
    assert build("tron", {"address": wrong})[0] is None


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"network": "nile"}, "network", "is not defined"),
        ({"assets": ["USDC"]}, "assets", "'USDC' is not known on 'tron'"),
        ({"assets": []}, "assets", "is empty"),
        ({"memo": "x"}, "memo", "is not a known setting"),
    ],
)
def test_a_wrong_option_is_told_at_its_key(changes: dict[str, object], key: str, words: str) -> None:
    mistakes = build("tron", changes)[1]
    assert list(mistakes) == [key]
    assert words in mistakes[key]


@pytest.mark.parametrize("key", ["address", "network"])
def test_a_missing_key_is_told(key: str) -> None:
    assert build("tron", without=key) == (None, {key: "is missing"})


def test_without_a_list_every_known_token_is_accepted() -> None:
    assert [watch.asset for watch in built("tron", without="assets").watches] == [USDT]


def test_the_chains_own_coin_is_no_token() -> None:
    mistakes = build("tron", {"assets": ["TRX"]}, assets=(Asset("TRX", 6, "tron"),))[1]
    assert "TRC20 tokens only" in mistakes["assets"]


def test_a_tokens_contract_is_checked_too() -> None:
    own = (Asset("GIVE", 6, "tron", "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"),)
    assert "the contract of GIVE" in build("tron", {"assets": ["GIVE"]}, assets=own)[1]["assets"]


def test_a_right_network_has_no_mistakes() -> None:
    node = "http://127.0.0.1:8545/jsonrpc"
    table = {"chain_id": 728126428, "rpc": [node], "rpc_solid": ["http://127.0.0.1:8555/jsonrpc"]}
    assert network_mistakes("tron", {**table, "confirm": "finalized", "quorum": 1, "start_block": 1}) == {}


@pytest.mark.parametrize(
    ("table", "key"),
    [({"rpc_solid": ["grpc://node"]}, "rpc_solid"), ({"confirm": "safe"}, "confirm"), ({"esplora": []}, "esplora")],
)
def test_a_wrong_network_is_told_at_its_key(table: dict[str, object], key: str) -> None:
    assert list(network_mistakes("tron", {"chain_id": 1, **table})) == [key]
