"""Sums that accept keeps in tables: what a report changed is added to them in the report's own transaction."""

from collections.abc import Mapping, Sequence
from operator import add as plus
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from support_service.ledger.rows import in_chunks

# The values of the key's columns, and of the sums' columns.
SumKey: TypeAlias = tuple[Any, ...]
Added: TypeAlias = tuple[int, ...]


class KeptSums:
    """A table of sums by a key: the key's columns come first, then the number of gifts, then other sums.

    A row goes with the last of its gifts. The key's first two columns lead to few rows.
    """

    def __init__(self, table: Table, keys: int) -> None:
        columns = list(table.c)
        self.table = table
        self.key_names = [column.name for column in columns[:keys]]
        self.sum_names = [column.name for column in columns[keys:]]
        # Built once: to build a statement costs more than to run it.
        is_it = [column == bindparam(f"held_{column.name}") for column in columns[:keys]]
        self._moved, self._empty = update(table).where(*is_it), delete(table).where(*is_it)
        near = [column.in_(bindparam(f"of_{place}", expanding=True)) for place, column in enumerate(columns[:2])]
        self._near = select(table).where(*near)

    def move(self, tx: Connection, moves: Mapping[SumKey, Added]) -> None:
        """Add to the sums; what is below zero is taken off."""
        moves = {key: move for key, move in moves.items() if any(move)}
        held = self._held(tx, moves)
        new, moved, empty = [], [], []
        for key, move in moves.items():
            before = held.get(key)
            now = move if before is None else tuple(map(sum, zip(before, move, strict=True)))
            values = dict(zip(self.sum_names, now, strict=True))
            if before is None:
                new.append(dict(zip(self.key_names, key, strict=True)) | values)
                continue
            here = {f"held_{name}": part for name, part in zip(self.key_names, key, strict=True)}
            if now[0]:
                moved.append(here | values)
            else:
                empty.append(here)
        for statement, rows in ((insert(self.table), new), (self._moved, moved), (self._empty, empty)):
            if rows:
                tx.execute(statement, rows)

    def fill(self, tx: Connection, sums: Mapping[SumKey, Added]) -> None:
        """Write the sums of a table that has none yet."""
        names = [*self.key_names, *self.sum_names]
        written = [dict(zip(names, (*key, *held), strict=True)) for key, held in sums.items() if held[0]]
        for chunk in in_chunks(written):
            tx.execute(insert(self.table), list(chunk))

    def _held(self, tx: Connection, keys: Mapping[SumKey, Added]) -> dict[SumKey, Added]:
        found: dict[SumKey, Added] = {}
        width = len(self.key_names)
        for firsts in in_chunks(_distinct(keys, 0)):
            for seconds in in_chunks(_distinct(keys, 1)):
                for row in tx.execute(self._near, {"of_0": firsts, "of_1": seconds}):
                    found[tuple(row[:width])] = tuple(row[width:])
        return found


def _distinct(keys: Mapping[SumKey, Added], place: int) -> Sequence[Any]:
    return sorted({key[place] for key in keys})


def add(sums: dict[SumKey, Added], key: SumKey, added: Added, sign: int = 1) -> None:
    """Add to one of some sums, or with sign -1 take it off."""
    held = sums.get(key)
    moved = added if sign == 1 else tuple(-one for one in added)
    sums[key] = moved if held is None else tuple(map(plus, held, moved))
