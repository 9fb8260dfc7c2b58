"""Whatever ends or holds up a sender, nothing is lost, what was said is not said again, and time is bounded."""

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support_service.giving import utc_now
from support_service.ledger import Ledger, LedgerDown
from support_service.ledger.outbox import TAKEN_FOR, MessageStanding
from support_service.notifications.smtp import Mailbox
from support_service.notifications.way import ChannelDown, ChannelRefused
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Reply
from tests.fixtures.mail import Certificate, MailServer, mail_server, silent_server
from tests.fixtures.newsroom import Program, Told, newsroom, webhook_table
from tests.fixtures.reports import gift, pushed
from tests.fixtures.service import Start, until
from tests.fixtures.staff import FrozenClock

GIFTS = 'events = ["gift"]'


@pytest.fixture
def impatient(sqlite_url: str, clock: FrozenClock) -> Iterator[Ledger]:
    """A ledger that waits for nobody for long."""
    made = Ledger(sqlite_url, clock=clock, wait_seconds_max=0.2)
    yield made
    made.dispose()


def locking(listener: Program, url: str) -> list[sqlite3.Connection]:
    """Let the program hold the database up from the moment in which it says yes."""
    held: list[sqlite3.Connection] = []
    plain = listener.server.answer

    def answer(body: bytes) -> Reply:
        if not held:
            connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
            connection.execute("BEGIN EXCLUSIVE")
            held.append(connection)
        return plain(body)

    listener.server.answer = answer
    return held


def told_while_locked(folder: Path, ledger: Ledger, clock: FrozenClock, listener: Program, url: str) -> Told:
    told = newsroom(folder, ledger, clock, webhook_table(folder, listener.url, GIFTS))
    ledger.accept(pushed("g1", gift()))
    held = locking(listener, url)
    with pytest.raises(LedgerDown):
        told.turn()
    assert len(listener.bodies) == 1
    held[0].execute("ROLLBACK")
    held[0].close()
    return told


def test_a_yes_that_could_not_be_kept_is_kept_later_and_nothing_is_said_twice(
    tmp_path: Path, impatient: Ledger, sqlite_url: str, clock: FrozenClock, listener: Program
) -> None:
    told = told_while_locked(tmp_path, impatient, clock, listener, sqlite_url)
    clock.now += TAKEN_FOR * 2
    told.turn()
    assert len(listener.bodies) == 1
    assert [one.standing for one in impatient.outbox.list(MessageStanding.SENT)] == [MessageStanding.SENT]


def test_a_sender_that_is_killed_before_it_kept_the_yes_says_it_again_under_the_same_key(
    tmp_path: Path, impatient: Ledger, sqlite_url: str, clock: FrozenClock, listener: Program
) -> None:
    told = told_while_locked(tmp_path, impatient, clock, listener, sqlite_url)
    told.restart()
    told.turn()
    assert len(listener.bodies) == 1, "until it is sure that nobody says it"
    clock.now += TAKEN_FOR
    told.turn()
    assert len({body["id"] for body in listener.bodies}) == 1 and len(listener.bodies) == 2


@pytest.mark.parametrize("greets", [True, False])
def test_a_mail_server_that_hangs_costs_a_bounded_time(greets: bool) -> None:
    with silent_server(greets=greets) as port:
        mailbox = Mailbox("127.0.0.1", port, "none", "support@example.org", total_seconds=0.5)
        began = time.monotonic()
        with pytest.raises(ChannelDown):
            mailbox.send(["a@example.org"], key="k", subject="s", text="t", at=utc_now())
        assert time.monotonic() - began < 5


def test_nobody_listens_is_down() -> None:
    mailbox = Mailbox("127.0.0.1", 1, "none", "support@example.org")
    with pytest.raises(ChannelDown, match="cannot be reached"):
        mailbox.greet()


@pytest.mark.parametrize(
    ("answer", "raised"),
    [("450 later", ChannelDown), ("550 no such user", ChannelRefused)],
)
def test_what_a_mail_server_says_of_an_address_is_later_or_never(
    mail: MailServer, answer: str, raised: type[Exception]
) -> None:
    mail.to_recipient = lambda _address: answer
    mailbox = Mailbox("127.0.0.1", mail.port, "none", "support@example.org")
    with pytest.raises(raised) as told:
        mailbox.send(["reader@example.org"], key="k", subject="s", text="t", at=utc_now())
    assert "reader@" not in str(told.value), "an address reaches no log"


@pytest.mark.parametrize(("answer", "raised"), [("451 later", ChannelDown), ("554 spam", ChannelRefused)])
def test_what_it_says_of_a_letter_too(mail: MailServer, answer: str, raised: type[Exception]) -> None:
    mail.to_letter = lambda _letter: answer
    mailbox = Mailbox("127.0.0.1", mail.port, "none", "support@example.org")
    with pytest.raises(raised):
        mailbox.send(["reader@example.org"], key="k", subject="s", text="t", at=utc_now())


