"""Gifts that no machine tells us about: what staff typed -> an entry, and the reports it becomes. Pure."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from support_service.giving import (
    MATCH_PART,
    Direction,
    Donation,
    Flag,
    Identity,
    Kind,
    MatchClaim,
    Observation,
    PaymentClaim,
    PaymentMethod,
    Phrase,
    Report,
    State,
)
from support_service.money import Asset, BadAmount, Money, plain
from support_service.web import civil_dates
from support_service.web.amounts import SeveralMeanings, read_exact, read_typed
from support_service.web.card.typed import typed_personal

PAYER_CHARS_MAX, NOTE_CHARS_MAX, KNOWN_AS_CHARS_MAX = 200, 1000, 60
# A year typed with two or three digits is a slip, not a gift of old.
DAY_MIN = date(2000, 1, 1)

NONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Bookable:
    """One line of the form's choice: a method and the currency it is booked in."""

    value: str
    method: PaymentMethod
    asset: Asset


@dataclass(frozen=True, slots=True)
class ManualGift:
    """A gift as staff want it booked; known_as is its support code, or the bank's own reference of it."""

    bookable: Bookable
    money: Money
    day: date
    payer: str | None
    note: str | None
    nonce: str
    known_as: str | None = None

    @property
    def identity(self) -> Identity:
        """What makes it one piece of money: the form it was typed into."""
        return Identity("", self.money.asset.code, "", Direction.IN, f"staff:{self.nonce}")


@dataclass(frozen=True, slots=True)
class FormRead:
    """The entry, or what is wrong with it by field; `meant` are the amounts an ambiguous text may stand for."""

    entry: ManualGift | None
    mistakes: Mapping[str, Phrase]
    meant: tuple[Money, ...] = ()


def bookables(methods: Iterable[PaymentMethod]) -> tuple[Bookable, ...]:
    """List what may be booked by hand; the value is the method's key, with the currency where there are several."""
    return tuple(
        Bookable(method.key if len(method.books) == 1 else f"{method.key}:{asset.code}", method, asset)
        for method in methods
        for asset in method.books
    )


def read_entry(form: Mapping[str, str], choices: Iterable[Bookable], now: datetime, zone: ZoneInfo) -> FormRead:
    """Read the typed form; every mistake is told at once. The nonce was checked by the caller."""
    mistakes: dict[str, Phrase] = {}
    bookable = next((choice for choice in choices if choice.value == form.get("method")), None)
    if bookable is None:
        mistakes["method"] = Phrase("Choose how the gift came.")
    money, meant = _read_amount(form, bookable, mistakes)
    day = _read_day(form.get("date", ""), now, zone, mistakes)
    payer = _read_text(form, "payer", PAYER_CHARS_MAX, mistakes)
    note = _read_text(form, "note", NOTE_CHARS_MAX, mistakes)
    known_as = _read_text(form, "known_as", KNOWN_AS_CHARS_MAX, mistakes)
    if bookable is None or money is None or day is None or mistakes:
        return FormRead(None, mistakes, meant)
    return FormRead(ManualGift(bookable, money, day, payer, note, form["nonce"], known_as), {})


def entry_report(
    entry: ManualGift, source: str, now: datetime, zone: ZoneInfo, *, match: MatchClaim | None = None
) -> Report:
    """Write the report that books an entry; what came today came until now, for nothing is booked in the future.

    match: whose gift it is, where what it is known as is a support code.
    """
    personal = typed_personal(payer=entry.payer, note=entry.note)
    if match is None and entry.known_as:
        personal = replace(personal, party=json.dumps({"reference": entry.known_as}, ensure_ascii=False))
    claim = PaymentClaim(
        state=State.CONFIRMED,
        kind=Kind.DONATION,
        rail=entry.bookable.method.rail,
        method=entry.bookable.method.key,
        units=entry.money.units,
        exponent=entry.money.asset.exponent,
        occurred_at=min(civil_dates.moment_within(entry.day, zone), now),
        flags=(Flag.MANUAL,),
        personal=personal,
    )
    seen = [Observation(entry.identity, claim)]
    if match is not None:
        seen.append(Observation(entry.identity, match, MATCH_PART))
    return Report(source, entry.nonce, tuple(seen), raw=_as_typed(entry))


