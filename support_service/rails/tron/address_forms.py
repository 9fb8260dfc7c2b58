"""One address in two forms: T... in settings, ledger and export; 0x... for all that speaks to nodes. Pure.

Inside, watches are twins in the form that nodes take; what leaves is written back, so that nobody
beyond this folder meets a hex address of TRON.
"""

from collections.abc import Iterable
from dataclasses import replace

from support_service.giving import (
    HeldBalance,
    Identity,
    MoneyBlock,
    Observation,
    PaymentClaim,
    Report,
    Statement,
    Watch,
)
from support_service.rails.source import Holding
from support_service.rails.tron.address import any_form, to_evm

RAIL = "tron"


class AddressForms:
    """The watches of one network as they were set, and their twins for the nodes."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self._shown = {to_evm(watch.address): watch.address for watch in watches}
        self.twins = tuple(_twin(watch) for watch in watches)
        self._watch = dict(zip(self.twins, watches, strict=True))

    def shown(self, report: Report) -> Report:
        """Write a report for the ledger."""
        return replace(
            report,
            observations=tuple(map(self._observation, report.observations)),
            statements=tuple(map(self._statement, report.statements)),
        )

    def holding(self, holding: Holding) -> Holding:
        """Write what a twin holds under the watch as it was set."""
        return replace(holding, watch=self._watch[holding.watch])

    def balance(self, told: HeldBalance) -> HeldBalance:
        """Write what a twin holds at the address as it was set."""
        return replace(told, address=self._shown[told.address])

    def blocks(self, blocks: Iterable[MoneyBlock]) -> tuple[MoneyBlock, ...]:
        """The ledger's blocks of money in the form that nodes take; those of addresses not watched are left out."""
        inside = {shown: twin for twin, shown in self._shown.items()}
        return tuple(replace(block, address=inside[block.address]) for block in blocks if block.address in inside)

    def spoken(self, text: str) -> str:
        """Write the addresses in a message as people know them."""
        pairs = {twin.asset.contract: watch.asset.contract for twin, watch in self._watch.items()} | self._shown
        for twin, shown in pairs.items():
            text = text.replace(twin, shown)
        return text

    def _observation(self, observation: Observation) -> Observation:
        claim = observation.claim
        assert isinstance(claim, PaymentClaim), "chains tell of payments alone"
        payer = claim.personal.payer
        personal = replace(claim.personal, payer=None if payer is None else any_form(payer))
        return replace(
            observation,
            identity=self._identity(observation.identity),
            claim=replace(claim, rail=RAIL, personal=personal),
        )

    def _identity(self, identity: Identity) -> Identity:
        shown = self._shown[identity.address]
        return replace(identity, address=shown, locator=identity.locator.replace(identity.address, shown))

    def _statement(self, statement: Statement) -> Statement:
        return replace(statement, address=self._shown.get(statement.address, statement.address))


def _twin(watch: Watch) -> Watch:
    return replace(
        watch, address=to_evm(watch.address), asset=replace(watch.asset, contract=to_evm(watch.asset.contract))
    )
