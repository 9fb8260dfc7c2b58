"""How often, and the button's promise, in words. Pure."""

from datetime import datetime

from support_service.giving import Frequency, Phrase, PlanTerms

OFTEN = {
    Frequency.ONCE: Phrase("once"),
    Frequency.MONTHLY: Phrase("monthly"),
    Frequency.YEARLY: Phrase("yearly"),
}
_DONATE = {
    Frequency.ONCE: Phrase("Donate %(sum)s"),
    Frequency.MONTHLY: Phrase("Donate %(sum)s monthly"),
    Frequency.YEARLY: Phrase("Donate %(sum)s yearly"),
}


_EVERY = {
    ("day", 1): Phrase("daily"),
    ("week", 1): Phrase("weekly"),
    ("month", 1): OFTEN[Frequency.MONTHLY],
    ("month", 12): OFTEN[Frequency.YEARLY],
    ("year", 1): OFTEN[Frequency.YEARLY],
}
_EVERY_SO_MANY = {
    "day": Phrase("every %(count)s days"),
    "week": Phrase("every %(count)s weeks"),
    "month": Phrase("every %(count)s months"),
    "year": Phrase("every %(count)s years"),
}


def every(frequency: str, terms: PlanTerms | None) -> Phrase:
    """Say how often a plan charges: as the processor told it, else as the reader chose."""
    if terms is None or not terms.interval:
        return often(frequency)
    known = _EVERY.get((terms.interval, terms.count))
    if known is not None or terms.interval not in _EVERY_SO_MANY:
        return known or often(frequency)
    return Phrase(_EVERY_SO_MANY[terms.interval].text, (("count", str(terms.count)),))


def standing(terms: PlanTerms | None, now: datetime) -> tuple[Phrase, ...]:
    """Say that a plan is paused, and when it ends or ended."""
    if terms is None:
        return ()
    told = [Phrase("collection is paused")] if terms.is_paused else []
    if terms.ends_at is not None:
        day = (("day", terms.ends_at.date().isoformat()),)
        told.append(Phrase("charges until %(day)s", day) if terms.ends_at > now else Phrase("ended on %(day)s", day))
    return tuple(told)


def often(frequency: str) -> Phrase:
    """Say how often; ValueError for what is no frequency."""
    return OFTEN[Frequency(frequency)]


def donate(frequency: str, told_sum: str) -> Phrase:
    """Promise on the button exactly what will be asked for: how much, and how often."""
    return Phrase(_DONATE[Frequency(frequency)].text, (("sum", told_sum),))
