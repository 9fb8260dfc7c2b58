"""What machines ask: alive, ready, totals and their freshness, metrics."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from support_service.demo.stripe import StripeFake
from support_service.giving import Cursor, Report, SourceWarning, State, WarningKind
from support_service.ledger import Health, Ledger
from support_service.web.metrics import metric
from tests.fixtures.cards import card_house
from tests.fixtures.database import prepare
from tests.fixtures.reports import NOON, Chain, transfer
from tests.fixtures.site import WITH_A_NODE, site
from tests.fixtures.staff import FrozenClock


class MovingClock:
    """Tells a time that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def app(tmp_path: Path, database_url: str, clock: MovingClock) -> Flask:
    prepare(database_url)
    return site(tmp_path, WITH_A_NODE | {"sqlite:///support.db": database_url}, clock=clock)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def ledger(app: Flask) -> Ledger:
    ledger: Ledger = app.extensions["support"].ledger
    return ledger


def test_totals_are_exact_and_say_how_fresh_they_are(client: FlaskClient, ledger: Ledger, clock: MovingClock) -> None:
    Chain(ledger).says(transfer(units=10_000 * 10**18 + 1, state=State.CONFIRMED))
    clock.now = NOON + timedelta(seconds=19)
    answer = client.get("/totals.json")
    (total,) = answer.get_json()["totals"]
    assert total == {
        "method": "eth",
        "rail": "evm",
        "network": "ethereum",
        "asset": "ETH",
        "exponent": 18,
        "units": "10000000000000000000001",
        "amount": "10000.000000000000000001",
        "count": 1,
    }
    (source,) = answer.get_json()["sources"]
    assert (source["name"], source["network"], source["state"]) == ("evm:ethereum", "ethereum", "ok")
    assert (source["height"], source["age_seconds"], source["checked_at"]) == (101, 7, "2026-05-01T12:00:12Z")
    assert answer.get_json()["not_watched"] == ["btc", "usdt"]
    assert answer.headers["Cache-Control"] == "public, max-age=5"


def test_money_that_is_only_seen_is_in_no_total(client: FlaskClient, ledger: Ledger) -> None:
    Chain(ledger).says(transfer(state=State.SEEN))
    assert client.get("/totals.json").get_json()["totals"] == []


def test_a_fresh_source_makes_us_ready(client: FlaskClient, ledger: Ledger) -> None:
    assert client.get("/readyz").get_json()["reasons"] == ["evm:ethereum: never read yet; is the watcher running?"]
    Chain(ledger).says(transfer())
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["reasons"]) == (200, "ready", [])


def test_a_silent_source_makes_us_not_ready(client: FlaskClient, ledger: Ledger, clock: MovingClock) -> None:
    Chain(ledger).says(transfer())
    clock.now = NOON + timedelta(seconds=12 + 120)
    assert client.get("/readyz").status_code == 200
    clock.now += timedelta(seconds=1)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["reasons"]) == (503, ["evm:ethereum: last read 121 s ago"])
    assert client.get("/totals.json").get_json()["sources"][0]["state"] == "stale"


def test_a_network_is_late_by_the_time_of_its_own_rail(tmp_path: Path, database_url: str, clock: MovingClock) -> None:
    prepare(database_url)
    nodes = {
        'chain = "main"\n': 'chain = "main"\nrpc = ["http://127.0.0.1:2"]\npoll_seconds = 30\n',
        "sqlite:///support.db": database_url,
    }
    app = site(tmp_path, WITH_A_NODE | nodes, clock=clock)
    for name in ("evm:ethereum", "bitcoin:bitcoin"):
        app.extensions["support"].ledger.accept(Report(name, "1", cursor=Cursor(1, 100, "0xa", NOON)))

    def states(seconds: int) -> dict[str, str]:
        clock.now = NOON + timedelta(seconds=seconds)
        return {one["name"]: one["state"] for one in app.test_client().get("/readyz").get_json()["sources"]}

    assert states(121) == {"evm:ethereum": "stale", "bitcoin:bitcoin": "ok"}
    assert states(300)["bitcoin:bitcoin"] == "ok", "it looks every 30 seconds, and may miss ten looks"
    assert states(301)["bitcoin:bitcoin"] == "stale"


@pytest.mark.parametrize("state", [Health.DOWN, Health.LIED])
def test_a_fault_is_told_but_its_reason_is_not(client: FlaskClient, ledger: Ledger, state: Health) -> None:
    Chain(ledger).says(transfer())
    ledger.note_health("evm:ethereum", state, "http://user:secret@node")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    for path in ("/readyz", "/totals.json", "/metrics"):
        assert "secret" not in client.get(path).text
    assert client.get("/totals.json").get_json()["sources"][0]["state"] == state


def test_without_a_ledger_machines_get_a_clear_answer(tmp_path: Path) -> None:
    client = site(tmp_path).test_client()
    answer = client.get("/totals.json")
    assert (answer.status_code, list(answer.get_json())) == (503, ["error"])
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert str(tmp_path) not in ready.text, "a public answer names no file of ours"
    assert "support_ledger_up 0" in client.get("/metrics").text
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/support").status_code == 200


def test_metrics_are_prometheus_text(client: FlaskClient, ledger: Ledger) -> None:
    Chain(ledger).says(transfer(units=25 * 10**17, state=State.CONFIRMED))
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert "support_ledger_up 1" in lines
    assert 'support_source_state{source="evm:ethereum",state="ok"} 1' in lines
    assert 'support_source_height{source="evm:ethereum"} 101' in lines
    assert 'support_confirmed_amount{method="eth",network="ethereum",asset="ETH"} 2.5' in lines


