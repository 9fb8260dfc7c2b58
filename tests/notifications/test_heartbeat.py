"""The sign of life: given while all is well, and kept back when a source is silent for long."""

from pathlib import Path

import pytest

from support_service.ledger import Ledger
from support_service.ledger.outbox import Move
from support_service.notifications.heartbeat import SILENT_FOR
from support_service.settings import SettingsError
from tests.fixtures.http_servers import Reply, Server
from tests.fixtures.newsroom import newsroom
from tests.fixtures.staff import FrozenClock

TABLE = '[heartbeat]\nurl_file = "heart.url"\n'


def test_it_beats_while_no_source_is_silent_for_long(tmp_path: Path, ledger: Ledger, clock: FrozenClock) -> None:
    beats: list[bytes] = []
    status = [200]

    def answer(path: bytes) -> Reply:
        beats.append(path)
        return Reply(b"OK", status[0])

    with Server(answer) as server:
        (tmp_path / "heart.url").write_text(server.url, encoding="utf-8")
        told = newsroom(tmp_path, ledger, clock, TABLE)
        assert beats == [b"/v3/SECRETKEY"]
        ledger.outbox.put((), Move("source:evm:ethereum", None, clock.now.isoformat()))
        told.turn()
        assert len(beats) == 2
        clock.now += SILENT_FOR
        told.turn()
        assert len(beats) == 2
        ledger.outbox.put((), Move("source:evm:ethereum", ledger.outbox.place("source:evm:ethereum"), ""))
        status[0] = 500
        (failed,) = [one for one in told.turn() if not one.is_good]
        assert "HTTP 500" in failed.reason and "SECRETKEY" not in failed.reason


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org", "two words"])
def test_its_address_is_https_and_is_never_repeated(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, url: str
) -> None:
    (tmp_path / "heart.url").write_text(url, encoding="utf-8")
    with pytest.raises(SettingsError) as told:
        newsroom(tmp_path, ledger, clock, TABLE)
    assert [mistake.key for mistake in told.value.mistakes] == ["heartbeat.url_file"]
    assert "example" not in told.value.lines[0].split("heartbeat")[1]
