"""Rows <-> frozen records: what the tables hold of donations and their observations."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    func,
    insert,
    select,
)

from support_service.giving import (
    PAYMENT_PART,
    PAYMENT_STATES,
    Direction,
    Donation,
    Flag,
    Identity,
    Kind,
    LinkClaim,
    MatchClaim,
    Observed,
    PaymentClaim,
    SplitClaim,
    StandClaim,
    State,
    ValueClaim,
    fold,
    live,
)
from support_service.ledger.canonical import (
    personal_digest,
    read_bank,
    read_claim,
    read_personal,
    value_text,
    word_text,
)
from support_service.ledger.columns import Units, from_micros, to_micros
from support_service.ledger.tables import donation, observation, personal_data, report

# SQLite takes 32,766 parameters in one statement, PostgreSQL 65,535.
KEYS_PER_QUESTION = 1_000
# What a processor's message speaks of: one payment by a few names.
_FEW = 4

T = TypeVar("T")
# A row of the table of donations, or what would be one.
Values: TypeAlias = RowMapping | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredObservation:
    """An observation with its number and the stored text of its claim, which names personal data by digest."""

    id: int
    text: str
    observed: Observed


def in_chunks(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list of keys into lists that one statement can take."""
    for start in range(0, len(keys), KEYS_PER_QUESTION):
        yield keys[start : start + KEYS_PER_QUESTION]


class ByKeys:
    """A question about the rows of several keys, built once: to build one costs more than to ask it."""

    def __init__(self, asked: Select[Any], column: ColumnElement[Any]) -> None:
        few = [bindparam(f"key_{at}", type_=column.type) for at in range(_FEW)]
        self._of_few = asked.where(column.in_(few))
        # All keys as one value: neither SQLAlchemy nor the database reads a text of a thousand marks each time.
        listed = func.json_each(bindparam("keys", type_=Text)).table_valued("value")
        self._of_many = {
            "sqlite": asked.where(column.in_(select(listed.c.value))),
            "postgresql": asked.where(column == any_(bindparam("keys", type_=ARRAY(column.type)))),
        }

    def rows(self, tx: Connection, keys: Sequence[str] | Sequence[int], **others: str) -> list[RowMapping]:
        """Ask; the question's own order holds. others: its other parameters."""
        if not keys:
            return []
        if len(keys) <= _FEW:
            # Filled up with the last key, so that one statement serves any few of them.
            padded = {f"key_{at}": keys[min(at, len(keys) - 1)] for at in range(_FEW)}
            return list(tx.execute(self._of_few, padded | others).mappings())
        kind = tx.dialect.name
        told = json.dumps(keys) if kind == "sqlite" else list(keys)
        return list(tx.execute(self._of_many[kind], {"keys": told, **others}).mappings())


