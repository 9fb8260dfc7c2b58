"""Logs: one line an event, with ids and counts as fields, and never anything that points to a person.

log.info("donation_confirmed", extra={"donation": ref, "confirmations": 3})
2026-11-23T07:00:00Z INFO watcher donation_confirmed confirmations=3 donation=3f9a...
"""

import logging
import re
import sys
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
_EMAIL = re.compile(r"[^\s@:'\"<>]+@[^\s@'\"<>]+\.[^\s@'\"<>]+")
# Node addresses carry keys in their path, their query or before the @: only scheme and host are told.
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+]*)://(?:[^\s/@'\"]*@)?(?P<host>[^\s/?#'\")]*)[^\s'\")]*", re.IGNORECASE)
_PATH_IN_ERROR = re.compile(r"(with url: )\S+")


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
        line = f"{at} {record.levelname} {module} {_one_line(record.getMessage())}{fields}"
        return f"{line}\n{clean(self.formatException(record.exc_info))}" if record.exc_info else line


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
    return f'"{text}"' if not text or " " in text else text


def _one_line(text: str) -> str:
    """Keep a hostile text from forging a line of the log."""
    tidy = " ".join(clean(text).split())
    return tidy if len(tidy) <= FIELD_CHARACTERS_MAX else f"{tidy[:FIELD_CHARACTERS_MAX]}..."
