"""Bitcoin's blocks that go and come back: what is shown follows the chain, and what counted freezes and waits."""

import pytest

from support_service.demo.bitcoin_transactions import UnsignedTransaction
from support_service.ledger import SourceFrozen, Unfreeze
from support_service.rails.source import MustFreeze, SourceDown
from tests.faults.test_bitcoin import EVERY_STATE, both, is_down_and_nothing_moves
from tests.fixtures.bitcoin import BitcoinWorld, MakeBitcoin, new_lock
from tests.fixtures.bitcoin_node import PURSE, Json
from tests.fixtures.http_servers import Reply

pytestmark = pytest.mark.node

# Enough confirmations that a deep reorg may take money that was only seen.
DEEP = {"confirmations": 100}
THEIRS = PURSE.script


def rival(here: BitcoinWorld, gift: UnsignedTransaction) -> UnsignedTransaction:
    """Pay the same coins to somebody else."""
    made = UnsignedTransaction(gift.coins, ((THEIRS, gift.coins[0].units - 3_000),))
    assert made.txid != gift.txid
    return made


@both
@pytest.mark.parametrize("depth", [1, 2, 10, 64])
def test_r1_a_gift_that_a_reorg_drops_is_orphaned(kind: str, depth: int, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us, **DEEP)
    gift, kept = here.node.pay((us.script, 700)), here.node.pay((us.script, 30))
    here.node.mine(depth)
    here.look()
    assert here.told("seen") == [("donation", "tx:0", 30), ("donation", "tx:0", 700)]
    here.node.reorg(depth, [rival(here, gift), kept])
    here.look()
    here.settle(100)
    assert [(row["state"], row["tx"]) for row in here.rows("orphaned", "replaced")] == [("orphaned", gift.txid)]
    assert here.told("confirmed") == [("donation", "tx:0", 30)]
    here.check()


def test_r1_what_waits_again_after_a_reorg_is_seen_again(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    here.node.pay((us.script, 700))
    here.node.mine(2)
    here.look()
    here.node.reorg(2)
    here.look()
    ((state, block),) = [(row["state"], row["block_hash"]) for row in here.rows(*EVERY_STATE)]
    assert (state, block) == ("seen", None)
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 700)]
    here.check()


@both
def test_r2_a_gift_in_another_block_is_the_same_gift(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    gift = here.node.pay((us.script, 700))
    here.node.mine(1)
    here.look()
    # Another place in another block, after other transactions.
    others = [here.node.pay((THEIRS, 1)) for _ in range(3)]
    blocks = here.node.reorg(1, [*others, gift])
    here.look()
    ((state, block),) = [(row["state"], row["block_hash"]) for row in here.rows(*EVERY_STATE)]
    assert (state, block) == ("seen", blocks[0])
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 700)]
    here.check()


@both
@pytest.mark.parametrize("flips", [1, 4])
def test_r4_a_block_that_goes_and_comes_back_is_one_gift_with_all_of_its_history(
    kind: str, flips: int, bitcoin: MakeBitcoin
) -> None:
    us = new_lock()
    here = bitcoin(kind, us, **DEEP)
    gift = here.node.pay((us.script, 700))
    (first,) = here.node.mine(1)
    here.look()
    with_gift, without, missing = first, here.node.block(first)["previousblockhash"], 2
    for _ in range(flips):
        # Each time the other branch becomes the longer one; the gift is in one of them alone, and waits nowhere.
        without, missing = here.node.mine(missing, [], on=without)[-1], 2
        here.look()
        assert here.told("seen") == []
        with_gift = here.node.mine(2, [], on=with_gift)[-1]
        here.look()
        assert [(row["block_hash"], row["units"]) for row in here.rows("seen")] == [(first, "700")]
    (row,) = here.rows(*EVERY_STATE)
    told = here.ledger.donation(row["id"])
    assert told is not None
    assert len(told.observations) == 2 * flips + 1
    here.settle(100)
    assert [(row["tx"], row["state"]) for row in here.rows(*EVERY_STATE)] == [(gift.txid, "confirmed")]
    here.check()