def insert_rows(tx: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that name the same columns; many by the driver itself, for SQLAlchemy costs a row as much again."""
    if len(rows) <= _FEW:
        tx.execute(insert(table), rows)
        return
    names = tuple(rows[0])
    insert_values(tx, table, names, list(map(itemgetter(*names), rows)))


def insert_values(tx: Connection, table: Table, names: Sequence[str], picked: Sequence[Sequence[object]]) -> None:
    """Insert rows that are given by their values, in the order of the names."""
    if not picked:
        return
    is_sqlite = tx.dialect.name == "sqlite"
    mark = "?" if is_sqlite else "%s"
    columns, marks = ", ".join(map(_quoted, names)), ", ".join([mark] * len(names))
    told = f"INSERT INTO {table.name} ({columns}) VALUES ({marks})"  # noqa: S608 - our own names alone
    amounts = [place for place, name in enumerate(names) if is_sqlite and isinstance(table.c[name].type, Units)]
    if amounts:
        picked = [_with_texts(values, amounts) for values in picked]
    tx.exec_driver_sql(told, picked)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _with_texts(values: Sequence[object], places: Sequence[int]) -> tuple[object, ...]:
    written = list(values)
    for place in places:
        if written[place] is not None:
            written[place] = str(written[place])
    return tuple(written)


_HISTORIES = ByKeys(
    select(observation, report.c.accepted_at)
    .join(report, report.c.number == observation.c.report_number)
    .order_by(observation.c.id),
    observation.c.donation_id,
)
_PERSONAL = ByKeys(select(personal_data.c.digest, personal_data.c.body), personal_data.c.digest)
_DONATIONS = ByKeys(select(donation), donation.c.ref)


def histories(tx: Connection, ids: Sequence[int], *, with_personal: bool = False) -> dict[int, list[StoredObservation]]:
    """Read all observations of these donations, oldest first; raise BadRecord for a damaged one."""
    found: dict[int, list[StoredObservation]] = {number: [] for number in ids}
    rows = _HISTORIES.rows(tx, ids)
    bodies = personal_bodies(tx, (row["claim"] for row in rows)) if with_personal else {}
    for row in rows:
        found[row["donation_id"]].append(StoredObservation(row["id"], row["claim"], _observed(row, bodies)))
    return found


def personal_bodies(tx: Connection, claims: Iterable[str]) -> dict[str, str | None]:
    """Look up the personal data that stored claims name: digest -> body, None where erased."""
    return personal_by_digest(tx, sorted({digest for digest in map(personal_digest, claims) if digest}))


def digests_in(claims: Iterable[str]) -> tuple[str, ...]:
    """Name the personal data that stored claims name, each once and in their order."""
    return tuple(dict.fromkeys(digest for claim in claims if (digest := personal_digest(claim))))


def personal_by_digest(tx: Connection, digests: Sequence[str]) -> dict[str, str | None]:
    """Look up personal data: digest -> body, None where erased."""
    return {row["digest"]: row["body"] for row in _PERSONAL.rows(tx, digests)}


def believed(identity: Identity, history: Iterable[StoredObservation]) -> tuple[Donation, str | None] | None:
    """Fold a history, and name the personal data of its live payment; None while no payment is known."""
    kept = list(history)
    observed = [one.observed for one in kept]
    parts = live(observed)
    payment = parts.get(PAYMENT_PART)
    if payment is None:
        return None
    folded = fold(identity, observed, parts)
    return folded, next(personal_digest(one.text) for one in kept if one.observed is payment)


def no_values() -> dict[str, Any]:
    """Write the folded columns of money whose payment has not been heard of yet: all empty."""
    return {column.name: None for column in donation.c if column.nullable}


def donation_values(found: Donation, digest: str | None) -> dict[str, Any]:
    """Write a donation as the values of its row; identity and last_report are left out."""
    payment, bank = found.payment, found.payment.bank
    return {
        "state": found.state,
        "kind": payment.kind,
        "rail": payment.rail,
        "method": payment.method,
        "units": payment.units,
        "exponent": payment.exponent,
        "refunded_units": found.refunded_units,
        "counted_units": found.counted_units,
        "fee_units": found.fee_units,
        "net_units": found.net_units,
        "flags": " ".join(payment.flags),
        "block_height": payment.block_height,
        "block_hash": payment.block_hash,
        "tx": payment.tx,
        "article": found.article,
        "support_code": found.support_code,
        "personal_digest": digest,
        "seen_at": to_micros(found.seen_at),
        "confirmed_at": None if found.confirmed_at is None else to_micros(found.confirmed_at),
        "occurred_at": to_micros(payment.occurred_at),
        "value": None if found.value is None else value_text(found.value),
        "intent": found.intent,
        "withheld_units": found.withheld_units or None,
        "open_parts": found.open_parts or None,
        "bank_class": bank and bank.line_class,
        "bank_rule": bank and bank.rule,
        "booking_date": bank.day.isoformat() if bank and bank.day else None,
        "match": None if found.match is None else word_text(found.match),
        "link": None if found.link is None else word_text(found.link),
        "linked_to": found.linked_to,
        "split": None if found.split is None else word_text(found.split),
        "stand": None if found.stand is None else word_text(found.stand),
    }


def read_donation(row: Values, body: str | None) -> Donation:
    """Read a donation row; body is its personal data, None where there are none (any more)."""
    state = State(row["state"])
    payment = PaymentClaim(
        # Refunds and disputes speak of confirmed payments only, so the payment's own state is known.
        state=state if state in PAYMENT_STATES else State.CONFIRMED,
        kind=Kind(row["kind"]),
        rail=row["rail"],
        method=row["method"],
        units=row["units"],
        exponent=row["exponent"],
        occurred_at=from_micros(row["occurred_at"]),
        block_height=row["block_height"],
        block_hash=row["block_hash"],
        tx=row["tx"],
        article=row["article"],
        support_code=row["support_code"],
        flags=tuple(Flag(flag) for flag in row["flags"].split()),
        personal=read_personal(body),
        intent=row["intent"],
        bank=read_bank(row["bank_class"], row["bank_rule"], row["booking_date"]),
    )
    confirmed = row["confirmed_at"]
    return Donation(
        identity=identity_of(row),
        payment=payment,
        state=state,
        refunded_units=row["refunded_units"],
        counted_units=row["counted_units"],
        seen_at=from_micros(row["seen_at"]),
        confirmed_at=None if confirmed is None else from_micros(confirmed),
        value=read_value(row["value"]),
        fee_units=row["fee_units"],
        withheld_units=row["withheld_units"] or 0,
        open_parts=row["open_parts"] or 0,
        match=_match(row["match"]),
        link=_link(row["link"]),
        split=_split(row["split"]),
        stand=_stand(row["stand"]),
    )


def read_value(text: str | None) -> ValueClaim | None:
    """Read what a gift was worth, as it stands beside its donation; None while nobody knows."""
    claim = None if text is None else read_claim(text)
    assert claim is None or isinstance(claim, ValueClaim)
    return claim


def _match(text: str | None) -> MatchClaim | None:
    claim = None if text is None else read_claim(text)
    assert claim is None or isinstance(claim, MatchClaim)
    return claim


def _link(text: str | None) -> LinkClaim | None:
    claim = None if text is None else read_claim(text)
    assert claim is None or isinstance(claim, LinkClaim)
    return claim


def _split(text: str | None) -> SplitClaim | None:
    claim = None if text is None else read_claim(text)
    assert claim is None or isinstance(claim, SplitClaim)
    return claim


def _stand(text: str | None) -> StandClaim | None:
    claim = None if text is None else read_claim(text)
    assert claim is None or isinstance(claim, StandClaim)
    return claim


def identity_of(row: Values) -> Identity:
    """Read the identity of a donation row."""
    return Identity(row["network"], row["asset"], row["address"], Direction(row["direction"]), row["locator"])


def identity_values(identity: Identity) -> dict[str, str]:
    """Write an identity, and the ref that follows from it, as column values."""
    return {
        "ref": identity.ref,
        "network": identity.network,
        "asset": identity.asset,
        "address": identity.address,
        "direction": identity.direction,
        "locator": identity.locator,
    }


def donation_rows(tx: Connection, refs: Sequence[str]) -> list[RowMapping]:
    """Find the rows of these pieces of money, as far as the ledger knows them."""
    return _DONATIONS.rows(tx, refs)


def _observed(row: RowMapping, bodies: dict[str, str | None]) -> Observed:
    personal = read_personal(bodies.get(personal_digest(row["claim"]) or "")) if bodies else read_personal(None)
    return Observed(
        report_number=row["report_number"],
        accepted_at=from_micros(row["accepted_at"]),
        part=row["part"],
        rank=(row["rank_major"], row["rank_minor"]),
        claim=read_claim(row["claim"], personal),
    )
