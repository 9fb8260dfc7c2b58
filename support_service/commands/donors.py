"""`donor find`, `donor export` and `donor erase`: what is kept of one person, and what people may ask about it."""

from collections.abc import Iterator
from typing import Protocol

import click

from support_service.ledger import Ledger

WHO = "cli"


class LedgerCall(Protocol):
    """What a command gets."""

    @property
    def ledger(self) -> Ledger:
        """The ledger of the settings."""


@click.group()
def donor() -> None:
    """What is kept of one person: by e-mail, account, address, number of a gift, or whole name."""


@donor.command()
@click.argument("text")
@click.pass_obj
def find(call: LedgerCall, text: str) -> None:
    """Tell how much is kept, and of which gifts; never what it says."""
    for line in _found(call.ledger, text):
        click.echo(line)


@donor.command()
@click.argument("text")
@click.pass_obj
def export(call: LedgerCall, text: str) -> None:
    """Write all of it as JSON, for the person to have."""
    click.echo(call.ledger.donor(text).as_json(), nl=False)


@donor.command()
@click.argument("text")
@click.pass_obj
def erase(call: LedgerCall, text: str) -> None:
    """Erase it for good; amounts and proofs stay, and `verify` still holds."""
    held = call.ledger.erase_donor(text, by=WHO)
    if held.is_empty:
        click.echo("nothing is kept that fits this; nothing was erased")
        return
    call.ledger.people.note(WHO, "erase", f"{len(held.kept)} entries")
    click.echo(f"erased: {len(held.kept)} entries of {len(held.donations)} gifts; amounts and proofs stay")
    click.echo("backups made before still hold them: delete these when their time is over")


def _found(ledger: Ledger, asked: str) -> Iterator[str]:
    held = ledger.donor(asked)
    if held.is_empty:
        yield "nothing is kept that fits this"
        return
    told = sum(one.kind != "raw" for one in held.kept)
    raws = len(held.kept) - told
    yield f"{len(held.kept)} entries: {told} of what gifts say of a person, {raws} messages as they came"
    yield from (f"gift {ref}" for ref in held.donations)
