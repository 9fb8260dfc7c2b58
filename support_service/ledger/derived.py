"""Fills what is derived, where a database was made before there were such tables or columns."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, Table, bindparam, select, update

from support_service.giving import PAYMENT_PART, is_open, live
from support_service.ledger.article_totals import ARTICLES, article_in, placement_in, placements_of
from support_service.ledger.kept_sums import Added, SumKey, add
from support_service.ledger.quarters import DAYS, QUARTERS, by_day, counted_in
from support_service.ledger.queries import donations_with_people
from support_service.ledger.rows import histories, insert_values, read_donation
from support_service.ledger.search import KeptPeople, told_of
from support_service.ledger.sum_tables import article_total, day_total, quarter_total
from support_service.ledger.tables import donation, observation, search_term
from support_service.ledger.terms import terms_of

CHUNK_ROWS = 1_000

_WITH_PARTS = (
    select(observation.c.donation_id)
    .where(observation.c.donation_id > bindparam("after"), observation.c.part != bindparam("part"))
    .distinct()
    .order_by(observation.c.donation_id)
    .limit(bindparam("chunk"))
)


def fill_derived(tx: Connection) -> None:
    """Write search terms and sums, if there are donations and none of these yet.

    Run by `migrate` after the last revision, when every column that the program reads is there.
    """
    wants = {table.name: _is_empty(tx, table) for table in (search_term, quarter_total, day_total, article_total)}
    if not any(wants.values()):
        return
    by_quarter: dict[SumKey, Added] = {}
    by_article: dict[SumKey, Added] = {}
    after = 0
    while rows := _rows(tx, after):
        terms: list[tuple[str, int]] = []
        findable = told_of(tx, rows) if wants[search_term.name] else []
        people = KeptPeople(tx, findable, {})
        for one in findable:
            found = terms_of(one.row, people.of(one))
            terms += [(term, one.row["id"]) for term in found]
        placements = placements_of(tx, [row["intent"] for row in rows])
        for row in rows:
            donation_now = read_donation(row, None)
            if (told := counted_in(donation_now)) is not None:
                add(by_quarter, told[0], told[1].values)
            for summed in (article_in(donation_now), placement_in(donation_now, placements)):
                if summed is not None:
                    add(by_article, *summed)
        insert_values(tx, search_term, ("term", "donation_id"), sorted(terms))
        after = rows[-1]["id"]
    for kept, sums in ((QUARTERS, by_quarter), (DAYS, by_day(by_quarter)), (ARTICLES, by_article)):
        if wants[kept.table.name]:
            kept.fill(tx, sums)


def count_open_parts(tx: Connection) -> None:
    """Count the refunds and disputes that are open of gifts booked before there was such a column.

    Run by `migrate` after the last revision, where one of these added the column.
    """
    after = 0
    while ids := tx.execute(_WITH_PARTS, {"after": after, "part": PAYMENT_PART, "chunk": CHUNK_ROWS}).scalars().all():
        for number, history in histories(tx, ids).items():
            count = sum(is_open(seen.claim) for seen in live(one.observed for one in history).values())
            if count:
                tx.execute(update(donation).where(donation.c.id == number).values(open_parts=count))
        after = ids[-1]


def _is_empty(tx: Connection, table: Table) -> bool:
    return tx.execute(select(table.primary_key.columns[0]).limit(1)).first() is None


def _rows(tx: Connection, after: int) -> Sequence[RowMapping]:
    asked = donations_with_people().where(donation.c.id > after).order_by(donation.c.id).limit(CHUNK_ROWS)
    return tx.execute(asked).mappings().all()
