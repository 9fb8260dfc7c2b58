"""`donor find`, `donor export` and `donor erase`: what is kept of one person, and what people may ask about it."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Protocol

import click

from support_service.assembly import Assembly
from support_service.ledger import Ledger
from support_service.ledger.donors import FORM, ReadForm

WHO = "cli"


class LedgerCall(Protocol):
    """What a command gets."""

    @property
    def assembly(self) -> Assembly:
        """The settings."""

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
    for line in _found(call, text):
        click.echo(line)


@donor.command()
@click.argument("text")
@click.pass_obj
def export(call: LedgerCall, text: str) -> None:
    """Write all of it as JSON, for the person to have."""
    click.echo(call.ledger.donors.find(text, read_form=_reads(call)).as_json(), nl=False)


@donor.command()
@click.argument("text")
@click.pass_obj
def erase(call: LedgerCall, text: str) -> None:
    """Erase it for good; amounts and proofs stay, and `verify` still holds."""
    held = call.ledger.donors.erase(text, by=WHO, read_form=_reads(call))
    if held.is_empty:
        click.echo("nothing is kept that fits this; nothing was erased")
        return
    call.ledger.people.note(WHO, "erase", f"{len(held.kept)} entries")
    click.echo(f"erased: {len(held.kept)} entries of {len(held.donations)} gifts; amounts and proofs stay")
    click.echo("backups made before still hold them: delete these when their time is over")


def _reads(call: LedgerCall) -> ReadForm:
    """Open forms of staff as their pages do; late, for no other command needs the pages."""
    keys = import_module("support_service.web.guard").keys_of(call.assembly.settings.web.secret_file)
    return partial(import_module("support_service.web.staff.kept").read_sealed, keys)


def _found(call: LedgerCall, asked: str) -> Iterator[str]:
    held = call.ledger.donors.find(asked, read_form=_reads(call))
    if held.is_empty:
        yield "nothing is kept that fits this"
        return
    kinds = Counter(one.kind for one in held.kept)
    raws, forms = kinds["raw"], kinds[FORM]
    told = f"{len(held.kept) - raws - forms} of what gifts say of a person, {raws} messages as they came"
    yield f"{len(held.kept)} entries: {told}" + (f", {forms} forms of staff that wait" if forms else "")
    yield from (f"gift {ref}" for ref in held.donations)
