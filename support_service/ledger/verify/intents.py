"""Verify: what readers chose, and what tells their gifts apart: support codes and sums of their own.

An intent is held against its own seal, and money against the intent it names. Which code and which sum stand for it is
said in what is sealed, too: so none can be moved to another reader, nor be lost.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, exists, select

from support_service.ledger.engine import Database
from support_service.ledger.intents import intent_hash
from support_service.ledger.tables import awaited_sum, donation, intent, support_code
from support_service.ledger.verify.parts import CHUNK_ROWS, raw
from support_service.ledger.verify.reports import check_personal, kept_apart

_CODED = ("code", "issued_at")
_AWAITED = ("network", "asset", "address", "since", "until")
_FIRST = (
    select(
        intent,
        *(support_code.c[name] for name in _CODED),
        *(awaited_sum.c[name].label(f"awaited_{name}") for name in _AWAITED),
        raw(awaited_sum.c.units).label("awaited_units"),
    )
    .select_from(
        intent.outerjoin(support_code, support_code.c.intent == intent.c.ref).outerjoin(
            awaited_sum, awaited_sum.c.intent == intent.c.ref
        )
    )
    .order_by(intent.c.ref)
    .limit(CHUNK_ROWS)
)
_NEXT = _FIRST.where(intent.c.ref > bindparam("after"))
_GONE = (
    select(donation.c.id, donation.c.ref, donation.c.intent)
    .outerjoin(intent, intent.c.ref == donation.c.intent)
    .where(donation.c.intent.is_not(None), intent.c.ref.is_(None))
)
_CODES, _SUMS = (
    select(table.c.intent, name).where(~exists().where(intent.c.ref == table.c.intent)).limit(CHUNK_ROWS)
    for table, name in ((support_code, support_code.c.code), (awaited_sum, raw(awaited_sum.c.units)))
)


def check_intents(database: Database) -> Iterator[str]:
    """See that choices are as they were made, and that each has its own code and sum; they are of no report."""
    asked, after = _FIRST, ""
    while True:
        with database.read() as tx:
            rows = list(tx.execute(asked, {} if asked is _FIRST else {"after": after}).mappings().all())
            problems = list(_check_rows(tx, rows))
        yield from problems
        if len(rows) < CHUNK_ROWS:
            break
        asked, after = _NEXT, rows[-1]["ref"]
    with database.read() as tx:
        gone, codes, sums = (tx.execute(asked).all() for asked in (_GONE, _CODES, _SUMS))
    yield from (f"donation {row.id} ({row.ref}): the intent it names is gone" for row in gone)
    yield from (f"the intent {row.intent} is gone that the support code {row.code} was issued for" for row in codes)
    yield from (f"the intent {row.intent} is gone that a sum of {row.units} is awaited for" for row in sums)


def _check_rows(tx: Connection, rows: list[RowMapping]) -> Iterator[str]:
    for row in rows:
        said = _said(row)
        is_sealed = row["hash"] == intent_hash(row["nonce"], row["body"], row["personal_digest"])
        # What it is looked up by is what the sealed body says.
        if not is_sealed or any(said.get(name) != row[name] for name in ("ref", "method", "made_at")):
            yield f"intent {row['ref']} was changed: its hash does not fit its contents"
            continue
        if (row["code"], row["issued_at"]) != _coded(said):
            yield f"intent {row['ref']}: its support code is {said['support_code']}, but {row['code']} is issued for it"
        if not _is_awaited(row, said):
            yield f"intent {row['ref']}: another sum or place is awaited for it than was told to the reader"
    wanted = {row["personal_digest"]: f"intent {row['ref']}" for row in rows if row["personal_digest"] is not None}
    yield from check_personal(kept_apart(tx, "personal", wanted), "personal", wanted)


def _said(row: RowMapping) -> dict[str, Any]:
    try:
        held = json.loads(row["body"])
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _coded(said: dict[str, Any]) -> tuple[str | None, int | None]:
    return (said["support_code"], said["made_at"]) if said["support_code"] else (None, None)


def _is_awaited(row: RowMapping, said: dict[str, Any]) -> bool:
    """Tell whether the sum that is awaited is the intent's; older intents do not say where and until when."""
    held = {name: row[f"awaited_{name}"] for name in (*_AWAITED, "units")}
    told = said.get("awaited")
    if held["network"] is None:
        return told is None
    right = {"asset": said["currency"], "units": said["units"], "since": said["made_at"], **(told or {})}
    return all(held[name] == value for name, value in right.items())
