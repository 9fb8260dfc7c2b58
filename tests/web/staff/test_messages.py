"""Staff see what waits to be told, what nobody took, and send it again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.assembly import assemble
from support_service.ledger import Ledger
from support_service.ledger.outbox import MessageStanding, News
from tests.fixtures.door import create_site
from tests.fixtures.newsroom import webhook_table
from tests.fixtures.service import SEED, write_settings
from tests.fixtures.staff import FrozenClock, House


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    clock = FrozenClock()
    tables = '[mail]\nhost = "127.0.0.1"\nport = 1\nfrom = "a@example.org"\n' + webhook_table(
        tmp_path, "http://127.0.0.1:1/x"
    )
    text = SEED.replace("sqlite:///support.db", database_url)
    app = create_site(assemble(write_settings(tmp_path, f"{text}\n{tables}")), clock=clock)
    ledger: Ledger = app.extensions["support"].ledger
    yield House(app, ledger, clock, tmp_path)
    ledger.dispose()


def failed(house: House, channel: str = "program", *, key: str = "gift:1") -> int:
    house.ledger.outbox.put([News(channel, key, "", "gift", {})])
    held = house.ledger.outbox.take(channel)
    assert held is not None
    house.ledger.outbox.say_failed(held, "it answers HTTP 500")
    return held.number


def test_what_was_given_up_is_shown_and_sent_again(house: House) -> None:
    number, person = failed(house), house.person("bookkeeper")
    page = person.get("/staff/notifications", state="failed", lang="en").text
    assert "it answers HTTP 500" in page
    answer = person.fill("/staff/notifications?state=failed&lang=en", form=f"{number}/again")
    assert answer.status_code == 303
    assert "It waits to be sent again." in person.get(answer.headers["Location"]).text
    (waiting,) = house.ledger.outbox.list(MessageStanding.WAITING)
    assert (waiting.number, waiting.news.key) == (number, "gift:1")


def test_what_a_program_took_may_be_sent_again_and_what_people_read_not(house: House) -> None:
    for channel in ("program", "letters"):
        house.ledger.outbox.put([News(channel, "gift:1", "", "gift", {})])
        held = house.ledger.outbox.take(channel)
        assert held is not None
        house.ledger.outbox.say_sent(held)
    page = house.person("bookkeeper").get("/staff/notifications", state="sent", lang="en").text
    assert page.count("/again") == 1


def test_a_viewer_sees_it_and_sends_nothing(house: House) -> None:
    number, viewer = failed(house), house.person("viewer")
    page = viewer.get("/staff/notifications", state="failed", lang="en").text
    assert "it answers HTTP 500" in page and "/again" not in page
    token = viewer.form("/staff/", "logout").fields["csrf_token"]
    answer = viewer.client.post(f"/staff/notifications/{number}/again", data={"csrf_token": token})
    assert answer.status_code == 403
    assert house.ledger.outbox.list(MessageStanding.WAITING) == ()


@pytest.mark.parametrize("number", ["x", "-1", "9" * 40, "7"])
def test_a_message_that_is_not_there_is_calm(house: House, number: str) -> None:
    person = house.person("bookkeeper")
    token = person.form("/staff/", "logout").fields["csrf_token"]
    answer = person.client.post(f"/staff/notifications/{number}/again", data={"csrf_token": token})
    assert answer.status_code == 303


def test_strangers_are_sent_to_the_login(house: House) -> None:
    assert house.visitor().get("/staff/notifications").headers["Location"].startswith("/staff/login")


def test_the_metrics_say_what_waits(house: House) -> None:
    failed(house)
    house.ledger.outbox.put([News("letters", "receipt:1", "", "receipt", {})])
    house.clock.advance(minutes=2)
    lines = house.visitor().get("/metrics").text.splitlines()
    assert 'support_outbox_failed{channel="program"} 1' in lines
    assert 'support_outbox_waiting{channel="letters"} 1' in lines
    assert 'support_outbox_oldest_seconds{channel="letters"} 120' in lines


def test_nobody_to_tell_is_said(settings_file: Path, database_url: str) -> None:
    text = settings_file.read_text(encoding="utf-8").replace("sqlite:///support.db", database_url)
    app = create_site(assemble(write_settings(settings_file.parent, text)), clock=FrozenClock())
    house = House(app, app.extensions["support"].ledger, FrozenClock(), settings_file.parent)
    page = house.person("viewer").get("/staff/notifications", lang="en").text
    assert "Nobody is told anything yet" in page
    assert "support_outbox" not in house.visitor().get("/metrics").text
    house.ledger.dispose()
