"""JSON from a stranger, with a bound on its nesting. Pure."""

import json
import re
from collections.abc import Callable

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadJson(ValueError):
    """The text is no JSON, or nests deeper than anything honest."""


def parse(body: bytes, *, depth_max: int, read_fraction: Callable[[str], object] = float) -> object:
    """Read JSON; raise BadJson. read_fraction reads a number with a point: Decimal where that may be an amount.

    The depth is looked at first: a library below web3 lifts Python's recursion limit for the whole
    process, after which a hostile answer would not raise RecursionError but crash it.
    """
    if _depth(body, depth_max) > depth_max:
        raise BadJson(f"nested deeper than {depth_max} levels")
    try:
        told: object = json.loads(body, parse_float=read_fraction, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadJson("not JSON") from error
    return told


def _refuse(name: str) -> object:
    raise BadJson(f"{name} is no number")


def _depth(body: bytes, depth_max: int) -> int:
    if body.count(b"[") + body.count(b"{") <= depth_max:
        return 0
    depth = most = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        most = max(most, depth)
    return most
