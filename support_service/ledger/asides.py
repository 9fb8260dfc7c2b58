"""What was set aside because it cannot be read: told to people, asked for again, and never money."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update

from support_service.giving import SetAside
from support_service.ledger.canonical import tidy
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.tables import alias, report, set_aside, waiting_claim

# Texts of others, kept for people to read.
KEY_CHARACTERS_MAX, REASON_CHARACTERS_MAX = 200, 500
UNFIT_MAX = 500


def read_asides(tx: Connection, source: str | None) -> tuple[SetAside, ...]:
    """Read what was set aside, of one source or of all, the oldest first."""
    asked = select(set_aside).order_by(set_aside.c.since, set_aside.c.source, set_aside.c.key)
    if source is not None:
        asked = asked.where(set_aside.c.source == source)
    return tuple(
        SetAside(
            row["source"],
            row["key"],
            row["reason"],
            from_micros(row["since"]),
            from_micros(row["next_try_at"]),
            row["tries"],
            row["memo"],
        )
        for row in tx.execute(asked).mappings()
    )


def read_unfit(tx: Connection) -> tuple[SetAside, ...]:
    """Read what is counted in another asset than the payment it names: people judge it, and no sum holds it."""
    is_same = (alias.c.rail == waiting_claim.c.rail) & (alias.c.name == waiting_claim.c.name)
    joined = waiting_claim.join(alias, is_same)
    joined = joined.join(report, report.c.number == waiting_claim.c.report_number)
    asked = select(report.c.source, report.c.accepted_at, waiting_claim, alias.c.asset.label("of_payment"))
    asked = asked.select_from(joined).where(waiting_claim.c.asset != alias.c.asset)
    rows = tx.execute(asked.order_by(report.c.number, waiting_claim.c.part).limit(UNFIT_MAX)).mappings()
    # Of a refund or dispute that was told of several times, what was told last.
    found = {
        (row["source"], row["part"]): SetAside(
            row["source"],
            row["part"],
            f"is told in {row['asset']}, its payment {row['name']} in {row['of_payment']}; a person decides",
            from_micros(row["accepted_at"]),
            None,
        )
        for row in rows
    }
    return tuple(found.values())


def write_asides(tx: Connection, kept: Iterable[SetAside], solved: Iterable[tuple[str, str]] = ()) -> None:
    """Store items, each once by source and key, and drop the ones (source, key) that could be read at last."""
    for source, key in solved:
        tx.execute(delete(set_aside).where(set_aside.c.source == source, set_aside.c.key == key))
    for item in kept:
        assert item.next_try_at is not None, "what waits for people is told by its own rows"
        key = tidy(item.key)[:KEY_CHARACTERS_MAX]
        values = {
            "reason": tidy(item.reason)[:REASON_CHARACTERS_MAX],
            "since": to_micros(item.since),
            "next_try_at": to_micros(item.next_try_at),
            "tries": item.tries,
            "memo": tidy(item.memo),
        }
        is_here = (set_aside.c.source == item.source) & (set_aside.c.key == key)
        if not tx.execute(update(set_aside).where(is_here).values(**values)).rowcount:
            tx.execute(insert(set_aside).values(source=item.source, key=key, **values))
