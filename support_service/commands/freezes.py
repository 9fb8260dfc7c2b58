"""`freezes`, `unfreeze` and `cards`: what is frozen and why, going on after a person has looked, the card switch."""

from collections.abc import Iterator

from support_service.assembly import Assembly, build_sources, processor_names
from support_service.giving import Report, utc_now
from support_service.ledger import Freeze, Ledger, LedgerError, Unfreeze
from support_service.rails.processor import checkout_switch

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
    ledger.unfreeze(Unfreeze(network, WHO, note, rewind))
    if rewind is None or rewind.cursor is None:
        return f"{network}: goes on where it stood; the chain has every block that was read"
    place = "the beginning" if rewind.cursor.height is None else f"block {rewind.cursor.height}"
    return f"{network}: goes on from {place}, the last one that the chain still has"


def switch_cards(assembly: Assembly, ledger: Ledger, *, is_on: bool, note: str) -> Iterator[str]:
    """Switch card payments on or off as the staff page does, and say what is so now; again changes nothing.

    Raises LedgerError where this publisher takes no cards, or the ledger does not answer.
    """
    names = processor_names(assembly)
    if not names:
        known = " or ".join(f"[{rail.name}]" for rail in assembly.rails.values() if rail.processor)
        raise LedgerError(f"no cards are taken here: the settings have no table of a card processor, such as {known}")
    held = {freeze.source: freeze for freeze in ledger.freezes()}
    for name in names:
        source = checkout_switch(name)
        off = held.get(source)
        if is_on and off is not None:
            ledger.unfreeze(Unfreeze(off.network, WHO, note))
            yield f"{name}: cards are on again"
        elif is_on:
            yield f"{name}: cards were on already; nothing was changed"
        elif off is not None:
            yield f"{name}: cards are off already, since {off.since:%Y-%m-%dT%H:%M:%SZ}: {off.reason}"
        else:
            ledger.freeze(source, note, {"by": WHO})
            yield f"{name}: cards are off; payment pages that are open already can still be paid"


def _step_back(assembly: Assembly, ledger: Ledger, held: Freeze) -> Report | None:
    after = ledger.cursor(held.source)
    sources = build_sources(assembly, ledger, clock=utc_now)
    source = next((one for one in sources if one.name == held.source), None)
    if after is None or source is None:
        return None
    return source.step_back(after, ledger.blocks(held.network))
