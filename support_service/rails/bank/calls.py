"""A bank's call: that something happened on an account, and nothing more. Pure.

What a call says is not believed, and not even read: it makes the watcher look sooner than it would have. Calls are
counted in a cursor of their own, which the web process moves and the watcher reads.
"""

from datetime import datetime

from support_service.giving import Cursor, Report

# Where a call comes in, below our address; the rest of the path is a secret.
PATH = "/webhooks/monobank/"
SECRET_PURPOSE = "a bank calls"  # noqa: S105 - what the secret is for, not the secret
SECRET_CHARACTERS = 32


def counter(source: str) -> str:
    """Name the cursor that counts the calls about a source."""
    return f"call:{source}"


def call(source: str, held: Cursor | None, now: datetime) -> Report:
    """Count one more call."""
    step = held.step + 1 if held else 1
    return Report(counter(source), str(step), cursor=Cursor(step, None, None, now))
