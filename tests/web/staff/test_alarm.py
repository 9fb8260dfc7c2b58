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
        assert told.startswith("evm:ethereum has not been reached since 2026-05-01 15:00. Does it run?"), path
        assert "secret" not in told
    assert 'href="/staff/health?lang=en"' in visitor.get("/staff/", lang="en").text.partition('class="alarm"')[2]


def test_it_comes_and_goes_with_the_fault(visitor: Visitor, ledger: Ledger, clock: FrozenClock) -> None:
    assert line(visitor, "/staff/").startswith("evm:ethereum was never read yet. Does the watcher run?")
    Chain(ledger).says(transfer())
    clock.now += LOOK_AGAIN
    assert line(visitor, "/staff/") == ""
    clock.advance(minutes=10)
    assert "was last read at 2026-05-01 15:00" in line(visitor, "/staff/")


def test_an_asset_that_is_not_read_stands_above_every_page(visitor: Visitor, ledger: Ledger) -> None:
    Chain(ledger).says(transfer())
    ledger.note_set_aside([SetAside("evm:ethereum", "watch USDT on ethereum", "silent", NOON, NOON, 1)])
    for path in PAGES:
        assert line(visitor, path).startswith("evm:ethereum has not read all its assets since 2026-05-01 15:00."), path


def test_strangers_are_told_nothing(visitor: Visitor) -> None:
    assert 'class="alarm"' not in visitor.client.application.test_client().get("/staff/login").text
