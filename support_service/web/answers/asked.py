"""What a reader tells of a transfer that they look for: its transaction, or way, sum and time. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from support_service.giving import Phrase
from support_service.money import BadAmount, Money
from support_service.web.amounts import SeveralMeanings, read_typed
from support_service.web.answers.ways import WayToGive, read_way
from support_service.web.civil_dates import first_moment

# An address of a block explorer may be pasted whole.
TEXT_CHARACTERS_MAX = 400
_HASH = re.compile(r"(?<![0-9A-Za-z])(?:0x)?([0-9A-Fa-f]{64})(?![0-9A-Za-z])", re.ASCII)
_HOUR = re.compile(r"([01]?[0-9]|2[0-3])(?:[:.][0-5][0-9])?", re.ASCII)

# A clock is read wrongly by an hour soon; a block may come an hour after the transfer was sent.
HOURS_BEFORE, HOURS_AFTER = 1, 3
# A bank books a transfer of Friday evening on Tuesday.
BANK_DAYS_AFTER = 5


@dataclass(frozen=True, slots=True)
class ArrivalQuestion:
    """One question: names of a transaction, or a way with a sum between two moments; or what is wrong with it."""

    names: tuple[str, ...] = ()
    way: WayToGive | None = None
    money: Money | None = None
    since: datetime | None = None
    until: datetime | None = None
    mistake: Phrase | None = None
    field: str = ""
    meant: tuple[Money, ...] = ()


def read_question(asked: Mapping[str, str], ways: Sequence[WayToGive], zone: ZoneInfo) -> ArrivalQuestion:
    """Read the form; a transaction goes before everything else."""
    text = asked.get("tx", "").strip()[:TEXT_CHARACTERS_MAX]
    if text:
        tx = read_transaction(text)
        if tx is None:
            return _wrong("tx", Phrase("A transaction has 64 characters, digits and letters a to f: copy it whole."))
        return ArrivalQuestion(names=(tx.removeprefix("0x"), tx))
    try:
        way = read_way(asked, ways)
    except KeyError:
        way = None
    if way is None:
        return _wrong("way", Phrase("Choose the coin or the account that you sent to, or paste the transaction."))
    return _of_sum(asked, way, zone)


def read_transaction(text: str) -> str | None:
    """Read the one transaction that a text names, such as the address of its page; None where it is not one."""
    found = {match[1].lower() for match in _HASH.finditer(text[:TEXT_CHARACTERS_MAX])}
    return f"0x{found.pop()}" if len(found) == 1 else None


def _of_sum(asked: Mapping[str, str], way: WayToGive, zone: ZoneInfo) -> ArrivalQuestion:
    try:
        money = read_typed(asked.get("amount", "").strip(), way.asset)
    except SeveralMeanings as error:
        question = Phrase("This may be read in more than one way. Which sum do you mean?")
        return ArrivalQuestion(way=way, mistake=question, field="amount", meant=error.meant)
    except BadAmount:
        return _wrong("amount", Phrase("Write the sum that was sent as a number, such as 200 or 10.50."))
    day = _day(asked.get("day", ""))
    if day is None:
        return _wrong("day", Phrase("Write the day of the transfer, such as 2026-05-20."))
    if way.watch is None:
        until = first_moment(day + timedelta(days=BANK_DAYS_AFTER + 1), zone)
        return ArrivalQuestion(way=way, money=money, since=first_moment(day, zone), until=until)
    match = _HOUR.fullmatch(asked.get("hour", "").strip())
    if match is None:
        return _wrong("hour", Phrase("Write the hour of the transfer, from 0 to 23."))
    moment = datetime.combine(day, time(int(match[1])), tzinfo=zone).astimezone(UTC)
    since, until = moment - timedelta(hours=HOURS_BEFORE), moment + timedelta(hours=HOURS_AFTER)
    return ArrivalQuestion(way=way, money=money, since=since, until=until)


def _day(text: str) -> date | None:
    """Read a day as browsers send it; far from both ends of the calendar."""
    try:
        day = date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2200 else None


def _wrong(field: str, mistake: Phrase) -> ArrivalQuestion:
    return ArrivalQuestion(mistake=mistake, field=field)
