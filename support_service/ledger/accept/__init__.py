"""The one door for money: a report becomes rows, states, postings, totals and a cursor, or nothing does.

The rules. The key is the lock: a pushed report's (source, key) is taken once; a polled one must
follow the cursor's step, or the source reads again. What a report repeats is not stored again, and
a poll that says nothing new stores no report. A statement is complete for its block: what stands
there and is not named becomes replaced, or orphaned where the block is gone. Rows of history are
only ever added; each report seals all before it by its hash; what points to a person is kept apart.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, func, insert, select, update

from support_service.giving import Cursor, Donation, Report
from support_service.ledger import canonical
from support_service.ledger.accept.aliases import bodies, write_names
from support_service.ledger.accept.new_claims import NewClaims, check, news
from support_service.ledger.accept.write import NextPlace, Writing, store, write_balances
from support_service.ledger.columns import to_micros
from support_service.ledger.errors import CursorMoved, SourceFrozen
from support_service.ledger.rows import ByKeys, insert_rows
from support_service.ledger.tables import (
    cursor,
    donation,
    head,
    observation,
    personal_data,
    posting,
    report,
    source_freeze,
)


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
_FROZEN = select(source_freeze.c.reason).where(
    source_freeze.c.source == bindparam("source"), source_freeze.c.ended_at.is_(None)
)
_STEP = select(cursor.c.step).where(cursor.c.source == bindparam("source"))
_MOVE = update(cursor).where(cursor.c.source == bindparam("of"), cursor.c.step == bindparam("held"))
_PLACE = select(
    head.c.number,
    head.c.hash,
    _KNOWN.scalar_subquery().label("known"),
    *(
        select(func.coalesce(func.max(column), 0) + 1).scalar_subquery().label(name)
        for name, column in (
            ("donation", donation.c.id),
            ("observation", observation.c.id),
            ("posting", posting.c.posting_number),
        )
    ),
)
_SEALED = update(head).where(head.c.number == bindparam("last"))
_NEW_REPORT = insert(report)
_APART_COLUMNS = [personal_data.c[name] for name in ("digest", "kind", "body", "stored_at")]
# In one statement: what is there stays, and what was erased stays erased.
_KEEP_APART = insert(personal_data).from_select(
    _APART_COLUMNS,
    select(*(bindparam(column.name, type_=column.type) for column in _APART_COLUMNS)).where(
        ~exists().where(personal_data.c.digest == bindparam("digest", type_=personal_data.c.digest.type))
    ),
)
_HELD_APART = ByKeys(select(personal_data.c.digest), personal_data.c.digest)
FEW_ROWS = 4


def accept_report(tx: Connection, told: Report, now: datetime, *, only_news: bool = False) -> Change:
    """Take a report in; the caller holds the one writing transaction, and commits it unless this raises.

    only_news: a pushed report that says nothing new is not remembered either.
    Raises CursorMoved, SourceFrozen, SourceContradiction and BadReport.
    """
    # 1. What contradicts itself is refused whole.
    check(told)
    # 2. The key is the lock: a pushed report that is there changes nothing, a polled one follows the stored cursor.
    place = None
    if told.cursor is None:
        place, is_known = _place(tx, told)
        if is_known:
            return Change()
    else:
        _refuse_frozen(tx, told.source)
        _follow(tx, told.source, told.cursor)
    # 3. What it claims and we do not hold; a poll that claims nothing stores no report.
    found = news(tx, told)
    if (told.cursor is not None or only_news) and found.is_empty:
        return Change()
    # 4. The report, sealed to the one before it, with its names and balances.
    place = place or _place(tx, told)[0]
    at = Writing(tx, place, now)
    _remember(at, told, found)
    write_names(tx, place.report, found.names)
    write_balances(tx, place.report, told.balances)
    # 5. Its observations, the donations folded anew, and the postings from one state to the next.
    return Change(place.report, store(at, found))


def _place(tx: Connection, told: Report) -> tuple[NextPlace, bool]:
    """Find where the next of everything goes, and whether this report is there already."""
    row = tx.execute(_PLACE, {"source": told.source, "key": told.key}).one()
    place = NextPlace(row.number + 1, row.hash, row.donation, row.observation, row.posting)
    return place, row.known is not None


def _refuse_frozen(tx: Connection, source: str) -> None:
    """Asked in the same transaction: another watcher may have found out while this one was reading."""
    reason = tx.execute(_FROZEN, {"source": source}).scalar_one_or_none()
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
    held = tx.execute(_STEP, {"source": source}).scalar_one_or_none()
    if (held or 0) != to.step - 1:
        raise CursorMoved(f"{source}: the cursor stands at step {held or 0}, but the report follows step {to.step - 1}")
    if held is None:
        tx.execute(insert(cursor).values(source=source, **values))
        return
    moved = tx.execute(_MOVE, {"of": source, "held": held, **values})
    assert moved.rowcount == 1, "writers are serial"


def _remember(at: Writing, told: Report, found: NewClaims) -> None:
    """Store the report as the next link of the chain, and apart from it what says who gave."""
    tx, number, now = at.tx, at.place.report, at.now
    raw_digest = None if told.raw is None else canonical.sha256(told.raw)
    apart = {one.personal.digest: ("personal", one.personal.body) for one in found.claims if one.personal is not None}
    if told.raw is not None and raw_digest is not None:
        apart[raw_digest] = ("raw", canonical.raw_body(told.raw))
    keep_apart(tx, apart, now)
    body = _body(told, found, number=number, raw_digest=raw_digest, accepted_at=to_micros(now))
    link = canonical.chain_hash(at.place.last_hash, body)
    row = {"number": number, "source": told.source, "key": told.key, "accepted_at": to_micros(now)}
    row |= {"previous_hash": at.place.last_hash, "hash": link, "body": body, "raw_digest": raw_digest}
    tx.execute(_NEW_REPORT, row)
    moved = tx.execute(_SEALED, {"last": number - 1, "number": number, "hash": link})
    assert moved.rowcount == 1, "writers are serial"


def _body(told: Report, found: NewClaims, *, number: int, raw_digest: str | None, accepted_at: int) -> str:
    """Say all that the report says and brings about; what it repeats is not news and not in it."""
    at = told.cursor
    said = {
        "number": number,
        "source": told.source,
        "key": told.key,
        "accepted_at": accepted_at,
        "cursor": None if at is None else {"step": at.step, "height": at.height, "block_hash": at.block_hash},
        "statements": [canonical.statement_body(statement) for statement in told.statements],
        "raw": raw_digest,
        **bodies(found.names),
        # Left out where there are none, as in reports made before sources told them.
        **({"balances": [canonical.balance_body(one) for one in told.balances]} if told.balances else {}),
    }
    observations = (
        canonical.observation_text(
            canonical.identity_body(claim.identity), claim.part, claim.rank or (0, number), claim.text
        )
        for claim in found.claims
    )
    return canonical.report_text(said, observations)


def keep_apart(tx: Connection, bodies: dict[str, tuple[str, str]], now: datetime) -> None:
    """Store erasable data (digest -> kind, body) once; what was erased stays erased."""
    rows = [
        {"digest": digest, "kind": kind, "body": body, "stored_at": to_micros(now)}
        for digest, (kind, body) in bodies.items()
    ]
    if len(rows) > FEW_ROWS:
        # Writers are serial: what was not there a moment ago is not there now.
        held = {row["digest"] for row in _HELD_APART.rows(tx, sorted(bodies))}
        fresh = [row for row in rows if row["digest"] not in held]
        if fresh:
            insert_rows(tx, personal_data, fresh)
    elif rows:
        tx.execute(_KEEP_APART, rows)
