"""JSON from a stranger, with a bound on its nesting; a number with a point is a Decimal, never a float. Pure."""

import json
import re
from decimal import Decimal

# The deepest honest answer, a block with its transactions and their earlier outputs, nests nine levels.
DEPTH_MAX = 64

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadJson(ValueError):
    """The text is no JSON, or nests deeper than anything honest."""


def parse(body: bytes) -> object:
    """Read JSON; raise BadJson.

    Amounts are numbers such as 0.1 on this wire: as floats, one in thirteen would be off by a satoshi.
    The depth is looked at first: Python's own limit may have been lifted by a library.
    """
    if _depth(body) > DEPTH_MAX:
        raise BadJson(f"nested deeper than {DEPTH_MAX} levels")
    try:
        told: object = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadJson("not JSON") from error
    return told


def _refuse(name: str) -> object:
    raise BadJson(f"{name} is no number")


def _depth(body: bytes) -> int:
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return 0
    depth = most = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        most = max(most, depth)
    return most
