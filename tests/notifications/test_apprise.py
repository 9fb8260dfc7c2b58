"""Whatever Apprise speaks: a real one, told by one URL, in a process of its own and a bounded time."""

import json
import time
from importlib import util
from pathlib import Path
from unittest.mock import patch

import pytest

from support_service.assembly import assemble
from support_service.giving import utc_now
from support_service.ledger import Ledger
from support_service.ledger.outbox import MessageStanding
from support_service.notifications.way import ChannelDown, Message
from support_service.notifications.ways.apprise import speak
from support_service.settings import SettingsError
from tests.fixtures.http_servers import Reply, Server
from tests.fixtures.mail import silent_server
from tests.fixtures.newsroom import newsroom
from tests.fixtures.reports import gift, pushed
from tests.fixtures.service import SEED, write_settings
from tests.fixtures.staff import FrozenClock

TABLE = '[[notify]]\nchannel = "apprise"\nurl_file = "apprise.url"\nevents = ["gift"]\nlang = "uk"\n'


def test_a_gift_is_told_by_the_url_of_any_service_and_a_no_is_tried_again(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock
) -> None:
    replies = [Reply(b"no", 500), Reply(b"yes")]
    with Server(lambda _body: replies.pop(0)) as server:
        (tmp_path / "apprise.url").write_text(server.url.replace("http://", "json://"), encoding="utf-8")
        told = newsroom(tmp_path, ledger, clock, TABLE)
        ledger.accept(pushed("g1", gift()))
        told.turn()
        (waiting,) = ledger.outbox.list(MessageStanding.WAITING)
        assert waiting.error == "apprise: it was not taken; is the URL in url_file still right?"
        clock.advance(minutes=2)
        told.turn()
        said = json.loads(server.bodies[1])
    assert "10" in said["title"] and "€" in said["title"] and "/staff/donations/" in said["message"]
    assert [one.tries for one in ledger.outbox.list(MessageStanding.SENT)] == [2]


def test_a_service_that_never_answers_costs_a_bounded_time_and_its_url_is_told_to_nobody() -> None:
    message = Message("k", "gift", utc_now(), "a gift")
    with silent_server(greets=False) as port:
        began = time.monotonic()
        with pytest.raises(ChannelDown, match="no answer in 1 s") as told:
            speak(f"json://user:SECRETKEY@127.0.0.1:{port}/", 1, message)
    assert time.monotonic() - began < 10 and "SECRETKEY" not in str(told.value)
    with pytest.raises(ChannelDown, match="of no service that it knows") as told:
        speak("nonsense://SECRETKEY", 60, message)
    assert "SECRETKEY" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "is_there", "reason"),
    [("not an address", True, "url_file: must hold one URL"), ("ntfy://topic", False, "pip install")],
)
def test_what_cannot_be_spoken_to_is_told_with_the_settings(
    tmp_path: Path, url: str, is_there: bool, reason: str
) -> None:
    (tmp_path / "apprise.url").write_text(url, encoding="utf-8")
    held = util.find_spec("json") if is_there else None
    with (
        patch("support_service.notifications.ways.apprise.find_spec", lambda _name: held),
        pytest.raises(SettingsError, match=reason),
    ):
        assemble(write_settings(tmp_path, f"{SEED}\n{TABLE}"))
