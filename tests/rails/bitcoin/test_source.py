"""What the Bitcoin source reports of a chain, read through a real ledger, from Bitcoin Core and from Esplora."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support_service.giving import Watch
from support_service.ledger import Unfreeze
from support_service.rails.source import MustFreeze, Rescan, SourceDown, SourceLied
from tests.fixtures.world import warned
from tests.rails.bitcoin.fake_chain import ALSO_US, COIN, STRANGER, US, Books, FakeChain, script, served, watch

MINE, ALSO_MINE, THEIRS = script(US), script(ALSO_US), script(STRANGER)
Open = Callable[..., Books]
KINDS = ["core", "esplora"]


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def opened(chain: FakeChain, tmp_path: Path) -> Iterator[Open]:
    """Make a source of one kind whose watches have begun at the chain's present head."""
    with ExitStack() as stack:

        def make(kind: str, *watches: Watch, **table: object) -> Books:
            url = stack.enter_context(served(chain))
            key = "esplora" if kind == "esplora" else "rpc"
            books = Books(tmp_path, *watches, **{key: [url], **table})
            stack.callback(books.ledger.dispose)
            books.look()
            return books

        yield make


each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_a_gift_is_seen_in_its_block_and_confirmed_three_deep(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    block = chain.mine(1, chain.gift((THEIRS, 5), (MINE, 123_456_789)))
    books.look()
    assert books.told() == [("seen", "donation", "in", "1", 123_456_789)]
    chain.mine()
    books.look()
    assert books.told()[0][0] == "seen"
    chain.mine()
    books.look()
    (row,) = books.ledger.export()
    assert (row["state"], row["block_hash"], row["block_height"]) == ("confirmed", block.hash, block.height)
    assert (row["rail"], row["amount"], row["tx"]) == ("bitcoin", "1.23456789", block.txs[1].txid)
    assert books.ledger.verify() == []


@each_kind
def test_b1_two_outputs_of_one_transaction_are_two_rows(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    chain.mine(3, chain.gift((MINE, 7), (THEIRS, 1), (MINE, 7)))
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 7), ("confirmed", "donation", "in", "2", 7)]


@each_kind
def test_b6_a_block_reward_counts_a_hundred_blocks_deep_and_is_no_donation(
    kind: str, chain: FakeChain, opened: Open
) -> None:
    books = opened(kind)
    chain.mine(1, chain.gift((MINE, 9)), to=MINE)
    chain.mine(98)
    books.look()
    both = [("confirmed", "donation", "in", "0", 9), ("seen", "protocol", "in", "0", 50 * COIN)]
    assert books.told() == both
    chain.mine()
    books.look()
    assert [row[:2] for row in books.told()] == [("confirmed", "donation"), ("confirmed", "protocol")]
    assert [total.units for total in books.ledger.totals()] == [9]


