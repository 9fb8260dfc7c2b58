"""How amounts and times stand in the columns of either database.

Times are microseconds since the epoch, UTC. Amounts are whole base units: canonical decimal TEXT in
SQLite, whose INTEGER overflows at 10 ETH in wei, and NUMERIC in PostgreSQL.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from support_service.money import UNITS_DIGITS_MAX

# Sums of amounts need more room than one amount: enough for 10^18 of the largest.
SUM_DIGITS_MAX = UNITS_DIGITS_MAX + 18

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400


class Units(TypeDecorator[int]):
    """Whole base units of any size, as int in Python; sums are exact because Python makes them."""

    impl = Text
    cache_ok = True

    def __init__(self, digits: int = UNITS_DIGITS_MAX) -> None:
        super().__init__()
        self.digits = digits

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        wide: TypeEngine[Any] = Numeric(self.digits, 0)
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else wide)

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | int | None:
        """Write the one canonical form: no sign but "-", no leading zero."""
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: str | Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Read either form."""
        return None if value is None else int(value)


def to_micros(moment: datetime) -> int:
    """Write an aware UTC datetime as microseconds since the epoch, exactly."""
    assert moment.tzinfo is UTC, "times are aware UTC datetimes"
    since = moment - _EPOCH
    return (since.days * _DAY_SECONDS + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """Read microseconds since the epoch as an aware UTC datetime, exactly."""
    return _EPOCH + timedelta(microseconds=micros)
