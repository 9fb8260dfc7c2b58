"""A journal for beancount: the ledger's balances under beancount's five roots, with prices where gifts were valued.

Each account says by its `name` which one of ours it is.
"""

import re
from collections.abc import Iterable, Iterator

from support_service.giving import Phrase
from support_service.ledger.export.format import ExportFormat, ForPeople
from support_service.ledger.export.journal import JournalEntry, ProgramNames, entries
from support_service.ledger.export.rows import Exported

_HEAD = ';; the confirmed money of the ledger; days are the publisher\'s\noption "title" "Support"\n'
# beancount knows five roots; ours that are none of them stand under the one whose kind they are.
_ROOTS = {
    "assets": "Assets",
    "income": "Income",
    "expenses": "Expenses",
    "equity": "Equity",
    "suspense": "Liabilities:Suspense",
    "transfers": "Equity:Transfers",
    "other": "Equity:Other",
}
_NOT_IN_ACCOUNT = re.compile(r"[^A-Za-z0-9-]+")
_NOT_IN_CURRENCY = re.compile(r"[^A-Z0-9._-]+")
_CURRENCY_CHARS_MAX = 16
# Before the first gift anywhere, so that an account is open whenever it is used; beancount sorts by day.
_OPEN_DAY = "1970-01-01"


def write(exported: Iterable[Exported], people: ForPeople) -> Iterator[bytes]:
    """Write a transaction for each piece of money, oldest first, each account and price where it is first needed."""
    accounts, assets = ProgramNames(), ProgramNames()
    priced: dict[tuple[str, str], object] = {}
    yield _HEAD.encode()
    for entry in entries(exported, people.zone):
        lines = []
        for name, _asset, _amount in entry.legs:
            if name not in accounts.given:
                lines += [f"{_OPEN_DAY} open {_account(name, accounts)}", f"  name: {_text(name)}"]
        if (price := entry.price) is not None:
            asset, currency = _currency(price.asset, assets), _currency(price.currency, assets)
            if priced.get((price.asset, price.currency)) != price:
                lines.append(f"{price.day} price {asset} {price.rate} {currency}")
            priced[price.asset, price.currency] = price
        lines += _transaction(entry, people)
        lines += [
            f"  {_account(name, accounts)}  {amount} {_currency(asset, assets)}" for name, asset, amount in entry.legs
        ]
        yield ("\n" + "\n".join(lines) + "\n").encode()


def _transaction(entry: JournalEntry, people: ForPeople) -> Iterator[str]:
    title = people.titles.get(entry.method, entry.method)
    yield f"{entry.day} * {_text(entry.payer)} {_text(f'{entry.kind}, {title}')}"
    yield f'  id: "{entry.identity.ref}"'
    for name, text in entry.words:
        yield f"  {name}: {_text(text)}"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _account(ours: str, names: ProgramNames) -> str:
    root, _, rest = ours.partition(":")
    parts = [_NOT_IN_ACCOUNT.sub("-", part).strip("-") or "X" for part in rest.split(":")]
    return names.give(ours, ":".join([_ROOTS[root], *(part[0].upper() + part[1:] for part in parts)]))


def _currency(ours: str, names: ProgramNames) -> str:
    code = _NOT_IN_CURRENCY.sub("-", ours.upper()).strip("._-")[:_CURRENCY_CHARS_MAX].rstrip("._-")
    return names.give(ours, code if code[:1].isalpha() and len(code) > 1 else f"X{code}X")


FORMAT = ExportFormat("beancount", Phrase("Download beancount journal"), "beancount", "text/plain", write)
