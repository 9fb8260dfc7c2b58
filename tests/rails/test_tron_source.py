"""What the TRON source reports of a real chain behind java-tron's quirks, read through a real ledger."""

import pytest

from tests.fixtures.node import OURS, Node
from tests.fixtures.tron import MINE, SEND, MakeTron, token, watch

pytestmark = pytest.mark.node

US = OURS[0]


def test_a_gift_is_seen_at_the_head_and_confirmed_at_finality(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.mine(6)
    here = tron(watch(token(coin)))
    sent = node.call(coin, SEND, US, 2_500_000)
    node.mine()
    here.look()
    assert here.told("seen") == [("donation", "USDT", "tx:log:0", 2_500_000)]
    here.settle()
    (row,) = here.rows("confirmed")
    assert (row["rail"], row["network"], row["address"], row["amount"]) == ("tron", "tron", MINE[0], "2.5")
    assert (row["tx"], row["locator"]) == (sent, f"{sent}:log:0")
    assert str(row["payer"]).startswith("T")
    here.check()
