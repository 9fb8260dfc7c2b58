"""Chainlink feeds: a real contract with the feeds' interface on a real node, read at the block of the gift."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support_service import watcher
from support_service.assembly import assemble, build_sources, build_valuation
from support_service.ledger import Ledger
from support_service.rails.evm.address import checksummed
from support_service.rails.source import SourceDown, SourceLied
from support_service.rates import Rate, WantedRate
from support_service.rates.chainlink import ChainlinkFeeds
from support_service.rates.settings import Feed
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import CHAIN_ID, ETHER, OURS, Node, call_data
from tests.fixtures.rates import Bank, RatesServer
from tests.fixtures.service import write_settings

pytestmark = pytest.mark.node

NETWORK = "local"
Deploy = Callable[..., Feed]


@pytest.fixture
def deploy(node: Node) -> Deploy:
    """Deploy a feed with eight decimals, as most have."""

    def make(name: str = "ETH / USD", *, decimals: int = 8, asset: str = "ETH") -> Feed:
        contract = node.deploy("PriceFeed", decimals, int.from_bytes(name.encode().ljust(32, b"\0"), "big"))
        return Feed(NETWORK, checksummed(contract), asset, "USD")

    return make


def feeds(url: str, *known: Feed, chain_id: int = CHAIN_ID) -> ChainlinkFeeds:
    return ChainlinkFeeds(known, {NETWORK: {"rail": "evm", "chain_id": chain_id, "rpc": [url]}})


def give(node: Node, feed: Feed, answer: int, at: datetime) -> None:
    """Write the next round into the feed, in a block of its own."""
    node.send(feed.contract, data=call_data("give(int256,uint256)", answer % 2**256, int(at.timestamp())))
    node.mine()


def head(node: Node) -> tuple[str, datetime]:
    block = node.ask("eth_getBlockByNumber", "latest", False)
    return str(block["hash"]), datetime.fromtimestamp(int(block["timestamp"], 16), UTC)


def here(node: Node, asset: str = "ETH") -> WantedRate:
    """Ask about a gift in the head block."""
    block_hash, at = head(node)
    return WantedRate(asset, "USD", at, NETWORK, block_hash)


def value(rate: Rate | None) -> Decimal | None:
    return None if rate is None else rate.value


def test_the_price_is_the_one_the_chain_held_at_the_gifts_block(node: Node, deploy: Deploy) -> None:
    feed = deploy()
    give(node, feed, 2_500_50000001, head(node)[1])
    asked = here(node)
    give(node, feed, 9_999_00000000, head(node)[1])
    source = feeds(node.url, feed)
    rate = source.rate(asked)
    assert rate is not None
    assert (rate.value, rate.source) == (Decimal("2500.50000001"), "chainlink")
    assert value(source.rate(here(node))) == Decimal(9999)


@pytest.mark.parametrize("decimals", [0, 8, 18])
def test_a_feed_says_itself_how_many_decimals_it_has(node: Node, deploy: Deploy, decimals: int) -> None:
    feed = deploy(decimals=decimals)
    give(node, feed, 2_500 * 10**decimals, head(node)[1])
    assert value(feeds(node.url, feed).rate(here(node))) == 2_500


def test_where_the_blocks_state_is_gone_the_round_of_that_time_is_found(node: Node, deploy: Deploy) -> None:
    feed, (_, start) = deploy(), head(node)
    for place in range(11):
        give(node, feed, (1_000 + place) * 10**8, start + timedelta(minutes=place))
    source = feeds(node.url, feed)
    for place in range(11):
        at = start + timedelta(minutes=place, seconds=59)
        for block_hash in (None, "0x" + "ab" * 32):
            assert value(source.rate(WantedRate("ETH", "USD", at, NETWORK, block_hash))) == 1_000 + place
    assert source.rate(WantedRate("ETH", "USD", start - timedelta(seconds=1), NETWORK)) is None


def test_a_gift_on_another_chain_is_valued_by_time(node: Node, deploy: Deploy) -> None:
    feed, (_, start) = deploy("BTC / USD", asset="BTC"), head(node)
    give(node, feed, 100_000 * 10**8, start)
    give(node, feed, 200_000 * 10**8, start + timedelta(hours=1))
    asked = WantedRate("BTC", "USD", start + timedelta(minutes=30), "bitcoin", "00" * 32)
    assert value(feeds(node.url, feed).rate(asked)) == 100_000


def test_a_stale_feed_has_no_price(node: Node, deploy: Deploy) -> None:
    feed = deploy()
    give(node, feed, 2_500 * 10**8, head(node)[1] - timedelta(hours=26))
    assert feeds(node.url, feed).rate(here(node)) is None


def test_a_pair_without_a_feed_has_no_price(node: Node, deploy: Deploy) -> None:
    assert feeds(node.url, deploy()).rate(here(node, "DAI")) is None


@pytest.mark.parametrize("answer", [0, -1, 10**60])
def test_a_price_that_can_be_none_is_not_believed(node: Node, deploy: Deploy, answer: int) -> None:
    feed = deploy()
    give(node, feed, answer, head(node)[1])
    with pytest.raises(SourceLied, match="cannot be an exchange rate"):
        feeds(node.url, feed).rate(here(node))


def test_the_feed_of_another_pair_is_refused(node: Node, deploy: Deploy) -> None:
    feed = deploy("BTC / USD")
    give(node, feed, 100_000 * 10**8, head(node)[1])
    with pytest.raises(SourceLied, match=r"says that it is 'BTC / USD'"):
        feeds(node.url, feed).rate(here(node))


@pytest.mark.parametrize("contract", [OURS[0], "PlainToken"])
def test_a_contract_that_is_no_feed_is_refused(node: Node, contract: str) -> None:
    address = contract if contract.startswith("0x") else node.deploy(contract)
    with pytest.raises(SourceLied, match="is no price feed"):
        feeds(node.url, Feed(NETWORK, address, "ETH", "USD")).rate(here(node))


def test_a_node_of_another_chain_is_refused(node: Node, deploy: Deploy) -> None:
    with pytest.raises(SourceLied, match="on chain 31337, not on 1"):
        feeds(node.url, deploy(), chain_id=1).rate(here(node))


def test_a_node_that_is_down_gives_way_to_the_next(node: Node, deploy: Deploy) -> None:
    feed = deploy()
    give(node, feed, 2_500 * 10**8, head(node)[1])
    with Proxy(node.url) as unplugged:
        unplugged.is_unplugged = True
        table = {"rail": "evm", "chain_id": CHAIN_ID, "rpc": [unplugged.url, node.url]}
        assert value(ChainlinkFeeds([feed], {NETWORK: table}).rate(here(node))) == 2_500
        with pytest.raises(SourceDown):
            feeds(unplugged.url, feed).rate(here(node))


SETTINGS = """
[publisher]
name = "Example"

