"""Logs: one line an event, with ids and counts as fields, and never anything that points to a person.

log.info("donation_confirmed", extra={"donation": ref, "confirmations": 3})
2026-11-23T07:00:00Z INFO watcher donation_confirmed confirmations=3 donation=3f9a...
"""

import logging
import re
import sys
import unicodedata
from datetime import UTC, datetime
from typing import TextIO

PACKAGE = "support_service"

# A message from a library may be as long as the answer of a node; a log line is for reading.
FIELD_CHARACTERS_MAX = 500

# Nothing may be logged under these names, whatever it holds.
PRIVATE_FIELDS = frozenset(
    {"email", "ip", "message_text", "note", "password", "payer", "receiver", "secret", "token", "user"}
)

_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Begun where a word begins, and with a bounded scheme: a long answer of a node without a blank is read through once.
_EMAIL = re.compile(r"(?<![^\s@:'\"<>])[^\s@:'\"<>]+@[^\s@'\"<>]+\.[^\s@'\"<>]+")
# Node addresses carry keys in their path, their query or before the @: only scheme and host are told.
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+]{0,30})://(?:[^\s/@'\"]*@)?(?P<host>[^\s/?#'\")]*)[^\s'\")]*", re.IGNORECASE
)
_PATH_IN_ERROR = re.compile(r"(with url: )\S+")
# What a terminal obeys, or what turns the order of letters around (Unicode's general categories), is written out.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NEEDS_QUOTES = re.compile(r"[\s\"=\\]|^$")


def clean(text: str) -> str:
    """Take everything that points to a person or opens a door out of a text."""
    return _EMAIL.sub("[e-mail]", without_secrets(text))


def without_secrets(text: str) -> str:
    """Take the passwords, paths and queries of URLs out of a text; any of them may hold a key."""
    return _URL.sub(r"\g<scheme>://\g<host>", _PATH_IN_ERROR.sub(r"\1[path]", text))


class LineFormatter(logging.Formatter):
    """Writes time, level, module, event and the fields in alphabetical order, cleaned, in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Build the line; a traceback, where there is one, follows on its own lines, cleaned too."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        module = record.name.removeprefix(f"{PACKAGE}.")
        fields = "".join(f" {name}={_shown(value)}" for name, value in _fields(record))
        line = f"{at} {record.levelname} {module} {_event(record.getMessage())}{fields}"
        return f"{line}\n{_indented(self.formatException(record.exc_info))}" if record.exc_info else line


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send our own events from `level` on, and the warnings of libraries, to stream (stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(PACKAGE).setLevel(level)


def _fields(record: logging.LogRecord) -> list[tuple[str, object]]:
    extra = {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}
    return sorted((name, "[private]" if name in PRIVATE_FIELDS else value) for name, value in extra.items())


def _shown(value: object) -> str:
    text = _one_line(str(value))
    return f'"{_without_quotes(text)}"' if _NEEDS_QUOTES.search(text) else _seen(text)


def _event(text: str) -> str:
    """Write an event's name as it is; the words of a library too, but so that they name no field of ours."""
    tidy = _one_line(text)
    return f'"{_without_quotes(tidy)}"' if re.search(r'[="\\]', tidy) else _seen(tidy)


def _indented(text: str) -> str:
    """Write a traceback, no line of which can be taken for an event: an exception's text may hold anything."""
    return "\n".join(f"  {_seen(line)}" for line in clean(text).split("\n"))


def _without_quotes(text: str) -> str:
    """Write what a pair of quotes may hold: neither a quote nor a backslash of its own ends it."""
    return _seen(text.replace("\\", "\\\\").replace('"', '\\"'))


def _seen(text: str) -> str:
    """Write controls, direction marks and line separators as \\x1b or \\u202e, so that a person sees them."""
    return "".join(_escaped(sign) if unicodedata.category(sign) in _UNSEEN else sign for sign in text)


def _escaped(sign: str) -> str:
    number = ord(sign)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _one_line(text: str) -> str:
    """Keep a hostile text from forging a line of the log."""
    tidy = " ".join(clean(text).split())
    return tidy if len(tidy) <= FIELD_CHARACTERS_MAX else f"{tidy[:FIELD_CHARACTERS_MAX]}..."
