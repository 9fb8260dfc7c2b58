"""`freezes` and `unfreeze`: what is frozen and why, and going on after a person has looked."""

from collections.abc import Iterator

from support_service.assembly import Assembly, build_sources
from support_service.giving import Report, utc_now
from support_service.ledger import Freeze, Ledger, LedgerError, Thaw
from support_service.rails import StepsBack

WHO = "cli"


def freeze_lines(ledger: Ledger) -> Iterator[str]:
    """Tell every freeze that lasts, with both sides' answers."""
    for held in ledger.freezes():
        yield f"{held.network}: frozen since {held.since:%Y-%m-%dT%H:%M:%SZ}: {held.reason}"
        yield from (f"  {side}: {said}" for side, said in held.evidence.items())


def unfreeze(assembly: Assembly, ledger: Ledger, network: str, note: str) -> str:
    """End a freeze and say what follows; raises LedgerError where nothing is frozen, SourceError where a node fails.

    The source steps back in the same transaction, so that no watcher comes between.
    """
    held = next((one for one in ledger.freezes() if one.network == network), None)
    if held is None:
        raise LedgerError(f"{network} is not frozen; `support-service freezes` tells what is")
    rewind = _step_back(assembly, ledger, held)
    ledger.unfreeze(Thaw(network, WHO, note, rewind))
    if rewind is None or rewind.cursor is None:
        return f"{network}: goes on where it stood; the chain has every block that was read"
    place = "the beginning" if rewind.cursor.height is None else f"block {rewind.cursor.height}"
    return f"{network}: goes on from {place}, the last one that the chain still has"


def _step_back(assembly: Assembly, ledger: Ledger, held: Freeze) -> Report | None:
    after = ledger.cursor(held.source)
    source: object = next((one for one in build_sources(assembly, clock=utc_now) if one.name == held.source), None)
    if after is None or not isinstance(source, StepsBack):
        return None
    return source.step_back(after, ledger.blocks(held.network))
