"""Bitcoin under attack and with its odd payments: exact satoshi, once each, over Core and over Esplora alike."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from support_service.assembly import assemble
from support_service.demo.bitcoin_transactions import Lock, payment, push
from support_service.rails.source import SourceDown
from support_service.settings import SettingsError
from tests.fixtures.bitcoin import KINDS, BitcoinWorld, MakeBitcoin, new_lock
from tests.fixtures.bitcoin_node import PURSE, Json

pytestmark = pytest.mark.node

both = pytest.mark.parametrize("kind", KINDS)
EVERY_STATE = ("seen", "confirmed", "orphaned", "replaced")
THEIRS = PURSE.script


@both
def test_b1_two_outputs_to_us_are_two_gifts_of_one_transaction(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    sent = here.node.pay((us.script, 5_000), (THEIRS, 1), (us.script, 7_000))
    here.node.mine()
    here.look()
    assert here.told("seen") == [("donation", "tx:0", 5_000), ("donation", "tx:2", 7_000)]
    here.settle()
    assert here.told("confirmed") == [("donation", "tx:0", 5_000), ("donation", "tx:2", 7_000)]
    assert {row["tx"] for row in here.rows()} == {sent.txid}
    here.check()


@pytest.mark.parametrize("pays", ["the same", "less", "somebody else"])
def test_b2_of_a_payment_that_was_replaced_only_the_new_amount_stands(pays: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    coin = here.node.coin()
    first = here.node.pay((us.script, 9_000), coins=[coin])
    here.look()
    assert [(row["state"], row["tx"], row["block_hash"]) for row in here.rows()] == [("seen", first.txid, None)]
    to = {"the same": (us.script, 9_000), "less": (us.script, 4_000), "somebody else": (THEIRS, 9_000)}[pays]
    second = here.node.pay(to, coins=[coin], fee_units=5_000)
    here.look()
    assert [row["tx"] for row in here.rows("replaced")] == [first.txid]
    owed = [] if pays == "somebody else" else [("donation", "tx:0", to[1])]
    assert here.told("seen") == owed
    here.settle()
    here.settle()
    assert here.told("confirmed") == owed
    assert {row["tx"] for row in here.rows()} <= {second.txid}
    assert [(row["tx"], row["flags"]) for row in here.rows("replaced")] == [(first.txid, ["conflict"])]
    here.check()


def test_b2_with_core_alone_what_waits_is_not_shown(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("core", us)
    coin = here.node.coin()
    here.node.pay((us.script, 9_000), coins=[coin])
    here.look()
    assert here.rows(*EVERY_STATE) == []
    here.node.pay((us.script, 4_000), coins=[coin], fee_units=5_000)
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 4_000)]
    here.check()


@both
def test_b3_a_double_spend_in_a_longer_branch_takes_the_gift_back(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    coin = here.node.coin()
    gift = here.node.pay((us.script, 80_000), coins=[coin])
    here.node.mine(2)
    here.look()
    assert here.told("seen") == [("donation", "tx:0", 80_000)]
    conflict = payment([coin], [(THEIRS, 80_000)], change=PURSE, fee_units=2_000)
    here.node.reorg(2, [conflict])
    here.look()
    here.settle()
    (row,) = here.rows(*EVERY_STATE)
    assert (row["state"], row["tx"], row["flags"]) == ("orphaned", gift.txid, ["conflict"])
    history = here.ledger.donation(str(row["id"]))
    assert history is not None
    raws = [json.loads(told.raw) for told in history.sources.values() if told.raw]
    links = [one for raw in raws for one in raw if "taken_by" in one]
    assert links == [{"lost": gift.txid, "coin": f"{coin.txid}:{coin.vout}", "taken_by": conflict.txid}]
    here.check()


@both
def test_b6_a_reward_counts_when_it_is_mature_and_is_no_donation(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    here.node.mine(1, to=us.script)
    here.node.mine(98)
    here.look()
    ((what, _, units),) = here.told("seen")
    assert (what, here.told("confirmed")) == ("protocol", [])
    here.node.mine(1)
    here.look()
    assert here.told("confirmed") == [("protocol", "tx:0", units)]
    here.check()


@both
def test_b6_a_reward_whose_block_is_lost_is_orphaned_and_another_one_immature_anew(
    kind: str, bitcoin: MakeBitcoin
) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    (block,) = here.node.mine(1, to=us.script)
    here.look()
    above = here.node.block(block)["previousblockhash"]
    again = here.node.mine(2, to=us.script, on=above)
    here.look()
    assert {row["state"] for row in here.rows(*EVERY_STATE)} == {"orphaned", "seen"}
    assert [row["block_hash"] for row in sorted(here.rows("seen"), key=lambda row: int(row["block_height"]))] == again
    here.node.mine(99)
    here.look()
    assert len(here.rows("confirmed")) == 2
    here.check()


ODD = {
    "100 kB that nobody can spend": (b"\x6a\x4e" + (100_000).to_bytes(4, "little") + bytes(100_000), 0),
    "nothing that nobody can spend": (b"\x6a", 0),
    "an empty script": (b"", 700),
    "bare multisig": (b"\x51" + push(b"\x02" + b"\x11" * 32) + push(b"\x03" + b"\x22" * 32) + b"\x52\xae", 700),
    "witness version 16": (b"\x60" + push(b"\x01\x02"), 700),
    "taproot": (b"\x51" + push(b"\x33" * 32), 700),
    "a script that is none": (b"\xff\xff\xff", 700),
}


@both
def test_b7_outputs_that_are_none_of_ours_are_nothing_and_break_nothing(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    for output in ODD.values():
        here.node.pay(output)
    here.node.pay((us.script, 0))
    # Our script's bytes within another script, and within data.
    here.node.pay((us.script + b"\x75", 600), (b"\x6a" + push(us.script), 0), *ODD.values(), (us.script, 1_234))
    here.node.mine()
    here.look()
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", f"tx:{2 + len(ODD)}", 1_234)]
    here.check()


AMOUNTS = (1, 546, 10_000_000, 20_000_000, 30_000_000, 1_000_001, 2_099_999, 7_000_007, 9_999_999)


@both
def test_b8_amounts_are_exact_to_the_satoshi(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    for units in AMOUNTS:
        here.node.pay((us.script, units), coins=[here.node.coin(), here.node.coin(), here.node.coin()])
    here.node.mine()
    here.settle()
    assert sorted(int(row["units"]) for row in here.rows("confirmed")) == sorted(AMOUNTS)
    assert sum(Decimal(row["amount"]) for row in here.rows()) == Decimal(sum(AMOUNTS)).scaleb(-8)
    here.check()


def test_b8_an_amount_larger_than_any_chain_of_tests_can_pay(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("core", us)
    here.node.pay((us.script, 1_000))
    here.node.mine(3)

    def rich(request: Json, answer: Json) -> Json:
        for one in answer["result"]["tx"] if request["method"] == "getblock" and answer["result"] else []:
            for output in one["vout"]:
                if output["scriptPubKey"]["hex"] == us.script.hex():
                    output["value"] = 20999999.9769
        return answer

    here.core.bend = rich
    here.look()
    ((kind, _, units),) = here.told("confirmed")
    assert (kind, units) == ("donation", 2_099_999_997_690_000)
    assert here.ledger.verify() == []


@both
def test_b9_what_we_spend_is_an_outflow_and_its_change_no_donation(kind: str, bitcoin: MakeBitcoin) -> None:
    us, also_us = new_lock(), new_lock()
    here = bitcoin(kind, us, also_us)
    gift = here.node.pay((us.script, 100_000))
    here.settle()
    # Pays somebody and ourselves; the change comes back to the address that is watched.
    here.node.pay((THEIRS, 30_000), (also_us.script, 20_000), coins=[gift.coin(0, us)], change=us, fee_units=700)
    here.node.mine()
    here.look()
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "tx:0", 100_000),
        ("internal", "tx:1", 20_000),
        ("internal", "tx:1", 20_000),
        ("outflow", "tx:spend", 30_700),
    ]
    held = {us.address(): 0, also_us.address(): 0}
    for row in here.rows():
        held[row["address"]] += int(row["units"]) * (1 if row["direction"] == "in" else -1)
    assert held == {us.address(): 49_300, also_us.address(): 20_000}
    here.check()


@both
def test_b9_coins_swept_together_leave_nothing_but_their_fee(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    gifts = [here.node.pay((us.script, units)) for units in (40_000, 50_000)]
    here.settle()
    here.node.pay(coins=[gift.coin(0, us) for gift in gifts], change=us, fee_units=900)
    here.settle()
    assert here.told("confirmed")[-1] == ("outflow", "tx:spend", 900)
    assert len(here.rows()) == 3
    here.check()


@both
def test_b10_a_transaction_that_comes_under_another_id_is_one_gift(kind: str, bitcoin: MakeBitcoin) -> None:
    us, old = new_lock(), Lock(7, is_segwit=False)
    here = bitcoin(kind, us)
    coin = here.node.pay((old.script, 50_000)).coin(0, old)
    here.node.mine()
    sent = payment([coin], [(us.script, 30_000)], change=PURSE)
    malleated = payment([coin], [(us.script, 30_000)], change=PURSE, salt=b"\x02")
    assert sent.txid != malleated.txid
    here.node.send(sent)
    here.look()
    here.node.mine(1, [malleated])
    here.look()
    here.settle()
    assert [(row["tx"], row["units"]) for row in here.rows()] == [(malleated.txid, "30000")]
    assert {row["tx"] for row in here.rows("replaced")} <= {sent.txid}
    here.check()


WRONG = {
    "test net": ("tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy", "another Bitcoin network"),
    "regtest": (Lock(1).address(), "another Bitcoin network"),
    "bcoin's regtest": (Lock(1).address("rb"), "which no Bitcoin address holds"),
    "Litecoin": ("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", "another coin"),
    "TRON": ("TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V", "another coin"),
    "mixed case": ("bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsD", "mixes upper and lower case"),
    "v1 in bech32": ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "must be bech32m"),
    "v0 in bech32m": ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "version 0 uses bech32"),
}


@pytest.mark.parametrize("name", WRONG)
def test_b11_an_address_that_is_not_of_the_chain_stops_the_start(name: str, tmp_path: Path) -> None:
    address, words = WRONG[name]
    (tmp_path / "support.toml").write_text(
        '[publisher]\nname = "News"\n[[methods]]\nkey = "btc"\nrail = "bitcoin"\nnetwork = "bitcoin"\n'
        f'address = "{address}"\n[networks.bitcoin]\nrail = "bitcoin"\nchain = "main"\n'
        '[[assets]]\ncode = "BTC"\nnetwork = "bitcoin"\nexponent = 8\n'
    )
    with pytest.raises(SettingsError, match=words):
        assemble(tmp_path / "support.toml")


NOT_READY = {
    "it loads the chain": (
        {"initialblockdownload": True, "headers": 900_000},
        r"still loading its chain: block \d+ of 900000",
    ),
    "it knows headers alone": ({"headers": 900_000}, "it is not up to date"),
}


@pytest.mark.parametrize("name", NOT_READY)
def test_b12_a_node_that_is_not_ready_confirms_nothing_and_claims_nothing(name: str, bitcoin: MakeBitcoin) -> None:
    told, words = NOT_READY[name]
    us = new_lock()
    here = bitcoin("core", us)
    here.node.pay((us.script, 6_000))
    here.node.mine(5)

    def early(request: Json, answer: Json) -> Json:
        if request["method"] == "getblockchaininfo":
            answer["result"].update(told)
        return answer

    here.core.bend = early
    is_down_and_nothing_moves(here, words)
    here.core.bend = lambda _request, answer: answer
    here.look()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 6_000)]
    here.check()


def test_b12_a_node_that_warms_up_says_so_and_is_waited_for(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("core", us)
    here.node.pay((us.script, 6_000))
    here.node.mine(5)
    error = {"code": -28, "message": "Verifying blocks..."}
    here.core.bend = lambda request, _answer: {"id": request["id"], "result": None, "error": error}
    is_down_and_nothing_moves(here, "Verifying blocks")
    here.core.bend = lambda _request, answer: answer
    here.look()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 6_000)]
    here.check()


def test_b12_a_pruned_node_names_the_blocks_that_it_lacks(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("core", us)
    here.node.pay((us.script, 6_000))
    here.node.mine(5)
    low = here.base + 3

    def pruned(request: Json, answer: Json) -> Json:
        if request["method"] == "getblockchaininfo":
            answer["result"].update({"pruned": True, "pruneheight": low})
        return answer

    here.core.bend = pruned
    is_down_and_nothing_moves(here, f"pruned and keeps blocks from {low} on")
    # Esplora knows the history: it takes over where it is set as well, and nothing is lost.
    here.settings["esplora"] = [here.esplora.url]
    here.restart()
    here.look()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 6_000)]
    here.check()


@both
def test_b13_a_flood_of_dust_is_recorded_whole(kind: str, bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin(kind, us)
    for _ in range(5):
        here.node.pay(*[(us.script, 546)] * 1_000)
    here.node.pay((us.script, 1_000_000))
    here.node.mine()
    here.look()
    here.settle()
    rows = here.rows("confirmed")
    assert len(rows) == 5_001
    assert sum(int(row["units"]) for row in rows) == 5_000 * 546 + 1_000_000
    assert sum(row["units"] == "546" for row in rows) == 5_000
    # The newest gifts are a page, whatever else came.
    assert len(here.ledger.donations(limit=20)) == 20
    here.check()


def is_down_and_nothing_moves(here: BitcoinWorld, words: str) -> None:
    """Look, and see that the source says why it cannot, and that neither cursor nor money moved."""
    before, rows = here.ledger.cursor(here.source.name), here.rows(*EVERY_STATE)
    with pytest.raises(SourceDown, match=words) as caught:
        here.look()
    assert "SECRET" not in str(caught.value)
    assert here.ledger.cursor(here.source.name) == before
    assert here.rows(*EVERY_STATE) == rows
