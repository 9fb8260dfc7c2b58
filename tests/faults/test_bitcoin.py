"""Bitcoin."""

import pytest

from tests.fixtures.bitcoin import KINDS, MakeBitcoin, new_lock

pytestmark = pytest.mark.node
both = pytest.mark.parametrize("kind", KINDS)


@both
def test_b1_two_outputs_to_us_are_two_gifts_of_one_transaction(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    sent = here.node.pay((us.script, 5_000), (us.script, 7_000))
    here.node.mine()
    here.look()
    assert here.told("seen") == [("donation", "tx:0", 5_000), ("donation", "tx:1", 7_000)]
    here.settle()
    assert here.told("confirmed") == [("donation", "tx:0", 5_000), ("donation", "tx:1", 7_000)]
    assert {row["tx"] for row in here.rows()} == {sent.txid}
    here.check()