def test_a_letter_is_the_same_one_on_every_try(mail: MailServer) -> None:
    mailbox = Mailbox("127.0.0.1", mail.port, "none", "support@example.org", name="Військові новини, ГО")
    for _ in range(2):
        mailbox.send(["a@example.org"], key="gift:1", subject="Дякуємо\r\nBcc: x", text="Слава", at=utc_now())
    one, two = mail.letters
    assert one["Message-ID"] == two["Message-ID"]
    assert one["Subject"] == "Дякуємо Bcc: x"
    assert one["Bcc"] is None
    assert "Військові новини, ГО" in str(one["From"])


def test_a_password_is_said_and_a_wrong_one_is_told_without_it() -> None:
    with mail_server(password="right one") as server:
        for password, is_right in (("right one", True), ("wrong one", False)):
            mailbox = Mailbox("127.0.0.1", server.port, "none", "a@example.org", user="paper", password=password)
            if is_right:
                mailbox.greet()
                continue
            with pytest.raises(ChannelDown, match="user or password is refused") as told:
                mailbox.greet()
            assert "wrong one" not in str(told.value) + repr(mailbox)


def test_one_mailbox_that_is_down_holds_up_no_other_channel(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    tables = (
        '[mail]\nhost = "127.0.0.1"\nport = 1\nfrom = "support@example.org"\n'
        f'[[notify]]\nchannel = "mail"\nto = ["editor@example.org"]\n{GIFTS}\n'
    )
    told = newsroom(tmp_path, ledger, clock, tables + webhook_table(tmp_path, listener.url, GIFTS))
    ledger.accept(pushed("g1", gift()))
    outcomes = {one.source: one.reason for one in told.turn()}
    assert "cannot be reached" in outcomes["notify:mail"]
    assert listener.kinds == ["gift"]
    assert ledger.outbox.standing()["mail"].waiting == 1


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate.make(tmp_path)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_out_over_tls_that_is_proved_and_over_no_other(
    certificate: Certificate, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(**{security: certificate}) as server:  # type: ignore[arg-type]
        mailbox = Mailbox("localhost", server.port, security, "support@example.org")
        with pytest.raises(ChannelDown, match="no trusted TLS"):
            mailbox.send(["a@example.org"], key="k", subject="s", text="t", at=utc_now())
        # From here on this machine trusts whoever signed it; for another name it was not made.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
        mailbox.send(["a@example.org"], key="k", subject="s", text="t", at=utc_now())
        with pytest.raises(ChannelDown, match="no trusted TLS"):
            replace(mailbox, host="127.0.0.1").send(["a@example.org"], key="k", subject="s", text="t", at=utc_now())
    assert len(server.letters) == 1


def test_a_server_that_takes_starttls_away_is_told_nothing(mail: MailServer) -> None:
    mailbox = Mailbox("localhost", mail.port, "starttls", "support@example.org", user="paper", password="secret one")
    with pytest.raises(ChannelDown):
        mailbox.send(["a@example.org"], key="k", subject="s", text="t", at=utc_now())
    assert mail.letters == []


@pytest.mark.parametrize("has_said_yes", [True, False])
def test_a_sender_process_that_is_killed_says_it_again_under_the_same_key_and_never_before_it_must(
    tmp_path: Path, start: Start, listener: Program, has_said_yes: bool
) -> None:
    """Nobody can know whether a channel took what was said when the sender died: its key tells it to the channel."""
    prepare(url := f"sqlite:///{tmp_path}/support.db")
    clock = FrozenClock(utc_now())
    ledger = Ledger(url, clock=clock)
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, GIFTS))
    clock.now = utc_now()
    ledger.accept(pushed("g1", gift()))
    held = locking(listener, url)
    said: list[bytes] = []

    def killing(body: bytes) -> Reply:
        said.append(body)
        sender.send_signal(signal.SIGKILL)
        return Reply(None)

    if not has_said_yes:
        listener.server.answer = killing
    process = start("--config", told.file, "watch", "--once")
    sender = process.process
    until(lambda: bool(held or said) or sender.poll() is not None)
    if has_said_yes:
        # It has the yes, and waits to write it down.
        until(lambda: bool(listener.bodies))
        sender.send_signal(signal.SIGKILL)
        held[0].execute("ROLLBACK")
        held[0].close()
    assert sender.wait(30) == -signal.SIGKILL
    first = json.loads(said[0]) if said else listener.bodies.pop()
    listener.server.answer = listener.answer
    clock.now = utc_now()
    told.restart()
    told.turn()
    assert listener.bodies == [], "until it is sure that nobody says it"
    clock.now += TAKEN_FOR
    told.turn()
    told.turn()
    assert [body["id"] for body in listener.bodies] == [first["id"]]
    assert [one.tries for one in ledger.outbox.list(MessageStanding.SENT)] == [2]
    ledger.dispose()
