"""The ledger as rows for outsiders: the contract's fields, exact, streamed."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, func, select

from support_service.giving import Donation, fold
from support_service.ledger.queries import Wanted, matching
from support_service.ledger.rows import identity_of, observed_of, read_donation
from support_service.ledger.tables import donation, report
from support_service.money import Asset, Money, plain

ExportRow: TypeAlias = dict[str, object]
Read: TypeAlias = Callable[[], AbstractContextManager[Connection]]

# Rows read in one transaction: enough to be quick, few enough that no writer waits to be noticed.
CHUNK_ROWS = 500

FIELDS = (
    "id",
    "kind",
    "rail",
    "network",
    "method",
    "address",
    "asset",
    "units",
    "amount",
    "refunded_units",
    "counted_units",
    "flags",
    "state",
    "locator",
    "block_height",
    "block_hash",
    "tx",
    "payer",
    "support_code",
    "article",
    "message",
    "seen_at",
    "confirmed_at",
    "occurred_at",
    "value",
    "fee_units",
    "net_units",
    "direction",
)


def export_rows(read: Read, wanted: Wanted) -> Iterator[ExportRow]:
    """Yield every wanted row once, as the ledger stood when the export began.

    Each chunk is a short transaction of its own, so a slow reader holds up nobody. A donation that
    changed since is folded anew from the reports there were at the start.
    """
    with read() as tx:
        last_report = tx.execute(select(func.coalesce(func.max(report.c.number), 0))).scalar_one()
    after = 0
    while True:
        with read() as tx:
            asked = matching(Wanted()).where(donation.c.id > after).order_by(donation.c.id).limit(CHUNK_ROWS)
            rows = tx.execute(asked).mappings().all()
            found = [_as_of(tx, row, last_report) for row in rows]
        yield from (export_row(one) for one in found if one is not None and is_wanted(one, wanted))
        if len(rows) < CHUNK_ROWS:
            return
        after = rows[-1]["id"]


def is_wanted(found: Donation, wanted: Wanted) -> bool:
    """Tell whether a donation passes the filters."""
    payment, moment = found.payment, found.payment.occurred_at
    in_time = (wanted.since is None or moment >= wanted.since) and (wanted.until is None or moment < wanted.until)
    pairs = (
        (wanted.rail, payment.rail),
        (wanted.method, payment.method),
        (wanted.state, found.state),
        (wanted.kind, payment.kind),
    )
    return in_time and all(asked is None or asked == held for asked, held in pairs)


def export_row(found: Donation) -> ExportRow:
    """Write one donation with the contract's field names, in the contract's order."""
    payment, identity = found.payment, found.identity
    asset = Asset(identity.asset, payment.exponent, identity.network)
    values = (
        identity.ref,
        str(payment.kind),
        payment.rail,
        identity.network or None,
        payment.method,
        identity.address or None,
        identity.asset,
        str(payment.units),
        plain(Money(payment.units, asset)),
        str(found.refunded_units),
        str(found.counted_units),
        [str(flag) for flag in payment.flags],
        str(found.state),
        identity.locator,
        payment.block_height,
        payment.block_hash,
        payment.tx,
        payment.personal.payer,
        payment.support_code,
        payment.article,
        payment.personal.message,
        _moment(found.seen_at),
        _moment(found.confirmed_at),
        _moment(payment.occurred_at),
        None,
        None if payment.fee_units is None else str(payment.fee_units),
        None if found.net_units is None else str(found.net_units),
        str(identity.direction),
    )
    return dict(zip(FIELDS, values, strict=True))


def write_export(rows: Iterable[ExportRow], *, form: Literal["jsonl", "csv"]) -> Iterator[str]:
    """Write rows as lines of text, each with its line end: JSON Lines, or CSV after RFC 4180.

    The CSV begins with a byte order mark: without one, Excel reads Ukrainian as Windows-1252.
    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    match form:
        case "jsonl":
            yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        case "csv":
            yield "\ufeff" + _csv_line(FIELDS)
            yield from (_csv_line([_cell(row[name]) for name in FIELDS]) for row in rows)


def _as_of(tx: Connection, row: RowMapping, last_report: int) -> Donation | None:
    if row["last_report"] <= last_report:
        return read_donation(row, row["personal_body"])
    stored = [seen for _, seen in observed_of(tx, row["id"], with_personal=True)]
    history = [seen for seen in stored if seen.report_number <= last_report]
    return fold(identity_of(row), history) if history else None


def _moment(moment: datetime | None) -> str | None:
    """RFC 3339 with Z, microseconds kept where there are any."""
    if moment is None:
        return None
    assert moment.tzinfo is UTC
    return moment.isoformat().replace("+00:00", "Z")


_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return " ".join(str(item) for item in value)
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case str() if value.startswith(_RISKY):
            return f"'{value}"
    return str(value)


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