@both
def test_r5_a_reorg_while_nobody_watched_is_followed_back_to_the_common_block(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us, **DEEP)
    gifts = []
    for units in (10, 20, 30):
        gifts.append(here.node.pay((us.script, units)))
        here.node.mine(12)
        here.look()
    here.node.reorg(30, [rival(here, gifts[1])], more=40)
    late = here.node.pay((us.script, 40))
    here.node.mine(5)
    here.restart()
    here.look()
    here.settle(100)
    states = {row["tx"]: row["state"] for row in here.rows(*EVERY_STATE)}
    assert states[gifts[0].txid] == states[late.txid] == "confirmed"
    assert states[gifts[1].txid] == "orphaned"
    # The third waited again and came into a block after the reorg.
    assert states[gifts[2].txid] == "confirmed"
    here.check()


def test_r6_a_block_that_is_another_than_was_asked_for_is_not_read(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("core", us)
    here.node.pay((us.script, 700))
    (lost,) = here.node.mine(1)
    other = here.core.ask_upstream({"id": 1, "method": "getblock", "params": [lost, 3]})["result"]
    here.node.reorg(1, [])
    here.node.pool.clear()

    def mixed(request: Json, answer: Json) -> Json:
        if request["method"] == "getblock" and answer["result"] and answer["result"]["height"] == here.base + 1:
            return {**answer, "result": other}
        return answer

    here.core.bend = mixed
    is_down_and_nothing_moves(here, "gave another block than was asked for")
    here.core.bend = lambda _request, answer: answer
    here.settle()
    assert here.rows(*EVERY_STATE) == []
    here.check()


def test_r6_a_history_of_a_fork_that_the_server_left_is_not_believed(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    here.node.pay((us.script, 700))
    here.node.mine(1)
    remembered: dict[str, Reply] = {}

    def remember(path: str, reply: Reply) -> Reply:
        return remembered.setdefault(path, reply) if "/scripthash/" in path else reply

    here.esplora.bend = remember
    # Asked for once before the reorg, and told from memory after it.
    here.look()
    assert here.told("seen") == [("donation", "tx:0", 700)]
    here.node.reorg(1, [], forgets=True)
    with pytest.raises(SourceDown, match="chain moved"):
        here.look()
    assert [row["state"] for row in here.rows(*EVERY_STATE)] == ["orphaned"]
    here.esplora.bend = lambda _path, reply: reply
    here.settle()
    assert here.told("seen", "confirmed") == []
    here.check()


@both
def test_r7_a_reorg_deeper_than_what_counts_freezes_until_a_person_has_looked(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    gift, safe = here.node.pay((us.script, 700)), here.node.pay((us.script, 30))
    here.node.mine(4)
    here.look()
    assert len(here.rows("confirmed")) == 2
    here.node.reorg(4, [rival(here, gift), safe])
    with pytest.raises(MustFreeze, match="was final as") as caught:
        here.look()
    assert len({*caught.value.evidence.values()} - {None}) >= 2
    assert len(here.rows("confirmed")) == 2, "nothing is taken back before a person has looked"
    with pytest.raises(SourceFrozen):
        here.look()
    after = here.ledger.cursor(here.source.name)
    assert after is not None
    back = here.source.step_back(after, here.ledger.blocks("bitcoin"))
    assert back is not None
    here.ledger.unfreeze(Unfreeze("bitcoin", "cli", "the chain is what it is", back))
    here.look()
    here.settle()
    assert {(row["state"], row["tx"]) for row in here.rows(*EVERY_STATE)} == {
        ("orphaned", gift.txid),
        ("confirmed", safe.txid),
    }
    here.check()


def test_r8_a_payment_that_is_taken_back_before_its_block_is_never_confirmed(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    coin = here.node.coin()
    gift = here.node.pay((us.script, 700), coins=[coin])
    here.look()
    assert here.told("seen") == [("donation", "tx:0", 700)]
    # The payer sends the coin back to himself.
    here.node.pay(coins=[coin], fee_units=9_000)
    here.look()
    here.settle()
    assert [(row["state"], row["tx"]) for row in here.rows(*EVERY_STATE)] == [("replaced", gift.txid)]
    here.check()


def test_r8_a_payment_that_everybody_forgets_is_replaced_and_may_come_again(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    gift = here.node.pay((us.script, 700))
    here.look()
    here.node.forget(gift.txid)
    here.look()
    assert [row["state"] for row in here.rows(*EVERY_STATE)] == ["replaced"]
    here.node.send(gift)
    here.look()
    assert [row["state"] for row in here.rows(*EVERY_STATE)] == ["seen"]
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 700)]
    here.check()
