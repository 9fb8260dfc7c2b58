"""Every invariant of the ledger, checked from the database alone. Each problem is a line for people."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from support_service.giving import PAYMENT_PART, Donation, fold, live
from support_service.ledger import canonical
from support_service.ledger.accept import FIRST_HASH, chain_hash
from support_service.ledger.postings import book
from support_service.ledger.rows import donation_values, identity_of, observed_of
from support_service.ledger.tables import cursor, donation, observation, personal_data, posting, report, total

Read: TypeAlias = Callable[[], AbstractContextManager[Connection]]
Progress: TypeAlias = Callable[[int, int], None]

CHUNK_ROWS = 500
PROBLEMS_MAX = 1000
TRIGGERS = ("report", "observation", "posting")


def find_problems(read: Read, on_progress: Progress | None = None) -> list[str]:
    """Check everything; [] means that all holds. One reading transaction, so that writers may go on."""
    problems: list[str] = []
    with read() as tx:
        for found in _all_checks(tx, on_progress or _silent):
            problems.append(found)
            if len(problems) >= PROBLEMS_MAX:
                return [*problems, f"more than {PROBLEMS_MAX} problems; the first ones are listed"]
    return problems


def _silent(_done: int, _of: int) -> None:
    pass


def _all_checks(tx: Connection, on_progress: Progress) -> Iterator[str]:
    claimed: dict[int, list[Any]] = {}
    yield from _chain(tx, claimed)
    yield from _observations(tx, claimed)
    sums: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    yield from _donations(tx, sums, on_progress)
    yield from _postings(tx)
    yield from _totals(tx, sums)
    yield from _personal(tx)
    yield from _cursors(tx)
    yield from _triggers(tx)


def _chain(tx: Connection, claimed: dict[int, list[Any]]) -> Iterator[str]:
    previous, number = FIRST_HASH, 0
    for row in tx.execute(select(report).order_by(report.c.number)).mappings():
        number += 1
        if row["number"] != number:
            yield f"report {number} is missing: the next one stored is {row['number']}"
            number = row["number"]
        if row["previous_hash"] != previous:
            yield f"report {number} does not follow the one before it: its previous hash is another one"
        if row["hash"] != chain_hash(row["previous_hash"], row["accepted_at"], row["body"]):
            yield f"report {number} was changed: its hash does not fit its contents"
        previous = row["hash"]
        body = json.loads(row["body"])
        told = (body["number"], body["source"], body["key"], body["raw"])
        if told != (row["number"], row["source"], row["key"], row["raw_digest"]):
            yield f"report {number} was changed: its columns differ from its body"
        claimed[row["number"]] = body["observations"]


def _observations(tx: Connection, claimed: dict[int, list[Any]]) -> Iterator[str]:
    stored: dict[int, Counter[str]] = defaultdict(Counter)
    asked = select(observation, donation).join(donation, donation.c.id == observation.c.donation_id, isouter=True)
    for row in tx.execute(asked.order_by(observation.c.id)).mappings():
        if row["ref"] is None:
            yield f"observation {row[observation.c.id]} belongs to no donation"
            continue
        identity = canonical.identity_body(identity_of(row))
        rank = [row["rank_major"], row["rank_minor"]]
        stored[row["report_number"]][canonical.dumps([identity, row["part"], rank, row["claim"]])] += 1
    for number in sorted(set(claimed) | set(stored)):
        said = Counter(canonical.dumps(one) for one in claimed.get(number, []))
        if said != stored[number]:
            yield f"report {number}: its observations differ from what its body says"


def _donations(
    tx: Connection, sums: dict[tuple[str, str, str, str], list[int]], on_progress: Progress
) -> Iterator[str]:
    rows = tx.execute(select(donation).order_by(donation.c.id)).mappings().all()
    legs: dict[int, Counter[str]] = defaultdict(Counter)
    for leg in tx.execute(select(posting)).mappings():
        legs[leg["donation_id"]][leg["account"]] += leg["units"]
    for done, row in enumerate(rows, 1):
        on_progress(done, len(rows))
        identity, stored = identity_of(row), observed_of(tx, row["id"])
        name = f"donation {row['ref']}"
        if row["ref"] != identity.ref:
            yield f"{name}: its id does not belong to {identity.locator}"
        if PAYMENT_PART not in {seen.part for _, seen in stored}:
            yield f"{name}: no observation of a payment"
            continue
        believed = fold(identity, [seen for _, seen in stored])
        yield from _compared(name, row, stored, believed)
        booked = Counter({account: units for account, units in legs.pop(row["id"], Counter()).items() if units})
        if booked != Counter({account: units for account, units in book(believed).items() if units}):
            yield f"{name}: its postings differ from its state"
        if believed.counted_units:
            key = (believed.payment.method, believed.payment.rail, identity.network, identity.asset)
            sums[key][0] += believed.counted_units
            sums[key][1] += 1
    for donation_id in legs:
        yield f"postings of a donation that is not there (number {donation_id})"


def _compared(name: str, row: Any, stored: list[Any], believed: Donation) -> Iterator[str]:
    held = live(seen for _, seen in stored)[PAYMENT_PART]
    text = next(text for text, seen in stored if seen is held)
    last = max(seen.report_number for _, seen in stored)
    expected = donation_values(believed, digest=canonical.personal_digest(text), report_number=last)
    for column, value in expected.items():
        if row[column] != value:
            yield f"{name}: {column} differs from what its observations say"


def _postings(tx: Connection) -> Iterator[str]:
    sums: Counter[int] = Counter()
    numbers = set()
    for leg in tx.execute(select(posting)).mappings():
        sums[leg["posting_number"]] += leg["units"]
        numbers.add(leg["posting_number"])
    yield from (f"posting {number} does not balance" for number, units in sorted(sums.items()) if units)
    for missing in sorted(set(range(1, max(numbers, default=0) + 1)) - numbers):
        yield f"posting {missing} is missing"


def _totals(tx: Connection, sums: dict[tuple[str, str, str, str], list[int]]) -> Iterator[str]:
    kept = {
        (row["method"], row["rail"], row["network"], row["asset"]): [row["units"], row["count"]]
        for row in tx.execute(select(total)).mappings()
    }
    for key in sorted(set(kept) | set(sums)):
        if kept.get(key, [0, 0]) != sums.get(key, [0, 0]):
            yield f"the total of {key[3]} by {key[0]} differs from the donations it should sum"


def _personal(tx: Connection) -> Iterator[str]:
    held = {}
    for row in tx.execute(select(personal_data)).mappings():
        held[row["digest"]] = row
        if row["body"] is not None and canonical.sha256(row["body"]) != row["digest"]:
            yield f"personal data {row['digest'][:12]} were changed: the digest does not fit"
        if row["body"] is None and row["erased_at"] is None:
            yield f"personal data {row['digest'][:12]} are gone without having been erased"
    named = {row.raw_digest for row in tx.execute(select(report.c.raw_digest))}
    named |= {canonical.personal_digest(row.claim) for row in tx.execute(select(observation.c.claim))}
    for digest in sorted(str(one) for one in named if one and one not in held):
        yield f"personal data {digest[:12]} are missing"


def _cursors(tx: Connection) -> Iterator[str]:
    steps = {row.source: row.step for row in tx.execute(select(cursor.c.source, cursor.c.step))}
    for row in tx.execute(select(report.c.number, report.c.source, report.c.key, report.c.body)):
        if '"cursor":null' in row.body:
            continue
        if int(row.key) > steps.get(row.source, 0):
            yield f"report {row.number}: the cursor of {row.source} stands before it"


def _triggers(tx: Connection) -> Iterator[str]:
    is_postgresql = tx.dialect.name == "postgresql"
    asked = (
        "SELECT tgname FROM pg_trigger" if is_postgresql else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    names = {row[0] for row in tx.exec_driver_sql(asked)}
    for table in TRIGGERS:
        wanted = {f"{table}_no_change"} if is_postgresql else {f"{table}_no_update", f"{table}_no_delete"}
        if not wanted <= names:
            yield f"table {table} is not protected against changes any more"
