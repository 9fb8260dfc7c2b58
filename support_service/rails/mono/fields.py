"""Typed looks into mono's JSON: what is not of its kind is refused, never guessed. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from support_service.rails.mono.method import NUMBERS

MonoJson: TypeAlias = Mapping[str, object]

MICROS = 1_000_000
ID = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
# Deeper or wider is nothing that mono sends.
BRACKETS_MAX = 20_000
UNITS_MAX = 10**15

_REF = re.compile(r"[0-9a-f]{32}", re.ASCII)
_CODES = {number: code for code, number in NUMBERS.items()}
_INTERVAL = re.compile(r"([1-9][0-9]{0,3})([dwmy])", re.ASCII)
_INTERVALS = {"d": "day", "w": "week", "m": "month", "y": "year"}


class BadMessage(ValueError):
    """JSON that lacks what its kind has; the text quotes nothing of it."""


def read_object(body: bytes) -> MonoJson:
    """Read one JSON object."""
    if body.count(b"[") + body.count(b"{") > BRACKETS_MAX:
        raise BadMessage("nested too deeply")
    try:
        told: object = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadMessage("is no JSON") from error
    if not isinstance(told, dict):
        raise BadMessage("is no object")
    return told


def part_of(of: MonoJson, key: str) -> MonoJson:
    """Read an object inside; empty where there is none."""
    told = of.get(key)
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise BadMessage(f"{key} is no object")
    return told


def objects(of: MonoJson, key: str) -> list[MonoJson]:
    """Read a list of objects; an absent one is empty."""
    told = of.get(key)
    if told is None:
        return []
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise BadMessage(f"{key} is no list of objects")
    return told


def known_as(of: MonoJson, key: str) -> str:
    """Read a name that mono gave."""
    name = optional_name(of, key)
    if name is None:
        raise BadMessage(f"it has no {key}")
    return name


def optional_name(of: MonoJson, key: str) -> str | None:
    """Read a name; None where there is none."""
    told = of.get(key)
    if told is None or told == "":
        return None
    if not isinstance(told, str) or not ID.fullmatch(told):
        raise BadMessage(f"{key} is no name")
    return told


def word(of: MonoJson, key: str) -> str:
    """Read a word such as a status."""
    told = of.get(key)
    if not isinstance(told, str) or not ID.fullmatch(told):
        raise BadMessage(f"{key} is no word")
    return told


def minor_units(of: MonoJson, key: str) -> int:
    """Read an amount in the currency's smallest units."""
    units = optional_units(of, key)
    if units is None:
        raise BadMessage(f"it has no {key}")
    return units


def optional_units(of: MonoJson, key: str) -> int | None:
    """Read an amount; None where there is none."""
    told = of.get(key)
    if told is None:
        return None
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told <= UNITS_MAX:
        raise BadMessage(f"{key} is no amount in smallest units")
    return told


def currency_code(of: MonoJson) -> str:
    """Read the currency; one that we do not know by its number keeps that, in a form that no currency of ours has."""
    told = of.get("ccy")
    if not isinstance(told, int) or isinstance(told, bool) or not 0 < told < 1000:
        raise BadMessage("ccy is no currency")
    return _CODES.get(told, f"ISO{told:03}")


def told_moment(of: MonoJson, key: str) -> datetime:
    """Read a time (RFC 3339)."""
    found = optional_moment(of, key)
    if found is None:
        raise BadMessage(f"it has no {key}")
    return found


def optional_moment(of: MonoJson, key: str) -> datetime | None:
    """Read a time; None where there is none."""
    told = of.get(key)
    if told is None or told == "":
        return None
    try:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
        if moment is None or moment.tzinfo is None:
            raise BadMessage(f"{key} is no time with its zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadMessage(f"{key} is no time") from error


def micros(moment: datetime) -> int:
    """Write a time as ranks have it."""
    return int(moment.timestamp() * MICROS)


def intent_ref(of: MonoJson) -> str | None:
    """Read our reference; None where there is none, or what stands there cannot be one."""
    told = of.get("reference")
    return told if isinstance(told, str) and _REF.fullmatch(told) else None


def interval(of: MonoJson) -> tuple[str, int]:
    """Read how often a subscription charges, such as "1m"."""
    told = of.get("interval")
    match = _INTERVAL.fullmatch(told) if isinstance(told, str) else None
    if match is None:
        raise BadMessage("interval is none")
    return _INTERVALS[match[2]], int(match[1])


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
