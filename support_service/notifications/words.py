"""What is said to staff: a title, a few lines and a link, in their language; and the facts, for programs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from support_service.giving import Phrase, State
from support_service.giving.words import STATE_WORDS
from support_service.ledger import Ledger
from support_service.ledger.outbox import OutboxMessage
from support_service.money import Asset, Money
from support_service.notifications.digest import digest_message
from support_service.notifications.newsroom import Newsroom, Voice
from support_service.notifications.settings import Channel
from support_service.notifications.teller import GIFTS_AN_HOUR_MAX
from support_service.notifications.way import Message

TITLES = {
    "gift": Phrase("A gift: %(sum)s"),
    "large_gift": Phrase("A large gift: %(sum)s"),
    "first_of_day": Phrase("The first gift of the day: %(sum)s"),
    "gift_withdrawn": Phrase("A gift no longer counts: %(sum)s"),
    "refund": Phrase("Refunded: %(back)s of %(sum)s"),
    "dispute": Phrase("A payer disputes a gift: %(sum)s"),
    "dispute_ended": Phrase("A dispute has ended: %(sum)s is %(state)s"),
    "monthly_begun": Phrase("A new regular gift: %(sum)s"),
    "monthly_failing": Phrase("A regular gift could not be charged: %(sum)s"),
    "monthly_lost": Phrase("A regular gift has ended: %(sum)s"),
    "inbox": Phrase("Something waits for a person in the inbox"),
    "source_down": Phrase("%(source)s has not been heard for %(minutes)s minutes"),
    "source_up": Phrase("%(source)s is heard again"),
    "freeze": Phrase("%(source)s is frozen until a person has looked"),
    "address_changed": Phrase("Readers are shown other addresses than before: %(methods)s"),
    "address_unproved": Phrase("Addresses are not as they were signed, and are hidden from readers"),
    "month_not_closed": Phrase("The month %(month)s is not closed"),
    "many": Phrase("More than %(count)s messages about gifts within an hour"),
    "test": Phrase("A test: %(publisher)s can tell you here what happens"),
}
ADVICE = {
    "inbox": Phrase("It counts as no gift until then."),
    "source_down": Phrase("What comes meanwhile is booked later; nothing is lost."),
    "freeze": Phrase("Its gifts wait meanwhile; nothing is lost."),
    "address_changed": Phrase("If that was not you, stop the service and look into its settings."),
    "address_unproved": Phrase("Compare the settings with the signed manifest: support-service manifest check."),
    "month_not_closed": Phrase("Its statements should be there by now: look at the month, then close it."),
    "many": Phrase("All of them are on the staff pages; the next hour begins anew."),
}
# Where staff look further; of gifts it is the gift's own page.
_PAGES = {
    "inbox": "/staff/inbox",
    "source_down": "/staff/health",
    "source_up": "/staff/health",
    "freeze": "/staff/health",
    "address_changed": "/verify",
    "address_unproved": "/verify",
    "many": "/staff/",
    "test": "/staff/",
}


def writer(channel: Channel, room: Newsroom, ledger: Ledger) -> Callable[[OutboxMessage], Message]:
    """Return what writes the messages of one channel."""
    voice = room.voice(channel.lang)

    def write(held: OutboxMessage) -> Message:
        if held.news.kind == "digest":
            return digest_message(held, room, ledger, voice)
        message = staff_message(held, room, voice)
        return _with_reader(message, ledger, voice) if channel.shows_readers else message

    return write


def staff_message(held: OutboxMessage, room: Newsroom, voice: Voice) -> Message:
    """Say what happened, without a word about who gave."""
    kind, facts = held.news.kind, held.news.facts
    values = _values(facts, room, voice)
    lines = [voice.say(ADVICE[kind])] if kind in ADVICE else []
    if "method" in facts:
        lines.append(voice.say(Phrase("Way to give: %(title)s", (("title", room.title(str(facts["method"]), voice)),))))
    worth = facts.get("value")
    if isinstance(worth, Mapping) and worth["currency"] != facts.get("asset"):
        lines.append(voice.say(Phrase("Worth %(sum)s", (("sum", voice.sum(_money(worth, str(worth["currency"])))),))))
    problems = facts.get("problems")
    lines += [str(one) for one in problems] if isinstance(problems, list) else []
    page = _PAGES.get(kind, "/staff/cards")
    if "donation" in facts:
        page = f"/staff/donations/{facts['donation']}"
    elif "month" in facts:
        page = f"/staff/months/{facts['month']}"
    title = voice.say(replace(TITLES[kind], values=tuple(values.items())))
    return Message(
        held.news.key, kind, held.made_at, " ".join(title.split()), tuple(lines), f"{room.url}{page}", facts=facts
    )


def _values(facts: Mapping[str, object], room: Newsroom, voice: Voice) -> dict[str, str]:
    values = {name: str(facts[name]) for name in ("source", "minutes", "month") if name in facts}
    if "units" in facts:
        values["sum"] = voice.sum(_money(facts, str(facts["asset"])))
    if "refunded_units" in facts:
        values["back"] = voice.sum(_money(facts, str(facts["asset"]), "refunded_units"))
        values["state"] = voice.say(STATE_WORDS[State(str(facts["state"]))])
    methods = facts.get("methods")
    if isinstance(methods, list):
        values["methods"] = ", ".join(map(str, methods))
    return values | {"publisher": room.publisher.named(voice.lang), "count": str(GIFTS_AN_HOUR_MAX)}


def _money(facts: Mapping[str, Any], code: str, name: str = "units") -> Money:
    return Money(int(facts[name]), Asset(code, int(facts["exponent"])))


def _with_reader(message: Message, ledger: Ledger, voice: Voice) -> Message:
    """Add who gave, as far as it is known and not erased; for channels that are marked for it alone."""
    ref = message.facts.get("donation")
    history = ledger.donation(str(ref)) if ref is not None else None
    if history is None:
        return message
    gift = history.donation
    personal = gift.payment.personal
    party = json.loads(personal.party or "{}")
    told = {
        "name": personal.payer,
        "message": personal.message,
        "support_code": gift.support_code,
        "email": party.get("email") if isinstance(party, dict) else None,
    }
    known = {name: str(text) for name, text in told.items() if text}
    said = [voice.say(_READER[name]) % {name: known[name]} for name in _READER if name in known]
    return replace(message, lines=(*message.lines, *said), facts={**message.facts, "reader": known})


_READER = {
    "name": Phrase("From: %(name)s"),
    "message": Phrase("Their words: %(message)s"),
    "support_code": Phrase("Support code: %(support_code)s"),
    "email": Phrase("E-mail: %(email)s"),
}
