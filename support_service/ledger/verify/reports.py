"""Verify, first part: the chain of reports, and the stored observations against what the reports say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, RowMapping, select

from support_service.ledger import canonical
from support_service.ledger.engine import Database
from support_service.ledger.rows import in_chunks
from support_service.ledger.tables import donation, observation, personal_data, report
from support_service.ledger.verify.parts import CHUNK_ROWS, VerifyMoment

Said: TypeAlias = list[dict[str, Any]]

FIRST_HASH = "0" * 64


@dataclass(slots=True)
class ChainWalk:
    """Where the walk along the chain stands."""

    number: int = 0
    hash: str = FIRST_HASH
    observation_id: int = 0


def check_reports(database: Database, moment: VerifyMoment, link: ChainWalk | None = None) -> Iterator[str]:
    """Walk the chain from its first link, or the one that is given, and every observation with it."""
    link = link or ChainWalk()
    while link.number < moment.last_report:
        after = link.number
        with database.read() as tx:
            rows = _reports(tx, after, moment.last_report)
            # A gap must not hide the observations of the reports that are missing in it.
            until = rows[-1]["number"] if len(rows) == CHUNK_ROWS else moment.last_report
            stored = _observations(tx, after, until)
            problems = list(_check_raws(tx, rows))
        yield from problems
        for row in rows:
            yield from _check_link(row, link)
            yield from _check_report(row, stored.pop(row["number"], []), moment, link)
        yield from (
            f"observation {one[0]['id']} is of report {number}, which is missing" for number, one in stored.items()
        )
        yield from (f"report {number} is missing" for number in range(link.number + 1, until + 1))
        link.number = until
        moment.progress(until - after)
    if link.hash != moment.last_hash:
        yield f"the chain does not end with the hash it should end with: report {moment.last_report} is another one"


def _reports(tx: Connection, after: int, last: int) -> list[RowMapping]:
    asked = select(report).where(report.c.number > after, report.c.number <= last)
    return list(tx.execute(asked.order_by(report.c.number).limit(CHUNK_ROWS)).mappings().all())


def _observations(tx: Connection, after: int, until: int) -> dict[int, Said]:
    """Read stored observations as a report's body says them, by report, each with its number."""
    names = ("network", "asset", "address", "direction", "locator")
    asked = select(observation, *(donation.c[name] for name in names)).select_from(
        observation.outerjoin(donation, donation.c.id == observation.c.donation_id)
    )
    asked = asked.where(observation.c.report_number > after, observation.c.report_number <= until)
    found: dict[int, Said] = {}
    for row in tx.execute(asked.order_by(observation.c.id)).mappings():
        said = {"identity": [row[name] for name in names], "part": row["part"], "claim": row["claim"]}
        said |= {"id": row["id"], "rank": [row["rank_major"], row["rank_minor"]]}
        found.setdefault(row["report_number"], []).append(said)
    return found


def _check_link(row: RowMapping, link: ChainWalk) -> Iterator[str]:
    number = row["number"]
    yield from (f"report {missing} is missing" for missing in range(link.number + 1, number))
    if row["previous_hash"] != link.hash:
        yield f"report {number} does not follow the one before it: it names another hash"
    if row["hash"] != canonical.chain_hash(row["previous_hash"], row["body"]):
        yield f"report {number} was changed: its hash does not fit its contents"
    link.number, link.hash = number, row["hash"]


def _check_report(row: RowMapping, stored: Said, moment: VerifyMoment, link: ChainWalk) -> Iterator[str]:
    number = row["number"]
    moment.reach("report in chain", 1)
    moment.reach("observation of report", len(stored))
    for one in stored:
        if one["id"] != link.observation_id + 1:
            yield f"observation {one['id']} of report {number} stands where {link.observation_id + 1} should"
        link.observation_id = one.pop("id")
    try:
        body = json.loads(row["body"])
        columns = {"number": number, "source": row["source"], "key": row["key"], "raw": row["raw_digest"]}
        columns["accepted_at"] = row["accepted_at"]
        for name, held in columns.items():
            if body[name] != held:
                yield f"report {number} was changed: {name} is not what its body says"
        told = [{**one, "claim": canonical.dumps(one["claim"])} for one in body["observations"]]
        if body["cursor"] is not None:
            moment.polled[row["source"]] = max(moment.polled.get(row["source"], 0), int(body["cursor"]["step"]))
    except (KeyError, TypeError, ValueError):
        yield f"report {number} cannot be read: its body is damaged"
        return
    if told != stored:
        yield f"report {number}: the observations stored are not those it claims"


def _check_raws(tx: Connection, rows: list[RowMapping]) -> Iterator[str]:
    """See that raw messages are what came, or were erased on purpose."""
    wanted = {row["raw_digest"]: row["number"] for row in rows if row["raw_digest"] is not None}
    yield from check_personal(tx, "raw", {digest: f"report {number}" for digest, number in wanted.items()})


def check_personal(tx: Connection, kind: str, wanted: dict[str, str]) -> Iterator[str]:
    """Hold erasable data against the digests that name them; wanted maps each digest to who names it."""
    held: dict[str, RowMapping] = {}
    for chunk in in_chunks(sorted(wanted)):
        asked = select(personal_data).where(personal_data.c.digest.in_(chunk), personal_data.c.kind == kind)
        held |= {row["digest"]: row for row in tx.execute(asked).mappings()}
    for digest, owner in wanted.items():
        if digest not in held:
            yield f"{owner}: its {kind} data are gone without having been erased"
        elif held[digest]["body"] is not None and _digest(kind, held[digest]["body"]) != digest:
            yield f"{owner}: its {kind} data were changed"


def _digest(kind: str, body: str) -> str | None:
    try:
        return canonical.sha256(canonical.read_raw(body) or "" if kind == "raw" else body)
    except ValueError:
        return None
