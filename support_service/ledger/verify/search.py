"""Verify: staff find every gift by all that it says, and by nothing that it does not say or that was erased."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, func, literal_column, select

from support_service.ledger.canonical import read_personal
from support_service.ledger.engine import Database
from support_service.ledger.rows import Values, in_chunks, personal_by_digest
from support_service.ledger.search import terms_of_row
from support_service.ledger.tables import head, search_term
from support_service.ledger.terms import PERSON
from support_service.ledger.verify.parts import VerifyMoment


def check_terms(tx: Connection, rows: Sequence[Values], moment: VerifyMoment) -> Iterator[str]:
    """Hold the terms of a chunk of donations against what these say now."""
    bodies = personal_by_digest(tx, sorted({row["personal_digest"] for row in rows if row["personal_digest"]}))
    expected: dict[int, frozenset[str]] = {}
    for row in rows:
        try:
            expected[row["id"]] = terms_of_row(row, read_personal(bodies.get(row["personal_digest"] or "")))
        except (ValueError, TypeError, AssertionError, KeyError):
            continue  # damaged, and told of as that
    if not expected:
        return
    moment.terms += sum(map(len, expected.values()))
    held: dict[int, set[str]] = {number: set() for number in expected}
    is_here = search_term.c.donation_id.between(min(expected), max(expected))
    terms = sorted({term for terms in expected.values() for term in terms})
    # A person's words are looked for from the gift's side, too: none may be left that nothing says any more.
    ways = [
        search_term.c.term >= literal_column(f"'{PERSON}'"),
        *(search_term.c.term.in_(one) for one in in_chunks(terms)),
    ]
    for way in ways:
        for term, number in tx.execute(select(search_term.c.term, search_term.c.donation_id).where(way, is_here)).all():
            held.setdefault(number, set()).add(term)
    for row in rows:
        if row["id"] in expected and held[row["id"]] != expected[row["id"]]:
            yield f"donation {row['id']} ({row['ref']}) is not found by what it says: its search terms are others"


def check_term_count(database: Database, moment: VerifyMoment) -> Iterator[str]:
    """See that there are no other terms, unless something was written meanwhile."""
    with database.read() as tx:
        newest = tx.execute(select(head.c.number)).scalar_one_or_none()
        rows = tx.execute(select(func.count()).select_from(search_term)).scalar_one()
    if newest == moment.last_report and rows != moment.terms:
        yield f"{rows} rows in search_term, but the donations have {moment.terms}"
