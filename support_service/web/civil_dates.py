"""The publisher's calendar: the day a moment falls on, and the moments a day holds. Pure.

Storage, exports and the command line count in UTC; every day that a person sees or types is counted here.
A day has 23, 24 or 25 hours, so it is never a number of seconds: it ends where the next one begins.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the day on the publisher's calendar at a moment."""
    return moment.astimezone(zone).date()


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, at which a day begins; where clocks skip midnight, the first one after it."""
    # At both ends of the calendar a day may begin in a year that no datetime has; nothing was given then.
    day = min(max(day, date.min + _DAY), date.max - _DAY)
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def moment_within(day: date, zone: ZoneInfo) -> datetime:
    """Choose the moment, in UTC, that stands for a gift of which only the day is known.

    Noon UTC is the same date everywhere from UTC-12 to UTC+11, so that no reader's time zone moves the gift
    to another day. A publisher whose clocks are further ahead has a noon of their own.
    """
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    return noon if day_of(noon, zone) == day else datetime.combine(day, time(12), tzinfo=zone).astimezone(UTC)


def written(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment as the publisher's clocks show it; an hour that they show twice, with its distance to UTC."""
    local = moment.astimezone(zone)
    is_shown_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{local:%Y-%m-%d %H:%M %z}" if is_shown_twice else f"{local:%Y-%m-%d %H:%M}"
