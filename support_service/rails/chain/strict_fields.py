"""The members of an answer, read strictly: `null` where a value is owed is an error, never an empty value. Pure."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

# An answer as it came. Nodes add members of their own, so equal facts may have unequal raws.
Object: TypeAlias = Mapping[str, object]


class BadAnswer(ValueError):
    """The node's answer has the wrong form; the text says what was expected."""


def mapping(value: object) -> Object:
    """Read a JSON object; null is refused."""
    if not isinstance(value, dict):
        raise BadAnswer("null where an object is owed" if value is None else "not an object")
    return cast("Object", value)


def sequence(value: object) -> Sequence[object]:
    """Read a JSON list; null is refused: it does not mean empty."""
    if not isinstance(value, list):
        raise BadAnswer("null where a list is owed" if value is None else "not a list")
    return cast("Sequence[object]", value)


def field(source: Object, name: str) -> object:
    """Take a member that must be there."""
    if name not in source:
        raise BadAnswer(f"the answer lacks {name!r}")
    return source[name]