def withdrawal_report(donation: Donation, source: str, nonce: str, note: str) -> Report:
    """Write the report that takes a mistaken entry back: the same money, now `replaced`, and why.

    It carries no rank, so it wins as the newer statement; the first one stays in the history.
    """
    assert may_withdraw(donation)
    held = donation.payment.personal
    personal = replace(typed_personal(payer=held.payer, message=held.message, note=note), party=held.party)
    claim = replace(donation.payment, state=State.REPLACED, personal=personal)
    raw = json.dumps({"withdraws": donation.identity.ref, "note": note}, ensure_ascii=False)
    return Report(source, nonce, (Observation(donation.identity, claim),), raw=raw)


def may_withdraw(donation: Donation) -> bool:
    """Tell whether this is a gift that was booked by hand and still stands."""
    return Flag.MANUAL in donation.payment.flags and donation.state is State.CONFIRMED


def read_note(form: Mapping[str, str]) -> str | None:
    """Read the reason of a withdrawal; None where it is missing or too long."""
    note = _tidy(form.get("note", ""))
    return note if note and len(note) <= NOTE_CHARS_MAX else None


def _read_amount(
    form: Mapping[str, str], bookable: Bookable | None, mistakes: dict[str, Phrase]
) -> tuple[Money | None, tuple[Money, ...]]:
    text = form.get("amount", "")
    if not text.strip():
        mistakes["amount"] = Phrase("How much was it?")
    if bookable is None or not text.strip():
        return None, ()
    try:
        meant = form.get("meant", "")
        money = read_exact(meant, bookable.asset) if meant else read_typed(text, bookable.asset)
    except SeveralMeanings as error:
        mistakes["amount"] = Phrase("This may be read as two amounts. Which one is it?")
        return None, error.meant
    except BadAmount:
        values = (("decimals", str(bookable.asset.exponent)),)
        mistakes["amount"] = Phrase("Write an amount such as 200 or 10,50, with at most %(decimals)s decimals.", values)
        return None, ()
    if money.units == 0:
        mistakes["amount"] = Phrase("The amount must be more than zero.")
        return None, ()
    return money, ()


def _read_day(text: str, now: datetime, zone: ZoneInfo, mistakes: dict[str, Phrase]) -> date | None:
    today = civil_dates.day_of(now, zone)
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        mistakes["date"] = Phrase("On which day did it come? Write it as 2026-01-31.")
        return None
    if day > today:
        values = (("today", str(today)), ("zone", zone.key))
        mistakes["date"] = Phrase("This day is still to come; today is %(today)s (%(zone)s).", values)
        return None
    if day < DAY_MIN:
        mistakes["date"] = Phrase("This is too long ago: is the year right?")
        return None
    return day


def _read_text(form: Mapping[str, str], name: str, chars_max: int, mistakes: dict[str, Phrase]) -> str | None:
    text = _tidy(form.get(name, ""))
    if len(text) > chars_max:
        mistakes[name] = Phrase("At most %(chars)s characters.", (("chars", str(chars_max)),))
    return text or None


def _tidy(text: str) -> str:
    """Turn control characters and runs of spaces into one space: NUL stops PostgreSQL, a line break a CSV reader."""
    return " ".join("".join(" " if unicodedata.category(char) == "Cc" else char for char in text).split())


def _as_typed(entry: ManualGift) -> str:
    typed = {
        "method": entry.bookable.method.key,
        "amount": plain(entry.money),
        "currency": entry.money.asset.code,
        "date": entry.day.isoformat(),
        "payer": entry.payer,
        "note": entry.note,
        "known_as": entry.known_as,
    }
    return json.dumps({name: value for name, value in typed.items() if value is not None}, ensure_ascii=False)
