"""The line above every staff page while a source tells us nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.giving import SetAside
from support_service.ledger import Health, Ledger
from support_service.web.staff.alarm import LOOK_AGAIN
from tests.fixtures.database import prepare
from tests.fixtures.reports import NOON, Chain, transfer
from tests.fixtures.site import WITH_A_NODE, site
from tests.fixtures.staff import ANNA, PASSWORD, FrozenClock, Visitor

PAGES = ("/staff/", "/staff/entry", "/staff/exports", "/staff/health")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def ledger(visitor: Visitor) -> Ledger:
    ledger: Ledger = visitor.client.application.extensions["support"].ledger
    return ledger


@pytest.fixture
def visitor(tmp_path: Path, clock: FrozenClock) -> Iterator[Visitor]:
    url = f"sqlite:///{tmp_path}/support.db"
    prepare(url)
    app = site(tmp_path, WITH_A_NODE | {"sqlite:///support.db": url}, clock=clock)
    app.extensions["support"].ledger.people.add(ANNA, "admin", PASSWORD)
    visitor = Visitor(app.test_client())
    assert visitor.sign_in().status_code == 303
    yield visitor
    app.extensions["support"].ledger.dispose()


def line(visitor: Visitor, path: str) -> str:
    found = re.search(r'<p class="alarm"[^>]*>(.*?)</p>', visitor.get(path, lang="en").text)
    return re.sub("<[^>]+>", "", found[1]) if found else ""


def test_a_source_that_is_down_stands_above_every_page(visitor: Visitor, ledger: Ledger) -> None:
    Chain(ledger).says(transfer())
    ledger.note_health("evm:ethereum", Health.DOWN, "http://user:secret@node")
    for path in PAGES:
        told = line(visitor, path)
        assert told.startswith("Ethereum (evm:ethereum) has not been reached since 2026-05-01 15:00. Does it run?"), (
            path
        )
        assert "secret" not in told
    assert 'href="/staff/health?lang=en"' in visitor.get("/staff/", lang="en").text.partition('class="alarm"')[2]


def test_it_comes_and_goes_with_the_fault(visitor: Visitor, ledger: Ledger, clock: FrozenClock) -> None:
    assert line(visitor, "/staff/").startswith("Ethereum (evm:ethereum) was never read yet. Does the watcher run?")
    Chain(ledger).says(transfer())
    clock.now += LOOK_AGAIN
    assert line(visitor, "/staff/") == ""
    clock.advance(minutes=10)
    assert "was last read at 2026-05-01 15:00" in line(visitor, "/staff/")


def test_an_asset_that_is_not_read_stands_above_every_page(visitor: Visitor, ledger: Ledger) -> None:
    Chain(ledger).says(transfer())
    ledger.note_set_aside([SetAside("evm:ethereum", "watch USDT on ethereum", "silent", NOON, NOON, 1)])
    for path in PAGES:
        assert line(visitor, path).startswith(
            "Ethereum (evm:ethereum) has not read all its assets since 2026-05-01 15:00."
        ), path


def test_strangers_are_told_nothing(visitor: Visitor) -> None:
    assert 'class="alarm"' not in visitor.client.application.test_client().get("/staff/login").text


SECRETS = ("key", "hook", "token")
BANK_AND_CARDS = """
[[banks]]
key = "uah"
kind = "privatbank"
account = "UA043052990000026007015028783"
method = "iban"
token_file = "token"

[stripe]
secret_key_file = "key"
webhook_secret_file = "hook"
currencies = ["UAH"]

[value]
currency = "UAH"
"""


@pytest.mark.parametrize(
    ("source", "lang", "told"),
    [
        ("bank:uah", "uk", "Банківський рахунок (IBAN) (bank:uah)"),
        ("bank:uah", "en", "Bank account (IBAN) (bank:uah)"),
        ("stripe:sweep", "uk", "Stripe (stripe:sweep)"),
        ("rates:UAH", "uk", "Курси валют (rates:UAH)"),
    ],
)
def test_a_source_is_told_by_what_people_call_it(tmp_path: Path, source: str, lang: str, told: str) -> None:
    for name in SECRETS:
        (tmp_path / name).write_text("whsec_1" if name == "hook" else "rk_test_1", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    url = f"sqlite:///{tmp_path}/support.db"
    prepare(url)
    changes = {
        "sqlite:///support.db": url,
        "# contact = ": "contact = ",
        "[networks.bitcoin]": f"{BANK_AND_CARDS}[networks.bitcoin]",
    }
    app = site(tmp_path, changes)
    ledger: Ledger = app.extensions["support"].ledger
    ledger.people.add(ANNA, "viewer", PASSWORD)
    ledger.note_health(source, Health.DOWN, "no answer")
    visitor = Visitor(app.test_client())
    visitor.sign_in()
    page = visitor.get("/staff/", lang=lang).text.partition('class="alarm"')[2]
    assert told in page.partition("</p>")[0]
    ledger.dispose()
