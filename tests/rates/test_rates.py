"""What gifts were worth: official and market rates as they are published, exact, late if need be, never invented."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service import watcher
from support_service.assembly import assemble, build_valuation
from support_service.giving import Direction, Kind, State, ValueClaim
from support_service.ledger import ForPeople, Health, Ledger
from support_service.ledger.export import json_lines
from support_service.money import Asset, worth
from support_service.rails.source import Source, SourceDown, SourceLied
from support_service.rates import Rate, RateSource, WantedRate
from support_service.rates.conversion import convert, rate_text
from support_service.rates.http import ANSWER_BYTES_MAX
from support_service.rates.market import Market
from support_service.rates.nbu import NationalBank
from support_service.rates.valuation import POLL_SECONDS, Valuation
from support_service.settings import SettingsError
from support_service.web.staff.words import tell
from tests.fixtures.http_servers import Reply
from tests.fixtures.rates import Bank, Exchange, FrozenClock, RatesServer, candles, nbu_reply
from tests.fixtures.reports import NOON, gift, polled, pushed, refund, transfer
from tests.fixtures.service import SEED, Command, write_settings

UAH, ETH, EUR = Asset("UAH", 2), Asset("ETH", 18, "ethereum"), Asset("EUR", 2)
FRIDAY, SATURDAY, MONDAY = (datetime(2026, 5, day, 12, tzinfo=UTC) for day in (1, 2, 4))
DOLLAR = {"USD": {"01.05.2026": "41.6", "04.05.2026": "41.75"}, "EUR": {"01.05.2026": "48.0312"}}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON + timedelta(hours=3))


@pytest.fixture
def server(clock: FrozenClock) -> Iterator[RatesServer]:
    prices = {"ETHUSD": "2500.5", "XBTUSD": "100000.1", "USDTUSD": "0.9987"}
    with RatesServer(Bank(DOLLAR), Exchange(prices, clock)) as running:
        yield running


@pytest.fixture
def ledger(sqlite_url: str, clock: FrozenClock) -> Iterator[Ledger]:
    made = Ledger(sqlite_url, clock=clock)
    yield made
    made.dispose()


@pytest.fixture
def valuation(server: RatesServer, ledger: Ledger, clock: FrozenClock) -> Valuation:
    return Valuation(UAH, both(server, clock), ledger.unvalued, clock=clock)


def bank(server: RatesServer) -> NationalBank:
    return NationalBank(server.url, pause=lambda _: None)


def market(server: RatesServer, clock: FrozenClock) -> Market:
    return Market(server.url, clock=clock, pause=lambda _: None)


def both(server: RatesServer, clock: FrozenClock) -> list[RateSource]:
    return [bank(server), market(server, clock)]


def fiat(code: str, at: datetime, currency: str = "UAH") -> WantedRate:
    return WantedRate(code, currency, at)


def coin(code: str, at: datetime, currency: str = "USD") -> WantedRate:
    return WantedRate(code, currency, at, "ethereum", "0xblock")


def values(ledger: Ledger) -> list[object]:
    return [row["value"] for row in ledger.export()]


def told(rate: Rate | None) -> tuple[Decimal, str] | None:
    return None if rate is None else (rate.value, rate.told_at.date().isoformat())


# The National Bank of Ukraine


@pytest.mark.parametrize(
    ("at", "rate", "day"),
    [
        (FRIDAY, "41.6", "2026-05-01"),
        (SATURDAY, "41.6", "2026-05-01"),
        (MONDAY, "41.75", "2026-05-04"),
        # Kyiv is three hours ahead in May: this Sunday night is Monday there.
        (datetime(2026, 5, 3, 22, tzinfo=UTC), "41.75", "2026-05-04"),
        (datetime(2026, 5, 3, 20, 59, tzinfo=UTC), "41.6", "2026-05-01"),
    ],
)
def test_the_official_rate_is_that_of_the_day_in_kyiv(server: RatesServer, at: datetime, rate: str, day: str) -> None:
    assert told(bank(server).rate(fiat("USD", at))) == (Decimal(rate), day)


def test_an_official_rate_is_asked_for_once_a_day_and_as_documented(server: RatesServer) -> None:
    asked = bank(server)
    asked.rate(fiat("USD", FRIDAY))
    asked.rate(fiat("USD", FRIDAY + timedelta(hours=3)))
    assert server.asked == [
        ("/NBUStatService/v1/statdirectory/exchange", {"valcode": "USD", "date": "20260501", "json": ""})
    ]


def test_an_official_rate_keeps_every_digit(server: RatesServer) -> None:
    server.bank = lambda _: nbu_reply("USD", "41.600000000000000001", "01.05.2026")
    assert told(bank(server).rate(fiat("USD", FRIDAY))) == (Decimal("41.600000000000000001"), "2026-05-01")


def test_two_foreign_currencies_meet_over_the_hryvnia(server: RatesServer) -> None:
    rate = bank(server).rate(fiat("EUR", FRIDAY, "USD"))
    assert rate is not None
    assert rate.value == Decimal("1.154596153846")  # 48.0312 / 41.6, 12 decimals


def test_the_bank_knows_no_token_whatever_its_name(server: RatesServer) -> None:
    assert bank(server).rate(coin("USD", FRIDAY, "UAH")) is None
    assert server.asked == []


def test_a_currency_that_is_not_quoted_has_no_rate(server: RatesServer) -> None:
    assert bank(server).rate(fiat("GBP", FRIDAY)) is None


@pytest.mark.parametrize(
    "reply",
    [
        nbu_reply("EUR", "41.6", "01.05.2026"),
        nbu_reply("USD", "-41.6", "01.05.2026"),
        nbu_reply("USD", "0", "01.05.2026"),
        nbu_reply("USD", "1e400", "01.05.2026"),
        nbu_reply("USD", '"41.6"', "01.05.2026"),
        nbu_reply("USD", "null", "01.05.2026"),
        nbu_reply("USD", "true", "01.05.2026"),
        nbu_reply("USD", "41.6", "02.05.2026"),
        nbu_reply("USD", "41.6", "01.04.2026"),
        nbu_reply("USD", "41.6", "2026-05-01"),
        Reply(b'{"message": "Wrong parameters format"}'),
        Reply(b"[[]]"),
        Reply(b"null"),
    ],
    ids=lambda reply: reply.body.decode("ascii", "ignore")[-60:],
)
def test_an_official_answer_to_another_question_is_not_believed(server: RatesServer, reply: Reply) -> None:
    server.bank = lambda _: reply
    with pytest.raises(SourceLied, match="nbu"):
        bank(server).rate(fiat("USD", FRIDAY))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(None),
        Reply(b"busy", 503),
        Reply(b"gone", 404),
        Reply(b"", 302, {"Location": "https://elsewhere.example/"}),
        Reply(b"<!doctype html><title>Maintenance</title>"),
        Reply(b"[" * (ANSWER_BYTES_MAX + 1)),
        Reply(b"[" * 100_000),
        Reply(b'[{"rate": NaN}]'),
        Reply(b"\xff\xfe"),
        Reply(b'[{"rate":' + b"9" * 5_000 + b"}]"),
    ],
    ids=["hung-up", "busy", "gone", "elsewhere", "html", "huge", "nested", "nan", "no-text", "endless"],
)
def test_no_answer_of_use_is_a_passing_fault(server: RatesServer, reply: Reply) -> None:
    server.bank = lambda _: reply
    with pytest.raises(SourceDown, match=r"127\.0\.0\.1"):
        bank(server).rate(fiat("USD", FRIDAY))
    assert len(server.asked) == 2


# The market


def test_the_market_price_is_the_last_one_before_the_gift(server: RatesServer, clock: FrozenClock) -> None:
    minutes = [(NOON + timedelta(minutes=place), str(2_000 + place)) for place in range(10)]
    server.market = lambda _: candles("XETHZUSD", *minutes)
    asked = market(server, clock)
    at = NOON + timedelta(minutes=5, seconds=30)
    rate = asked.rate(coin("ETH", at))
    assert rate is not None
    assert (rate.value, rate.told_at) == (Decimal(2004), NOON + timedelta(minutes=5))
    assert server.asked == [("/0/public/OHLC", {"pair": "ETHUSD", "interval": "1"})]


def test_what_has_closed_is_asked_for_once(server: RatesServer, clock: FrozenClock) -> None:
    asked = market(server, clock)
    for minutes in range(5):
        assert asked.rate(coin("ETH", NOON + timedelta(minutes=minutes))) is not None
    assert len(server.asked) == 1
    clock.tick(minutes=10)
    assert asked.rate(coin("ETH", clock.now)) is not None
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("age", "interval"),
    [
        (timedelta(minutes=1), "1"),
        (timedelta(days=1), "5"),
        (timedelta(days=3), "15"),
        (timedelta(days=20), "60"),
        (timedelta(days=100), "240"),
        (timedelta(days=600), "1440"),
    ],
)
def test_an_old_gift_is_valued_from_coarser_candles(
    server: RatesServer, clock: FrozenClock, age: timedelta, interval: str
) -> None:
    rate = market(server, clock).rate(coin("BTC", clock.now - age))
    assert rate is not None
    assert rate.value == Decimal("100000.1")
    assert rate.told_at <= clock.now - age
    assert server.asked[0][1] == {"pair": "XBTUSD", "interval": interval}


def test_a_gift_older_than_the_market_remembers_has_no_rate(server: RatesServer, clock: FrozenClock) -> None:
    assert market(server, clock).rate(coin("ETH", clock.now - timedelta(days=701))) is None
    assert server.asked == []


def test_a_price_of_yesterday_is_not_the_price_of_now(server: RatesServer, clock: FrozenClock) -> None:
    server.market = lambda _: candles("XETHZUSD", (NOON - timedelta(days=1), "2000"))
    assert market(server, clock).rate(coin("ETH", NOON)) is None


def test_a_pair_that_is_not_traded_has_no_rate(server: RatesServer, clock: FrozenClock) -> None:
    assert market(server, clock).rate(coin("DAI", NOON)) is None


def test_a_market_that_is_too_busy_is_down(server: RatesServer, clock: FrozenClock) -> None:
    server.market = lambda _: Reply.of({"error": ["EGeneral:Too many requests"]})
    with pytest.raises(SourceDown, match="Too many requests"):
        market(server, clock).rate(coin("ETH", NOON))


@pytest.mark.parametrize(
    "reply",
    [
        candles("XETHZUSD", (NOON, "-1")),
        candles("XETHZUSD", (NOON, "0")),
        candles("XETHZUSD", (NOON, "NaN")),
        candles("XETHZUSD", (NOON, "1e9")),
        Reply.of({"error": [], "result": {"XETHZUSD": [[1, 2]], "last": 0}}),
        Reply.of({"error": [], "result": {"XETHZUSD": [[10**30, "1", "1", "1", "1"]], "last": 0}}),
        Reply.of({"error": [], "result": {"XETHZUSD": [], "XXBTZUSD": []}}),
        Reply.of({"error": [], "result": []}),
        Reply.of([]),
    ],
    ids=lambda reply: reply.body.decode("ascii", "ignore")[:60],
)
def test_a_market_that_answers_nonsense_is_not_believed(server: RatesServer, clock: FrozenClock, reply: Reply) -> None:
    server.market = lambda _: reply
    with pytest.raises(SourceLied, match="market"):
        market(server, clock).rate(coin("ETH", NOON))


# Arithmetic


def rates(**known: str) -> Callable[[WantedRate], Rate | None]:
    def ask(asked: WantedRate) -> Rate | None:
        value = known.get(f"{asked.asset}_{asked.currency}")
        return Rate(asked.asset, asked.currency, Decimal(value), asked.asset.lower(), asked.at) if value else None

    return ask


def test_a_direct_rate_comes_before_the_way_over_the_dollar() -> None:
    ask = rates(ETH_UAH="100000", ETH_USD="2500", USD_UAH="41")
    found = convert(coin("ETH", NOON, "UAH"), ask)
    assert found is not None
    assert (found.rate, found.source) == (Decimal(100_000), "eth")


def test_two_steps_are_multiplied_without_rounding() -> None:
    ask = rates(ETH_USD="2500.12345678901234567", USD_UAH="41.123456789012345678901")
    found = convert(coin("ETH", NOON, "UAH"), ask)
    assert found is not None
    assert rate_text(found.rate) == "102813.71894245912360855815154855456663770867"
    assert found.source == "eth+usd"


def test_half_a_way_is_no_rate() -> None:
    assert convert(coin("ETH", NOON, "UAH"), rates(ETH_USD="2500")) is None
    assert convert(coin("ETH", NOON, "UAH"), rates(USD_UAH="41")) is None


def test_the_publishers_own_currency_needs_nobody() -> None:
    found = convert(fiat("UAH", NOON), rates())
    assert found is not None
    assert (str(found.rate), found.steps) == ("1", ())
    assert convert(coin("UAH", NOON, "UAH"), rates()) is None


@pytest.mark.parametrize(
    ("units", "rate", "kopiykas"),
    [
        (1, "100000", 0),
        (10**18, "100000.005", 10_000_000),
        (10**18, "100000.015", 10_000_002),
        (10**18, "100000.0150000000000000000001", 10_000_002),
        (10**18, "100000.0050000000000000000001", 10_000_001),
        (10_000 * 10**18, "125321.0625", 125_321_062_500),
        (10_000 * 10**18 + 1, "125321.0625", 125_321_062_500),
        (2**256 - 1, "1", (2**256 - 1) // 10**16),
    ],
)
def test_a_value_is_rounded_once_half_to_even(units: int, rate: str, kopiykas: int) -> None:
    assert worth(units, ETH, Decimal(rate), UAH) == kopiykas


@given(st.integers(0, 2**256), st.decimals("0.000001", 10**9, places=8), st.integers(0, 18), st.integers(0, 18))
def test_a_value_is_never_off_by_more_than_half_a_unit(units: int, rate: Decimal, one: int, other: int) -> None:
    value = worth(units, Asset("A", one), rate, Asset("B", other))
    scaled = int(rate.scaleb(8)) * units * 10**other
    assert abs(2 * (value * 10 ** (8 + one) - scaled)) <= 10 ** (8 + one)


@pytest.mark.parametrize(("rate", "text"), [("41.60", "41.6"), ("1E+2", "100"), ("1E-8", "0.00000001"), ("10", "10")])
def test_a_rate_is_written_plainly(rate: str, text: str) -> None:
    assert rate_text(Decimal(rate)) == text


# Stamping


def test_a_confirmed_gift_gets_the_value_it_had_when_it_came(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(polled(1, transfer(units=10**18, state=State.CONFIRMED)))
    assert watcher.turn(valuation, ledger)
    assert values(ledger) == [
        {
            "currency": "UAH",
            "units": "10402080",
            "rate": "104020.8",  # 2500.5 * 41.6
            "source": "market+nbu",
            "at": "2026-05-01T12:00:00Z",
        }
    ]
    assert ledger.verify() == []


def test_what_is_only_seen_or_is_no_gift_has_no_value(ledger: Ledger, valuation: Valuation) -> None:
    others = [Kind.OUTFLOW, Kind.PROTOCOL, Kind.INTERNAL, Kind.OPENING]
    ledger.accept(
        polled(
            1,
            transfer("0x01"),
            transfer("0x02", state=State.QUARANTINED),
            transfer("0x03", direction=Direction.OUT, state=State.CONFIRMED),
            *(transfer(f"0x1{kind}", kind=kind, state=State.CONFIRMED) for kind in others),
        )
    )
    assert not watcher.turn(valuation, ledger)
    assert values(ledger) == [None] * 7


def test_a_value_changes_neither_state_nor_sums_nor_books(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    (row,), totals = list(ledger.export()), ledger.totals()
    before = ledger.donation(str(row["id"]))
    watcher.turn(valuation, ledger)
    (after,) = ledger.export()
    history = ledger.donation(str(row["id"]))
    assert before is not None
    assert history is not None
    assert {**after, "value": None} == row
    assert (ledger.totals(), history.postings) == (totals, before.postings)


def test_a_stablecoin_is_worth_what_the_market_says(ledger: Ledger, valuation: Valuation) -> None:
    depegged = transfer(asset="USDT", exponent=6, units=1_000_000_000, state=State.CONFIRMED)
    ledger.accept(polled(1, depegged))
    watcher.turn(valuation, ledger)
    (value,) = values(ledger)
    assert isinstance(value, dict)
    assert (value["rate"], value["units"]) == ("41.54592", "4154592")  # 0.9987 * 41.6


def test_a_stablecoin_without_a_rate_stays_without_a_value(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(polled(1, transfer(asset="DAI", state=State.CONFIRMED)))
    watcher.turn(valuation, ledger)
    assert values(ledger) == [None]


def test_gifts_off_chain_are_valued_too(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(pushed("evt_1", gift(units=10_00)))
    watcher.turn(valuation, ledger)
    (value,) = values(ledger)
    assert isinstance(value, dict)
    assert (value["units"], value["rate"], value["source"]) == ("48031", "48.0312", "nbu")


def test_a_gift_in_the_publishers_own_currency_is_its_own_value(
    ledger: Ledger, server: RatesServer, clock: FrozenClock
) -> None:
    ledger.accept(pushed("evt_1", gift(units=10_00)))
    watcher.turn(Valuation(EUR, [bank(server)], ledger.unvalued, clock=clock), ledger)
    (value,) = values(ledger)
    assert isinstance(value, dict)
    assert (value["units"], value["rate"], value["source"]) == ("1000", "1", "same currency")
    assert server.asked == []


def test_rates_that_are_down_hold_up_no_confirmation_and_are_filled_in_later(
    ledger: Ledger, server: RatesServer, valuation: Valuation, clock: FrozenClock
) -> None:
    asked = (server.bank, server.market)
    server.go_down()
    ledger.accept(polled(1, *(transfer(f"0x{n}", units=n, state=State.CONFIRMED) for n in range(1, 6))))
    (outcome,) = watcher.run_once([valuation], ledger)
    assert not outcome.is_good
    assert len(server.asked) == 2, "a source that is down is tried twice in a turn, not for every gift"
    assert [row["state"] for row in ledger.export()] == ["confirmed"] * 5
    assert values(ledger) == [None] * 5
    assert ledger.health()["rates:UAH"].state is Health.DOWN
    server.bank, server.market = asked
    clock.tick(days=5)
    (outcome,) = watcher.run_once([valuation], ledger)
    assert (outcome.is_good, outcome.donations_changed) == (True, 5)
    assert {value["rate"] for value in values(ledger) if isinstance(value, dict)} == {"104020.8"}
    assert ledger.verify() == []


def test_an_asset_whose_rate_cannot_be_read_does_not_keep_the_others_from_theirs(
    ledger: Ledger, server: RatesServer, valuation: Valuation
) -> None:
    honest = server.market
    server.market = lambda asked: Reply(b"no", 500) if "USDT" in str(asked) else honest(asked)
    ledger.accept(polled(1, transfer("0x1", asset="USDT", exponent=6, units=10**9, state=State.CONFIRMED)))
    ledger.accept(polled(2, transfer("0x2", state=State.CONFIRMED)))
    (outcome,) = watcher.run_once([valuation], ledger)
    assert [value is None for value in values(ledger)] == [True, False]
    assert outcome.reason.startswith("USDT: ")
    assert outcome.reason.count("USDT") == 1, "each asset is told once"


def test_one_source_that_lies_does_not_keep_the_other_from_answering(
    ledger: Ledger, server: RatesServer, valuation: Valuation
) -> None:
    server.market = lambda _: Reply.of([])
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    ledger.accept(pushed("evt_1", gift()))
    (outcome,) = watcher.run_once([valuation], ledger)
    assert "market" in outcome.reason
    assert [value is None for value in values(ledger)] == [True, False]
    assert ledger.health()["rates:UAH"].state is Health.LIED


def test_the_first_value_stays(ledger: Ledger, server: RatesServer, valuation: Valuation, clock: FrozenClock) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    watcher.turn(valuation, ledger)
    before, head = list(ledger.export()), ledger.head()
    server.bank = Bank({"USD": {"01.05.2026": "99"}})
    again = Valuation(UAH, both(server, clock), ledger.unvalued, clock=clock)
    assert not watcher.turn(again, ledger)
    assert (list(ledger.export()), ledger.head()) == (before, head)


def test_two_watchers_at_once_value_a_gift_once(ledger: Ledger, server: RatesServer, clock: FrozenClock) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    one, other = (Valuation(UAH, both(server, clock), ledger.unvalued, clock=clock) for _ in range(2))
    (first, _), (second, _) = list(one.reports(None)), list(other.reports(None))
    assert not ledger.accept(first).is_empty
    assert ledger.accept(second).is_empty
    assert ledger.verify() == []


def test_another_amount_is_valued_anew_and_the_old_one_keeps_its_value(ledger: Ledger, valuation: Valuation) -> None:
    seen: list[object] = []
    for step, units in enumerate((10**18, 2 * 10**18, 10**18), 1):
        ledger.accept(polled(step, transfer(units=units, state=State.CONFIRMED)))
        watcher.turn(valuation, ledger)
        (value,) = values(ledger)
        assert isinstance(value, dict)
        seen.append(value["units"])
    assert seen == ["10402080", "20804160", "10402080"]
    assert ledger.verify() == []


def test_a_refund_leaves_the_value_of_what_was_given(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(pushed("evt_1", gift(units=10_00)))
    ledger.accept(pushed("evt_2", refund(units=4_00, rank=(1, 1))))
    watcher.turn(valuation, ledger)
    (row,) = ledger.export()
    assert row["state"] == "partially_refunded"
    assert isinstance(row["value"], dict)
    assert row["value"]["units"] == "48031"


@pytest.mark.parametrize("units", [1, 10_000 * 10**18])
def test_the_smallest_and_a_huge_gift_come_out_of_the_export_exactly(
    database_url: str, server: RatesServer, clock: FrozenClock, units: int
) -> None:
    ledger = Ledger(database_url, clock=clock)
    ledger.accept(polled(1, transfer(units=units, state=State.CONFIRMED)))
    watcher.turn(Valuation(UAH, both(server, clock), ledger.unvalued, clock=clock), ledger)
    (line,) = json_lines.write(ledger.exported(), ForPeople())
    row = json.loads(line)
    assert row["units"] == str(units)
    assert row["value"] == {
        "currency": "UAH",
        "units": str(round(units * 10_402_080 / 10**18)),
        "rate": "104020.8",
        "source": "market+nbu",
        "at": "2026-05-01T12:00:00Z",
    }
    assert ledger.verify() == []
    ledger.dispose()


def test_a_gift_that_nobody_can_value_is_asked_about_again_an_hour_later(
    ledger: Ledger, server: RatesServer, valuation: Valuation, clock: FrozenClock
) -> None:
    ledger.accept(polled(1, transfer(asset="DAI", state=State.CONFIRMED)))
    watcher.turn(valuation, ledger)
    asked = len(server.asked)
    clock.tick(seconds=POLL_SECONDS)
    watcher.turn(valuation, ledger)
    assert len(server.asked) == asked
    server.market = Exchange({"DAIUSD": "1.0001"}, clock)
    clock.tick(hours=1)
    assert watcher.turn(valuation, ledger)


def test_many_gifts_are_valued_turn_by_turn(ledger: Ledger, server: RatesServer, clock: FrozenClock) -> None:
    ledger.accept(polled(1, *(transfer(f"0x{n}", units=n, state=State.CONFIRMED) for n in range(1, 26))))
    valuation = Valuation(UAH, both(server, clock), ledger.unvalued, clock=clock, gifts_per_turn=10)
    assert [watcher.run_once([valuation], ledger)[0].donations_changed for _ in range(4)] == [10, 10, 5, 0]
    assert len(server.asked) == 3, "two pairs of the market, and the dollar of one day"


def test_what_a_rate_was_made_of_is_kept_for_whoever_checks_it(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    watcher.turn(valuation, ledger)
    (row,) = ledger.export()
    history = ledger.donation(str(row["id"]))
    assert history is not None
    (report,) = [one for one in history.sources.values() if one.source == "rates:UAH"]
    steps = json.loads(report.raw or "")
    assert [(step["source"], step["asset"], step["rate"]) for step in steps] == [
        ("market", "ETH", "2500.5"),
        ("nbu", "USD", "41.6"),
    ]


def test_a_person_may_put_another_value_in_its_place(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    report, _ = list(valuation.reports(None))
    ledger.accept(report)
    (held,) = report.observations
    assert isinstance(held.claim, ValueClaim)
    mine = replace(held, claim=replace(held.claim, units=1, rate="0.01", source="by hand"))
    ledger.accept(pushed("a" * 32, mine, source="staff:ada@example.com"))
    (value,) = values(ledger)
    assert isinstance(value, dict)
    assert (value["units"], value["source"]) == ("1", "by hand")
    assert not watcher.turn(valuation, ledger)
    assert ledger.verify() == []


def test_staff_read_the_value_in_the_history(ledger: Ledger, valuation: Valuation) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    watcher.turn(valuation, ledger)
    (row,) = ledger.export()
    history = ledger.donation(str(row["id"]))
    assert history is not None
    sentence = tell(history.observations, 18)[-1].sentence
    assert sentence.text % dict(sentence.values) == (
        "Worth 104\u202f020.80 UAH when it came, at 104\u202f020.8 (market+nbu)"
    )


def test_verify_sees_a_value_that_was_changed_by_hand(ledger: Ledger, valuation: Valuation, tmp_path: Path) -> None:
    ledger.accept(polled(1, transfer(state=State.CONFIRMED)))
    watcher.turn(valuation, ledger)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as books:
        books.execute("UPDATE donation SET value = replace(value, '10402080', '99999999')")
        books.commit()
    (problem,) = ledger.verify()
    assert "value is stored as" in problem


def test_a_source_of_rates_is_a_source_like_every_other(valuation: Valuation) -> None:
    source: Source = valuation
    (looked,) = source.reports(None)
    assert (source.name, source.poll_seconds, looked.observations) == ("rates:UAH", 60.0, ())
    assert looked.cursor is not None and looked.cursor.step == 1


def test_a_look_at_rates_is_noted_and_claims_nothing(ledger: Ledger, valuation: Valuation, clock: FrozenClock) -> None:
    watcher.turn(valuation, ledger)
    head, looked = ledger.head(), ledger.cursors()["rates:UAH"].checked_at
    clock.now += timedelta(seconds=60)
    assert not watcher.turn(valuation, ledger)
    assert (ledger.head(), ledger.cursors()["rates:UAH"].checked_at - looked) == (head, timedelta(seconds=60))


# The settings, and the command


def test_watch_once_values_gifts_and_names_rates_that_are_down(
    tmp_path: Path, server: RatesServer, command: Command
) -> None:
    value = f'[value]\nsources = ["nbu"]\nnbu_url = "{server.url}"\n'
    file = write_settings(tmp_path, f"{SEED}\n{value}")
    assert command("--config", file, "migrate").exit_code == 0
    ledger = Ledger(f"sqlite:///{tmp_path}/support.db")
    ledger.accept(pushed("evt_1", gift(units=10_00)))
    server.bank, up = (lambda _: Reply(None)), server.bank
    down = command("--config", file, "watch", "--once")
    assert down.exit_code == 1
    assert "rates:UAH: not read to its end: EUR: 127.0.0.1: cannot be reached" in down.output
    assert values(ledger) == [None]
    server.bank = up
    assert command("--config", file, "watch", "--once").output == "rates:UAH: 1 changes\n"
    (row,) = map(json.loads, command("--config", file, "export", "--format", "jsonl").output.splitlines())
    assert row["value"]["units"] == "48031"
    ledger.dispose()


def test_without_a_value_section_nobody_is_asked(tmp_path: Path) -> None:
    assembly = assemble(write_settings(tmp_path, SEED))
    assert assembly.value is None
    assert build_valuation(assembly, lambda _after, _limit: (), clock=lambda: NOON) == []


def test_every_mistake_of_the_section_is_told_at_once(tmp_path: Path) -> None:
    text = """
