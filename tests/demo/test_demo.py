"""The demo as a newcomer meets it: one command, real transfers, nothing left behind."""

import json
import re
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from support_service.demo import bitcoin_chain as demo_bitcoin
from support_service.demo import evm_chain as demo_chain
from support_service.demo import gifts
from support_service.demo.bitcoin_chain import on_this_chain
from support_service.demo.evm_chain import LocalChain
from support_service.supervisor import ProcessError
from tests.fixtures.browser import Visit, Visitor
from tests.fixtures.node import CHAIN_ID, Node, start_node
from tests.fixtures.service import Running, Start, answer, free_port, until

# Two busy cores start six processes slowly; nobody waits that long where there is room.
BUSY_SECONDS_MAX = 150
PAPER = "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd"

PRESS_AGAIN_MS = 1_500


def started(start: Start, tmp_path: Path, **env: str) -> tuple[Running, str]:
    """Start the demo on a machine where a real service is set up, and wait until it says where it is."""
    port = free_port()
    own = {"SUPPORT__DATABASE__URL": f"sqlite:///{tmp_path / 'own.db'}", "SUPPORT_CONFIG": "/no/such.toml"}
    demo = start("demo", "--port", port, env={"TMPDIR": str(tmp_path), **own, **env})
    until(lambda: "Stop with Ctrl-C" in demo.printed() or demo.process.poll() is not None, seconds=BUSY_SECONDS_MAX)
    assert demo.process.poll() is None, demo.complained()
    return demo, f"http://127.0.0.1:{port}"


def tells(demo: Running, words: str) -> bool:
    """Tell whether the demo has said these words."""
    return words in demo.printed()


def look_around(demo: Running, page: str) -> None:
    """Open what the demo names, as a newcomer does."""
    status, support = answer(f"{page}/support")
    assert status == 200
    for value in ("5169335101647408", "UA043052990000026007015028783", "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"):
        assert value in support
    assert on_this_chain(PAPER) in support
    assert PAPER not in support
    assert "demo" in support.lower()
    assert "demo" in answer(f"{page}/widget")[1].lower()
    assert "demo" in answer(f"{page}/widget.js")[1].lower()
    article = re.search(r"Sample article:\s+(\S+)", demo.printed())
    assert article
    assert f"{page}/widget.js" in answer(article[1])[1]
    assert re.search(r"log in as \S+ with password \S+", demo.printed())
    assert answer(f"{page}/staff/login")[0] == 200


def give_by_card(visitor: Visitor, origin: str) -> None:
    """Give as a person does, from the support page to the thanks."""
    page = visitor.page
    page.goto(f"{origin}/support?lang=en")
    page.click("#sum .presets.for-once.in-0 .preset >> nth=1")
    page.click("#method-stripe .button")

    def is_at_payment() -> bool:
        """Press; a page that nobody can have read yet asks for a moment, and goes on by itself."""
        with suppress(PlaywrightTimeout):
            page.click("form[action^='/card'] .button", timeout=PRESS_AGAIN_MS)
        return "/c/pay/" in page.url

    until(is_at_payment)
    assert "stands in for Stripe" in page.inner_text(".banner")
    page.click("button[value=pay]")
    page.wait_for_selector("text=Received. Thank you!")
    assert visitor.complaints == [] or all("429" in one for one in visitor.complaints)


@pytest.mark.node
@pytest.mark.browser
def test_a_newcomer_sees_gifts_on_three_chains_and_by_card_arrive(start: Start, visit: Visit, tmp_path: Path) -> None:
    demo, page = started(start, tmp_path)
    look_around(demo, page)
    assert "no real card is charged" in demo.printed()
    give_by_card(visit(), page)
    for gift in ("0.02 ETH", "0.0005 BTC", "12.34 USDT", "10 EUR", "50 UAH", "125 UAH"):
        until(partial(tells, demo, f"  confirmed     {gift} "), seconds=BUSY_SECONDS_MAX, what=demo.printed())
    told = demo.printed()
    for gift in ("0.02 ETH", "0.0005 BTC", "12.34 USDT"):
        assert told.index(f"seen          {gift}") < told.index(f"confirmed     {gift}")
    assert "paid out by a contract" in told
    assert "on the IBAN, with the code" in told
    assert "on the card, without a code" in told
    totals = {total["asset"] for total in json.loads(answer(f"{page}/totals.json")[1])["totals"]}
    assert totals >= {"ETH", "BTC", "USDT", "EUR"}
    odd = [line for line in demo.complained().splitlines() if " INFO " not in line]
    assert all("card_attempt_held" in line for line in odd), odd
    assert demo.stop(signal.SIGINT) == 0
    assert not demo.descendants()
    assert not list(tmp_path.glob("support-demo-*")), "the temporary folder is gone"
    assert not (tmp_path / "own.db").exists(), "the publisher's own database was not touched"


@pytest.mark.node
def test_the_demo_goes_on_where_bitcoins_node_is_missing_and_nothing_outlives_it(start: Start, tmp_path: Path) -> None:
    demo, page = started(start, tmp_path, PATH="")
    assert "the local Bitcoin node (bcoin) is missing; `make setup` installs it. Going on without" in demo.printed()
    assert PAPER in answer(f"{page}/support")[1]
    assert demo.descendants()
    demo.stop(signal.SIGKILL)
    until(lambda: not demo.descendants())


def test_gifts_of_all_kinds_come_soon_and_none_in_bitcoin_where_its_chain_is_missing() -> None:
    mixed = gifts(has_bitcoin=True)
    assert [gift.asset for gift in mixed[:4]] == ["ETH", "BTC", "USDT", "ETH"]
    assert [gift for gift in mixed if gift.asset != "BTC"] == list(gifts(has_bitcoin=False)) == list(demo_chain.GIFTS)
    assert [gift for gift in mixed if gift.asset == "BTC"] == list(demo_bitcoin.GIFTS)


@pytest.mark.node
def test_the_demo_sends_to_its_own_chain_alone(node: Node) -> None:
    chain = LocalChain(node.url)
    chain.claim()
    other = start_node(extra=["--chain-id", "1"])
    try:
        with pytest.raises(ProcessError, match=str(CHAIN_ID)):
            LocalChain(other.url).claim()
    finally:
        other.stop()


@pytest.mark.parametrize("url", ["http://10.0.0.1:8545", "https://rpc.example.com", "http://127.0.0.1.example.com"])
def test_the_demo_talks_to_this_machine_alone(url: str) -> None:
    with pytest.raises(ProcessError):
        LocalChain(url)


def test_a_missing_node_is_one_clear_line(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProcessError, match="make setup"):
        demo_chain.node_child(tmp_path, 1, {})
