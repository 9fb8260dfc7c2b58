"""What people type behind options: a moment, a report of the ledger."""

from datetime import UTC, datetime
from typing import Any

import click

from support_service.ledger import Head


class MomentText(click.ParamType[datetime]):
    """A date (its midnight) or a time as RFC 3339 writes it; UTC where no offset is given."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware UTC datetime."""
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2026-11-23 or 2026-11-23T18:00:00Z.", param, ctx)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class HeadText(click.ParamType[Head]):
    """A report of the ledger, as `backup` prints the newest one: NUMBER:HASH."""

    name = "report"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """Return its number and hash."""
        number, _, hash_ = str(value).partition(":")
        if not (number.isdecimal() and len(number) < 20 and hash_):
            self.fail(f"{value!r} is not NUMBER:HASH, as `backup` prints it.", param, ctx)
        return Head(int(number), hash_)
