"""The outbox: once for each key, in the order of each thread, one sender at a time, and given up after three days."""

from datetime import timedelta

import pytest

from support_service.ledger import Ledger
from support_service.ledger.outbox import GIVE_UP_AFTER, KEPT, TAKEN_FOR, MessageStanding, Move, News, OutboxMessage
from tests.fixtures.staff import FrozenClock


def news(key: str, thread: str = "", channel: str = "mail") -> News:
    return News(channel, key, thread, "gift", {"donation": key})


def taken(ledger: Ledger, channel: str = "mail") -> OutboxMessage:
    held = ledger.outbox.take(channel)
    assert held is not None
    return held


def test_a_key_is_put_once_for_each_channel(ledger: Ledger) -> None:
    assert ledger.outbox.put([news("a"), news("a"), news("a", channel="slack")])
    ledger.outbox.put([news("a")])
    assert [one.news.channel for one in ledger.outbox.list(MessageStanding.WAITING)] == ["slack", "mail"]


def test_what_follows_from_a_move_is_put_with_it_or_not_at_all(ledger: Ledger) -> None:
    assert ledger.outbox.put([news("a")], Move("place", None, "1"))
    assert not ledger.outbox.put([news("b")], Move("place", None, "1"))
    assert not ledger.outbox.put([news("b")], Move("place", "0", "2"))
    assert ledger.outbox.place("place") == "1"
    assert [one.news.key for one in ledger.outbox.list(MessageStanding.WAITING)] == ["a"]


def test_two_senders_never_have_one_message(ledger: Ledger) -> None:
    ledger.outbox.put([news("a")])
    assert taken(ledger).news.key == "a"
    assert ledger.outbox.take("mail") is None


def test_a_message_of_a_sender_that_was_killed_is_said_by_another_one(ledger: Ledger, clock: FrozenClock) -> None:
    ledger.outbox.put([news("a")])
    dead = taken(ledger)
    clock.now += TAKEN_FOR
    alive = taken(ledger)
    assert alive.news == dead.news and alive.tries == 2
    assert not ledger.outbox.say_sent(dead), "it is the other one's by now"
    assert ledger.outbox.say_sent(alive)
    assert ledger.outbox.take("mail") is None


def test_a_thread_keeps_its_order_and_holds_up_no_other(ledger: Ledger, clock: FrozenClock) -> None:
    ledger.outbox.put([news("a1", "a"), news("a2", "a"), news("b1", "b")])
    first = taken(ledger)
    ledger.outbox.say_later(first, "down", clock.now + timedelta(minutes=1))
    assert taken(ledger).news.key == "b1"
    assert ledger.outbox.take("mail") is None, "a2 waits for a1"
    clock.advance(minutes=1)
    again = taken(ledger)
    assert again.news.key == "a1"
    ledger.outbox.say_sent(again)
    assert taken(ledger).news.key == "a2"


def test_it_is_given_up_after_three_days_and_goes_on_when_staff_say_so(ledger: Ledger, clock: FrozenClock) -> None:
    ledger.outbox.put([news("a1", "a"), news("a2", "a")])
    held, until = taken(ledger), clock.now + GIVE_UP_AFTER
    ledger.outbox.say_later(held, "down", until)
    clock.now = until
    held = taken(ledger)
    ledger.outbox.say_later(held, "still down", until + timedelta(seconds=1))
    (lost,) = ledger.outbox.list(MessageStanding.FAILED)
    assert (lost.news.key, lost.error) == ("a1", "still down")
    assert ledger.outbox.standing()["mail"].failed == 1
    assert taken(ledger).news.key == "a2", "what comes after it is not held up for ever"
    assert ledger.outbox.replay(lost.number)
    assert not ledger.outbox.replay(lost.number), "it waits already"
    again = taken(ledger)
    assert (again.news.key, again.tries, again.give_up_at) == ("a1", 1, clock.now + GIVE_UP_AFTER)


def test_whom_an_answer_goes_to_is_forgotten_with_the_answer(ledger: Ledger) -> None:
    ledger.outbox.put([News("letters", "link", "", "lost_link", {"to": "reader@example.org"})])
    held = taken(ledger, "letters")
    assert held.news.facts["to"] == "reader@example.org"
    ledger.outbox.say_sent(held)
    (done,) = ledger.outbox.list(MessageStanding.SENT)
    assert done.news.facts == {}


def test_what_was_said_long_ago_is_cleared_and_what_waits_is_not(ledger: Ledger, clock: FrozenClock) -> None:
    ledger.outbox.put([news("old"), news("waits")])
    ledger.outbox.say_sent(taken(ledger))
    clock.now += KEPT + timedelta(seconds=1)
    ledger.outbox.put([news("new")])
    assert ledger.outbox.list(MessageStanding.SENT) == ()
    assert [one.news.key for one in ledger.outbox.list(MessageStanding.WAITING)] == ["new", "waits"]


@pytest.mark.parametrize("count", [3])
def test_it_says_how_each_channel_stands(ledger: Ledger, clock: FrozenClock, count: int) -> None:
    began = clock.now
    for number in range(count):
        ledger.outbox.put([news(str(number))])
        clock.advance(minutes=1)
    ledger.outbox.say_failed(taken(ledger), "no")
    standing = ledger.outbox.standing()["mail"]
    assert (standing.waiting, standing.failed, standing.oldest_at) == (2, 1, began + timedelta(minutes=1))


def test_a_clock_that_was_ahead_for_a_while_holds_up_nothing(ledger: Ledger, clock: FrozenClock) -> None:
    right = clock.now
    clock.advance(days=2)
    ledger.outbox.put([news("a"), news("b")])
    ledger.outbox.say_later(taken(ledger), "down", clock.now + timedelta(hours=1))
    clock.now = right
    assert {taken(ledger).news.key, taken(ledger).news.key} == {"a", "b"}
    assert ledger.outbox.take("mail") is None
