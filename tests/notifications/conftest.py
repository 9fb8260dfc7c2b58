"""What tests of the telling share: a ledger whose clock stands still, a program and a mail server on loopback."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from support_service.ledger import Ledger
from tests.fixtures.mail import MailServer, mail_server
from tests.fixtures.newsroom import Program, program
from tests.fixtures.reports import NOON
from tests.fixtures.staff import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON + timedelta(hours=1))


@pytest.fixture
def ledger(database_url: str, clock: FrozenClock) -> Iterator[Ledger]:
    made = Ledger(database_url, clock=clock)
    yield made
    made.dispose()


@pytest.fixture
def listener() -> Iterator[Program]:
    with program() as held:
        yield held


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as held:
        yield held
