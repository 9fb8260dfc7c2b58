"""The names that outsiders rely on are there: routes, words of the export, roles."""

from pathlib import Path

import click
import pytest

from support_service import cli
from support_service.assembly import assemble
from support_service.ledger.staff import Role
from support_service.rails import RAILS
from tests.fixtures.door import create_site

ROUTES = (
    *("/", "/support", "/qr/eth.svg", "/qr/eth.png", "/privacy", "/verify", "/arrived"),
    *("/widget.js", "/widget", "/oembed?url=http://127.0.0.1:8000/support"),
    *("/totals.json", "/.well-known/support-methods.json", "/robots.txt", "/.well-known/security.txt"),
    *("/staff/", "/healthz", "/readyz", "/metrics"),
)
OF_STAFF = (
    *("donations", "months", "articles", "people", "me", "donors", "notifications"),
    *("login", "entry", "inbox", "imports", "health", "exports", "snippet"),
)


@pytest.mark.parametrize("route", [*ROUTES, *(f"/staff/{page}" for page in OF_STAFF)])
def test_every_route_answers(settings_file: Path, route: str) -> None:
    client = create_site(assemble(settings_file)).test_client()
    status = client.get(route, base_url="http://127.0.0.1:8000").status_code
    assert status in {200, 302, 303, 503}, f"{route} answers {status}"


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PUT", "DELETE"])
def test_a_method_that_no_page_takes_is_refused(settings_file: Path, method: str) -> None:
    client = create_site(assemble(settings_file)).test_client()
    for path in ("/support", "/staff/login", "/widget", "/nowhere"):
        answer = client.open(path, method=method, base_url="http://127.0.0.1:8000", headers={"X-Told": "a secret"})
        assert answer.status_code in {404, 405, 501} and "a secret" not in answer.text


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_text_says_in_which_letters(settings_file: Path, route: str) -> None:
    client = create_site(assemble(settings_file)).test_client()
    told = client.get(route, base_url="http://127.0.0.1:8000").headers["Content-Type"]
    # JSON has no other letters than these (RFC 8259, section 8.1).
    assert told in {"application/json", "image/png"} or "charset=utf-8" in told


def test_the_page_needs_no_database(settings_file: Path) -> None:
    client = create_site(assemble(settings_file)).test_client()
    assert client.get("/support", base_url="http://127.0.0.1:8000").status_code == 200
    assert client.get("/readyz", base_url="http://127.0.0.1:8000").status_code == 503
    assert not (settings_file.parent / "support.db").exists()


def test_the_commands_know_the_words_of_the_house() -> None:
    (rail,) = (option for option in cli.export.params if option.name == "rail")
    assert isinstance(rail.type, click.Choice)
    assert set(rail.type.choices) == set(RAILS) == {"evm", "bitcoin", "tron", "stripe", "mono", "bank", "card"}
    assert set(cli.ROLES) == {role.value for role in Role}