[value]
currency = "XXX"
sources = ["nbu", "nbu", "pigeon"]
nbu_url = "http://bank.gov.ua"
market_url = "https://user:HUNTER2@api.example.com"
colour = "red"
[[value.feeds]]
network = "ethereum"
contract = "0x12"
asset = "ETHH"
currency = "USDD"
[[value.feeds]]
network = "bitcoin"
"""
    with pytest.raises(SettingsError) as raised:
        assemble(write_settings(tmp_path, SEED + text))
    told = [f"{one.key}: {one.reason}" for one in raised.value.mistakes]
    assert sorted(one.key for one in raised.value.mistakes) == [
        "value.colour",
        "value.currency",
        "value.feeds",
        "value.feeds[1].asset",
        "value.feeds[1].contract",
        "value.feeds[1].currency",
        "value.feeds[1].network",
        "value.feeds[2].asset",
        "value.feeds[2].contract",
        "value.feeds[2].network",
        "value.market_url",
        "value.nbu_url",
        "value.sources",
        "value.sources",
    ], told
    assert "HUNTER2" not in str(told)


def test_the_currency_can_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT__VALUE__CURRENCY", "EUR")
    value = assemble(write_settings(tmp_path, SEED)).value
    assert value is not None
    assert (value.currency, value.sources) == (EUR, ("nbu", "market"))


def test_check_online_asks_each_source_for_one_rate(tmp_path: Path, server: RatesServer, command: Command) -> None:
    server.bank = lambda asked: nbu_reply(
        "USD", "41.60", f"{asked['date'][6:]}.{asked['date'][4:6]}.{asked['date'][:4]}"
    )
    server.market = lambda _: Reply(b"<html>", 503)
    text = f'{SEED}\n[value]\nnbu_url = "{server.url}"\nmarket_url = "{server.url}"\n'
    said = command("--config", write_settings(tmp_path, text), "check", "--online")
    assert "value: nbu: 1 USD is 41.6 UAH\n" in said.output
    assert "value.market_url: 127.0.0.1: HTTP 503" in said.output
    assert said.exit_code == 1
