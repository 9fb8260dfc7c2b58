"""Reads what happened and puts it into the outbox, once for each channel that asks for it: a Source beside the others.

Each step moves its place in the same transaction as what it puts, by compare-and-set: however often it is killed and
however many tellers there are, each thing is put once, and nothing is passed over.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from support_service.giving import Clock, Cursor, Donation, Plan, Report
from support_service.ledger import (
    ChangeKind,
    ChangePlace,
    DonationChange,
    Health,
    Ledger,
    SourceHealth,
    Wanted,
    is_closed,
)
from support_service.ledger.outbox import Move, News
from support_service.notifications.events import OF_GIFTS, Event, Happened, Moment, is_at_least, of_change, of_plan
from support_service.notifications.newsroom import Newsroom
from support_service.notifications.settings import LETTERS, Channel
from support_service.rails.rail import Expected
from support_service.rails.source import Source

NAME = "notify:teller"
POLL_SECONDS = 3.0
CHANGES_PER_STEP, STEPS_PER_TURN = 100, 50
# More than so many messages about gifts within an hour are one message to people; programs are told each.
GIFTS_AN_HOUR_MAX = 30
# A receipt for money that came longer ago puzzles more than it helps: a bank's old statement was brought.
RECEIPTS_FOR = timedelta(days=10)
# A payment page is open for a day at most: a plan of an older choice was begun before anybody was told of plans.
CHOSEN_BEFORE = timedelta(days=1)
# As the health page has it: a source is late after ten missed looks, and never before two minutes.
LOOKS_MISSED_MAX, SILENCE_SECONDS_MIN = 10, 120
LOOK_AT_MANIFEST = timedelta(minutes=1)
DIGEST_HOUR = 9
# So many letters about a year are put in one transaction: others must write, too.
YEAR_DUE_DAY, LETTERS_PER_STEP, GIFTS_PER_PAGE = 15, 200, 500
# By then the statements of a month are there, and whoever closes it has had the time.
MONTH_DUE_DAY = 10

_CHANGES, _ADDRESSES, _PROBLEMS, _YEAR = "changes", "addresses", "problems", "year:"


@dataclass(frozen=True, slots=True)
class ToldUpTo:
    """How far was told: the last change, the last plan, and since when anything is told at all (RFC 3339)."""

    report: int
    donation: int
    plan_report: int
    plan_name: str
    since: str

    @property
    def text(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self), sort_keys=True)


class Teller(Source):
    """A Source that claims no money: what it reads from the ledger it puts into the outbox."""

    name = NAME
    poll_seconds = POLL_SECONDS

    def __init__(self, newsroom: Newsroom, ledger: Ledger, *, clock: Clock) -> None:
        self._room, self._ledger, self._clock = newsroom, ledger, clock
        self._outbox = ledger.outbox
        # What is known to be put already, so that what lasts costs no write at every look.
        self._put: set[tuple[str, str]] = set()
        self._proved_at: datetime | None = None
        self._looked_at_month = ""

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Take one look at everything; there is never a report."""
        del after
        place = self._begin()
        for _ in range(STEPS_PER_TURN):
            if not self._tell_changes(place) and not self._tell_plans(place):
                break
            place = self._begin()
        self._tell_sources()
        self._tell_freezes()
        self._tell_addresses()
        self._put_digests(place)
        self._tell_month(place)
        self._put_year(place)
        return iter(())

    def _begin(self) -> ToldUpTo:
        """Read how far we have got; the first look begins at the present, for nobody waits for old news."""
        held = self._outbox.place(_CHANGES)
        while held is None:
            number = self._ledger.head().number
            start = ToldUpTo(number, ChangePlace(number).donation, number + 1, "", self._clock().isoformat())
            self._outbox.put((), Move(_CHANGES, None, start.text))
            held = self._outbox.place(_CHANGES)
        return ToldUpTo(**json.loads(held))

    def _tell_changes(self, place: ToldUpTo) -> bool:
        """Tell one page of changes; False where there are none."""
        changes = self._ledger.changes(ChangePlace(place.report, place.donation), CHANGES_PER_STEP)
        if not changes:
            return False
        moment = self._moment(place)
        happened = [one for change in changes for one in of_change(change, moment)]
        news = [*self._for_channels(happened), *self._receipts(changes, moment)]
        last = changes[-1].place
        after = ToldUpTo(last.report, last.donation, place.plan_report, place.plan_name, place.since)
        self._outbox.put(news, Move(_CHANGES, place.text, after.text))
        return True

    def _tell_plans(self, place: ToldUpTo) -> bool:
        plans = self._ledger.plans.changed_after(place.plan_report, place.plan_name, CHANGES_PER_STEP)
        if not plans:
            return False
        happened = [one for plan in plans for one in self._of_plan(plan, place)]
        news = [*self._for_channels(happened), *self._plan_letters(plans, happened)]
        after = ToldUpTo(place.report, place.donation, plans[-1].number, plans[-1].name, place.since)
        self._outbox.put(news, Move(_CHANGES, place.text, after.text))
        return True

    def _of_plan(self, plan: Plan, place: ToldUpTo) -> list[Happened]:
        intent = None if plan.intent is None else self._ledger.intents.find(plan.intent)
        since = datetime.fromisoformat(place.since) - CHOSEN_BEFORE
        is_new = intent is not None and intent.made_at >= since and self._room.has_begun(plan)
        return list(of_plan(plan, self._room.stands(plan), is_new=is_new))

    def _plan_letters(self, plans: Sequence[Plan], happened: Sequence[Happened]) -> list[News]:
        if "plan" not in self._room.told.letters:
            return []
        refs = {f"plan:{plan.rail}:{plan.name}" for plan in plans if plan.intent is not None}
        return [
            News(LETTERS, one.key, one.thread, one.kind, {name: one.facts[name] for name in ("rail", "plan")})
            for one in happened
            if one.thread in refs
        ]

    def _receipts(self, changes: Sequence[DonationChange], at: Moment) -> list[News]:
        if "receipt" not in self._room.told.letters:
            return []
        fresh = [
            one.after
            for one in changes
            if (ChangeKind.CONFIRMED in one.kinds or _is_found_to_be_a_readers(one))
            and one.after.counted_units
            and one.after.confirmed_at is not None
            and one.after.confirmed_at >= at.since
            and one.after.payment.occurred_at >= at.now - RECEIPTS_FOR
        ]
        refs = [gift.identity.ref for gift in fresh if self._may_have_email(gift)]
        return [News(LETTERS, f"receipt:{ref}", ref, "receipt", {"donation": ref}) for ref in refs]

    def _may_have_email(self, gift: Donation) -> bool:
        """Tell whether an e-mail may be known: card processors tell it, if not with the payment then soon."""
        rail = self._room.rails.get(gift.payment.rail)
        return bool(rail is not None and rail.processor) or self._ledger.donors.email_of(gift.identity.ref) is not None

    def _for_channels(self, happened: Sequence[Happened]) -> list[News]:
        found: list[News] = []
        for channel in self._room.told.channels:
            mine = [one for one in happened if _is_wanted(channel, one)]
            found += self._bounded(channel, mine)
        return found

    def _bounded(self, channel: Channel, happened: Sequence[Happened]) -> list[News]:
        """Write what a channel is told; beyond GIFTS_AN_HOUR_MAX people are told once that there is more."""
        if not happened:
            return []
        now = self._clock()
        left = GIFTS_AN_HOUR_MAX - self._outbox.put_since(channel.key, now - timedelta(hours=1))
        news = []
        for one in happened:
            if one.event in OF_GIFTS and not channel.way.is_for_programs:
                left -= 1
                if left < 0:
                    news.append(News(channel.key, f"many:{now:%Y-%m-%dT%H}", "many", "many", {}))
                    continue
            news.append(_news(channel, one))
        return news

    def _tell_sources(self) -> None:
        """Tell of each source once that it is silent, and once that it is heard again."""
        now, held = self._clock(), self._outbox.places("source:")
        health, cursors = self._ledger.health(), self._ledger.cursors()
        frozen = {freeze.source for freeze in self._ledger.freezes()}
        for source in self._room.sources:
            name = f"source:{source.name}"
            since = held.get(name, "")
            is_silent = source.name not in frozen and _is_silent(
                source, health.get(source.name), cursors.get(source.name), now
            )
            if is_silent and not since:
                self._outbox.put((), Move(name, held.get(name), now.isoformat()))
            elif is_silent:
                self._put_once(self._silent(source, since, now))
            elif since:
                self._outbox.put(self._heard(source, since), Move(name, held[name], ""))

    def _silent(self, source: Expected, since: str, now: datetime) -> list[News]:
        minutes = int((now - datetime.fromisoformat(since)).total_seconds()) // 60
        return [
            News(
                channel.key,
                f"source_down:{source.name}:{since}",
                f"source:{source.name}",
                "source_down",
                {"source": source.name, "since": since, "minutes": channel.minutes},
            )
            for channel in self._room.told.channels
            if Event.SOURCE in channel.events and minutes >= channel.minutes
        ]

    def _heard(self, source: Expected, since: str) -> list[News]:
        """Only who was told that it is silent is told that it is heard again."""
        return [
            News(
                channel.key,
                f"source_up:{source.name}:{since}",
                f"source:{source.name}",
                "source_up",
                {"source": source.name, "since": since},
            )
            for channel in self._room.told.channels
            if self._outbox.knows(channel.key, f"source_down:{source.name}:{since}")
        ]

    def _tell_freezes(self) -> None:
        found = [
            Happened(
                Event.FREEZE,
                "freeze",
                f"freeze:{freeze.source}:{freeze.since.isoformat()}",
                f"freeze:{freeze.source}",
                {"source": freeze.source, "since": freeze.since.isoformat()},
            )
            for freeze in self._ledger.freezes()
        ]
        self._put_once(self._plain(found))

    def _tell_addresses(self) -> None:
        """Tell that what readers are shown is another than before, or is not as it was signed."""
        now = self._clock()
        shown = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in sorted(self._room.shown.items())}
        before = self._outbox.place(_ADDRESSES)
        if before != json.dumps(shown):
            changed = [] if before is None else _changed_keys(json.loads(before), shown)
            key = f"address_changed:{now.isoformat()}"
            told = Happened(Event.ADDRESS, "address_changed", key, "addresses", {"methods": changed})
            self._outbox.put(self._plain([told] if changed else []), Move(_ADDRESSES, before, json.dumps(shown)))
        if self._proved_at is not None and timedelta(0) <= now - self._proved_at < LOOK_AT_MANIFEST:
            return
        self._proved_at = now
        problems, held = json.dumps(self._room.problems()), self._outbox.place(_PROBLEMS)
        if problems != (held or "[]"):
            key, facts = f"address_unproved:{now.isoformat()}", {"problems": json.loads(problems)}
            told = Happened(Event.ADDRESS, "address_unproved", key, "addresses", facts)
            self._outbox.put(self._plain([told] if facts["problems"] else []), Move(_PROBLEMS, held, problems))

    def _put_digests(self, place: ToldUpTo) -> None:
        now, zone, found = self._clock(), self._room.publisher.zone, []
        for channel in self._room.told.channels:
            if not channel.digest:
                continue
            days = 1 if channel.digest == "daily" else 7
            due = now.astimezone(zone).replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
            due -= timedelta(days=int(due > now.astimezone(zone)))
            due -= timedelta(days=0 if days == 1 else due.weekday())
            if due.astimezone(UTC) >= datetime.fromisoformat(place.since):
                facts = {"from": (due.date() - timedelta(days=days)).isoformat(), "until": due.date().isoformat()}
                found.append(News(channel.key, f"digest:{due.date()}", "digest", "digest", facts))
        self._put_once(found)

    def _tell_month(self, place: ToldUpTo) -> None:
        """Tell once that a month which had gifts is not closed on MONTH_DUE_DAY of the next."""
        zone = self._room.publisher.zone
        now = self._clock().astimezone(zone)
        due = now.replace(day=MONTH_DUE_DAY, hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
        end = due.replace(day=1, hour=0)
        begin = (end - timedelta(days=1)).replace(day=1)
        month = f"{begin:%Y-%m}"
        if now < due or due.astimezone(UTC) < datetime.fromisoformat(place.since) or month == self._looked_at_month:
            return
        first, last = begin.astimezone(UTC), end.astimezone(UTC)
        if not is_closed(self._ledger.months.closings([month])[month]) and self._ledger.quarters(first, last, [first]):
            told = Happened(Event.MONTH, "month_not_closed", f"month_not_closed:{month}", "months", {"month": month})
            self._put_once(self._plain([told]))
        self._looked_at_month = month

    def _put_year(self, place: ToldUpTo) -> None:
        """Put a letter for each giver of last year, on YEAR_DUE_DAY of January: what belongs to one e-mail is one."""
        zone = self._room.publisher.zone
        now = self._clock().astimezone(zone)
        due = now.replace(month=1, day=YEAR_DUE_DAY, hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
        year = now.year - 1
        name = f"{_YEAR}{year}"
        is_due = now >= due and due.astimezone(UTC) >= datetime.fromisoformat(place.since)
        if "year" not in self._room.told.letters or not is_due or self._outbox.place(name) is not None:
            return
        begin = datetime(year, 1, 1, tzinfo=zone).astimezone(UTC)
        end = datetime(year + 1, 1, 1, tzinfo=zone).astimezone(UTC)
        letters = [
            News(LETTERS, f"year:{year}:{refs[0]}", "", "year", {"year": year, "donations": refs})
            for refs in self._refs_by_giver(Wanted(since=begin, until=end)).values()
        ]
        for start in range(0, len(letters), LETTERS_PER_STEP):
            self._outbox.put(letters[start : start + LETTERS_PER_STEP])
        self._outbox.put((), Move(name, None, str(len(letters))))

    def _refs_by_giver(self, wanted: Wanted) -> dict[str, list[str]]:
        """Find whose gifts are whose, by the e-mail that each is known with; oldest first. It is kept nowhere."""
        found: dict[str, list[str]] = {}
        before: int | None = None
        while page := self._ledger.donations(wanted, before=before, limit=GIFTS_PER_PAGE):
            for listed in page:
                gift = listed.donation
                email = self._ledger.donors.email_of(gift.identity.ref) if gift.counted_units else None
                if email is not None:
                    found.setdefault(email.lower(), []).insert(0, gift.identity.ref)
            before = page[-1].number
        return found

    def _plain(self, happened: Sequence[Happened]) -> list[News]:
        channels = self._room.told.channels
        return [_news(channel, one) for one in happened for channel in channels if one.event in channel.events]

    def _put_once(self, news: Sequence[News]) -> None:
        """Put what may have been put before; asked at every look, written once."""
        fresh = [one for one in news if (one.channel, one.key) not in self._put]
        fresh = [one for one in fresh if not self._outbox.knows(one.channel, one.key)]
        if fresh:
            self._outbox.put(fresh)
        self._put |= {(one.channel, one.key) for one in news}

    def _moment(self, place: ToldUpTo) -> Moment:
        return Moment(self._clock(), datetime.fromisoformat(place.since), self._room.publisher.zone)


def _is_found_to_be_a_readers(change: DonationChange) -> bool:
    """Tell whether it was found out whose gift it is, after it was booked."""
    return change.before is not None and change.before.intent is None and change.after.intent is not None


def _is_wanted(channel: Channel, one: Happened) -> bool:
    if one.event not in channel.events:
        return False
    return one.event is not Event.LARGE_GIFT or (one.gift is not None and is_at_least(one.gift, channel.minimums))


def _news(channel: Channel, one: Happened) -> News:
    return News(channel.key, one.key, one.thread, one.kind, one.facts)


def _is_silent(source: Expected, noted: SourceHealth | None, cursor: Cursor | None, now: datetime) -> bool:
    if noted is not None and noted.state is not Health.OK:
        return True
    limit = timedelta(seconds=max(LOOKS_MISSED_MAX * source.poll_seconds, SILENCE_SECONDS_MIN))
    return cursor is None or now - cursor.checked_at > limit


def _changed_keys(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
