"""Fills tables that are derived from donations, where a database was made before there were such tables."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, Table, select

from support_service.ledger.article_totals import ARTICLES, article_in
from support_service.ledger.kept_sums import Added, Key, add
from support_service.ledger.quarters import DAYS, QUARTERS, by_day, counted_in
from support_service.ledger.queries import donations_with_people
from support_service.ledger.rows import insert_values, read_donation
from support_service.ledger.search import KeptPeople, told_of
from support_service.ledger.sum_tables import article_total, day_total, quarter_total
from support_service.ledger.tables import donation, search_term
from support_service.ledger.terms import terms_of

CHUNK_ROWS = 1_000


def fill_derived(tx: Connection) -> None:
    """Write search terms and sums, if there are donations and none of these yet.

    Run by `migrate` after the last revision, when every column that the program reads is there.
    """
    wants = {table.name: _is_empty(tx, table) for table in (search_term, quarter_total, day_total, article_total)}
    if not any(wants.values()):
        return
    by_quarter: dict[Key, Added] = {}
    by_article: dict[Key, Added] = {}
    after = 0
    while rows := _rows(tx, after):
        terms: list[tuple[str, int]] = []
        findable = told_of(tx, rows) if wants[search_term.name] else []
        people = KeptPeople(tx, findable, {})
        for one in findable:
            found = terms_of(one.row, people.of(one))
            terms += [(term, one.row["id"]) for term in found]
        for row in rows:
            donation_now = read_donation(row, None)
            if (told := counted_in(donation_now)) is not None:
                add(by_quarter, told[0], told[1].values)
            if (of_article := article_in(donation_now)) is not None:
                add(by_article, *of_article)
        insert_values(tx, search_term, ("term", "donation_id"), sorted(terms))
        after = rows[-1]["id"]
    for kept, sums in ((QUARTERS, by_quarter), (DAYS, by_day(by_quarter)), (ARTICLES, by_article)):
        if wants[kept.table.name]:
            kept.fill(tx, sums)


def _is_empty(tx: Connection, table: Table) -> bool:
    return tx.execute(select(table.primary_key.columns[0]).limit(1)).first() is None


def _rows(tx: Connection, after: int) -> Sequence[RowMapping]:
    asked = donations_with_people().where(donation.c.id > after).order_by(donation.c.id).limit(CHUNK_ROWS)
    return tx.execute(asked).mappings().all()
