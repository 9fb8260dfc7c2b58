"""The files of tests/vectors/bank, what they say by expected.json, and the world they are read in.

CC0, made for this project; MANIFEST.json tells of each which rule it exercises and where that rule stands.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from support_service.giving.codes import read_code
from support_service.rails.bank.classes import Acquirer, Classified, World, classify
from support_service.rails.bank.identity import Identified, RememberedLines, identify
from support_service.rails.bank.line import Line
from support_service.rails.bank.reversals import find_original
from support_service.rails.bank.statements import StatementFile, StatementsRead, WantedStatement, read_statements

FOLDER = Path(__file__).parents[2] / "vectors" / "bank"
Json = Any


@cache
def expected() -> Json:
    return json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def files(*, refused: bool) -> list[str]:
    return [name for name, told in expected()["files"].items() if ("refused" in told) == refused]


def told(name: str) -> Json:
    return expected()["files"][name]


ISSUED = frozenset(expected()["world"]["issued_codes"])
_PUBLISHER = expected()["world"]["publisher"]
WORLD = World(
    own_names=(_PUBLISHER["name"],),
    own_codes=frozenset({_PUBLISHER["code"]}),
    own_accounts=frozenset(_PUBLISHER["accounts"].values()),
    acquirers=tuple(
        Acquirer(one["name"], one["code"], frozenset(one["accounts"])) for one in expected()["world"]["acquirers"]
    ),
)
# These files name no account: whoever imports them says it.
_NAMELESS = ("monobank/", "csv/signed", "csv/decimal", "csv/bad-rows")


def wanted_for(name: str) -> WantedStatement:
    accounts = told(name).get("accounts", [])
    return WantedStatement(
        account=accounts[0]["iban"] if accounts and name.startswith(_NAMELESS) else "",
        own_accounts=tuple(_PUBLISHER["accounts"].values()),
        account_names={"00000000/9999000606": _PUBLISHER["accounts"]["eur_de"]},
    )


def read_vector(name: str, data: bytes | None = None) -> StatementsRead:
    content = (FOLDER / name).read_bytes() if data is None else data
    return read_statements(StatementFile(name, content), told(name)["format"], wanted_for(name))


def class_of(line: Line) -> Classified:
    return classify(line, WORLD, has_code=bool(read_code(line.texts, ISSUED).code))


class Books:
    """What a ledger would hold after some imports: lines by locator, reversed ones counted as nothing."""

    def __init__(self) -> None:
        self.known = RememberedLines()
        self.lines: dict[str, Line] = {}

    def take(self, lines: Iterable[Line]) -> list[Identified]:
        found = list(identify(lines, self.known))
        for one in found:
            self.known.remember(one)
            line = self.lines.setdefault(one.locator, one.line)
            self.lines[one.locator] = replace(line, standing=one.kept.standing)
        return found

    @property
    def booked(self) -> int:
        return sum(line.books_money for line in self.lines.values())

    @property
    def gift_units(self) -> int:
        every = list(self.lines.values())
        taken_back = {id(found) for line in every if line.is_reversal and (found := find_original(line, every))}
        return sum(
            line.money.units
            for line in every
            if line.books_money and id(line) not in taken_back and class_of(line).line_class == "gift"
        )

    @property
    def booked_units(self) -> int:
        return sum(line.money.units for line in self.lines.values() if line.books_money)
