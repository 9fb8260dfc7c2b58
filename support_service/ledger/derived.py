"""Fills tables that are derived from donations, where a database was made before there were such tables."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, insert, select

from support_service.ledger.canonical import read_personal
from support_service.ledger.quarters import NAMES, SUMS, QuarterKey, QuarterSums, counted_in
from support_service.ledger.queries import donations_with_people
from support_service.ledger.rows import in_chunks, insert_rows, read_donation
from support_service.ledger.tables import donation, quarter_total, search_term
from support_service.ledger.terms import terms_of

CHUNK_ROWS = 1_000


def fill_derived(tx: Connection) -> None:
    """Write search terms and sums by quarter of an hour, if there are donations and none of these yet.

    Run by `migrate` after the last revision, when every column that the program reads is there.
    """
    if tx.execute(select(search_term.c.donation_id).limit(1)).first() is not None:
        return
    sums: dict[QuarterKey, QuarterSums] = {}
    after = 0
    while rows := _rows(tx, after):
        terms: list[dict[str, object]] = []
        for row in rows:
            found = terms_of(row, read_personal(row["personal_body"]))
            terms += [{"term": term, "donation_id": row["id"]} for term in sorted(found)]
            told = counted_in(read_donation(row, None))
            if told is not None:
                sums[told[0]] = sums.get(told[0], QuarterSums()).plus(told[1])
        if terms:
            insert_rows(tx, search_term, terms)
        after = rows[-1]["id"]
    written = [
        dict(zip(NAMES, key, strict=True)) | {name: getattr(held, name) for name in SUMS} for key, held in sums.items()
    ]
    for chunk in in_chunks(written):
        tx.execute(insert(quarter_total), list(chunk))


def _rows(tx: Connection, after: int) -> Sequence[RowMapping]:
    asked = donations_with_people().where(donation.c.id > after).order_by(donation.c.id).limit(CHUNK_ROWS)
    return tx.execute(asked).mappings().all()
