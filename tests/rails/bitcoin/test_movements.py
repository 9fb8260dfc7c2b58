"""What one transaction does to our addresses: no satoshi lost, doubled or invented, whoever pays whom."""

from hypothesis import given
from hypothesis import strategies as st

from support_service.giving import Direction, Kind
from support_service.rails.bitcoin.movements import Coin, Input, Movement, Transaction, movements, net

OWN = {"aa": "A", "bb": "B", "cc": "C"}
TXID = "12" * 32
SCRIPTS = st.sampled_from(["aa", "bb", "cc", "dd", ""])
COINS = st.builds(Coin, SCRIPTS, st.integers(0, 10))


def transaction(spends: list[Coin], pays: list[Coin], *, is_coinbase: bool = False) -> Transaction:
    inputs = tuple(Input(f"{'34' * 32}:{place}", coin) for place, coin in enumerate(spends))
    return Transaction(TXID, is_coinbase, inputs, tuple(pays))


def told(found: dict[str, list[Movement]]) -> dict[str, list[tuple[str, str, str, int]]]:
    return {
        address: [(str(m.direction), str(m.kind), m.locator.removeprefix(f"{TXID}:"), m.units) for m in rows]
        for address, rows in found.items()
    }


@given(st.lists(COINS, max_size=6), st.lists(COINS, max_size=6))
def test_every_address_gets_exactly_what_the_transaction_moved(spends: list[Coin], pays: list[Coin]) -> None:
    found = movements(transaction(spends, pays), OWN)
    for script, address in OWN.items():
        gained = sum(coin.units for coin in pays if coin.script == script)
        lost = sum(coin.units for coin in spends if coin.script == script)
        assert net(found.get(address, [])) == gained - lost


@given(st.lists(COINS, max_size=6), st.lists(COINS, max_size=6))
def test_what_is_internal_arrives_as_it_left_and_each_row_has_its_own_name(
    spends: list[Coin], pays: list[Coin]
) -> None:
    found = movements(transaction(spends, pays), OWN)
    assert sum(net(m for m in rows if m.kind is Kind.INTERNAL) for rows in found.values()) == 0
    for rows in found.values():
        names = [(m.direction, m.locator) for m in rows]
        assert len(set(names)) == len(names)
        assert all(m.units > 0 for m in rows)


@given(st.lists(COINS.filter(lambda coin: coin.script == "aa"), min_size=1, max_size=4), st.lists(COINS, max_size=6))
def test_what_we_pay_alone_is_never_a_donation(spends: list[Coin], pays: list[Coin]) -> None:
    if sum(coin.units for coin in spends) < sum(coin.units for coin in pays):
        return
    found = movements(transaction(spends, pays), OWN)
    assert not [m for rows in found.values() for m in rows if m.kind is Kind.DONATION]


def test_change_is_no_gift_and_the_fee_is_part_of_what_left() -> None:
    found = movements(transaction([Coin("aa", 10)], [Coin("dd", 3), Coin("aa", 6)]), OWN)
    assert told(found) == {"A": [("out", "outflow", "spend", 4)]}


def test_several_of_our_addresses_pay_one_another_and_a_stranger() -> None:
    found = movements(transaction([Coin("aa", 5), Coin("bb", 5)], [Coin("cc", 7), Coin("dd", 2)]), OWN)
    assert told(found) == {
        "A": [("out", "internal", "0", 5)],
        "B": [("out", "internal", "0", 2), ("out", "outflow", "spend", 3)],
        "C": [("in", "internal", "0", 7)],
    }


def test_a_gift_into_a_transaction_of_ours_is_its_gain() -> None:
    found = movements(transaction([Coin("aa", 5), Coin("dd", 4)], [Coin("aa", 8), Coin("dd", 1)]), OWN)
    assert told(found) == {"A": [("in", "donation", "0", 3)]}


def test_a_block_reward_is_the_protocols() -> None:
    found = movements(transaction([], [Coin("aa", 5), Coin("6a", 0)], is_coinbase=True), OWN)
    assert told(found) == {"A": [("in", "protocol", "0", 5)]}
    assert found["A"][0].direction is Direction.IN
