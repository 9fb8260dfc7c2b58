"""Each table is evidence of money that verify holds, or says why it is none; random changes of those held are found."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support_service.ledger import Ledger
from tests.fixtures.forged import ALL, ForgedFile, ForgedInPlace, another, fill, forged, rows_of, sql, where

# So many random changes are made on SQLite, and a fifth of them on PostgreSQL; `make campaign` makes many more.
TAMPERINGS = int(os.environ.get("TAMPERINGS", "500"))
SHARE_ON_POSTGRESQL = 5
SEED = int(os.environ.get("TAMPERINGS_SEED", "1"))
# What a constraint refuses is no change, and is drawn anew.
DRAWS_PER_CHANGE_MAX = 10

KINDS = ("field", "emptied", "deleted", "copied", "swapped")


@dataclass(frozen=True)
class Held:
    """How far verify holds a table; but_for: columns that are no evidence, and why they are not."""

    but_for: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS
    why: str = ""


WHOLE = Held()
HELD = {
    "report": WHOLE,
    "head": WHOLE,
    "donation": WHOLE,
    "observation": WHOLE,
    "posting": WHOLE,
    "total": WHOLE,
    "quarter_total": WHOLE,
    "day_total": WHOLE,
    "article_total": WHOLE,
    "search_term": WHOLE,
    "told_balance": WHOLE,
    "alias": WHOLE,
    "waiting_claim": WHOLE,
    "plan": WHOLE,
    "intent": WHOLE,
    "support_code": WHOLE,
    "awaited_sum": WHOLE,
    "personal_data": Held(
        ("stored_at", "erased_at"),
        ("field", "deleted", "swapped"),
        "a person's words may be erased, a row that no report names is nobody's, and when it was kept moves no money",
    ),
    "cursor": Held(
        ("step", "height", "block_hash", "checked_at", "memo"),
        ("field", "deleted"),
        "where a source reads on is its own to move; one that is gone or behind its reports is found",
    ),
}

# What could lead later money astray and is not held: it would take a seal in each row, and each writer to renew it.
LEFT = {
    "known_line": "what a line is remembered by is in no report; that each has its gift and each gift its line is held",
    "line_key": "a line without keys is found; another digest in place of one is not: keys come without a report",
    "import_line": "which file told a line, and so what taking it back undoes: known lines come without a report",
    "statement_import": "which files were brought, by whom: what they told is held as gifts, the list itself is not",
    "checkout_attempt": "the page opened for a choice: payments of one processor are told apart by its name",
}

# Tables that are no evidence of money, each with the reason.
NO_EVIDENCE = {
    "source_freeze": "why a source stood still and who let it go on: what it read is in its reports",
    "source_health": "how a source fares now; overwritten at each turn",
    "source_lease": "which process hears a source for the next minute",
    "set_aside": "messages to be tried again: what they say is booked when it is accepted, and counts nowhere before",
    "staff": "who may sign in, and as what",
    "staff_invite": "who was asked to sign in",
    "staff_action": "what admins did to accounts of staff: no money is in it; triggers refuse changes",
    "staff_session": "who is signed in",
    "staff_kept_form": "what a person typed before they had to sign in anew; kept for minutes",
    "staff_code_key": "what staff prove themselves by",
    "staff_recovery_code": "what staff prove themselves by",
    "staff_passkey": "what staff prove themselves by",
    "staff_spent": "proofs that were used once; kept until they would have run out",
    "staff_new_password": "links to a new password",
    "staff_issuer_account": "whose account at the newsroom's provider is whose here",
    "login_attempt": "how often somebody tried to sign in; forgotten after a while",
    "view_count": "how often the block was seen: a count of readers, not of gifts",
    "webhook_count": "how many messages of a processor came, for the page of health",
    "outbox": "letters and calls that tell of money; whether one was sent moves none",
    "outbox_place": "how far the ledger was read for those letters",
}


def test_each_table_is_held_or_says_why_it_is_no_evidence_of_money() -> None:
    told = [*HELD, *LEFT, *NO_EVIDENCE]
    assert sorted(told) == sorted(ALL), "say of a new table in which one of the three it belongs"
    assert all(len(reason.split()) >= 4 for reason in (LEFT | NO_EVIDENCE).values())
    for name, held in HELD.items():
        assert set(held.but_for) <= set(ALL[name].c.keys()), name
        assert held is WHOLE or len(held.why.split()) >= 4, name


@dataclass(frozen=True)
class Tampering:
    """One change of one table, as the statements that make it."""

    table: str
    kind: str
    statements: tuple[str, ...]


class Draw:
    """Draws changes, always the same ones from the same seed."""

    def __init__(self, rows: dict[str, list[dict[str, Any]]], random_numbers: random.Random) -> None:
        self._rows, self._random = rows, random_numbers

    def next(self) -> Tampering | None:
        """Draw a change of a table, each as likely as another; None where the row has nothing to change so."""
        table = self._random.choice(sorted(HELD))
        kind = self._random.choice(HELD[table].kinds)
        made = getattr(self, f"_{kind}")(table)
        return Tampering(table, kind, tuple(made)) if made else None

    def _field(self, table: str) -> list[str]:
        row, column = self._row(table), self._column(table)
        return [_set(table, row, column, self._other(table, column, row[column]))]

    def _emptied(self, table: str) -> list[str]:
        row = self._row(table)
        may_be = [one.name for one in ALL[table].c if one.nullable and one.name not in HELD[table].but_for]
        told = [name for name in may_be if row[name] is not None]
        return [_set(table, row, self._random.choice(told), "NULL")] if told else []

    def _deleted(self, table: str) -> list[str]:
        return [f"DELETE FROM {table} WHERE {where(ALL[table], self._row(table))}"]

    def _copied(self, table: str) -> list[str]:
        """Add a row like another one; what must be unique is drawn anew, and perhaps more."""
        row, columns = self._row(table), list(ALL[table].c.keys())
        unlike = {column.name for column in ALL[table].primary_key} | {self._column(table) for _ in range(2)}
        told = (self._other(table, name, row[name]) if name in unlike else sql(row[name]) for name in columns)
        return [f"INSERT INTO {table} ({', '.join(map(_quoted, columns))}) VALUES ({', '.join(told)})"]

    def _swapped(self, table: str) -> list[str]:
        one, two, column = self._row(table), self._row(table), self._column(table)
        first, second = one[column], two[column]
        if first == second:
            return []
        between = sql(first + 90_000) if isinstance(first, int) else sql(f"{first}~")
        moved = (one | {column: between.strip("'")}) if column in ALL[table].primary_key else one
        return [
            _set(table, one, column, between),
            _set(table, two, column, sql(first)),
            _set(table, moved, column, sql(second)),
        ]

    def _row(self, table: str) -> dict[str, Any]:
        return self._random.choice(self._rows[table])

    def _column(self, table: str) -> str:
        return self._random.choice([one.name for one in ALL[table].c if one.name not in HELD[table].but_for])

    def _other(self, table: str, column: str, value: object) -> str:
        """Write another value of this column: one that stands in another row, one near it, or one of nowhere."""
        others = sorted({one[column] for one in self._rows[table]} - {value, None})
        ways = [another(column, value)]
        ways += [sql(self._random.choice(others))] if others else []
        if isinstance(value, int):
            ways += [sql(value + 1), sql(value - 1), sql(-value), "0"]
        elif isinstance(value, str):
            at = self._random.randrange(len(value) + 1)
            ways += [sql(f"{value[:at]}{value[at + 1 :]}"), sql(f"{value[:at]}0{value[at:]}"), sql(f" {value}"), "''"]
        return self._random.choice(ways)


def _set(table: str, row: dict[str, Any], column: str, value: str) -> str:
    return f"UPDATE {table} SET {_quoted(column)} = {value} WHERE {where(ALL[table], row)}"


def _quoted(name: str) -> str:
    return f'"{name}"'


@pytest.fixture
def books(ledger: Ledger, database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A ledger that has seen everything, to be forged, and its rows."""
    fill(ledger)
    assert ledger.verify() == []
    ledger.dispose()
    cluster = None if database_url.startswith("sqlite") else request.getfixturevalue("cluster")
    rows = {name: rows_of(database_url, ALL[name]) for name in HELD}
    with forged(database_url, tmp_path, cluster) as made:
        yield made, rows


