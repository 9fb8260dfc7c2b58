"""The ledger as rows for outsiders: the contract's fields, exact, streamed."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, and_, or_, select

from support_service.giving import Donation, NoPayment, ValueClaim, fold
from support_service.ledger.engine import Database
from support_service.ledger.queries import Wanted, conditions, is_wanted, read_head
from support_service.ledger.rows import histories, identity_of, read_donation
from support_service.ledger.tables import donation, personal_data
from support_service.money import Asset, Money, plain

ExportRow: TypeAlias = dict[str, object]

# Rows read in one transaction: enough to be quick, few enough that a writer does not notice.
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
    "bank_class",
    "bank_rule",
    "booking_date",
    "matched_by",
)


def export_rows(database: Database, wanted: Wanted) -> Iterator[ExportRow]:
    """Yield every wanted donation once, in the order of first sight, as the ledger stood at the call.

    The reader gets one moment of the ledger however long the reading takes: no row that came later,
    and a row that changed later as it was, for it is folded anew from the reports of that moment
    (only what was erased since stays erased). Each chunk is a short transaction of its own, done
    before its rows are handed out, so a stalled reader holds up no writer.
    """
    with database.read() as tx:
        last_report = read_head(tx).number
    return _chunks(database, wanted, last_report)


def _chunks(database: Database, wanted: Wanted, last_report: int) -> Iterator[ExportRow]:
    after = 0
    while True:
        with database.read() as tx:
            rows = _page(tx, wanted, after=after, last_report=last_report)
            found = _as_of(tx, rows, last_report)
        for donation_as_it_was in found:
            if is_wanted(donation_as_it_was, wanted):
                yield export_row(donation_as_it_was)
        if len(rows) < CHUNK_ROWS:
            return
        after = rows[-1]["id"]


def _page(tx: Connection, wanted: Wanted, *, after: int, last_report: int) -> list[RowMapping]:
    """Read rows that are wanted now, and all that changed since, for they may have been wanted then."""
    joined = donation.outerjoin(personal_data, personal_data.c.digest == donation.c.personal_digest)
    asked = select(donation, personal_data.c.body.label("personal_body")).select_from(joined)
    is_known = [donation.c.state.is_not(None), *conditions(wanted)]
    changed_since = donation.c.last_report > last_report
    asked = asked.where(donation.c.id > after, or_(changed_since, and_(*is_known)))
    return list(tx.execute(asked.order_by(donation.c.id).limit(CHUNK_ROWS)).mappings().all())


def _as_of(tx: Connection, rows: list[RowMapping], last_report: int) -> list[Donation]:
    changed = histories(tx, [row["id"] for row in rows if row["last_report"] > last_report], with_personal=True)
    found = []
    for row in rows:
        if row["id"] not in changed:
            found.append(read_donation(row, row["personal_body"]))
            continue
        then = [one.observed for one in changed[row["id"]] if one.observed.report_number <= last_report]
        try:
            found.append(fold(identity_of(row), then))
        except NoPayment:
            continue  # its payment came later
    return found


def export_row(found: Donation) -> ExportRow:
    """Write one donation with the contract's field names, in the contract's order."""
    payment, identity, bank = found.payment, found.identity, found.payment.bank
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
        found.support_code,
        found.article,
        payment.personal.message,
        _moment(found.seen_at),
        _moment(found.confirmed_at),
        _moment(payment.occurred_at),
        _value(found.value),
        None if found.fee_units is None else str(found.fee_units),
        None if found.net_units is None else str(found.net_units),
        str(identity.direction),
        bank and bank.line_class,
        bank and bank.rule,
        bank.day.isoformat() if bank and bank.day else None,
        found.match.by if found.match and found.match.support_code else None,
    )
    return dict(zip(FIELDS, values, strict=True))


def _value(claim: ValueClaim | None) -> dict[str, str | None] | None:
    if claim is None:
        return None
    return {
        "currency": claim.currency,
        "units": str(claim.units),
        "rate": claim.rate,
        "source": claim.source,
        "at": _moment(claim.at),
    }


def write_export(rows: Iterable[ExportRow], *, form: Literal["jsonl", "csv"]) -> Iterator[str]:
    """Write rows as lines of text, each with its line end: JSON Lines, or CSV after RFC 4180 with a header.

    Both are UTF-8 without a byte order mark: scripts take the mark for a part of the first column's
    name. Excel needs to be told (Data > From Text/CSV > 65001), or it reads Cyrillic as Windows-1252.
    In CSV, text gets an apostrophe before each sign (= + - @) that a spreadsheet could take for the
    start of a formula: at the front of a cell, and behind ; , | a tab or a line end, which may end a
    cell where the separator is another one. Nothing else changes: without the apostrophes that stand
    before a sign at these places it is the text again; JSON Lines hold it as it was. Numbers get none.
    Flags are joined by a space, value is JSON, null is an empty cell.
    """
    match form:
        case "jsonl":
            for row in rows:
                yield json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS) + "\n"
        case "csv":
            yield _csv_line(FIELDS)
            for row in rows:
                yield _csv_line([_cell(row[name]) for name in FIELDS])


def _moment(moment: datetime | None) -> str | None:
    """RFC 3339 with Z, microseconds kept where there are any."""
    if moment is None:
        return None
    assert moment.tzinfo is UTC
    return moment.isoformat().replace("+00:00", "Z")


# JSON leaves these as they are, but many readers take them for the end of a line.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}

# OWASP, CSV Injection: a cell that begins so is run as a formula. Full-width forms are signs to Excel, too.
_SIGNS = "=+\\-@＝＋－＠"
# What stands before the first sign and is not seen: blanks, controls, and marks without width.
_UNSEEN = r"[\s\x00-\x1f\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]*"
# Where the list separator is another one (";" in Excel's Ukraine), a cell may begin in the middle of a text, and so
# it may behind a quote, if the program takes a cell's quotes off.
_RISKY = re.compile(rf"(^|[;,\t|\r\n\v\f\x1c-\x1e\x85\u2028\u2029；，、｜])({_UNSEEN}[\"']*{_UNSEEN})(?=[{_SIGNS}])")
# A tab or a line end at the front makes some programs drop it and run what follows.
_RISKY_START = ("\t", "\r", "\n")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return " ".join(str(item) for item in value)
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case str() if not _NUMBER.fullmatch(value):
            return _harmless(value)
    return str(value)


def _harmless(text: str) -> str:
    """Put an apostrophe before every sign that a spreadsheet may take for the start of a formula, and nothing else."""
    if not text.startswith(_RISKY_START):
        return _RISKY.sub(r"\1\2'", text)
    lead = text[: len(text) - len(text.lstrip())]
    # One apostrophe in front is enough for what follows the lead; the letter keeps its first sign from being found.
    rest = _RISKY.sub(r"\1\2'", f"x{text[len(lead) :]}")
    return f"'{lead}{rest[1:]}"


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
