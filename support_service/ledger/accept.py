"""The one door for money: a report becomes rows, states, postings, totals and a cursor, or nothing does.

The rules. The key is the lock: a pushed report's (source, key) is taken once; a polled one must
follow the cursor's step, or the source reads again. What a report repeats is not stored again, and
a poll that says nothing new stores no report. A statement is complete for its block: what stands
there and is not named becomes replaced, or orphaned where the block is gone. Rows of history are
only ever added; each report seals all before it by its hash; what points to a person is kept apart.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from support_service.giving import Cursor, Donation, Report
from support_service.ledger import canonical
from support_service.ledger.claims import News, check, news
from support_service.ledger.errors import CursorMoved, SourceFrozen
from support_service.ledger.names import bodies, write_names
from support_service.ledger.rows import in_chunks
from support_service.ledger.store import Writing, store
from support_service.ledger.tables import cursor, head, personal_data, report, source_freeze, to_micros


@dataclass(frozen=True, slots=True)
class Change:
    """What accepting a report changed; personal data are left out of the donations.

    report_number is None where nothing had to be remembered: a report known already, or a poll that
    said nothing new.
    """

    report_number: int | None = None
    donations: tuple[Donation, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether no donation changed."""
        return not self.donations


# Statements of every accept are built once: to build one costs more than to run it.
_KNOWN = select(report.c.number).where(report.c.source == bindparam("source"), report.c.key == bindparam("key"))
_HEAD = select(head)
_SEALED = update(head).where(head.c.number == bindparam("last"))


def accept_report(tx: Connection, told: Report, now: datetime) -> Change:
    """Take a report in; the caller holds the one writing transaction, and commits it unless this raises.

    Raises CursorMoved, SourceFrozen, SourceContradiction and BadReport.
    """
    check(told)
    if told.cursor is None and _is_known(tx, told):
        return Change()
    if told.cursor is not None:
        _refuse_frozen(tx, told.source)
        _follow(tx, told.source, told.cursor)
    found = news(tx, told)
    if told.cursor is not None and found.is_empty:
        return Change()
    number = _remember(tx, told, found, now)
    write_names(tx, number, found.names)
    return Change(number, store(Writing(tx, number, now), found))


def _is_known(tx: Connection, told: Report) -> bool:
    return tx.execute(_KNOWN, {"source": told.source, "key": told.key}).first() is not None


def _refuse_frozen(tx: Connection, source: str) -> None:
    """Asked in the same transaction: another watcher may have found out while this one was reading."""
    asked = select(source_freeze.c.reason).where(source_freeze.c.source == source, source_freeze.c.ended_at.is_(None))
    reason = tx.execute(asked).scalar_one_or_none()
    if reason is not None:
        raise SourceFrozen(frozen_text(source, reason))


def frozen_text(source: str, reason: str) -> str:
    """Say that a source is frozen, why, and what to do."""
    network = source.partition(":")[2]
    return f"frozen: {reason}; when you have looked: support-service unfreeze {network} --note TEXT"


def _follow(tx: Connection, source: str, to: Cursor) -> None:
    """Move the cursor by one step, if it still stands where the report says it stood."""
    values = {
        "step": to.step,
        "height": to.height,
        "block_hash": to.block_hash,
        "checked_at": to_micros(to.checked_at),
        "memo": to.memo,
    }
    held = tx.execute(select(cursor.c.step).where(cursor.c.source == source)).scalar_one_or_none()
    if (held or 0) != to.step - 1:
        raise CursorMoved(f"{source}: the cursor stands at step {held or 0}, but the report follows step {to.step - 1}")
    if held is None:
        tx.execute(insert(cursor).values(source=source, **values))
        return
    moved = tx.execute(update(cursor).where(cursor.c.source == source, cursor.c.step == held).values(**values))
    assert moved.rowcount == 1, "writers are serial"


def _remember(tx: Connection, told: Report, found: News, now: datetime) -> int:
    """Store the report as the next link of the chain, and apart from it what says who gave."""
    last = tx.execute(_HEAD).one()
    number = last.number + 1
    raw_digest = None if told.raw is None else canonical.sha256(told.raw)
    apart = {canonical.sha256(one.personal): ("personal", one.personal) for one in found.claims if one.personal}
    if told.raw is not None and raw_digest is not None:
        apart[raw_digest] = ("raw", canonical.raw_body(told.raw))
    keep_apart(tx, apart, now)
    body = canonical.dumps(_body(told, found, number=number, raw_digest=raw_digest, accepted_at=to_micros(now)))
    link = canonical.chain_hash(last.hash, body)
    row = {"number": number, "source": told.source, "key": told.key, "accepted_at": to_micros(now)}
    row |= {"previous_hash": last.hash, "hash": link, "body": body, "raw_digest": raw_digest}
    tx.execute(insert(report), row)
    moved = tx.execute(_SEALED, {"last": last.number, "number": number, "hash": link})
    assert moved.rowcount == 1, "writers are serial"
    return int(number)


def _body(told: Report, found: News, *, number: int, raw_digest: str | None, accepted_at: int) -> dict[str, object]:
    """Say all that the report says and brings about; what it repeats is not news and not in it."""
    at = told.cursor
    return {
        "number": number,
        "source": told.source,
        "key": told.key,
        "accepted_at": accepted_at,
        "cursor": None if at is None else {"step": at.step, "height": at.height, "block_hash": at.block_hash},
        "statements": [canonical.statement_body(statement) for statement in told.statements],
        "observations": [
            canonical.observation_body(claim.identity, claim.part, claim.rank or (0, number), claim.text)
            for claim in found.claims
        ],
        "raw": raw_digest,
        **bodies(found.names),
    }


def keep_apart(tx: Connection, bodies: dict[str, tuple[str, str]], now: datetime) -> None:
    """Store erasable data (digest -> kind, body) once; what was erased stays erased."""
    asked = select(personal_data.c.digest)
    known = {
        digest
        for chunk in in_chunks(sorted(bodies))
        for digest in tx.execute(asked.where(personal_data.c.digest.in_(chunk))).scalars()
    }
    rows = [
        {"digest": digest, "kind": kind, "body": body, "stored_at": to_micros(now), "erased_at": None}
        for digest, (kind, body) in bodies.items()
        if digest not in known
    ]
    if rows:
        tx.execute(insert(personal_data), rows)
