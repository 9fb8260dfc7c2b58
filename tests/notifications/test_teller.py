"""What happens to money is told: once to each channel that asks, in order, and nothing about who gave."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support_service.giving import Direction, Kind, Personal, State
from support_service.ledger import Health, Ledger
from support_service.ledger.outbox import GIVE_UP_AFTER, MessageStanding
from tests.fixtures.books import bank_line
from tests.fixtures.mail import MailServer, text_of
from tests.fixtures.newsroom import SECRET, Program, Told, newsroom, webhook_table
from tests.fixtures.reports import NOON, Chain, dispute, gift, pushed, refund, transfer
from tests.fixtures.service import SEED
from tests.fixtures.staff import FrozenClock

ALL = 'events = ["gift", "refund", "dispute", "first_of_day", "inbox"]'
CANARY = "Olena Koval canary"


def mail_tables(server: MailServer, more: str = "") -> str:
    return (
        f'[mail]\nhost = "127.0.0.1"\nport = {server.port}\nfrom = "support@example.org"\nletters = []\n'
        f'[[notify]]\nchannel = "mail"\nto = ["editor@example.org"]\n{more}\n'
    )


def test_a_gift_is_told_step_by_step_to_a_program(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, ALL))
    ledger.accept(pushed("g1", gift(personal=Personal(payer=CANARY, message=CANARY))))
    ledger.accept(pushed("r1", refund(units=4_00, rank=(2, 1))))
    ledger.accept(pushed("d1", dispute(rank=(3, 1))))
    told.turn()
    told.turn()
    assert listener.kinds == ["gift", "first_of_day", "refund", "dispute"]
    first = listener.bodies[0]["data"]
    assert (first["units"], first["asset"], first["method"]) == ("1000", "EUR", "stripe")
    assert CANARY not in json.dumps(listener.bodies, ensure_ascii=False)
    told.restart()
    told.turn()
    assert len(listener.bodies) == 4, "nothing is told twice"


def test_what_was_before_the_telling_began_is_not_told(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    ledger.accept(pushed("g1", gift()))
    newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, ALL)).turn()
    assert listener.bodies == []


def test_the_signature_is_one_that_standard_webhooks_check(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, ALL))
    ledger.accept(pushed("g1", gift()))
    told.turn()
    headers, body = listener.server.headers[0], listener.server.bodies[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert json.loads(body)["id"] == headers["webhook-id"]
    assert headers["webhook-timestamp"] == str(int(clock().timestamp()))


def test_a_program_that_is_down_for_hours_is_told_all_in_order_and_once(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, 'events = ["gift", "refund"]'))
    listener.status = 500
    ledger.accept(pushed("g1", gift()))
    ledger.accept(pushed("r1", refund(units=4_00, rank=(2, 1))))
    for _ in range(60):
        told.turn()
        clock.advance(minutes=10)
    assert 5 < listener.refused < 30, "with growing rests"
    listener.status = 200
    for _ in range(30):
        told.turn()
        clock.advance(minutes=10)
    assert listener.kinds == ["gift", "refund"]


def test_what_nobody_takes_for_three_days_waits_for_staff(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, 'events = ["gift"]'))
    listener.status = 500
    ledger.accept(pushed("g1", gift()))
    end = clock.now + GIVE_UP_AFTER + timedelta(hours=2)
    while clock.now < end:
        told.turn()
        clock.advance(minutes=30)
    (lost,) = ledger.outbox.list(MessageStanding.FAILED)
    assert "HTTP 500" in lost.error
    listener.status = 200
    assert ledger.outbox.replay(lost.number)
    told.turn()
    assert [body["id"] for body in listener.bodies] == [lost.news.key]


def test_who_says_gone_is_left_alone(tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, 'events = ["gift"]'))
    listener.status = 410
    ledger.accept(pushed("g1", gift()))
    told.turn()
    assert [one.standing for one in ledger.outbox.list(MessageStanding.FAILED)] == [MessageStanding.FAILED]


def test_people_read_it_in_their_language_with_a_link(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, mail: MailServer
) -> None:
    told = newsroom(tmp_path, ledger, clock, mail_tables(mail, 'events = ["gift"]\nlang = "en"'))
    ledger.accept(pushed("g1", gift(personal=Personal(payer=CANARY))))
    told.turn()
    (letter,) = mail.letters
    ref = ledger.donations()[0].donation.identity.ref
    assert letter["Subject"] == "A gift: €10"
    assert f"/staff/donations/{ref}" in text_of(letter)
    assert CANARY not in text_of(letter)
    assert mail.envelopes == [("editor@example.org",)]


def test_a_channel_that_is_marked_is_told_who_gave(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, mail: MailServer
) -> None:
    told = newsroom(tmp_path, ledger, clock, mail_tables(mail, 'events = ["gift"]\nlang = "en"\nreaders = true'))
    ledger.accept(pushed("g1", gift(personal=Personal(payer=CANARY, message="за правду"))))
    told.turn()
    assert f"From: {CANARY}" in text_of(mail.letters[0])
    assert "за правду" in text_of(mail.letters[0])


def test_a_large_gift_is_told_from_its_least_amount_on(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    more = 'events = ["large_gift"]\nmin_amount = ["100 EUR", "0.5 ETH"]'
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, more))
    ledger.accept(pushed("g1", gift("pi_1", units=99_99)))
    ledger.accept(pushed("g2", gift("pi_2", units=100_00)))
    Chain(ledger).says(transfer(units=5 * 10**17, state=State.CONFIRMED))
    told.turn()
    assert [body["data"]["units"] for body in listener.bodies] == ["10000", str(5 * 10**17)]


def test_a_flood_of_dust_fills_no_mailbox_and_a_program_is_told_all(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, mail: MailServer, listener: Program
) -> None:
    tables = mail_tables(mail, 'events = ["gift"]\nlang = "en"')
    told = newsroom(tmp_path, ledger, clock, tables + webhook_table(tmp_path, listener.url, 'events = ["gift"]'))
    for number in range(60):
        ledger.accept(pushed(f"g{number}", gift(f"pi_{number}", units=1)))
    for _ in range(3):
        told.turn()
    assert len(listener.bodies) == 60
    assert len(mail.letters) == 31
    assert mail.subjects[-1] == "More than 30 messages about gifts within an hour"


def test_money_that_is_no_gift_is_not_told_as_one(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, ALL))
    ledger.accept(pushed("b1", bank_line("1", kind=Kind.REVIEW), source="bank"))
    ledger.accept(pushed("b2", bank_line("2", kind=Kind.REVIEW), source="bank"))
    ledger.accept(pushed("b3", bank_line("3", kind=Kind.OTHER), source="bank"))
    ledger.accept(pushed("b4", bank_line("4", kind=Kind.OUTFLOW, direction=Direction.OUT), source="bank"))
    told.turn()
    assert listener.kinds == ["inbox"], "once an hour, however many lines"


@pytest.mark.parametrize(("digest", "days"), [("daily", 1), ("weekly", 7)])
def test_a_digest_comes_in_the_morning_with_its_chart(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, mail: MailServer, digest: str, days: int
) -> None:
    more = f'events = ["freeze"]\nlang = "en"\ndigest = "{digest}"'
    told = newsroom(tmp_path, ledger, clock, mail_tables(mail, more))
    for number in range(3):
        ledger.accept(pushed(f"g{number}", gift(f"pi_{number}")))
    told.turn()
    assert mail.letters == []
    for _ in range(24 * days):
        clock.advance(hours=1)
        told.turn()
    (letter,) = mail.letters
    assert str(letter["Subject"]).endswith("gifts: 3")
    assert "€30" in text_of(letter)
    assert f"01.05  {'█' * 20} 3" in text_of(letter)


WATCHED = SEED.replace("chain_id = 1\n", 'chain_id = 1\nrpc = ["http://127.0.0.1:1"]\n')


def test_a_source_that_is_silent_is_told_once_and_once_when_it_is_heard_again(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    clock.now, chain = NOON + timedelta(seconds=15), Chain(ledger)
    chain.says(transfer())
    table = webhook_table(tmp_path, listener.url, 'events = ["source"]\nminutes = 5')
    told = newsroom(tmp_path, ledger, clock, table, seed=WATCHED)
    ledger.note_health("evm:ethereum", Health.DOWN, "no answer")
    for _ in range(5):
        told.turn()
        clock.advance(minutes=1)
    assert listener.bodies == [], "not before five minutes"
    for _ in range(5):
        told.turn()
        clock.advance(minutes=1)
    told.restart()
    told.turn()
    assert listener.kinds == ["source_down"]
    for _ in range(60):
        chain.says()
    ledger.note_health("evm:ethereum", Health.OK)
    told.turn()
    told.turn()
    assert listener.kinds == ["source_down", "source_up"]
    assert listener.bodies[0]["data"]["source"] == "evm:ethereum"


def test_a_source_that_is_soon_heard_again_is_not_told(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    clock.now, chain = NOON + timedelta(seconds=15), Chain(ledger)
    chain.says(transfer())
    table = webhook_table(tmp_path, listener.url, 'events = ["source"]\nminutes = 5')
    told = newsroom(tmp_path, ledger, clock, table, seed=WATCHED)
    for state in (Health.DOWN, Health.OK) * 5:
        ledger.note_health("evm:ethereum", state, "no answer" if state is Health.DOWN else "")
        clock.advance(seconds=10)
        told.turn()
    assert listener.bodies == []


def test_a_freeze_is_told_once(tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, 'events = ["freeze"]'))
    ledger.freeze("evm:ethereum", "two nodes differ", {"a": "1", "b": "2"})
    told.turn()
    told.restart()
    told.turn()
    assert [body["data"]["source"] for body in listener.bodies] == ["evm:ethereum"]


def test_another_address_is_told_by_the_key_of_its_method(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    table = webhook_table(tmp_path, listener.url, 'events = ["address_changed"]')
    told = newsroom(tmp_path, ledger, clock, table)
    told.restart()
    told.turn()
    assert listener.bodies == []
    text = told.file.read_text(encoding="utf-8")
    told.file.write_text(text.replace("5169335101647408", "4111111111111111"), encoding="utf-8")
    told.restart()
    told.turn()
    told.turn()
    assert [body["data"]["methods"] for body in listener.bodies] == [["card"]]


def test_two_tellers_put_each_thing_once(tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program) -> None:
    one = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, ALL))
    other = Told(one.file, ledger, clock)
    ledger.accept(pushed("g1", gift()))
    one.sources[0].reports(None)
    other.sources[0].reports(None)
    one.turn()
    other.turn()
    assert listener.kinds == ["gift", "first_of_day"]


def test_a_month_that_had_gifts_and_is_not_closed_on_the_tenth_is_told_once(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, 'events = ["month_not_closed"]'))
    ledger.accept(pushed("g1", gift()))
    clock.now = datetime(2026, 6, 10, 5, 59, tzinfo=UTC)
    told.turn()
    assert listener.bodies == [], "the tenth at nine in Kyiv is a minute later"
    for _ in range(3):
        clock.advance(hours=12)
        told.restart()
        told.turn()
    assert [(body["type"], body["data"]) for body in listener.bodies] == [("month_not_closed", {"month": "2026-05"})]
    clock.now = datetime(2026, 7, 12, tzinfo=UTC)
    told.turn()
    assert len(listener.bodies) == 1, "June had no gifts"


def test_a_month_that_is_closed_in_time_is_not_told(
    tmp_path: Path, ledger: Ledger, clock: FrozenClock, listener: Program
) -> None:
    told = newsroom(tmp_path, ledger, clock, webhook_table(tmp_path, listener.url, 'events = ["month_not_closed"]'))
    ledger.accept(pushed("g1", gift()))
    clock.now = datetime(2026, 6, 8, tzinfo=UTC)
    kyiv = ZoneInfo("Europe/Kyiv")
    ends = (datetime(2026, 5, 1, tzinfo=kyiv).astimezone(UTC), datetime(2026, 6, 1, tzinfo=kyiv).astimezone(UTC))
    ledger.months.close("2026-05", [], lambda _month: ends, by="a@example.org", note="")
    clock.now = datetime(2026, 6, 12, tzinfo=UTC)
    told.turn()
    assert listener.bodies == []
