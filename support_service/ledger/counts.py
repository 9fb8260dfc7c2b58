"""How many messages processors pushed, summed over all web processes. No money depends on it; a crash loses some."""

from collections.abc import Mapping
from typing import TypeAlias

from sqlalchemy import insert, select, update

from support_service.ledger.engine import Database
from support_service.ledger.tables import webhook_count

# What is counted: a processor, and what became of a message.
Counted: TypeAlias = tuple[str, str]


class WebhookCounts:
    """The counts of the ledger's database; every method may raise LedgerDown or LedgerOutdated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, found: Mapping[Counted, int]) -> None:
        """Add what one process has counted since it added last."""
        with self._database.write() as tx:
            for (processor, result), number in sorted(found.items()):
                here = (webhook_count.c.processor == processor) & (webhook_count.c.result == result)
                more = update(webhook_count).where(here).values(number=webhook_count.c.number + number)
                if tx.execute(more).rowcount == 0:
                    tx.execute(insert(webhook_count).values(processor=processor, result=result, number=number))

    def read(self) -> dict[Counted, int]:
        """Read what all have added."""
        with self._database.read() as tx:
            return {(row.processor, row.result): row.number for row in tx.execute(select(webhook_count))}
