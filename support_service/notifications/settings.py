"""[mail], [[notify]] and [heartbeat] of the settings: our mailbox, who is told what, who waits for our sign of life."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from support_service.notifications import WAYS
from support_service.notifications.events import Event
from support_service.notifications.smtp import Mailbox
from support_service.notifications.way import Around, Send, Way, read_url
from support_service.origin import read_host
from support_service.rails.options import Mistake, Options
from support_service.rails.text_file import Unreadable, read_text_file
from support_service.settings.schema import HeartbeatTable, MailTable

# A letter's channel in the outbox; no table may take this key.
LETTERS = "letters"
DIGESTS = ("", "daily", "weekly")
MINUTES, MINUTES_MAX = 10, 7 * 24 * 60
TLS_PORT = 465
# What is told where `events` is left out: nothing that every gift brings.
USUAL = frozenset(Event) - {Event.GIFT, Event.LARGE_GIFT}

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_MINIMUM = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,18})?) ([A-Za-z0-9]{1,20})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Channel:
    """One who is told: by which way, what, and from which amounts on.

    shows_readers: it may be told who gave. minutes: how long a source is silent before it is told.
    """

    key: str
    way: Way
    send: Send
    events: frozenset[Event]
    minimums: Mapping[str, Fraction] = field(default_factory=dict)
    shows_readers: bool = False
    minutes: int = MINUTES
    digest: str = ""
    lang: str = ""


@dataclass(frozen=True, slots=True)
class Notifications:
    """Everybody who is told, and our mailbox; letters are the kinds of letters that readers get.

    heartbeat is the address that waits for our sign of life; "" where none does.
    """

    channels: tuple[Channel, ...] = ()
    mailbox: Mailbox | None = None
    letters: frozenset[str] = frozenset()
    heartbeat: str = field(default="", repr=False)

    @property
    def is_empty(self) -> bool:
        """Tell whether nobody is told anything."""
        return not (self.channels or self.mailbox is not None or self.heartbeat)


@dataclass(frozen=True, slots=True)
class ParsedSettings:
    """What the settings say, as it was parsed: the tables, and what is read beside them."""

    mail: MailTable | None
    notify: Sequence[Mapping[str, Any]]
    heartbeat: HeartbeatTable | None
    base: Path
    publisher: str
    url: str
    languages: tuple[str, ...]


def read_notifications(asked: ParsedSettings, mistakes: list[Mistake]) -> Notifications:
    """Read the tables, noting every mistake; nothing is connected to."""
    mailbox = None if asked.mail is None else _mailbox(asked.mail, asked, mistakes)
    around = Around(asked.base, mailbox, asked.url)
    channels: list[Channel] = []
    for place, table in enumerate(asked.notify, 1):
        name = table.get("key") or table.get("channel")
        where = f"notify.{name}" if isinstance(name, str) else f"notify[{place}]"
        options = Options(where, table, mistakes)
        channel = _channel(options, around, asked.languages)
        options.close()
        taken = {one.key for one in channels} | {LETTERS}
        if channel is not None and channel.key in taken:
            options.reject("key", "is taken; give each table of the same channel a key of its own")
        elif channel is not None:
            channels.append(channel)
    letters = frozenset() if asked.mail is None else frozenset(asked.mail.letters)
    heartbeat = ""
    if asked.heartbeat is not None:
        options = Options("heartbeat", {"url_file": str(asked.heartbeat.url_file)}, mistakes)
        heartbeat = read_url(options, around)
    return Notifications(tuple(channels), mailbox, letters, heartbeat)


def _mailbox(table: MailTable, asked: ParsedSettings, mistakes: list[Mistake]) -> Mailbox | None:
    before = len(mistakes)
    is_here = read_host(table.host).is_loopback
    usual = "none" if is_here else "tls" if table.port == TLS_PORT else "starttls"
    security = table.security or usual
    if security == "none" and not is_here:
        mistakes.append(Mistake("mail.security", "none is for a server on this machine: others read along on the way"))
    password = ""
    if table.password_file is not None:
        try:
            password = read_text_file(asked.base / table.password_file).strip()
        except Unreadable as error:
            mistakes.append(Mistake("mail.password_file", str(error)))
    if bool(table.user) != (table.password_file is not None):
        mistakes.append(Mistake("mail", "user and password_file go together: set both or none"))
    if len(mistakes) > before:
        return None
    return Mailbox(table.host, table.port, security, table.sender, asked.publisher, table.user, password)


def _channel(options: Options, around: Around, languages: tuple[str, ...]) -> Channel | None:
    name = options.required("channel")
    key = options.text("key", name)
    way = WAYS.get(name)
    if name and way is None:
        options.reject("channel", f"{name[:40]!r} is not known; known are {', '.join(sorted(WAYS))}")
    if not _KEY.fullmatch(key):
        options.reject("key", "must be 1 to 40 letters, digits, - or _")
    minimums = _minimums(options)
    events = _events(options, has_minimum=bool(minimums))
    minutes = options.number("minutes", MINUTES)
    if minutes is not None and not 1 <= minutes <= MINUTES_MAX:
        options.reject("minutes", f"must be from 1 to {MINUTES_MAX}")
    digest, lang = _choice(options, "digest", DIGESTS), _choice(options, "lang", ("", *languages))
    shows_readers = options.anything("readers")
    if shows_readers not in (None, True, False):
        options.reject("readers", "must be true or false")
    send = None if way is None else way.read(options, around)
    if way is None or send is None:
        for left in set(options.values) - {"channel"} if way is None else ():
            options.anything(left)
        return None
    return Channel(
        key=key,
        way=way,
        send=send,
        events=events,
        minimums=minimums,
        shows_readers=shows_readers is True,
        minutes=minutes or MINUTES,
        digest=digest,
        lang=lang or languages[0],
    )


def _events(options: Options, *, has_minimum: bool) -> frozenset[Event]:
    told, known = options.texts("events"), {str(one): one for one in Event}
    unknown = [name for name in told if name not in known]
    if unknown:
        options.reject("events", f"{unknown[0][:40]!r} is not known; known are {', '.join(known)}")
    if str(Event.LARGE_GIFT) in told and not has_minimum:
        options.reject("min_amount", 'is missing: how large a gift must be, such as "1000 UAH"')
    if told and has_minimum and str(Event.LARGE_GIFT) not in told:
        options.reject("min_amount", "is for the event large_gift: name it in events, too")
    if not told:
        return USUAL | ({Event.LARGE_GIFT} if has_minimum else set())
    return frozenset(known[name] for name in told if name in known)


def _minimums(options: Options) -> dict[str, Fraction]:
    """Read "1000 UAH", or a list of such, one for each currency or coin."""
    given = options.anything("min_amount")
    texts = [] if given is None else given if isinstance(given, list) else [given]
    found: dict[str, Fraction] = {}
    for text in texts:
        match = _MINIMUM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            options.reject("min_amount", 'must be an amount and its currency, such as "1000 UAH", or a list of such')
            return {}
        found[match[2].upper()] = Fraction(match[1])
    return found


def _choice(options: Options, name: str, choices: Sequence[str]) -> str:
    text = options.text(name)
    if text not in choices:
        options.reject(name, f"must be one of {', '.join(one for one in choices if one)}")
        return ""
    return text