def test_each_random_change_of_what_is_held_is_found(
    books: tuple[ForgedFile | ForgedInPlace, dict[str, list[dict[str, Any]]]],
) -> None:
    made, rows = books
    wanted = TAMPERINGS if isinstance(made, ForgedFile) else TAMPERINGS // SHARE_ON_POSTGRESQL
    assert all(rows.values()), "there is something to change"
    draw = Draw(rows, random.Random(SEED))
    found: Counter[tuple[str, str]] = Counter()
    missed: list[Tampering] = []
    for _ in range(wanted * DRAWS_PER_CHANGE_MAX):
        if found.total() + len(missed) == wanted:
            break
        one = draw.next()
        if one is None or made.change({one.table}, one.statements):
            continue  # there is nothing to change so, or a constraint refuses it
        if made.is_changed(one.table):
            problems = made.ledger.verify()
            found[one.table, one.kind] += bool(problems)
            missed += [] if problems else [one]
        made.undo({one.table})
    assert missed == []
    assert found.total() == wanted
    # Each table and each kind of change gets its share.
    assert {kind for _, kind in found} == set(KINDS)
    few = wanted // (4 * len(HELD))
    assert [name for name in HELD if sum(found[name, kind] for kind in KINDS) < few] == []
    assert made.ledger.verify() == [], "each change was undone"
