"""What a polled source keeps in its cursor beside height and hash: JSON, made from the source's own records. Pure.

A record is written as a row of its fields, [height, hash]; a record within a row stands in line with it. Where its
fields have names for JSON (`named`) it is an object. A mapping is a list of rows that begin with the key. `TextUnits`
go as text, for other readers of JSON would round them; times go by ISO 8601. What we wrote ourselves is trusted.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from support_service.giving import Cursor, Watch

VERSION = 1

TextUnits: TypeAlias = Annotated[int, "as text"]

# (address, asset code) of a watch of one network.
WatchKey: TypeAlias = tuple[str, str]

R = TypeVar("R")
_Told: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    is_left_out: bool


def key_of(watch: Watch) -> WatchKey:
    """Name a watch within its network."""
    return (watch.address, watch.asset.code)


def named(name: str = "", *, is_left_out: bool = False) -> dict[str, object]:
    """Metadata of a field of an object: its name in JSON ("": its own), and whether its default is left out."""
    return {"named": _Named(name, is_left_out)}


# Metadata of a field that is not kept: it is its default again when it is read.
UNKEPT: dict[str, object] = {"unkept": True}


def write(*records: object) -> str:
    """Write records, objects all of them, as one compact object."""
    told: dict[str, object] = {"v": VERSION}
    for record in records:
        kind: Any = type(record)
        written = _form(kind).write(record)
        assert isinstance(written, dict), "a record with named fields"
        told |= written
    return json.dumps(told, separators=(",", ":"))


def read(cursor: Cursor | None, kind: type[R]) -> R:
    """Read the fields of one record from a cursor; what an absent cursor does not tell is at its default."""
    told: _Told = json.loads(cursor.memo) if cursor is not None else {}
    if told and told["v"] != VERSION:
        raise ValueError(f"the cursor was written by another version ({told['v']}); this one reads {VERSION}")
    form: _Form = _form(cast("Any", kind))
    record: R = form.read(told)
    return record


@dataclass(frozen=True, slots=True)
class _Form:
    """How values of one kind are written: as the cells of a row, or as one value, which is one cell."""

    cells: Callable[[Any], list[object]]
    take: Callable[[Iterator[Any]], Any]
    is_row: bool = False

    def write(self, value: object) -> object:
        cells = self.cells(value)
        return cells if self.is_row else cells[0]

    def read(self, told: Any) -> Any:
        cells = iter(told if self.is_row else (told,))
        value = self.take(cells)
        if list(cells):
            raise ValueError("a row of a cursor is longer than the record it is read as")
        return value


def _single(write: Callable[[Any], object], read: Callable[[Any], object]) -> _Form:
    return _Form(lambda value: [write(value)], lambda cells: read(next(cells)))


@cache
def _form(kind: Any) -> _Form:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is None:
        return _plain(kind)
    if origin is Annotated:
        return _single(str, int)
    if origin in (Union, UnionType):
        return _optional(*[_form(one) for one in inner if one is not type(None)])
    if origin is Mapping:
        return _mapping(*inner)
    if origin is tuple and inner[-1] is not Ellipsis:
        return _row(tuple, [_form(one) for one in inner], tuple)
    item, order = _form(inner[0]), sorted if origin is frozenset else tuple
    return _single(lambda held: [item.write(one) for one in order(held)], lambda told: origin(map(item.read, told)))


def _plain(kind: Any) -> _Form:
    if is_dataclass(kind):
        return _record(kind)
    if kind is datetime:
        return _single(datetime.isoformat, lambda told: datetime.fromisoformat(told).astimezone(UTC))
    return _single(lambda value: value, kind if issubclass(kind, Enum) else lambda told: told)


def _optional(some: _Form) -> _Form:
    return _single(
        lambda value: None if value is None else some.write(value),
        lambda told: None if told is None else some.read(told),
    )


def _row(parts: Callable[[Any], tuple[Any, ...]], forms: list[_Form], build: Callable[[list[Any]], object]) -> _Form:
    return _Form(
        lambda value: [cell for form, part in zip(forms, parts(value), strict=True) for cell in form.cells(part)],
        lambda cells: build([form.take(cells) for form in forms]),
        is_row=True,
    )


def _mapping(key_kind: Any, value_kind: Any) -> _Form:
    """A list of rows. Keys of text keep their order, others are sorted; several values of a key are a row each."""
    is_many = get_origin(value_kind) is tuple and get_args(value_kind)[-1] is Ellipsis
    key_form, form = _form(key_kind), _form(get_args(value_kind)[0] if is_many else value_kind)
    kept = _kept(value_kind) if is_dataclass(value_kind) else []
    # A record that begins with its own key is written without another one.
    own = kept[0].name if kept and get_type_hints(value_kind)[kept[0].name] is key_kind else ""

    def rows(held: Mapping[Any, Any]) -> list[object]:
        keys = sorted(held) if key_form.is_row else list(held)
        pairs = [(key, value) for key in keys for value in (held[key] if is_many else (held[key],))]
        return [[*([] if own else key_form.cells(key)), *form.cells(value)] for key, value in pairs]

    def mapping(told: list[Any]) -> Mapping[Any, Any]:
        held: dict[Any, Any] = {}
        for row in told:
            cells = iter(row)
            key = None if own else key_form.take(cells)
            value = form.take(cells)
            key = getattr(value, own) if own else key
            held[key] = (*held.get(key, ()), value) if is_many else value
        return held

    return _single(rows, mapping)


def _record(kind: Any) -> _Form:
    kept = _kept(kind)
    hints = get_type_hints(kind, include_extras=True)
    forms = [_form(hints[one.name]) for one in kept]
    if not any("named" in one.metadata for one in kept):
        return _row(lambda value: tuple(getattr(value, one.name) for one in kept), forms, lambda parts: kind(*parts))
    names = [(one.metadata["named"].name if "named" in one.metadata else "") or one.name for one in kept]

    left_out = {one.name: one.default for one in kept if "named" in one.metadata and one.metadata["named"].is_left_out}
    parts = [(one.name, name, form) for one, name, form in zip(kept, names, forms, strict=True)]

    def write(value: object) -> object:
        held = [(field, name, form, getattr(value, field)) for field, name, form in parts]
        return {
            name: form.write(part)
            for field, name, form, part in held
            if field not in left_out or part != left_out[field]
        }

    def read(told: _Told) -> object:
        return kind(**{field: form.read(told[name]) for field, name, form in parts if name in told})

    return _single(write, read)


def _kept(kind: Any) -> list[Field[Any]]:
    return [one for one in fields(kind) if "unkept" not in one.metadata]
