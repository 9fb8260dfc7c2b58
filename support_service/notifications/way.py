"""One way to be told: what it reads from its [[notify]] table, and how it says a message. A file in ways/ for each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from support_service.origin import BadAddress, split_origin
from support_service.rails.options import Options
from support_service.rails.source import SourceDown
from support_service.rails.text_file import Unreadable, read_text_file

if TYPE_CHECKING:
    from support_service.notifications.smtp import Mailbox
    from support_service.rails.chain.http import HttpAnswer

URL_CHARS_MAX = 2_000
# What a channel answers is looked at by nobody.
ANSWER_BYTES_MAX = 64 * 1024
TOTAL_SECONDS_MAX = 30.0


class ChannelError(Exception):
    """A channel did not take a message; the text is for staff and the log, and holds no secret."""


class ChannelDown(ChannelError):
    """It may take the same message later; is_whole: and nothing else before that, so that it is left to rest."""

    def __init__(self, text: str, *, is_whole: bool = True, retry_after_seconds: float = 0) -> None:
        super().__init__(text)
        self.is_whole, self.retry_after_seconds = is_whole, retry_after_seconds


class ChannelRefused(ChannelError):
    """It will never take this message."""


@dataclass(frozen=True, slots=True)
class File:
    """Something that goes with a letter."""

    name: str
    kind: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel says: for people title, lines and a link; for programs the facts.

    key is the same on every try, so that a receiver can tell what it was told already. sent_at is the time of this try,
    written in by whoever makes it. to is whom a letter goes to: "" means those whom the channel's settings name.
    """

    key: str
    kind: str
    at: datetime
    title: str
    lines: tuple[str, ...] = ()
    link: str = ""
    html: str = ""
    to: str = ""
    files: tuple[File, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    sent_at: datetime | None = None

    @property
    def text(self) -> str:
        """All of it for a chat: one line after the other."""
        return "\n".join(part for part in (self.title, *self.lines, self.link) if part)


Send: TypeAlias = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class Around:
    """What a way may need beside its own table: where paths count from, our mailbox, and the publisher's address."""

    base: Path
    mailbox: "Mailbox | None"
    url: str


@dataclass(frozen=True, slots=True)
class Way:
    """A way to be told. read takes the keys it knows from its table and returns what says a message there.

    read is pure but for the files it names, and loads nothing: what speaks is loaded with the first message. It
    notes mistakes and returns None where it cannot be used. The one that `send` is raises ChannelDown and
    ChannelRefused, and comes back within a minute. is_for_programs: it is told every event, and facts instead of words.
    """

    name: str
    read: Callable[[Options, Around], Send | None]
    is_for_programs: bool = False


def read_url(options: Options, around: Around) -> str:
    """Read the address that `url_file` holds: https, or this machine. "" with a mistake noted where it is none."""
    url = read_secret(options, "url_file", around)
    if not url:
        return ""
    try:
        origin, _ = split_origin(url)
    except BadAddress:
        options.reject("url_file", "must hold one address, https://...")
        return ""
    if len(url) > URL_CHARS_MAX or not (origin.scheme == "https" or origin.host.is_loopback):
        options.reject("url_file", "must hold an https address: what is told there is for you alone")
        return ""
    return url


def read_secret(options: Options, name: str, around: Around) -> str:
    """Read the one line of a file with a secret; nothing of it is ever repeated."""
    file = options.required(name)
    if not file:
        return ""
    try:
        lines = [line for line in map(str.strip, read_text_file(around.base / file).splitlines()) if line]
    except Unreadable as error:
        options.reject(name, str(error))
        return ""
    if len(lines) != 1:
        options.reject(name, "must hold one line")
        return ""
    return lines[0]


def post(url: str, body: bytes, headers: Mapping[str, str]) -> "HttpAnswer":
    """Send a body, bounded in time and bytes; raises ChannelDown where nobody answers."""
    # Late: the web process reads the settings, and never sends anything.
    http = import_module("support_service.rails.chain.http")
    connection = http.HttpConnection(url, bytes_max=ANSWER_BYTES_MAX, total_seconds=TOTAL_SECONDS_MAX)
    try:
        answer: HttpAnswer = connection.post(url, body, headers)
    except SourceDown as error:
        raise ChannelDown(str(error)) from None
    finally:
        connection.session.close()
    return answer
