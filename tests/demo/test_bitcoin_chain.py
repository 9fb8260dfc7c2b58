"""The demo's Bitcoin node: it gives on its own regtest chain alone, and is one clear line where it is missing."""

from pathlib import Path

import pytest

from support_service.demo import bitcoin_chain as demo_bitcoin
from support_service.demo.bitcoin_chain import GIFTS, LocalBitcoin, on_this_chain
from support_service.demo.bitcoin_transactions import (
    Lock,
    UnsignedTransaction,
    UnspentOutput,
    compact,
    payment,
    witness_script,
)
from support_service.supervisor import ProcessError
from tests.fixtures.bitcoin_node import BitcoinNode, new_process, stop_process

PAPER = "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd"


@pytest.mark.node
def test_readers_give_on_a_new_chain_and_every_gift_comes_into_a_block(tmp_path: Path) -> None:
    process, port, password = new_process(tmp_path)
    try:
        chain = LocalBitcoin(demo_bitcoin.node_url(port, password))
        chain.claim()
        sent = [chain.give(gift, on_this_chain(PAPER)) for gift in GIFTS]
        block = chain.ask("getblock", chain.mine(), True, True)
        assert [one["txid"] for one in block["tx"]][1:] == sent
        paid = [one["vout"][0] for one in block["tx"]][1:]
        assert {one["scriptPubKey"]["hex"] for one in paid} == {witness_script(PAPER).hex()}
        assert [int(one["value"].scaleb(8)) for one in paid] == [gift.units for gift in GIFTS]
        with pytest.raises(ProcessError, match="new regtest chain alone"):
            chain.claim()
        with pytest.raises(ProcessError, match="refused getblockhash"):
            chain.ask("getblockhash", 10_000)
        assert list(tmp_path.iterdir()) == [], "nothing is written to disk"
    finally:
        stop_process(process)


@pytest.mark.node
def test_a_chain_that_others_use_is_not_claimed(bitcoin_node: BitcoinNode) -> None:
    with pytest.raises(ProcessError, match="another"):
        LocalBitcoin(bitcoin_node.rpc_url).claim()


@pytest.mark.parametrize("url", ["http://10.0.0.1:8332", "https://rpc.example.com", "http://127.0.0.1.example.com"])
def test_it_talks_to_this_machine_alone(url: str) -> None:
    with pytest.raises(ProcessError):
        LocalBitcoin(url)


def test_a_node_that_does_not_answer_is_not_up() -> None:
    assert not LocalBitcoin("http://demo:x@127.0.0.1:9").is_up()


def test_a_missing_node_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(ProcessError, match="make setup"):
        demo_bitcoin.node_child(tmp_path, 1, "secret", {})


def test_the_password_is_not_among_what_other_users_see(tmp_path: Path) -> None:
    child = demo_bitcoin.node_child(tmp_path, 1, "secret-word", {"PATH": "/bin"})
    assert "secret-word" not in " ".join(child.command)
    assert child.environment["BCOIN_API_KEY"] == "secret-word"


def test_an_address_is_the_same_script_on_every_network() -> None:
    here = on_this_chain(PAPER)
    assert here.startswith("bcrt1q")
    assert witness_script(here) == witness_script(PAPER) == bytes.fromhex("0014") + witness_script(PAPER)[2:]


@pytest.mark.parametrize(
    ("number", "written"), [(0, "00"), (252, "fc"), (253, "fdfd00"), (65_535, "fdffff"), (65_536, "fe00000100")]
)
def test_a_count_is_written_in_the_shortest_form(number: int, written: str) -> None:
    assert compact(number).hex() == written


def test_an_id_leaves_witnesses_out_and_a_legacy_one_can_be_changed() -> None:
    segwit, legacy = (
        UnspentOutput("ab" * 32, 0, 1_000, Lock(1)),
        UnspentOutput("ab" * 32, 0, 1_000, Lock(1, is_segwit=False)),
    )
    to = [(Lock(2).script, 900)]
    ids = {payment([segwit], to, change=Lock(3), fee_units=100, salt=salt).txid for salt in (b"\x01", b"\x02")}
    assert len(ids) == 1
    assert len({UnsignedTransaction((legacy,), tuple(to), salt).txid for salt in (b"\x01", b"\x02")}) == 2
    assert payment([segwit], to, change=Lock(3), fee_units=40).outputs[-1] == (Lock(3).script, 60)
