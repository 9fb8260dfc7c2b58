"""The saved answer of a bank's API: bounded JSON, in UTF-8 or Windows-1251."""

import json
import re
from typing import Any

from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.statement import BadField, StatementRefused

# A row has some 35 values; nothing honest of 20 MB holds more than this.
VALUES_MAX = 1_200_000
# A row lies three deep. Deep nesting crashes Python's parser where a library has lifted the recursion limit.
DEPTH_MAX = 32

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")

Json = Any


def read_json(file: StatementFile) -> Json:
    """Read the whole answer; Refused where it is damaged, cut off or unreasonably large."""
    data = file.whole()
    text = data.decode(file.encoding, "replace")
    if text.count(",") + text.count("[") + text.count("{") > VALUES_MAX:
        raise StatementRefused("the JSON holds more values than any statement: this is no statement")
    if _depth(text) > DEPTH_MAX:
        raise StatementRefused("the JSON is nested deeper than any statement: this is no statement")
    try:
        return json.loads(text, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, StatementRefused):
            raise
        raise StatementRefused("the JSON is damaged or cut off: save the answer again") from error


def text_of(item: dict[str, Json], name: str) -> str:
    """A text field; "" where it is absent or null. BadField for anything else."""
    value = item.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadField(name, "is not a text")


def units_of(item: dict[str, Json], name: str) -> int:
    """A sum in smallest units; BadField where it is no whole number."""
    value = item.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 10**15:
        raise BadField(name, f"{str(value)[:40]!r} is no whole number of smallest units")
    return value


def _depth(text: str) -> int:
    """Tell how deep brackets lie within brackets, texts left out; stops looking where that is too deep."""
    depth = deepest = 0
    for found in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if found[0] in "[{" else -1
        deepest = max(deepest, depth)
        if deepest > DEPTH_MAX:
            break
    return deepest


def _refuse_constant(name: str) -> Json:
    raise StatementRefused(f"the JSON holds {name}, which is no number")
