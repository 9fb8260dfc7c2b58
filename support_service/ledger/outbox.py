"""What people and programs are to be told, until they were: kept in the ledger's database, in its order.

At least once: what was put in leaves when its channel said yes, or when it was given up after GIVE_UP_AFTER. A row
is taken for TAKEN_FOR before it is sent, so that two senders never say one thing at the same time; one that is
killed between sending and marking says it again, under the same key. Rows hold no word about who gave: that is
looked up when something is said, and is gone when it was erased.
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.tables import outbox, outbox_place

GIVE_UP_AFTER = timedelta(days=3)
# Longer than any way takes for one message, with room for a clock that is a little wrong.
TAKEN_FOR = timedelta(minutes=3)
# No rest between two tries is longer; a clock that was ahead may say so all the same.
PUT_OFF_MAX = timedelta(hours=2)
# What was said is kept for staff to look at; in one transaction only so many go.
KEPT, CLEARED_MAX = timedelta(days=90), 200
LISTED_MAX = 50
ERROR_CHARS_MAX = 300


class MessageStanding(StrEnum):
    """How a message stands: it waits, its channel said yes, it was given up, or there was nothing to say any more."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class News:
    """Something that a channel is to be told, once for each key; within a thread in the order in which it was put.

    facts are plain JSON, and say nothing about who gave.
    """

    channel: str
    key: str
    thread: str
    kind: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """How far the telling has got, and from where: what is put together with a move is put once."""

    name: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message of the outbox as it stands; taken_by: the sender that has it now."""

    number: int
    news: News
    made_at: datetime
    standing: MessageStanding
    tries: int
    next_try_at: datetime
    give_up_at: datetime
    taken_by: str
    error: str
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChannelBacklog:
    """How a channel stands: how many wait, since when the oldest does, and how many were given up."""

    waiting: int = 0
    failed: int = 0
    oldest_at: datetime | None = None


class Outbox:
    """The outbox over the ledger's database; every method may raise LedgerDown or LedgerOutdated."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock

    def place(self, name: str) -> str | None:
        """Tell how far something has got; None before its first step."""
        with self._database.read() as tx:
            return _place(tx, name)

    def places(self, start: str) -> dict[str, str]:
        """Tell of all whose names begin so."""
        with self._database.read() as tx:
            asked = select(outbox_place.c.name, outbox_place.c.memo)
            return {row.name: row.memo for row in tx.execute(asked) if row.name.startswith(start)}

    def put(self, news: Sequence[News], *moves: Move) -> bool:
        """Keep what is to be said, with the moves that it follows from, or nothing where another teller was faster."""
        with self._database.write() as tx:
            now = self._clock()
            if not all(_place(tx, move.name) == move.before for move in moves):
                return False
            for move in moves:
                _move(tx, move, now)
            fresh = [one for one in news if not _is_known(tx, one)]
            number: int = tx.execute(select(func.coalesce(func.max(outbox.c.number), 0))).scalar_one()
            for place, one in enumerate({(one.channel, one.key): one for one in fresh}.values(), number + 1):
                tx.execute(insert(outbox).values(number=place, **_values(one, now)))
            _clear(tx, now)
            return True

    def take(self, channel: str) -> OutboxMessage | None:
        """Take the message whose turn it is on a channel, for TAKEN_FOR; None where nothing is due.

        A message waits for those of its thread that were put before it.
        """
        now = self._clock()
        with self._database.read() as tx:
            found = _due(tx, channel, now)
        if found is None:
            return None
        token = secrets.token_hex(8)
        with self._database.write() as tx:
            is_free = (outbox.c.number == found) & _is_due(now)
            values = {"taken_by": token, "next_try_at": to_micros(now + TAKEN_FOR), "tries": outbox.c.tries + 1}
            if tx.execute(update(outbox).where(is_free).values(**values)).rowcount != 1:
                return None
            row = tx.execute(select(outbox).where(outbox.c.number == found)).mappings().one()
            return _read(row)

    def say_sent(self, held: OutboxMessage) -> bool:
        """Keep that the channel said yes; False where another sender has the message by now."""
        return self._end(held, MessageStanding.SENT, "")

    def say_void(self, held: OutboxMessage, why: str) -> bool:
        """Keep that there is nothing to say any more."""
        return self._end(held, MessageStanding.VOID, why)

    def say_failed(self, held: OutboxMessage, error: str) -> bool:
        """Give a message up; staff may send it again."""
        return self._end(held, MessageStanding.FAILED, error)

    def say_later(self, held: OutboxMessage, error: str, next_try_at: datetime) -> bool:
        """Keep a failure; after GIVE_UP_AFTER it is the last one."""
        if next_try_at > held.give_up_at:
            return self.say_failed(held, error)
        values = {"taken_by": "", "next_try_at": to_micros(next_try_at), "error": error[:ERROR_CHARS_MAX]}
        return self._change(held, **values)

    def replay(self, number: int) -> bool:
        """Let a message that is done wait once more, under the same key; False where it waits already."""
        now = self._clock()
        here = (outbox.c.number == number) & (outbox.c.state != str(MessageStanding.WAITING))
        values = {"state": str(MessageStanding.WAITING), "tries": 0, "next_try_at": to_micros(now), "taken_by": ""}
        values |= {"give_up_at": to_micros(now + GIVE_UP_AFTER), "done_at": None}
        with self._database.write() as tx:
            return tx.execute(update(outbox).where(here).values(**values)).rowcount == 1

    def find(self, number: int) -> OutboxMessage | None:
        """Look a message up."""
        with self._database.read() as tx:
            row = tx.execute(select(outbox).where(outbox.c.number == number)).mappings().one_or_none()
            return None if row is None else _read(row)

    def list(self, standing: MessageStanding, *, before: int | None = None) -> tuple[OutboxMessage, ...]:
        """List messages that stand so, the newest first."""
        asked = select(outbox).where(outbox.c.state == str(standing)).order_by(outbox.c.number.desc()).limit(LISTED_MAX)
        if before is not None:
            asked = asked.where(outbox.c.number < before)
        with self._database.read() as tx:
            return tuple(_read(row) for row in tx.execute(asked).mappings())

    def knows(self, channel: str, key: str) -> bool:
        """Tell whether something was put already."""
        with self._database.read() as tx:
            return _is_known(tx, News(channel, key, "", ""))

    def put_since(self, channel: str, since: datetime) -> int:
        """Count what was put for a channel since a moment."""
        mine = (outbox.c.channel == channel) & (outbox.c.made_at > to_micros(since))
        with self._database.read() as tx:
            return int(tx.execute(select(func.count()).select_from(outbox).where(mine)).scalar_one())

    def standing(self) -> dict[str, ChannelBacklog]:
        """Tell how each channel stands that has something waiting or given up."""
        is_waiting = outbox.c.state == str(MessageStanding.WAITING)
        asked = (
            select(
                outbox.c.channel,
                func.sum(case((is_waiting, 1), else_=0)).label("waiting"),
                func.sum(case((is_waiting, 0), else_=1)).label("failed"),
                func.min(case((is_waiting, outbox.c.made_at))).label("oldest"),
            )
            .where(outbox.c.state.in_((str(MessageStanding.WAITING), str(MessageStanding.FAILED))))
            .group_by(outbox.c.channel)
        )
        with self._database.read() as tx:
            return {
                row.channel: ChannelBacklog(
                    int(row.waiting), int(row.failed), None if row.oldest is None else from_micros(int(row.oldest))
                )
                for row in tx.execute(asked)
            }

    def _end(self, held: OutboxMessage, standing: MessageStanding, error: str) -> bool:
        values = {"state": str(standing), "error": error[:ERROR_CHARS_MAX], "done_at": to_micros(self._clock())}
        # Whom an answer goes to, and which gifts are one person's, is kept until it went.
        return self._change(held, **values, **({"facts": "{}"} if {"to", "donations"} & set(held.news.facts) else {}))

    def _change(self, held: OutboxMessage, **values: object) -> bool:
        is_mine = and_(
            outbox.c.number == held.number,
            outbox.c.taken_by == held.taken_by,
            outbox.c.state == str(MessageStanding.WAITING),
        )
        with self._database.write() as tx:
            return tx.execute(update(outbox).where(is_mine).values(**values)).rowcount == 1


