"""Verify: staff find every gift by all that it says, and by nothing that it does not say or that was erased."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, bindparam, func, literal_column, select

from support_service.ledger.engine import Database
from support_service.ledger.rows import in_chunks
from support_service.ledger.search import KeptPeople, Told
from support_service.ledger.tables import head, search_term
from support_service.ledger.terms import PERSON, terms_of
from support_service.ledger.verify.parts import VerifyMoment

_FOUND = select(search_term.c.term, search_term.c.donation_id).where(
    search_term.c.donation_id.between(bindparam("first"), bindparam("last"))
)
_OF_PEOPLE = _FOUND.where(search_term.c.term >= literal_column(f"'{PERSON}'"))
_OF_TERMS = _FOUND.where(search_term.c.term.in_(bindparam("terms", expanding=True)))
_NEWEST, _COUNT = select(head.c.number), select(func.count()).select_from(search_term)


def check_terms(
    tx: Connection, findable: Sequence[Told], bodies: Mapping[str, str | None], moment: VerifyMoment
) -> Iterator[str]:
    """Hold the terms of a chunk of donations against what these say now; bodies: what is kept of people, by digest."""
    people = KeptPeople(tx, findable, dict(bodies))
    expected: dict[int, frozenset[str]] = {}
    for one in findable:
        try:
            whole = {**one.row, "units": int(one.row["units"] or 0)}
            expected[whole["id"]] = terms_of(whole, people.of(one))
        except (ValueError, TypeError, AssertionError, KeyError):
            continue  # damaged, and told of as that
    if not expected:
        return
    moment.terms += sum(map(len, expected.values()))
    held: dict[int, set[str]] = {number: set() for number in expected}
    here = {"first": min(expected), "last": max(expected)}
    # A person's words are looked for from the gift's side: none may be left that nothing says any more.
    told = [*tx.execute(_OF_PEOPLE, here).all()]
    for chunk in in_chunks(sorted({term for terms in expected.values() for term in terms if term < PERSON})):
        told += tx.execute(_OF_TERMS, {**here, "terms": chunk}).all()
    for term, number in told:
        held.setdefault(number, set()).add(term)
    for row in (one.row for one in findable):
        if row["id"] in expected and held[row["id"]] != expected[row["id"]]:
            yield f"donation {row['id']} ({row['ref']}) is not found by what it says: its search terms are others"


def check_term_count(database: Database, moment: VerifyMoment) -> Iterator[str]:
    """See that there are no other terms, unless something was written meanwhile."""
    with database.read() as tx:
        newest = tx.execute(_NEWEST).scalar_one_or_none()
        rows = tx.execute(_COUNT).scalar_one()
    if newest == moment.last_report and rows != moment.terms:
        yield f"{rows} rows in search_term, but the donations have {moment.terms}"