@each_kind
def test_b6_an_orphaned_reward_is_immature_anew(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    chain.mine(1, to=MINE)
    books.look()
    (lost,) = chain.drop(1)
    chain.mine(2)
    books.look()
    assert [row[:2] for row in books.gone()] == [("orphaned", "protocol")]
    chain.drop(2)
    chain.blocks.append(lost)
    chain.mine(2)
    books.look()
    assert [row[:2] for row in books.told()] == [("seen", "protocol")]


@each_kind
def test_b9_a_spend_leaves_without_its_change(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    gift = chain.gift((MINE, 10 * COIN))
    chain.mine(3, gift)
    books.look()
    chain.mine(3, chain.spend((gift.txid, 0), pays=[(THEIRS, 3 * COIN), (MINE, 6 * COIN)]))
    books.look()
    assert books.told() == [
        ("confirmed", "donation", "in", "0", 10 * COIN),
        ("confirmed", "outflow", "out", "spend", 4 * COIN),
    ]
    assert books.held() == 6 * COIN
    assert books.ledger.verify() == []


@each_kind
def test_what_goes_from_one_of_our_addresses_to_another_is_internal(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind, watch(US), watch(ALSO_US))
    gift = chain.gift((MINE, 10 * COIN))
    chain.mine(3, gift)
    books.look()
    chain.mine(3, chain.spend((gift.txid, 0), pays=[(ALSO_MINE, 4 * COIN), (THEIRS, COIN), (MINE, 4 * COIN)]))
    books.look()
    assert books.told() == [
        ("confirmed", "donation", "in", "0", 10 * COIN),
        ("confirmed", "internal", "in", "0", 4 * COIN),
        ("confirmed", "internal", "out", "0", 4 * COIN),
        ("confirmed", "outflow", "out", "spend", 2 * COIN),
    ]
    assert (books.held(US), books.held(ALSO_US)) == (4 * COIN, 4 * COIN)
    assert books.ledger.verify() == []


@each_kind
def test_r1_r4_a_block_that_goes_and_comes_back_is_one_gift(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    chain.mine(1, chain.gift((MINE, 11)))
    books.look()
    block = chain.blocks[-1]
    for _ in range(2):
        chain.drop(chain.height - block.height + 1)
        chain.mine(2)
        books.look()
        assert [row[0] for row in books.gone()] == ["orphaned"]
        assert books.told() == []
        chain.drop(2)
        chain.blocks.append(block)
        chain.mine()
        books.look()
        assert books.told() == [("seen", "donation", "in", "0", 11)]
    assert len(list(books.ledger.export())) == 1


@each_kind
def test_r2_a_gift_in_another_block_after_a_reorg_is_the_same_gift(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    gift = chain.gift((MINE, 11))
    chain.mine(1, gift)
    books.look()
    chain.drop(1)
    chain.mine()
    block = chain.mine(3, gift)
    books.look()
    (row,) = books.ledger.export()
    assert (row["state"], row["block_hash"]) == ("confirmed", block.hash)


@each_kind
def test_r7_a_reorg_deeper_than_confirmed_freezes_until_a_person_has_looked(
    kind: str, chain: FakeChain, opened: Open
) -> None:
    books = opened(kind)
    chain.mine(4, chain.gift((MINE, 11)))
    books.look()
    chain.drop(4)
    chain.mine(1, chain.gift((MINE, 12)))
    chain.mine(6)
    with pytest.raises(MustFreeze, match="was final as"):
        books.look()
    after = books.ledger.cursor(books.source.name)
    assert after is not None
    back = books.source.step_back(after, books.ledger.blocks("bitcoin"))
    assert back is not None
    books.ledger.unfreeze(Unfreeze("bitcoin", "cli", "looked", back))
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 12)]
    assert [row[0] for row in books.gone()] == ["orphaned"]
    chain.mine(1, chain.gift((MINE, 13)))
    books.look()
    assert books.held() == 25


@each_kind
def test_what_lay_there_before_is_an_opening(kind: str, chain: FakeChain, opened: Open) -> None:
    early = chain.gift((MINE, 1_000))
    chain.mine(2, early)
    books = opened(kind)
    chain.mine(3, chain.spend((early.txid, 0), pays=[(THEIRS, 900)]))
    books.look()
    assert books.told() == [
        ("confirmed", "opening", "in", "opening", 1_000),
        ("confirmed", "outflow", "out", "spend", 1_000),
    ]
    assert books.ledger.totals() == ()
    assert books.ledger.verify() == []


@pytest.mark.parametrize("kind", ["core", "esplora"])
def test_gifts_from_a_start_block_count_and_what_was_before_does_not(kind: str, chain: FakeChain, opened: Open) -> None:
    early = chain.gift((MINE, 1_000), (MINE, 5))
    chain.mine(2, early)
    start = chain.height + 1
    chain.mine(3, chain.spend((early.txid, 0), pays=[(THEIRS, 900)]), chain.gift((MINE, 70)))
    books = opened(kind, watch(start_block=start))
    assert books.told() == [
        ("confirmed", "donation", "in", "0", 70),
        ("confirmed", "opening", "in", "opening", 1_005),
        ("confirmed", "outflow", "out", "spend", 1_000),
    ]
    assert books.held() == 75


@each_kind
def test_a_large_gift_waits_for_more_blocks(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind, large_amount="1", large_confirmations=6)
    chain.mine(5, chain.gift((MINE, COIN // 2), (MINE, COIN // 2)), chain.gift((MINE, COIN - 1)))
    books.look()
    assert [row[0] for row in books.told()] == ["confirmed", "seen", "seen"]
    chain.mine()
    books.look()
    assert {row[0] for row in books.told()} == {"confirmed"}


@each_kind
def test_b7_outputs_that_are_no_gift_change_nothing(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    strange = [("6a" + "4d1027" + "ff" * 10_000, 0), ("", 3), ("5121" + "02" * 33 + "51ae", 5), ("5228" + "00" * 40, 7)]
    chain.mine(3, chain.gift(*strange, (MINE, 0)))
    books.look()
    assert books.told() == []


@each_kind
@pytest.mark.parametrize("units", [1, 30_000_001, 2_099_999_997_690_000, 10_000_000, 20_000_003])
def test_b8_amounts_are_exact_to_the_satoshi(kind: str, units: int, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    chain.mine(3, chain.gift((MINE, units)))
    books.look()
    assert books.held() == units


@each_kind
def test_b13_a_flood_of_dust_is_recorded_whole(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    chain.mine(3, *(chain.gift(*([(MINE, 546)] * 25)) for _ in range(12)))
    books.look()
    assert (len(books.told()), books.held()) == (300, 300 * 546)


@each_kind
def test_an_idle_look_asks_one_or_two_questions_and_says_nothing(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    chain.mine(5, chain.gift((MINE, 7)))
    books.look()
    chain.asked.clear()
    assert not books.look()
    assert len(chain.asked) == (2 if kind == "esplora" else 1)


@each_kind
def test_a_rescan_finds_what_was_missed_and_changes_nothing_that_is_true(
    kind: str, chain: FakeChain, opened: Open
) -> None:
    books = opened(kind)
    first = chain.height + 1
    gift = chain.gift((MINE, 10 * COIN))
    chain.mine(2, gift)
    chain.mine(5, chain.spend((gift.txid, 0), pays=[(THEIRS, 3 * COIN), (MINE, 6 * COIN)]))
    books.look()
    before = list(books.ledger.export())
    assert _rescan(books, first) == 0
    assert list(books.ledger.export()) == before
    assert _rescan(books, first + 2) == 0
    assert list(books.ledger.export()) == before


def _rescan(books: Books, first: int) -> int:
    live = books.ledger.cursor(books.source.name)
    assert live is not None
    task = Rescan("btc1", first, live, tuple(books.ledger.blocks("bitcoin")))
    name = "rescan:btc1:bitcoin"
    told = books.source.read_again(name, task, books.ledger.cursor(name))
    return sum(len(books.ledger.accept(report).donations) for report in told)


@pytest.mark.parametrize("kind", ["core", "esplora"])
def test_verify_online_holds_the_ledger_against_the_chain(kind: str, chain: FakeChain, opened: Open) -> None:
    chain.mine(1, chain.gift((MINE, 40)))
    books = opened(kind)
    chain.mine(5, chain.gift((MINE, 7)))
    chain.mine(1, chain.gift((MINE, 9)))
    books.look()
    cursor = books.ledger.cursor(books.source.name)
    assert cursor is not None
    (holding,) = books.source.holdings(cursor)
    assert (holding.units, holding.height) == (47, chain.height - 2)
    assert books.ledger.held(holding.watch.key, holding.height) == 47


@each_kind
def test_a_node_of_another_chain_is_refused_by_name(kind: str, chain: FakeChain, opened: Open) -> None:
    chain.told["chain"] = "main"
    chain.blocks[0].hash = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    with pytest.raises(SourceLied, match=r"main.*regtest"):
        opened(kind)


def test_a_core_that_says_the_right_name_must_have_the_right_first_block(chain: FakeChain, opened: Open) -> None:
    chain.blocks[0].hash = "ab" * 32
    with pytest.raises(SourceLied, match="unknown chain"):
        opened("core")


NOT_READY = [
    ({"initialblockdownload": True}, r"still loading its chain: block \d+ so far, and it does not know yet"),
    ({"headers": 10**6}, "not up to date"),
]


@pytest.mark.parametrize(("told", "why"), NOT_READY)
def test_b12_a_node_that_is_not_ready_confirms_nothing(
    told: dict[str, object], why: str, chain: FakeChain, opened: Open
) -> None:
    books = opened("core")
    chain.mine(3, chain.gift((MINE, 7)))
    chain.told |= told
    with pytest.raises(SourceDown, match=why):
        books.look()
    assert books.told() == []
    chain.told.clear()
    books.look()
    assert books.held() == 7


def test_b12_a_node_that_warms_up_is_down_and_its_words_are_told(chain: FakeChain, opened: Open) -> None:
    chain.errors["getblockchaininfo"] = (-28, "Verifying blocks...")
    with pytest.raises(SourceDown, match="Verifying blocks"):
        opened("core")


def test_b12_a_pruned_node_says_what_it_lacks(chain: FakeChain, opened: Open) -> None:
    chain.told |= {"pruned": True, "pruneheight": 8}
    with pytest.raises(SourceDown, match="pruned and keeps blocks from 8 on"):
        opened("core", watch(start_block=3))


def test_filters_name_the_blocks_to_read(chain: FakeChain, opened: Open) -> None:
    chain.has_filters = True
    books = opened("core")
    gift = chain.gift((MINE, 10))
    chain.mine(20, gift)
    chain.mine(20, chain.spend((gift.txid, 0), pays=[(THEIRS, 9)]))
    chain.asked.clear()
    books.look()
    assert [row[1] for row in books.told()] == ["donation", "outflow"]
    assert chain.asked.count("getblock") == 2


def test_a_node_without_the_search_opens_at_nothing_and_says_so(chain: FakeChain, opened: Open) -> None:
    chain.has_search = False
    chain.mine(1, chain.gift((MINE, 40)))
    books = opened("core")
    assert books.told() == []
    assert "not known" in warned(books.source)


def test_a_waiting_payment_is_seen_and_becomes_the_same_gift_in_its_block(chain: FakeChain, opened: Open) -> None:
    books = opened("esplora")
    gift = chain.gift((MINE, 10))
    chain.pool.append(gift)
    books.look()
    (seen,) = books.ledger.export()
    assert (seen["state"], seen["block_hash"], seen["tx"]) == ("seen", None, gift.txid)
    assert not books.look()
    chain.mine(3, gift)
    books.look()
    (row,) = books.ledger.export()
    assert (row["id"], row["state"]) == (seen["id"], "confirmed")


def test_b2_of_a_replaced_payment_only_the_new_amount_stands(chain: FakeChain, opened: Open) -> None:
    books = opened("esplora")
    first, second = chain.gift((MINE, 10)), chain.gift((MINE, 4))
    chain.pool = [first]
    books.look()
    chain.pool = [second]
    books.look()
    assert books.told() == [("seen", "donation", "in", "0", 4)]
    assert books.gone() == [("replaced", "donation", "in", "0", 10)]
    chain.pool = []
    books.look()
    assert books.told() == []
    assert books.ledger.totals() == ()


def test_a_waiting_payment_survives_a_turn_with_a_node_that_tells_of_none(
    chain: FakeChain, opened: Open, tmp_path: Path
) -> None:
    books = opened("esplora")
    gift = chain.gift((MINE, 10))
    chain.pool = [gift]
    books.look()
    with served(chain) as url:
        books.restart(esplora=[], rpc=[url])
        chain.mine()
        books.look()
        assert books.told() == [("seen", "donation", "in", "0", 10)]
        chain.mine(3, gift)
        books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 10)]


def test_a_history_with_a_hole_is_read_again_and_never_believed(chain: FakeChain, opened: Open) -> None:
    books = opened("esplora")
    gift = chain.gift((MINE, 10))
    chain.hides.add(gift.txid)
    chain.mine(3, gift)
    with pytest.raises(SourceDown, match="history and its sums differ"):
        books.look()
    chain.hides.clear()
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 10)]


def test_a_long_history_is_read_page_by_page(chain: FakeChain, opened: Open) -> None:
    for _ in range(60):
        chain.mine(1, chain.gift((MINE, 3)))
    books = opened("esplora", watch(start_block=1))
    assert books.held() == 180


def test_a_node_that_does_not_tell_what_is_spent_is_not_read_and_what_to_do_is_said(
    chain: FakeChain, opened: Open
) -> None:
    chain.has_prevouts = False
    books = opened("core")
    chain.mine(1, chain.gift((MINE, 10)))
    with pytest.raises(SourceDown, match=r"does not tell what a transaction spends; Bitcoin Core 23 or newer"):
        books.look()
    assert books.told() == []
    chain.has_prevouts = True
    chain.mine(2)
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 10)]


def test_a_node_that_knows_no_such_question_is_not_read_and_what_to_do_is_said(chain: FakeChain, opened: Open) -> None:
    books = opened("core")
    chain.mine(1, chain.gift((MINE, 10)))
    chain.errors["getblock"] = (-3, "verbose must be a boolean.")
    with pytest.raises(SourceDown, match=r"must be a boolean\.; Bitcoin Core 23 or newer"):
        books.look()
    assert books.told() == []


def test_a_node_that_does_not_tell_what_is_spent_leaves_it_to_the_next(chain: FakeChain, tmp_path: Path) -> None:
    old = FakeChain(has_prevouts=False)
    old.blocks, old.txs = chain.blocks, chain.txs
    with served(old) as first, served(chain) as second:
        books = Books(tmp_path, rpc=[first, second])
        books.look()
        chain.mine(3, chain.gift((MINE, 10)))
        books.look()
        assert books.told() == [("confirmed", "donation", "in", "0", 10)]
        books.ledger.dispose()
