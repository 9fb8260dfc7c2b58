"""`verify --online`: what the ledger says that every watched address holds, against what its chain says."""

from collections.abc import Callable

from support_service.assembly import Assembly, build_sources
from support_service.giving import utc_now
from support_service.ledger import Ledger
from support_service.money import Money, plain
from support_service.rails import Holding, Source, SourceError, TellsHoldings


def compare(assembly: Assembly, ledger: Ledger, *, say: Callable[[str], object]) -> list[str]:
    """Compare every watch at the last block that is final for it; return the problems, one line each.

    The ledger's sum is opening + confirmed in - confirmed out, transfers between our own addresses
    included. What could not be compared is a problem, too.
    """
    problems: list[str] = []
    for source in build_sources(assembly, clock=utc_now):
        for holding in _holdings(source, ledger, problems):
            line, is_equal = _compared(holding, ledger)
            say(line)
            problems += [] if is_equal else [line]
    return problems


def _holdings(source: Source, ledger: Ledger, problems: list[str]) -> list[Holding]:
    after = ledger.cursor(source.name)
    told: object = source
    if after is None:
        problems.append(f"{source.name}: never read yet, so there is nothing to compare")
        return []
    if not isinstance(told, TellsHoldings):
        return []
    try:
        return told.holdings(after)
    except SourceError as error:
        problems.append(f"{source.name}: could not be compared: {error}")
        return []


def _compared(holding: Holding, ledger: Ledger) -> tuple[str, bool]:
    watch, asset = holding.watch, holding.watch.asset
    name = f"{watch.network}: {asset.code} at {watch.address}, block {holding.height}"
    if holding.units is None:
        return f"{name}: could not be compared: {holding.trouble}", False
    held = ledger.held(watch.key, holding.height)
    shown = f"{plain(Money(held, asset))} {asset.code}"
    difference = holding.units - held
    if not difference:
        return f"{name}: {shown}, as on the chain", True
    more = "more" if difference > 0 else "less"
    return f"{name}: the ledger says {shown}, the chain has {plain(Money(abs(difference), asset))} {more}", False
