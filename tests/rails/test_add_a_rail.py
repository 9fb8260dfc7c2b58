"""The page that says how to add a rail holds: the rail on it is built, heard and booked, by one line in the table."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest

from support_service import rails, watcher
from support_service.assembly import assemble, build_sources
from support_service.commands.check import method_lines
from support_service.giving import Cursor, Report, utc_now
from support_service.ledger import Ledger
from support_service.rails import RAILS
from support_service.rails.rail import Rail
from support_service.settings import SettingsError
from tests.fixtures.database import prepare
from tests.fixtures.door import create_site
from tests.fixtures.service import write_settings
from tests.fixtures.staff import FrozenClock

README = Path(str(rails.__file__)).with_name("README.md").read_text(encoding="utf-8")
CODE, ANSWER, SETTINGS = (
    re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)[0] for kind in ("python", "json", "toml")
)
LINES_MAX = 250


@pytest.fixture
def toycoin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rail:
    """The rail of README.md: its file in the folder of rails, its line in the table."""
    folder = tmp_path / "rails"
    folder.mkdir()
    (folder / "toycoin.py").write_text(CODE, encoding="utf-8")
    monkeypatch.setattr(rails, "__path__", [*rails.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, "support_service.rails.toycoin", raising=False)
    made = import_module("support_service.rails.toycoin").TOYCOIN
    assert isinstance(made, Rail)
    monkeypatch.setitem(RAILS, made.name, made)
    return made


@pytest.fixture
def node() -> Iterator[str]:
    """A node that answers as the page says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/toy1abc" else 404)
            self.end_headers()
            self.wfile.write(ANSWER.encode())

        def log_message(self, *_: object) -> None:
            """Keep test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def settings(folder: Path, node: str, **changes: str) -> Path:
    text = f'[publisher]\nname = "A paper"\n\n{SETTINGS}'.replace("http://127.0.0.1:8080", node)
    for old, new in changes.items():
        text = text.replace(old, new)
    return write_settings(folder, text)


def test_the_rail_that_the_page_adds_is_shown_heard_and_booked(tmp_path: Path, toycoin: Rail, node: str) -> None:
    url = f"sqlite:///{tmp_path}/support.db"
    assembly = assemble(settings(tmp_path, node))
    (line,) = method_lines(assembly)
    assert "toy1abc" in line and "watched on toynet" in line
    prepare(url)
    ledger = Ledger(url)
    sources = build_sources(assembly, ledger, clock=utc_now)
    for _ in range(2):
        assert [outcome.is_good for outcome in watcher.run_once(sources, ledger)] == [True]
    (total,) = ledger.totals()
    told = json.loads(ANSWER)["received"]
    assert (total.rail, total.method, total.units, total.count) == ("toycoin", "toy", told[0]["units"], len(told))
    assert ledger.verify() == []
    client = create_site(assembly).test_client()
    assert "toy1abc" in client.get("/support").text
    assert client.get("/readyz").get_json()["sources"][0]["name"] == "toycoin:toynet"


def test_it_is_late_by_its_own_time_between_two_looks(tmp_path: Path, toycoin: Rail, node: str) -> None:
    prepare(f"sqlite:///{tmp_path}/support.db")
    clock = FrozenClock()
    app = create_site(assemble(settings(tmp_path, node)), clock=clock)
    ledger: Ledger = app.extensions["support"].ledger
    ledger.accept(Report("toycoin:toynet", "1", cursor=Cursor(1, 12, None, clock.now)))
    states = []
    for seconds in (600, 1):
        clock.advance(seconds=seconds)
        (source,) = app.test_client().get("/readyz").get_json()["sources"]
        states.append(source["state"])
    assert states == ["ok", "stale"], (
        "its settings name no time: the rail looks every 60 seconds, and may miss ten looks"
    )
    ledger.dispose()


def test_its_mistakes_are_told_as_those_of_every_rail(tmp_path: Path, toycoin: Rail, node: str) -> None:
    with pytest.raises(SettingsError) as told:
        assemble(settings(tmp_path, node, toy1abc="bc1abc"))
    assert [mistake.key for mistake in told.value.mistakes] == ["methods.toy.address"]


def test_a_rail_fits_into_one_file() -> None:
    assert CODE.count("\n") <= LINES_MAX


def test_the_page_names_all_that_a_rail_can_say() -> None:
    table = README.partition("## 5. All that a rail can say")[2].partition("## 6.")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(Rail.__dataclass_fields__)
