"""Whose request it is: every form of a client's address that proxies write, every spelling of our host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.door.visitor import OwnHosts, client_address
from support_service.origin import read_host


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:49152", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:49152", "2001:db8::7"),
        ('"[2001:db8::7]:49152"', "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", "192.0.2.1"),
        ("_hidden", "192.0.2.1"),
        ("", "192.0.2.1"),
        ("1.2.3.4.5", "192.0.2.1"),
        ("01.2.3.4", "192.0.2.1"),
    ],
)
def test_an_entry_is_an_address_without_port_and_brackets(entry: str, address: str) -> None:
    assert client_address("192.0.2.1:50000", [entry], 1) == address
    assert client_address("192.0.2.1:50000", [f"203.0.113.9, {entry}"], 1) == address


def test_only_what_our_own_proxies_added_is_believed() -> None:
    said = ["203.0.113.1, 203.0.113.2", "198.51.100.3"]
    assert client_address("192.0.2.1:1", said, 0) == "192.0.2.1"
    assert client_address("192.0.2.1:1", said, 1) == "198.51.100.3"
    assert client_address("192.0.2.1:1", said, 2) == "203.0.113.2"
    assert client_address("192.0.2.1:1", said, 4) == "192.0.2.1"
    assert client_address("[2001:db8::1]:1", [], 1) == "2001:db8::1"


@given(st.lists(st.text(max_size=60), max_size=4), st.integers(1, 3))
def test_whatever_is_sent_is_an_address_in_the_end(fields: list[str], hops: int) -> None:
    assert client_address("192.0.2.1:1", fields, hops)


@pytest.mark.parametrize("host", ["give.example.org", "GIVE.example.org", "give.example.org:443", "give.example.org."])
def test_every_spelling_of_our_host_is_ours(host: str) -> None:
    assert OwnHosts([read_host("give.example.org")]).has([host], None)


@pytest.mark.parametrize(
    ("fields", "authority"),
    [
        ([], None),
        (["give.example.org", "give.example.org"], None),
        (["evil.example"], None),
        (["give.example.org@evil.example"], None),
        (["give.example.org, evil.example"], None),
        (["give.example.org:x"], None),
        ([""], None),
        (["give.example.org"], "evil.example"),
    ],
)
def test_no_other_host_is(fields: list[str], authority: str | None) -> None:
    assert not OwnHosts([read_host("give.example.org")]).has(fields, authority)
