"""`rescan`: read a method's blocks again, beside the live source, and tell what that changed."""

from support_service.assembly import Assembly, build_sources
from support_service.commands.output import Say
from support_service.giving import Donation, utc_now
from support_service.ledger import Ledger
from support_service.money import Asset, Money, plain
from support_service.rails.source import Rescan, Source


def rescan(assembly: Assembly, ledger: Ledger, method: str, first: int, *, say: Say) -> None:
    """Read every network of a method from block `first` up to finality.

    Raises LedgerError (also where the network is frozen) and SourceError; what was read before stays.
    """
    networks = {watch.network for watch in assembly.watches if watch.method == method}
    sources = [one for one in build_sources(assembly, ledger, clock=utc_now) if one.name.partition(":")[2] in networks]
    if not sources:
        say(f"{method}: no node tells about it; nothing to read again")
    for source in sources:
        _rescan(source, ledger, method, first=first, say=say)


def _rescan(source: Source, ledger: Ledger, method: str, *, first: int, say: Say) -> None:
    ledger.refuse_frozen(source.name)
    live = ledger.cursor(source.name)
    if live is None:
        say(f"{source.name}: never read yet; `support-service watch --once` reads it")
        return
    network = source.name.partition(":")[2]
    name = f"rescan:{method}:{network}"
    task = Rescan(method, first, live, tuple(ledger.blocks(network)))
    changed, height = 0, None
    for report in source.read_again(name, task, ledger.cursor(name)):
        donations = ledger.accept(report).donations
        for donation in donations:
            say(f"  {_told(donation)}")
        changed += len(donations)
        height = report.cursor.height if report.cursor else None
        say(f"{source.name}: read again up to {height}")
    what_changed = f"{changed} changes" if changed else "nothing changed"
    say(
        f"{source.name}: {what_changed}"
        if height is not None
        else f"{source.name}: nothing final from block {first} on"
    )


def _told(donation: Donation) -> str:
    payment, identity = donation.payment, donation.identity
    amount = plain(Money(payment.units, Asset(identity.asset, payment.exponent, identity.network)))
    return f"{donation.state} {payment.kind} {amount} {identity.asset} {identity.locator}"
