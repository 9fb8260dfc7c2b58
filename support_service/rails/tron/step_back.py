"""Going on after a freeze, where balances of old blocks cannot be asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from support_service.giving import Cursor, MoneyBlock, Report, Statement
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import cursor_state
from support_service.rails.evm.cursor_state import BalanceAt, WatchState
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.evm.step_back import find_step_back
from support_service.rails.tron import balance_samples, reconcile
from support_service.rails.tron.address_forms import AddressForms
from support_service.rails.tron.balance_samples import BalanceSamples, Samples


def step_back(
    context: SourceContext, cache: RpcCache, after: Cursor, blocks: Iterable[MoneyBlock], *, address_forms: AddressForms
) -> Report | None:
    """Report the step back to the last common block; None where the chain is as we read it.

    A watch whose last proof lies above that block is read anew from its start. Raises SourceDown,
    SourceLied and Refusal.
    """
    held, samples_by_watch = cursor_state.read(after), balance_samples.read(after)
    found = find_step_back(context, cache, held, address_forms.blocks(blocks), watch_state_at=_watch_state_at)
    if found is None:
        return None
    restarted = {key for key, item in found.state.watch_states.items() if item.final is None}
    base = -1 if found.state.final is None else found.state.final.height
    found.builder.statements += _taken_back(
        context, cache, {key: samples_by_watch.get(key, BalanceSamples()) for key in sorted(restarted)}, base
    )
    kept = {
        key: _kept(samples, base)
        for key, samples in samples_by_watch.items()
        if key in held.watch_states and key not in restarted
    }
    return address_forms.shown(found.report(context, after, remembered=codec.write(found.state, Samples(kept))))


def _watch_state_at(
    cache: RpcCache,  # noqa: ARG001 - as on chains whose nodes keep balances of old blocks
    context: SourceContext,  # noqa: ARG001
    key: WatchKey,  # noqa: ARG001
    item: WatchState,
    *,
    base: BlockRef | None,
) -> WatchState:
    is_proven = item.proof is not None and item.final is not None and base is not None and item.proof <= base.height
    if not is_proven or base is None or item.final is None or base.height <= item.start:
        return WatchState(item.start, wanted=item.wanted)
    booked = tuple(one for one in item.booked if one[0] <= base.height)
    later = sum(units for height, units in item.booked if height > base.height)
    final = BalanceAt(base.height, item.final.units - later)
    return WatchState(item.start, wanted=item.wanted, final=final, proof=item.proof, booked=booked)


def _taken_back(
    context: SourceContext, cache: RpcCache, samples_by_watch: Mapping[WatchKey, BalanceSamples], base: int
) -> list[Statement]:
    """What was booked as unexplained below the common block is found again, or it is part of the opening."""
    told: list[Statement] = []
    for key, samples in samples_by_watch.items():
        there = [reconcile.block(cache, gap.high) for gap in samples.gaps if gap.high <= base]
        told += [Statement(context.network.name, *key, header.block_hash) for header in there]
    return told


def _kept(samples: BalanceSamples, base: int) -> BalanceSamples:
    return replace(samples, sample=None, doubt=None, gaps=tuple(gap for gap in samples.gaps if gap.high <= base))
