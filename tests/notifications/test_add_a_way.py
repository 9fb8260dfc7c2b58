"""The page that says how to add a way holds: the way on it is read, spoken to and told, by one line in the table."""

import re
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support_service import notifications
from support_service.ledger import Ledger
from support_service.notifications import WAYS
from support_service.notifications import ways as folder_of_ways
from support_service.notifications.events import Event
from support_service.notifications.way import Way
from tests.fixtures.http_servers import Reply, Server
from tests.fixtures.newsroom import SECRET, Program, newsroom, webhook_table
from tests.fixtures.reports import gift, pushed
from tests.fixtures.staff import FrozenClock

README = Path(str(notifications.__file__)).with_name("README.md").read_text(encoding="utf-8")
CHECK, CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
(TABLE,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def ntfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    """The way of README.md: its file in the folder of ways, its line in the table."""
    folder = tmp_path / "ways"
    folder.mkdir()
    (folder / "ntfy.py").write_text(CODE, encoding="utf-8")
    monkeypatch.setattr(folder_of_ways, "__path__", [*folder_of_ways.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, "support_service.notifications.ways.ntfy", raising=False)
    made = import_module("support_service.notifications.ways.ntfy").NTFY
    assert isinstance(made, Way)
    monkeypatch.setitem(WAYS, made.name, made)
    return made


def test_the_way_that_the_page_adds_is_told(tmp_path: Path, ntfy: Way, ledger: Ledger, clock: FrozenClock) -> None:
    with Server(lambda _body: Reply(b"{}")) as server:
        (tmp_path / "ntfy.url").write_text(server.url, encoding="utf-8")
        told = newsroom(tmp_path, ledger, clock, TABLE)
        ledger.accept(pushed("g1", gift()))
        told.turn()
        (body,) = server.bodies
        assert "10" in body.decode() and "/staff/donations/" in body.decode()
        assert server.headers[0]["priority"] == "high"


def test_the_check_of_a_signature_on_the_page_is_right(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, 'events = ["gift"]'))
    ledger.accept(pushed("g1", gift()))
    told.turn()
    names: dict[str, Any] = {}
    exec(CHECK, names)
    names["time"] = SimpleNamespace(time=lambda: clock().timestamp())
    headers, body = listener.server.headers[0], listener.server.bodies[0]
    assert names["is_genuine"](SECRET.encode(), headers, body)
    assert not names["is_genuine"](SECRET.encode(), headers, body.replace(b"EUR", b"USD"))
    assert not names["is_genuine"](b"another secret of that length", headers, body)
    clock.advance(minutes=6)
    assert not names["is_genuine"](SECRET.encode(), headers, body)


def test_the_page_names_every_event_and_every_way() -> None:
    rows = [name for row in re.findall(r"^\| (`.*?) \|", README, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert set(rows) == {str(event) for event in Event}
    files = {path.stem for path in Path(str(folder_of_ways.__file__)).parent.glob("*.py")} - {"__init__"}
    assert files == set(WAYS), "one file a way, one line in the table"
    assert all(name in README for name in WAYS)
