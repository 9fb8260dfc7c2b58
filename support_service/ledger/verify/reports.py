"""Verify, first part: the chain of reports, and the stored observations against what the reports say."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, select

from support_service.ledger import canonical
from support_service.ledger.engine import Database
from support_service.ledger.rows import Values, in_chunks
from support_service.ledger.tables import donation, observation, report
from support_service.ledger.verify.parts import CHUNK_ROWS, VerifyMoment, stored, stored_of

# The number of a stored observation, its report, and all that it says as it stands there.
Said: TypeAlias = list[tuple[Any, ...]]

FIRST_HASH = "0" * 64

_REPORTS = (
    select(report)
    .where(report.c.number > bindparam("after"), report.c.number <= bindparam("last"))
    .order_by(report.c.number)
    .limit(bindparam("chunk"))
)
_IDENTITY = ("network", "asset", "address", "direction", "locator")
_SAID = ("id", "report_number", "claim", "part", "rank_major", "rank_minor")
_OBSERVATIONS = (
    select(*(observation.c[name] for name in _SAID), *(donation.c[name] for name in _IDENTITY))
    .select_from(observation.outerjoin(donation, donation.c.id == observation.c.donation_id))
    .where(observation.c.report_number > bindparam("after"), observation.c.report_number <= bindparam("until"))
    .order_by(observation.c.id)
)
_KEPT_APART = "SELECT digest, body FROM personal_data WHERE digest IN ({{keys}}) AND kind = '{kind}'"


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
            told = _observations(tx, after, until)
            problems = list(_check_raws(tx, rows))
        yield from problems
        for row in rows:
            yield from _check_link(row, link)
            yield from _check_report(row, told.pop(row["number"], []), moment, link)
        yield from (f"observation {one[0][0]} is of report {number}, which is missing" for number, one in told.items())
        yield from (f"report {number} is missing" for number in range(link.number + 1, until + 1))
        link.number = until
        moment.progress(until - after)
    if link.hash != moment.last_hash:
        yield f"the chain does not end with the hash it should end with: report {moment.last_report} is another one"


def _reports(tx: Connection, after: int, last: int) -> list[Values]:
    names = report.c.keys()
    rows = stored(tx, _REPORTS, after=after, last=last, chunk=CHUNK_ROWS)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _observations(tx: Connection, after: int, until: int) -> dict[int, Said]:
    """Read stored observations by report."""
    found: defaultdict[int, Said] = defaultdict(list)
    for one in stored(tx, _OBSERVATIONS, after=after, until=until):
        found[one[1]].append(one)
    return found


def _check_link(row: Values, link: ChainWalk) -> Iterator[str]:
    number = row["number"]
    yield from (f"report {missing} is missing" for missing in range(link.number + 1, number))
    if row["previous_hash"] != link.hash:
        yield f"report {number} does not follow the one before it: it names another hash"
    if row["hash"] != canonical.chain_hash(row["previous_hash"], row["body"]):
        yield f"report {number} was changed: its hash does not fit its contents"
    link.number, link.hash = number, row["hash"]


def _check_report(row: Values, kept: Said, moment: VerifyMoment, link: ChainWalk) -> Iterator[str]:
    number = row["number"]
    moment.reach("report in chain", 1)
    moment.reach("observation of report", len(kept))
    for place, *_ in kept:
        if place != link.observation_id + 1:
            yield f"observation {place} of report {number} stands where {link.observation_id + 1} should"
        link.observation_id = place
    text, are_told = _without(row["body"], kept)
    try:
        body = json.loads(text)
        columns = {"number": number, "source": row["source"], "key": row["key"], "raw": row["raw_digest"]}
        columns["accepted_at"] = row["accepted_at"]
        for name, held in columns.items():
            if body[name] != held:
                yield f"report {number} was changed: {name} is not what its body says"
        told = [_said(one) for one in body["observations"]]
        if body["cursor"] is not None:
            moment.polled[row["source"]] = max(moment.polled.get(row["source"], 0), int(body["cursor"]["step"]))
    except (KeyError, TypeError, ValueError):
        yield f"report {number} cannot be read: its body is damaged"
        return
    if told != ([] if are_told else [list(said) for _, _, *said in kept]):
        yield f"report {number}: the observations stored are not those it claims"


def _without(body: str, kept: Said) -> tuple[str, bool]:
    """Cut the stored observations out of a body that has them word for word, and tell whether it did.

    To look for them as text costs a third of reading them. Inside of a text the quotation marks of the key stand behind
    backslashes, and the key is there once: so it is the body's own.
    """
    begin = '"observations":['
    if not kept or body.count(begin) != 1:
        return body, False
    try:
        told = begin + ",".join(map(_text, kept)) + "]"
    except TypeError:
        return body, False  # something is stored that is no text
    before, found, behind = body.partition(told)
    return (f"{before}{begin}]{behind}", True) if found else (body, False)


def _text(one: tuple[Any, ...]) -> str:
    _, _, claim, part, major, minor, *identity = one
    return canonical.observation_text(identity, part, (major, minor), claim)


def _said(one: dict[str, Any]) -> list[Any]:
    """Write what a body says of an observation as it is stored; what it should not say makes it another one."""
    if set(one) != {"claim", "identity", "part", "rank"}:
        return []
    return [canonical.dumps(one["claim"]), one["part"], *one["rank"], *one["identity"]]


def _check_raws(tx: Connection, rows: list[Values]) -> Iterator[str]:
    """See that raw messages are what came, or were erased on purpose."""
    wanted = {row["raw_digest"]: row["number"] for row in rows if row["raw_digest"] is not None}
    held = kept_apart(tx, "raw", wanted)
    yield from check_personal(held, "raw", {digest: f"report {number}" for digest, number in wanted.items()})


def kept_apart(tx: Connection, kind: str, wanted: Iterable[str]) -> dict[str, str | None]:
    """Read erasable data of one kind: digest -> body, None where erased."""
    held: dict[str, str | None] = {}
    for chunk in in_chunks(sorted(wanted)):
        held |= dict(stored_of(tx, _KEPT_APART.format(kind=kind), chunk))
    return held


def check_personal(held: Mapping[str, str | None], kind: str, wanted: Mapping[str, str]) -> Iterator[str]:
    """Hold erasable data against the digests that name them; wanted maps each digest to who names it."""
    for digest, owner in wanted.items():
        if digest not in held:
            yield f"{owner}: its {kind} data are gone without having been erased"
        elif (body := held[digest]) is not None and _digest(kind, body) != digest:
            yield f"{owner}: its {kind} data were changed"


def _digest(kind: str, body: str) -> str | None:
    if kind != "raw":
        return canonical.sha256(body)
    try:
        message = canonical.read_raw(body) or ""
    except ValueError:
        return None
    # In another spelling it is another row, though it says the same.
    return canonical.sha256(message) if canonical.raw_body(message) == body else None
