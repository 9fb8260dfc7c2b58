"""A Bitcoin address: every encoding by its own rules, each wrong one with its own reason."""

from typing import Any

import pytest
from embit import base58, bech32

from support_service.money import Asset, Money
from support_service.rails.bitcoin.address import CHAINS, read_address
from support_service.rails.options import BadOption
from tests.fixtures.payments import build, built, code_of, network_mistakes
from tests.fixtures.uris import BadUri, read_bitcoin
from tests.vectors import vectors

ADDRESS = "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd"


@pytest.mark.parametrize(("given_case", "expected"), vectors("BIP-350"))
def test_a_segwit_address_is_read_or_refused(given_case: Any, expected: Any) -> None:
    if expected == "invalid":
        for chain in CHAINS:
            with pytest.raises(BadOption):
                read_address(given_case["address"], chain)
    else:
        address = read_address(given_case["address"], given_case["network"])
        assert address.script.hex() == expected["script_pub_key"]
        assert address.text == given_case["address"].lower()


@pytest.mark.parametrize(("given_case", "expected"), vectors("BIP-173"))
def test_the_bech32_decoder_we_use_keeps_the_standard(given_case: Any, expected: Any) -> None:
    encoding = bech32.bech32_decode(given_case["string"])[0]
    assert (encoding == bech32.Encoding.BECH32) == (expected == "valid")


@pytest.mark.parametrize(("given_case", "expected"), vectors("base58"))
def test_the_base58_decoder_we_use_keeps_the_standard(given_case: Any, expected: Any) -> None:
    assert base58.decode(expected).hex() == given_case["hex"]
    assert base58.encode(bytes.fromhex(given_case["hex"])) == expected


@pytest.mark.parametrize(("given_case", "expected"), vectors("base58check"))
def test_a_base58_address_is_read(given_case: Any, expected: Any) -> None:
    address = read_address(given_case["address"], "main")
    assert expected["payload_hex"][2:] in address.script.hex()
    assert (address.text, address.is_segwit) == (given_case["address"], False)


@pytest.mark.parametrize(("given_case", "expected"), vectors("BIP-321"))
def test_the_uri_reader_of_these_tests_keeps_the_standard(given_case: Any, expected: Any) -> None:
    if expected == "invalid":
        with pytest.raises(BadUri):
            read_bitcoin(given_case["uri"])
    else:
        assert read_bitcoin(given_case["uri"]) == expected


@pytest.mark.parametrize("text", [ADDRESS, ADDRESS.upper()])
def test_the_code_is_upper_case_and_the_link_lower(text: str) -> None:
    method = built("bitcoin", {"address": text})
    assert code_of(method).text == "bitcoin:" + ADDRESS.upper()
    assert read_bitcoin(code_of(method).text) == {"address": ADDRESS.upper()}
    assert method.link is not None
    assert method.link.href == "bitcoin:" + ADDRESS
    assert method.rows[0].copied == ADDRESS
    assert [(watch.network, watch.address, watch.asset.code) for watch in method.watches] == [
        ("bitcoin", ADDRESS, "BTC")
    ]
    assert not method.warnings


def test_a_base58_address_keeps_its_case_in_the_code() -> None:
    method = built("bitcoin", {"address": "36j4NfKv6Akva9amjWrLG6MuSQym1GuEmm"})
    assert code_of(method).text == "bitcoin:36j4NfKv6Akva9amjWrLG6MuSQym1GuEmm"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (ADDRESS[:-1] + "e", "wrong checksum (bech32)"),
        (ADDRESS[:-1] + "D", "mixes upper and lower case"),
        (ADDRESS[:-1] + "b", "'b', which no bech32 address holds"),
        ("tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy", "another Bitcoin network; on 'main'"),
        ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "must be bech32m"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "version 0 uses bech32"),
        ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "wrong length"),
        ("BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "witness version 17"),
        ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mp", "wrong checksum (base58)"),
        ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "another Bitcoin network"),
        ("TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V", "looks like one of another coin"),
        ("0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2", "which no Bitcoin address holds"),
        ("bitcoin:" + ADDRESS, "which no Bitcoin address holds"),
        ("b" * 91, "91 characters"),
        ("", "is empty"),
    ],
)
def test_a_wrong_address_is_told_with_its_reason(address: str, words: str) -> None:
    method, mistakes = build("bitcoin", {"address": address})
    assert method is None
    assert list(mistakes) == ["address"]
    assert words in mistakes["address"]


@pytest.mark.parametrize("at", range(4, len(ADDRESS)))
def test_one_mistyped_character_is_found(at: int) -> None:
    wrong = ADDRESS[:at] + ("q" if ADDRESS[at] != "q" else "p") + ADDRESS[at + 1 :]
    assert build("bitcoin", {"address": wrong})[0] is None


def test_the_networks_chain_decides_which_addresses_are_right() -> None:
    test_address = "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy"
    assert "another Bitcoin network; on 'signet'" in build("bitcoin", {"network": "signet"})[1]["address"]
    mistakes = build("bitcoin", {"network": "signet", "address": test_address})[1]
    assert mistakes == {"network": "BTC is not known on 'signet'; add an [[assets]] table with exponent 8"}


def test_an_address_that_no_wallet_makes_is_shown_with_a_warning() -> None:
    assert built("bitcoin", {"address": "BC1SW50QGDZ25J"}).warnings
    taproot = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
    assert not built("bitcoin", {"address": taproot}).warnings


def test_a_descriptor_is_not_built_yet() -> None:
    for without in ("", "address"):
        mistakes = build("bitcoin", {"descriptor": "wpkh(xpub)"}, without=without)[1]
        assert mistakes == {"descriptor": "is not built yet; give one address instead"}


@pytest.mark.parametrize("key", ["address", "network"])
def test_a_missing_key_is_told(key: str) -> None:
    assert build("bitcoin", without=key) == (None, {key: "is missing"})


def test_an_unknown_key_is_told() -> None:
    assert "is not a known setting" in build("bitcoin", {"label": "Gift"})[1]["label"]


def test_a_right_network_has_no_mistakes() -> None:
    table = {"chain": "main", "rpc": ["http://user:password@127.0.0.1:8332"], "esplora": ["http://127.0.0.1:3000"]}
    assert network_mistakes("bitcoin", {**table, "confirmations": 3, "quorum": 2, "poll_seconds": 30}) == {}


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ({"chain": "mainnet"}, "chain", "must be one of main, test, signet, regtest"),
        ({"chain": 1}, "chain", "must be a text"),
        ({"confirmations": 0}, "confirmations", "from 1 to 100"),
        ({"esplora": ["127.0.0.1:3000"]}, "esplora", "entry 1"),
        ({"rpc": ["cookie"]}, "rpc", "entry 1"),
        ({"poll_seconds": 0}, "poll_seconds", "1 to 3600"),
        ({"chain_id": 1}, "chain_id", "is not a known setting"),
    ],
)
def test_a_wrong_network_is_told_at_its_key(table: dict[str, object], key: str, words: str) -> None:
    mistakes = network_mistakes("bitcoin", table)
    assert list(mistakes) == [key]
    assert words in mistakes[key]


def test_an_amount_is_written_into_code_and_link_in_whole_bitcoins() -> None:
    method = built("bitcoin")
    assert method.filling is not None
    filled = method.filled(Money(50_000, method.filling.asset))
    assert filled.link is not None
    assert filled.link.href.endswith("?amount=0.0005")
    assert code_of(filled).text.endswith("?amount=0.0005")
    assert code_of(filled).text.startswith("bitcoin:BC1")
    assert method.filled(Money(50_000, Asset("UAH", 2))) is method
