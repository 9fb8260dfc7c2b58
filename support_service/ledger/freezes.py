"""Freezes: a source that cannot be believed is not listened to until a person has looked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from support_service.giving import Direction, MoneyBlock, Report, State
from support_service.ledger.accept import accept_report
from support_service.ledger.accept.new_claims import GONE
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.errors import LedgerError
from support_service.ledger.tables import donation, source_freeze


@dataclass(frozen=True, slots=True)
class Freeze:
    """Why a source is frozen, with what each side said; the last three are None while it lasts."""

    number: int
    source: str
    network: str
    since: datetime
    reason: str
    evidence: Mapping[str, str]
    ended_at: datetime | None = None
    ended_by: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Unfreeze:
    """What a person decided. rewind is the source's own step back, where its chain is another one now."""

    network: str
    by: str
    note: str
    rewind: Report | None = None


def read_freezes(tx: Connection, *, with_ended: bool) -> tuple[Freeze, ...]:
    """Read freezes, oldest first."""
    asked = select(source_freeze).order_by(source_freeze.c.id)
    if not with_ended:
        asked = asked.where(source_freeze.c.ended_at.is_(None))
    return tuple(
        Freeze(
            row["id"],
            row["source"],
            row["network"],
            from_micros(row["since"]),
            row["reason"],
            json.loads(row["evidence"]),
            None if row["ended_at"] is None else from_micros(row["ended_at"]),
            row["ended_by"],
            row["note"],
        )
        for row in tx.execute(asked).mappings()
    )


def write_freeze(tx: Connection, source: str, reason: str, evidence: Mapping[str, str], *, now: datetime) -> None:
    """Freeze a source (`rail:network`); one that is frozen stays so for its first reason."""
    if any(held.source == source for held in read_freezes(tx, with_ended=False)):
        return
    tx.execute(
        insert(source_freeze).values(
            id=tx.execute(select(func.coalesce(func.max(source_freeze.c.id), 0) + 1)).scalar_one(),
            source=source,
            network=source.partition(":")[2],
            since=to_micros(now),
            reason=reason,
            evidence=json.dumps(dict(evidence), ensure_ascii=False),
        )
    )


def end_freeze(tx: Connection, unfreeze: Unfreeze, now: datetime) -> Freeze:
    """End a network's freeze, with a staff report that tells it; LedgerError where nothing is frozen.

    The report's key says what was done, in the chain for good; the note, which may name people, is
    its raw message, kept apart and erasable like any other.
    """
    held = next((one for one in read_freezes(tx, with_ended=False) if one.network == unfreeze.network), None)
    if held is None:
        raise LedgerError(f"{unfreeze.network} is not frozen; `support-service freezes` tells what is")
    ended = {"ended_at": to_micros(now), "ended_by": unfreeze.by, "note": unfreeze.note}
    tx.execute(update(source_freeze).where(source_freeze.c.id == held.number).values(**ended))
    said = {
        "unfreeze": held.network,
        "frozen_since": held.since.isoformat(),
        "reason": held.reason,
        "note": unfreeze.note,
    }
    raw = json.dumps({**said, "evidence": held.evidence}, ensure_ascii=False)
    accept_report(tx, Report(f"staff:{unfreeze.by}", f"unfreeze:{held.network}:{held.number}", raw=raw), now)
    if unfreeze.rewind is not None:
        accept_report(tx, unfreeze.rewind, now)
    return held


def read_held(tx: Connection, key: tuple[str, str, str], height: int) -> int:
    """Sum what is confirmed of a watch (network, address, asset) up to a block, openings and internal rows included.

    Summed in Python: SQLite's own SUM overflows at 9.2 ETH in wei.
    """
    network, address, asset = key
    asked = select(donation.c.direction, donation.c.units).where(
        donation.c.network == network,
        donation.c.address == address,
        donation.c.asset == asset,
        donation.c.block_height <= height,
        donation.c.state == State.CONFIRMED,
    )
    return sum(row.units if row.direction == Direction.IN else -row.units for row in tx.execute(asked))


def read_blocks(tx: Connection, network: str) -> list[MoneyBlock]:
    """List the blocks that live money of a network stands in, lowest first."""
    columns = (donation.c.address, donation.c.asset, donation.c.block_height, donation.c.block_hash)
    asked = select(*columns).distinct().where(donation.c.network == network, donation.c.block_hash.is_not(None))
    rows = tx.execute(asked.where(donation.c.state.not_in(GONE)).order_by(donation.c.block_height))
    return [MoneyBlock(*row) for row in rows]
