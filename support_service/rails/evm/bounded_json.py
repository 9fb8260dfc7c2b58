"""JSON from a stranger, with a bound on its nesting. Pure."""

import json
import re

# A call trace nests an object and a list per level of the EVM's 1,024 levels.
DEPTH_MAX = 2_200

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadJson(ValueError):
    """The text is no JSON, or nests deeper than anything honest."""


def parse(body: bytes) -> object:
    """Read JSON; raise BadJson.

    The depth is looked at first: a library below web3 lifts Python's recursion limit for the whole
    process, after which a hostile answer would not raise RecursionError but crash it.
    """
    if _depth(body) > DEPTH_MAX:
        raise BadJson(f"nested deeper than {DEPTH_MAX} levels")
    try:
        told: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadJson("not JSON") from error
    return told


def _depth(body: bytes) -> int:
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return 0
    depth = most = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        most = max(most, depth)
    return most
