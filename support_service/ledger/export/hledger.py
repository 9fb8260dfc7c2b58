"""A journal for hledger: the ledger's own accounts and balances, with prices where gifts were valued."""

import re
from collections.abc import Iterable, Iterator

from support_service.giving import Phrase
from support_service.ledger.export.format import ExportFormat, ForPeople
from support_service.ledger.export.journal import JournalEntry, ProgramNames, entries
from support_service.ledger.export.rows import Exported

_HEAD = "; the confirmed money of the ledger; days are the publisher's\ndecimal-mark .\n"
_NOT_A_NAME = re.compile(r"[^\w.-]+")


def write(exported: Iterable[Exported], people: ForPeople) -> Iterator[bytes]:
    """Write a transaction for each piece of money, oldest first, each price before its gift."""
    accounts, assets = ProgramNames(), ProgramNames()
    priced: dict[tuple[str, str], object] = {}
    yield _HEAD.encode()
    for entry in entries(exported, people.zone):
        lines = []
        if (price := entry.price) is not None:
            asset, currency = _commodity(price.asset, assets), _commodity(price.currency, assets)
            # Gifts of one day mostly have one price.
            if priced.get((price.asset, price.currency)) != price:
                lines.append(f"P {price.day} {asset} {price.rate} {currency}")
            priced[price.asset, price.currency] = price
        lines += _transaction(entry, people)
        lines += [
            f"    {_account(name, accounts)}  {amount} {_commodity(asset, assets)}"
            for name, asset, amount in entry.legs
        ]
        yield ("\n" + "\n".join(lines) + "\n").encode()


def _transaction(entry: JournalEntry, people: ForPeople) -> Iterator[str]:
    title = _inert(people.titles.get(entry.method, entry.method))
    payer = _inert(entry.payer)
    yield f"{entry.day} * ({entry.identity.ref}) {f'{payer} | ' if payer else ''}{entry.kind}, {title}"
    for name, text in entry.words:
        yield f"    ; {name}: {_inert(text)}"


def _inert(text: str) -> str:
    """Take the meaning from signs: ";" begins a comment, "|" parts payer and note, "name:" in a comment is a tag.

    A comma ends a tag's value, and what follows could be the next tag. "[" could begin a date of a posting.
    """
    text = text.replace(";", ",").replace("|", "/").replace("[", "(").replace("]", ")")
    return re.sub(r",(?=[^,]*\S:)", " -", text)


def _account(ours: str, names: ProgramNames) -> str:
    return names.give(ours, ":".join(_NOT_A_NAME.sub("-", part) for part in ours.split(":")))


def _commodity(ours: str, names: ProgramNames) -> str:
    # Quoted, for a code may hold digits.
    return f'"{names.give(ours, _NOT_A_NAME.sub("-", ours))}"'


FORMAT = ExportFormat("hledger", Phrase("Download hledger journal"), "journal", "text/plain", write)
