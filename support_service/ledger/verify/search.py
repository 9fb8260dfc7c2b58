"""Verify: staff find every gift by all that it says, and by nothing that it does not say or that was erased."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, func, select

from support_service.ledger.engine import Database
from support_service.ledger.rows import in_chunks
from support_service.ledger.search import KeptPeople, Told
from support_service.ledger.tables import head, search_term
from support_service.ledger.terms import PERSON, terms_of
from support_service.ledger.verify.parts import VerifyMoment, stored_of

_OF_PEOPLE = f"""SELECT term, donation_id FROM search_term
    WHERE donation_id IN ({{keys}}) AND term >= '{PERSON}'"""  # noqa: S608 - our own sign alone
_OF_TERMS = (
    "SELECT term, donation_id FROM search_term WHERE donation_id BETWEEN {first} AND {last} AND term IN ({{keys}})"
)
_NEWEST, _COUNT = select(head.c.number), select(func.count()).select_from(search_term)


def check_terms(
    tx: Connection, findable: Sequence[Told], bodies: Mapping[str, str | None], moment: VerifyMoment
) -> Iterator[str]:
    """Hold the terms of a chunk of donations against what these say now; bodies: what is kept of people, by digest."""
    people = KeptPeople(tx, findable, dict(bodies))
    expected: dict[int, frozenset[str]] = {}
    for one in findable:
        try:
            expected[one.row["id"]] = terms_of(one.row, people.of(one))
        except (ValueError, TypeError, AssertionError, KeyError):
            continue  # damaged, and told of as that
    if not expected:
        return
    moment.terms += sum(map(len, expected.values()))
    held: dict[int, set[str]] = {number: set() for number in expected}
    # A person's words are looked for from the gift's side: none may be left that nothing says any more.
    told = stored_of(tx, _OF_PEOPLE, list(expected))
    of_terms = _OF_TERMS.format(first=min(expected), last=max(expected))
    for chunk in in_chunks(sorted({term for terms in expected.values() for term in terms if term < PERSON})):
        told += stored_of(tx, of_terms, chunk)
    for term, number in told:
        if number in held:
            held[number].add(term)
    for row in (one.row for one in findable):
        if row["id"] in expected and held[row["id"]] != expected[row["id"]]:
            yield f"donation {row['id']} ({row['ref']}) is not found by what it says: its search terms are others"


def check_term_count(database: Database, moment: VerifyMoment) -> Iterator[str]:
    """See that there are no other terms, unless something was written meanwhile."""
    with database.read() as tx:
        newest = tx.execute(_NEWEST).scalars().all()
        rows = tx.execute(_COUNT).scalar_one()
    if newest == [moment.last_report] and rows != moment.terms:
        yield f"{rows} rows in search_term, but the donations have {moment.terms}"
