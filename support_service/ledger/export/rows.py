"""The ledger as rows for outsiders: the contract's fields, exact, read in short steps of one moment."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Connection, Text, and_, cast, or_, select

from support_service.giving import Donation
from support_service.ledger.columns import Units
from support_service.ledger.engine import Database
from support_service.ledger.queries import Wanted, conditions, is_wanted, read_head
from support_service.ledger.rows import (
    Values,
    believed,
    donation_values,
    histories,
    identity_of,
    identity_values,
    personal_by_digest,
    read_donation,
)
from support_service.ledger.tables import donation, personal_data
from support_service.money import plain_units

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
    # The id of the money that this is about: of a payout's bank line the processor's payout, of a reversal its gift.
    "belongs_to",
)


_UNITS = {column.name for column in donation.c if isinstance(column.type, Units)}
_BELIEVED = [column for column in donation.c if column.name not in {"id", "last_report"}]
_COLUMNS = [cast(column, Text).label(column.name) if column.name in _UNITS else column for column in donation.c]
_WITH_BODY = select(*_COLUMNS, personal_data.c.body.label("personal_body")).select_from(
    donation.outerjoin(personal_data, personal_data.c.digest == donation.c.personal_digest)
)


@dataclass(slots=True)
class Exported:
    """One wanted donation, as the values of its row and the text of its personal data; a format reads what it needs.

    Amounts are still the digits that the database holds: most are written as they are.
    """

    values: Values
    body: str | None

    @property
    def donation(self) -> Donation:
        """The donation as the ledger's other readers know it."""
        values = {column.name: self.values[column.name] for column in _BELIEVED}
        for name in _UNITS:
            values[name] = values[name] and int(values[name])
        return read_donation(values, self.body)

    @property
    def row(self) -> ExportRow:
        """The contract's fields, in the contract's order."""
        return _row(self.values, self.body)


def read_exported(database: Database, wanted: Wanted) -> Iterator[Exported]:
    """Yield every wanted donation once, in the order of first sight, as the ledger stood at the call.

    The reader gets one moment of the ledger however long the reading takes: no row that came later,
    and a row that changed later as it was, for it is folded anew from the reports of that moment
    (only what was erased since stays erased). Each chunk is a short transaction of its own, done
    before its rows are handed out, so a stalled reader holds up no writer.
    """
    with database.read() as tx:
        last_report = read_head(tx).number
    return _chunks(database, wanted, last_report)


def _chunks(database: Database, wanted: Wanted, last_report: int) -> Iterator[Exported]:
    after = 0
    while True:
        with database.read() as tx:
            rows = _page(tx, wanted, after=after, last_report=last_report)
            found = _as_of(tx, rows, wanted, last_report)
        yield from found
        if len(rows) < CHUNK_ROWS:
            return
        after = rows[-1]["id"]


def _page(tx: Connection, wanted: Wanted, *, after: int, last_report: int) -> list[dict[str, Any]]:
    """Read rows that are wanted now, and all that changed since, for they may have been wanted then."""
    is_known = [donation.c.state.is_not(None), *conditions(wanted)]
    changed_since = donation.c.last_report > last_report
    asked = _WITH_BODY.where(donation.c.id > after, or_(changed_since, and_(*is_known)))
    found = tx.execute(asked.order_by(donation.c.id).limit(CHUNK_ROWS))
    # Each row is asked for some forty names: a plain mapping answers in a quarter of the time of the driver's.
    names = list(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found.all()]


def _as_of(tx: Connection, rows: list[dict[str, Any]], wanted: Wanted, last_report: int) -> list[Exported]:
    """Take the rows as they are, and those that changed since as they were."""
    changed = histories(tx, [row["id"] for row in rows if row["last_report"] > last_report])
    found, digests = [], {}
    for row in rows:
        if row["id"] not in changed:
            found.append(Exported(row, row["personal_body"]))
            continue
        then = [kept for kept in changed[row["id"]] if kept.observed.report_number <= last_report]
        held = believed(identity_of(row), then)
        # None: its payment came later.
        if held is not None and is_wanted(held[0], wanted):
            values = identity_values(held[0].identity) | donation_values(*held)
            found.append(Exported(values, None))
            digests[len(found) - 1] = values["personal_digest"]
    bodies = personal_by_digest(tx, [digest for digest in digests.values() if digest])
    for place, digest in digests.items():
        found[place].body = bodies.get(digest)
    return found


def _row(values: Values, body: str | None) -> ExportRow:
    personal = {} if body is None else _read(body)["personal"]
    units, fee, match = values["units"], values["fee_units"], _read(values["match"])
    return {
        "id": values["ref"],
        "kind": str(values["kind"]),
        "rail": values["rail"],
        "network": values["network"] or None,
        "method": values["method"],
        "address": values["address"] or None,
        "asset": values["asset"],
        "units": str(units),
        "amount": plain_units(int(units), values["exponent"]),
        "refunded_units": str(values["refunded_units"]),
        "counted_units": str(values["counted_units"]),
        "flags": values["flags"].split(),
        "state": str(values["state"]),
        "locator": values["locator"],
        "block_height": values["block_height"],
        "block_hash": values["block_hash"],
        "tx": values["tx"],
        "payer": personal.get("payer"),
        "support_code": values["support_code"],
        "article": values["article"],
        "message": personal.get("message"),
        "seen_at": _moment(values["seen_at"]),
        "confirmed_at": _moment(values["confirmed_at"]),
        "occurred_at": _moment(values["occurred_at"]),
        "value": _value(values["value"]),
        "fee_units": None if fee is None else str(fee),
        "net_units": None if fee is None else str(int(units) - int(fee)),
        "direction": str(values["direction"]),
        "bank_class": values["bank_class"],
        "bank_rule": values["bank_rule"],
        "booking_date": values["booking_date"],
        "matched_by": match["by"] if match.get("support_code") else None,
        "belongs_to": values["linked_to"],
    }


# What stands behind json.loads, which looks at every option anew for each text.
_decoded = json.JSONDecoder().raw_decode


def _read(text: str | None) -> dict[str, Any]:
    return {} if text is None else _decoded(text)[0]


def _value(text: str | None) -> dict[str, str | None] | None:
    if text is None:
        return None
    claim = _read(text)
    told = {name: claim[name] for name in ("currency", "units", "rate", "source")}
    return told | {"at": _moment(claim["at"])}


_EPOCH_DAY = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=1024)
def _day(number: int) -> str:
    return date.fromordinal(_EPOCH_DAY + number).isoformat()


# A report's moments are those of all its rows, and a value is of the moment of its gift.
@lru_cache(maxsize=4096)
def _moment(micros: int | None) -> str | None:
    """RFC 3339 with Z, microseconds kept where there are any."""
    if micros is None:
        return None
    seconds, rest = divmod(micros, 1_000_000)
    days, second = divmod(seconds, 86_400)
    minutes, second = divmod(second, 60)
    fraction = f".{rest:06}" if rest else ""
    return f"{_day(days)}T{minutes // 60:02}:{minutes % 60:02}:{second:02}{fraction}Z"