def test_without_any_node_we_are_ready_and_say_what_is_not_watched(tmp_path: Path, database_url: str) -> None:
    prepare(database_url)
    client = site(tmp_path, {"sqlite:///support.db": database_url}).test_client()
    assert client.get("/readyz").status_code == 200
    assert client.get("/totals.json").get_json()["not_watched"] == ["eth", "btc", "usdt"]


def test_the_sweep_of_cards_is_a_source_like_any_other(tmp_path: Path, database_url: str, clock: MovingClock) -> None:
    with StripeFake(clock=clock) as fake:
        house = card_house(tmp_path, database_url, fake, FrozenClock())
    client = house.app.test_client()
    assert client.get("/readyz").get_json()["reasons"] == ["stripe:sweep: never read yet; is the watcher running?"]
    step = Cursor(1, None, None, house.clock())
    house.ledger.accept(Report("stripe:sweep", "1", cursor=step))
    house.ledger.note_health("stripe:sweep", Health.OK, "an event cannot be read")
    (source,) = client.get("/readyz").get_json()["sources"]
    assert (source["name"], source["network"], source["state"]) == ("stripe:sweep", None, "ok")
    house.clock.advance(seconds=3_600)
    assert client.get("/readyz").get_json()["reasons"] == ["stripe:sweep: last read 3600 s ago"]


def warns(ledger: Ledger, kind: WarningKind, text: str = "http://user:secret@node says so") -> None:
    Chain(ledger).says(transfer())
    ledger.note_health("evm:ethereum", Health.OK, warnings=(SourceWarning(kind, text),))


@pytest.mark.parametrize("kind", [WarningKind.LATE, WarningKind.UNPROVED, WarningKind.DEGRADED])
def test_a_warning_that_is_not_about_finality_is_told_and_leaves_us_ready(
    client: FlaskClient, ledger: Ledger, kind: WarningKind
) -> None:
    warns(ledger, kind)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["reasons"]) == (200, [])
    (source,) = answer.get_json()["sources"]
    assert (source["state"], source["warnings"]) == ("ok", [kind])
    assert f'support_source_warning{{source="evm:ethereum",kind="{kind}"}} 1' in client.get("/metrics").text
    for path in ("/readyz", "/totals.json", "/metrics"):
        assert "secret" not in client.get(path).text


def test_a_chain_on_which_nothing_becomes_final_makes_us_not_ready(client: FlaskClient, ledger: Ledger) -> None:
    warns(ledger, WarningKind.UNFINAL)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["reasons"] == [
        "evm:ethereum: its chain goes on, but nothing becomes final; nothing is confirmed meanwhile"
    ]


def test_a_warning_without_a_kind_of_an_older_version_is_no_stop(client: FlaskClient, ledger: Ledger) -> None:
    Chain(ledger).says(transfer())
    ledger.note_health("evm:ethereum", Health.OK, "no new block since noon: is the node stuck?")
    assert client.get("/readyz").status_code == 200
    (warning,) = ledger.health()["evm:ethereum"].warnings
    assert (warning.kind, warning.text) == (WarningKind.DEGRADED, "no new block since noon: is the node stuck?")


def test_only_a_frozen_source_is_stopped_until_a_person_has_looked(client: FlaskClient, ledger: Ledger) -> None:
    Chain(ledger).says(transfer())
    ledger.note_health("evm:ethereum", Health.LIED, "wrong chain")
    (lied,) = client.get("/readyz").get_json()["reasons"]
    ledger.freeze("evm:ethereum", "two nodes differ", {})
    (frozen,) = client.get("/readyz").get_json()["reasons"]
    assert ("a person" in lied, "a person has looked" in frozen) == (False, True)


def test_rates_are_a_source_like_any_other(tmp_path: Path, database_url: str, clock: MovingClock) -> None:
    prepare(database_url)
    values = {"sqlite:///support.db": database_url, "[publisher]": '[value]\ncurrency = "UAH"\n[publisher]'}
    app = site(tmp_path, values, clock=clock)
    ledger, client = app.extensions["support"].ledger, app.test_client()
    assert client.get("/readyz").get_json()["reasons"] == ["rates:UAH: never read yet; is the watcher running?"]
    ledger.accept(Report("rates:UAH", "1", cursor=Cursor(1, None, None, clock())))
    assert client.get("/readyz").status_code == 200
    assert 'support_source_state{source="rates:UAH",state="ok"} 1' in client.get("/metrics").text
    ledger.note_health("rates:UAH", Health.DOWN, "no answer")
    assert client.get("/readyz").get_json()["reasons"] == ["rates:UAH: cannot be reached"]


HELP = re.compile(r"# HELP [a-zA-Z_:][a-zA-Z0-9_:]* (?:[^\\\n]|\\\\|\\n)*")
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{{(?:{LABEL}(?:,{LABEL})*,?)?\}})? [-+0-9.eE]+")


@pytest.mark.parametrize("name", ['main "net\\ x', "a\nb", "\\", '"} 1'])
def test_any_name_is_escaped_by_the_grammar_of_the_text_format(name: str) -> None:
    """https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4)."""
    head, kind, sample = metric("support_x", f"About {name}", [({"source": name, "state": "ok"}, "1")])
    assert HELP.fullmatch(head) and kind == "# TYPE support_x gauge" and SAMPLE.fullmatch(sample)
    (told,) = re.findall(r'source="((?:[^"\\]|\\.)*)"', sample)
    assert re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), told) == name
