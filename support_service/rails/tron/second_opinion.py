"""Account histories, as TronGrid serves them, held against what the nodes' logs say. Tells, and books nothing.

`/v1/accounts/<address>/transactions/trc20` lists an account's TRC-20 transfers with time, not with
block. So the blocks of a span of time are read from the nodes once more, and both lists compared.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from support_service.giving import Clock, SourceWarning, WarningKind, Watch
from support_service.rails.chain.http import JsonServer
from support_service.rails.chain.search import RangeSize
from support_service.rails.evm import tokens
from support_service.rails.evm.rpc_cache import LogSearch, RpcCache
from support_service.rails.options import BadOption
from support_service.rails.source import SourceDown
from support_service.rails.tron import reconcile
from support_service.rails.tron.address import any_form, from_evm
from support_service.rails.tron.contract_results import witness_at
from support_service.rails.tron.reconcile import RANGE_BLOCKS_MAX

COMPARE_EVERY = timedelta(minutes=5)
# Such a server lists a block some seconds after it became final; two minutes are plenty.
SETTLING_BLOCKS = 40
# One hour of blocks: a difference is looked at again and again until it is older than this.
WINDOW_BLOCKS = 1_200
PAGE_ENTRIES, PAGES_MAX = 200, 20
NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A transfer as a history lists it; addresses as T..."""

    transaction: str
    payer: str
    payee: str
    units: int


class Histories:
    """Compares every few minutes; `warnings` say what differed, and what could not be compared."""

    def __init__(self, urls: Iterable[str], clock: Clock, *, settling_blocks: int = SETTLING_BLOCKS) -> None:
        self._places, self._clock, self._settling = [witness_at(url) for url in urls], clock, settling_blocks
        self._compared_at: datetime | None = None
        self.warnings: tuple[SourceWarning, ...] = ()

    def compare(self, cache: RpcCache, watches: Sequence[Watch], final_height: int | None) -> None:
        """Compare the last hour up to finality, if it is time. Raises SourceDown and Refusal of the nodes."""
        now = self._clock()
        is_due = self._compared_at is None or now - self._compared_at >= COMPARE_EVERY
        high = -1 if final_height is None else final_height - self._settling
        if not self._places or not is_due or high < 1:
            return
        self._compared_at = now
        low = max(0, high - WINDOW_BLOCKS)
        times = tuple(_time(cache, height) for height in (low, high))
        told: list[SourceWarning] = []
        for watch in watches:
            logged = _logged(cache, watch, (low, high))
            told += [found for place in self._places for found in _compared(place, watch, times, logged)]
        self.warnings = tuple(dict.fromkeys(told))


def _time(cache: RpcCache, height: int) -> int:
    """A block's time in milliseconds, as histories count it."""
    return int(reconcile.block(cache, height).occurred_at.timestamp()) * 1000


def _logged(cache: RpcCache, watch: Watch, span: tuple[int, int]) -> Counter[HistoryEntry]:
    search = LogSearch([watch.asset.contract], [watch.address])
    search.size = RangeSize(most=RANGE_BLOCKS_MAX)
    found: Counter[HistoryEntry] = Counter()
    # A transfer to ourselves is found by both questions.
    logs = {(log.tx, log.index): log for log in search.read(cache, span[0] + 1, span[1])}
    for log in logs.values():
        moved = tokens.transfer(log, 0)
        if moved is not None:
            transaction = moved.tx.removeprefix("0x")
            found[HistoryEntry(transaction, from_evm(moved.sender), from_evm(moved.recipient), moved.units)] += 1
    return found


def _compared(
    place: JsonServer, watch: Watch, times: tuple[int, ...], logged: Counter[HistoryEntry]
) -> Iterator[SourceWarning]:
    """Say how a history differs from the logs."""
    try:
        listed = _listed(place, watch, times)
    except SourceDown as error:
        yield SourceWarning(WarningKind.DEGRADED, f"account history cannot be read: {error}")
        return
    lacking, unknown = logged - listed, listed - logged
    name = f"{watch.asset.code}: {place.host}"
    if unknown:
        text = f"{name} lists {_named(unknown)} that the nodes' logs do not have"
        yield SourceWarning(WarningKind.UNPROVED, text)
    if lacking:
        text = f"{name} does not list {_named(lacking)} that the nodes' logs have"
        yield SourceWarning(WarningKind.UNPROVED, text)


def _named(entries: Counter[HistoryEntry]) -> str:
    transactions = list(dict.fromkeys(entry.transaction for entry in entries))
    more = f" and {len(transactions) - NAMED_MAX} more" if len(transactions) > NAMED_MAX else ""
    return f"transfers ({', '.join(transactions[:NAMED_MAX])}{more})"


def _listed(place: JsonServer, watch: Watch, times: tuple[int, ...]) -> Counter[HistoryEntry]:
    """What a history lists after times[0] and up to times[1]; SourceDown where it is no such list."""
    asked = {
        "only_confirmed": "true",
        "limit": str(PAGE_ENTRIES),
        "contract_address": from_evm(watch.asset.contract),
        "min_timestamp": str(times[0] + 1),
        "max_timestamp": str(times[1]),
    }
    path, found, fingerprint = f"/v1/accounts/{from_evm(watch.address)}/transactions/trc20", Counter[HistoryEntry](), ""
    for _ in range(PAGES_MAX):
        told = place.get(path, {**asked, **({"fingerprint": fingerprint} if fingerprint else {})})
        page = told.get("data") if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(page, list):
            raise SourceDown(f"{place.host}: an answer of another form than agreed")
        for item in page:
            entry = _entry(place, item, watch, times)
            found += Counter([entry] if entry else [])
        meta = told.get("meta")
        fingerprint = str(meta.get("fingerprint") or "") if isinstance(meta, dict) else ""
        if not fingerprint:
            return found
    raise SourceDown(f"{place.host}: lists more than {PAGES_MAX * PAGE_ENTRIES} transfers of one hour")


def _entry(place: JsonServer, item: object, watch: Watch, times: tuple[int, ...]) -> HistoryEntry | None:
    """Read one transfer; None for what is not of this token, not of this time, or of nothing."""
    try:
        told = cast("Mapping[str, object]", item)
        coin, at = cast("Mapping[str, object]", told["token_info"]), int(str(told["block_timestamp"]))
        units, contract = int(str(told["value"])), any_form(str(coin["address"]))
        payer, payee = any_form(str(told["from"])), any_form(str(told["to"]))
        entry = HistoryEntry(str(told["transaction_id"]), payer, payee, units)
    except (KeyError, TypeError, ValueError, BadOption) as error:
        raise SourceDown(f"{place.host}: a transfer of another form than agreed") from error
    is_ours = contract == from_evm(watch.asset.contract) and told.get("type", "Transfer") == "Transfer"
    return entry if is_ours and units and times[0] < at <= times[1] else None
