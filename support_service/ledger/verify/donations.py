"""Verify, second part: every donation is what its observations say, and its postings follow from them."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, bindparam, select

from support_service.giving import Donation, Identity
from support_service.ledger.accept.write import total_key
from support_service.ledger.article_totals import PLACEMENT, article_in, article_key, placement_in, placements_of
from support_service.ledger.columns import from_micros
from support_service.ledger.engine import Database
from support_service.ledger.errors import BadRecord
from support_service.ledger.kept_sums import add
from support_service.ledger.postings import Leg, postings_for
from support_service.ledger.quarters import counted_in
from support_service.ledger.rows import (
    StoredObservation,
    Values,
    believed,
    digests_in,
    donation_values,
    histories,
    identity_of,
    identity_values,
    no_values,
)
from support_service.ledger.search import Told
from support_service.ledger.tables import donation
from support_service.ledger.verify.parts import CHUNK_ROWS, VerifyMoment, as_stored, raw_units, stored, stored_of
from support_service.ledger.verify.plain import ClaimAsStored, plain
from support_service.ledger.verify.reports import check_personal, kept_apart
from support_service.ledger.verify.search import check_terms

Booked: TypeAlias = tuple[int, str, str, str, str]


def check_donations(
    database: Database, moment: VerifyMoment, *, after: int = 0, until: int | None = None
) -> Iterator[str]:
    """Fold every donation anew; rows that came after the start are left to the next check.

    after, until: only those whose numbers lie between these, the first of them left out.
    """
    while after < (moment.donations_count if until is None else until):
        with database.read() as tx:
            rows = _rows(tx, after, until)
            problems = list(check_chunk(tx, rows, moment))
        yield from problems
        for expected, row in enumerate(rows, after + 1):
            if row["id"] != expected and (expected == after + 1 or row["id"] != rows[expected - after - 2]["id"] + 1):
                yield f"a donation is missing before number {row['id']}"
        if not rows:
            yield f"donations after number {after} are missing"
            return
        moment.progress(len(rows))
        after = rows[-1]["id"]


COLUMNS = [raw_units(column) for column in donation.c]
# Put in order here: a database that is asked for an order may walk all rows for it.
_LEGS = """SELECT donation_id, posting_number, leg, report_number, account, network, asset, CAST(units AS TEXT)
    FROM posting WHERE donation_id IN ({keys})"""
_SAID = """SELECT donation_id, id, part, claim, report_number, accepted_at
    FROM observation JOIN report ON number = report_number WHERE donation_id IN ({keys})"""
_ORDER = itemgetter(1, 2)
NUMBER_MAX = (1 << 63) - 1
_ROWS = (
    select(*COLUMNS)
    .where(donation.c.id > bindparam("after"), donation.c.id <= bindparam("until"))
    .order_by(donation.c.id)
    .limit(bindparam("chunk"))
)


def _rows(tx: Connection, after: int, until: int | None) -> list[Values]:
    return read_rows(tx, _ROWS, after=after, until=NUMBER_MAX if until is None else until, chunk=CHUNK_ROWS)


def read_rows(tx: Connection, asked: Select[*tuple[Any, ...]], **parameters: object) -> list[Values]:
    """Read rows of all COLUMNS."""
    names = donation.c.keys()
    return [dict(zip(names, row, strict=True)) for row in stored(tx, asked, **parameters)]


def check_chunk(tx: Connection, rows: Sequence[Values], moment: VerifyMoment) -> Iterator[str]:
    """Fold some donations anew."""
    ids = [row["id"] for row in rows]
    legs: dict[int, list[Booked]] = {number: [] for number in ids}
    for leg in sorted(stored_of(tx, _LEGS, ids), key=_ORDER):
        legs[leg[0]].append(leg[3:])
    told = _told(tx, ids)
    moment.placements = placements_of(tx, [row["intent"] for row in rows])
    folded = [row for row in rows if not is_plain(row, told[row["id"]], legs[row["id"]], moment)]
    histories = _histories(tx, [row["id"] for row in folded])
    said = {row["id"]: (row["personal_digest"],) if row["personal_digest"] else () for row in rows}
    said |= {row["id"]: digests_in(one.claim for one in reversed(told[row["id"]])) for row in folded}
    named = {digest: f"donation {row['id']} ({row['ref']})" for row in rows for digest in said[row["id"]]}
    for row in folded:
        name = f"donation {row['id']} ({row['ref']})"
        if (kept := histories.get(row["id"])) is None:
            yield f"{name}: an observation of it cannot be read"
            continue
        try:
            yield from check_donation(name, row, kept, legs[row["id"]], moment=moment)
        except (ValueError, AssertionError):
            yield f"{name}: what is stored of it cannot be read"
    held = kept_apart(tx, "personal", named)
    yield from check_personal(held, "personal", named)
    yield from check_terms(tx, [Told(row, said[row["id"]]) for row in rows], held, moment)


def _told(tx: Connection, ids: list[int]) -> dict[int, list[ClaimAsStored]]:
    """Read what was said of these donations as it stands there, oldest first."""
    found: dict[int, list[ClaimAsStored]] = {number: [] for number in ids}
    for row in sorted(stored_of(tx, _SAID, ids), key=itemgetter(1)):
        found[row[0]].append(ClaimAsStored._make(row[2:]))
    return found


def is_plain(row: Values, said: list[ClaimAsStored], legs: list[Booked], moment: VerifyMoment) -> bool:
    """Try the short way: whether all of it holds; it is counted as the long way counts then."""
    found = plain(row, said, legs, last_report=moment.last_report)
    if found is None:
        return False
    moment.reach("observation of donation", len(said))
    moment.reach("posting of donation", len(legs))
    key, sums = found.quarter
    if found.units:
        moment.count(key[1:6], found.units)
    add(moment.quarters, key, sums)
    if found.article is not None:
        add(moment.articles, *found.article)
    if found.units and (placement := moment.placements.get(row["intent"] or "")) is not None:
        of_placement = article_key(from_micros(row["occurred_at"]), f"{PLACEMENT}{placement}", key[6])
        add(moment.articles, of_placement, (1, sums[-1]))
    return True


def _histories(tx: Connection, ids: list[int]) -> dict[int, list[StoredObservation]]:
    """Read the observations of these donations; where one is damaged, those of all the others."""
    try:
        return histories(tx, ids)
    except BadRecord:
        if len(ids) == 1:
            return {}
        half = len(ids) // 2
        return _histories(tx, ids[:half]) | _histories(tx, ids[half:])


def check_donation(
    name: str, row: Values, kept: list[StoredObservation], legs: list[Booked], *, moment: VerifyMoment
) -> Iterator[str]:
    """Fold one anew from all that was said of it, and hold its row and its postings against that."""
    identity = identity_of(row)
    moment.reach("observation of donation", sum(one.observed.report_number <= moment.last_report for one in kept))
    moment.reach("posting of donation", sum(leg[0] <= moment.last_report for leg in legs))
    if not kept:
        yield f"{name}: no observation speaks of it"
        return
    folded = believed(identity, kept)
    expected: dict[str, Any] = no_values() if folded is None else donation_values(*folded)
    expected |= identity_values(identity) | {"last_report": max(one.observed.report_number for one in kept)}
    for column, value in expected.items():
        # Most are the very same; amounts are read as the text that is stored.
        if (held := row[column]) != value and as_stored(held) != as_stored(value):
            yield f"{name}: {column} is stored as {held!r}, but its observations say {as_stored(value)!r}"
    history = list(_history(identity, kept, folded[0] if folded else None))
    if legs != [_booked(number, leg) for number, before, after in history for leg in postings_for(before, after)]:
        yield f"{name}: its postings are not those that follow from its observations"
    then = [after for number, _, after in history if number <= moment.last_report]
    if then and then[-1].counted_units:
        moment.count(total_key(then[-1]), then[-1].counted_units)
    if then and (summed := counted_in(then[-1])) is not None:
        add(moment.quarters, summed[0], summed[1].values)
    for summed_by in (article_in(then[-1]), placement_in(then[-1], moment.placements)) if then else ():
        if summed_by is not None:
            add(moment.articles, *summed_by)


def _booked(report_number: int, leg: Leg) -> Booked:
    return (report_number, leg.account, leg.network, leg.asset, str(leg.units))


def _history(
    identity: Identity, kept: list[StoredObservation], last: Donation | None
) -> Iterator[tuple[int, Donation | None, Donation]]:
    """Tell, for every report that spoke of it, what was believed before and after; last is what all of them say."""
    before: Donation | None = None
    known: list[StoredObservation] = []
    for number, fresh in groupby(sorted(kept, key=_report_number), key=_report_number):
        known += fresh
        if len(known) == len(kept):
            after = last
        else:
            folded = believed(identity, known)
            after = folded[0] if folded else None
        if after is not None:
            yield number, before, after
            before = after


def _report_number(one: StoredObservation) -> int:
    return one.observed.report_number