[[methods]]
key = "eth"
rail = "evm"
network = "local"
address = "{ours}"
assets = ["ETH", "USDT"]
start_block = 0

[networks.local]
rail = "evm"
chain_id = 31337
rpc = ["{node}"]

[[assets]]
code = "ETH"
network = "local"
exponent = 18

[[assets]]
code = "USDT"
network = "local"
contract = "{token}"
exponent = 6

[value]
sources = ["nbu", "chainlink"]
nbu_url = "{bank}"

[[value.feeds]]
network = "local"
contract = "{eth}"
asset = "ETH"

[[value.feeds]]
network = "local"
contract = "{usdt}"
asset = "USDT"
"""


@pytest.fixture
def bank(node: Node) -> Iterator[RatesServer]:
    # The bank's day is Kyiv's, two or three hours ahead of UTC by the season.
    day = head(node)[1].astimezone(ZoneInfo("Europe/Kyiv")).strftime("%d.%m.%Y")
    with RatesServer(Bank({"USD": {day: "41.6"}})) as running:
        yield running


def test_gifts_on_the_chain_are_valued_by_the_feeds_of_the_same_node(
    tmp_path: Path, node: Node, deploy: Deploy, bank: RatesServer
) -> None:
    token, eth, usdt = checksummed(node.deploy("PlainToken")), deploy(), deploy("USDT / USD", asset="USDT")
    file = write_settings(
        tmp_path,
        SETTINGS.format(ours=OURS[0], node=node.url, token=token, bank=bank.url, eth=eth.contract, usdt=usdt.contract),
    )
    give(node, eth, 2_500_50000000, head(node)[1])
    give(node, usdt, 99870000, head(node)[1])
    node.send(OURS[0], ETHER)
    node.call(token, "transfer(address,uint256)", OURS[0], 1_000_000_000)
    node.mine(10)
    give(node, usdt, 50000000, head(node)[1])
    assembly, url = assemble(file), f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger, clock = Ledger(url), lambda: datetime.now(UTC)
    sources = [
        *build_sources(assembly, ledger, clock=clock),
        *build_valuation(assembly, ledger.unvalued, clock=clock),
    ]
    outcomes = watcher.run_once(sources, ledger)
    assert [outcome.reason for outcome in outcomes] == ["", ""]
    told = {
        row["asset"]: (row["state"], row["value"] and {**row["value"], "at": None})  # type: ignore[dict-item]
        for row in ledger.export()
    }
    money = {"currency": "UAH", "source": "chainlink+nbu", "at": None}
    assert told == {
        "ETH": ("confirmed", {**money, "units": "10402080", "rate": "104020.8"}),
        "USDT": ("confirmed", {**money, "units": "4154592", "rate": "41.54592"}),
    }
    assert [row["value"]["at"] == row["occurred_at"] for row in ledger.export()] == [True, True]  # type: ignore[index]
    assert ledger.verify() == []
    ledger.dispose()