def _due(tx: Connection, channel: str, now: datetime) -> int | None:
    """Find the oldest due message whose thread has nothing waiting before it."""
    earlier = outbox.alias("earlier")
    is_held_up = exists().where(
        earlier.c.channel == outbox.c.channel,
        earlier.c.thread == outbox.c.thread,
        earlier.c.state == str(MessageStanding.WAITING),
        earlier.c.number < outbox.c.number,
    )
    asked = (
        select(outbox.c.number)
        .where(outbox.c.channel == channel, _is_due(now), ~and_(outbox.c.thread != "", is_held_up))
        .order_by(outbox.c.number)
        .limit(1)
    )
    found: int | None = tx.execute(asked).scalar_one_or_none()
    return found


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Ask for what waits and may be tried now: always what was never tried, and what a wrong clock put off too far."""
    is_time = outbox.c.next_try_at <= to_micros(now)
    is_far = outbox.c.next_try_at > to_micros(now + PUT_OFF_MAX)
    return and_(outbox.c.state == str(MessageStanding.WAITING), or_(is_time, outbox.c.tries == 0, is_far))


def _is_known(tx: Connection, one: News) -> bool:
    here = (outbox.c.channel == one.channel) & (outbox.c.key == one.key)
    return tx.execute(select(outbox.c.number).where(here)).first() is not None


def _place(tx: Connection, name: str) -> str | None:
    memo: str | None = tx.execute(select(outbox_place.c.memo).where(outbox_place.c.name == name)).scalar_one_or_none()
    return memo


def _move(tx: Connection, move: Move, now: datetime) -> None:
    values = {"memo": move.after, "moved_at": to_micros(now)}
    if move.before is None:
        tx.execute(insert(outbox_place).values(name=move.name, **values))
    else:
        tx.execute(update(outbox_place).where(outbox_place.c.name == move.name).values(**values))


def _clear(tx: Connection, now: datetime) -> None:
    """Forget what was said long ago; what was given up stays as long."""
    is_old = (outbox.c.state != str(MessageStanding.WAITING)) & (outbox.c.done_at < to_micros(now - KEPT))
    old = select(outbox.c.number).where(is_old).order_by(outbox.c.done_at).limit(CLEARED_MAX)
    tx.execute(delete(outbox).where(outbox.c.number.in_(old)))


def _values(one: News, now: datetime) -> dict[str, object]:
    return {
        "channel": one.channel,
        "key": one.key,
        "thread": one.thread,
        "kind": one.kind,
        "facts": json.dumps(dict(one.facts), ensure_ascii=False, sort_keys=True),
        "made_at": to_micros(now),
        "state": str(MessageStanding.WAITING),
        "tries": 0,
        "next_try_at": to_micros(now),
        "give_up_at": to_micros(now + GIVE_UP_AFTER),
        "taken_by": "",
        "error": "",
    }


def _read(row: RowMapping) -> OutboxMessage:
    return OutboxMessage(
        number=row["number"],
        news=News(row["channel"], row["key"], row["thread"], row["kind"], json.loads(row["facts"])),
        made_at=from_micros(row["made_at"]),
        standing=MessageStanding(row["state"]),
        tries=row["tries"],
        next_try_at=from_micros(row["next_try_at"]),
        give_up_at=from_micros(row["give_up_at"]),
        taken_by=row["taken_by"],
        error=row["error"],
        done_at=None if row["done_at"] is None else from_micros(row["done_at"]),
    )
