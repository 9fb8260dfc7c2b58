"""The real server, a process of its own, signs a person in by the provider, and tells nothing of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from support_service.ledger import Ledger
from tests.fixtures.database import prepare
from tests.fixtures.oidc import OidcProvider, provider_of
from tests.fixtures.service import SEED, Start, answer, free_port, until, write_settings
from tests.fixtures.staff import ANNA, PASSWORD, FrozenClock


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def provider(tmp_path: Path, port: int) -> Iterator[OidcProvider]:
    with provider_of(tmp_path, FrozenClock(datetime.now(UTC)), f"http://127.0.0.1:{port}") as made:
        yield made


def test_a_person_signs_in_once_by_the_real_server(
    tmp_path: Path, start: Start, provider: OidcProvider, port: int
) -> None:
    url, origin = f"sqlite:///{tmp_path}/support.db", f"http://127.0.0.1:{port}"
    prepare(url)
    ledger = Ledger(url)
    ledger.people.add(ANNA, "viewer", PASSWORD)
    ledger.dispose()
    file = write_settings(tmp_path, SEED.replace("http://127.0.0.1:8000", origin) + provider.table)
    running = start("--config", file, "web", "--port", port)
    until(lambda: answer(f"{origin}/healthz")[0] == 200)
    with requests.Session() as browser:
        browser.trust_env = False
        there = browser.get(f"{origin}/staff/login/oidc", allow_redirects=False, timeout=20)
        assert there.status_code == 303, there.text
        back = browser.get(provider.pass_through(there.headers["Location"]), allow_redirects=False, timeout=20)
        assert back.status_code == 200 and 'content="0; url=/staff/"' in back.text
        assert ANNA in browser.get(f"{origin}/staff/me", timeout=20).text
        again = browser.get(provider.pass_through(there.headers["Location"]), allow_redirects=False, timeout=20)
        assert "told=over" in again.headers["Location"]
    assert running.stop() == 0
    told = running.complained()
    assert "staff_signed_in" in told and "way=oidc" in told
    assert ANNA not in told and "code=" not in told
