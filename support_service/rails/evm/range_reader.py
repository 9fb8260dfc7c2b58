"""Reading one range of blocks for some watches: what changed, and why. Used near the head and at finality."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as member

from support_service.giving import Watch
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.search import Question, Span, bisect, run
from support_service.rails.evm import movements, native_coin, rpc_requests, tokens, without_archive
from support_service.rails.evm.cursor_state import BalanceAt, WatchState
from support_service.rails.evm.movements import BlockMovements, net
from support_service.rails.evm.native_coin import AccountState
from support_service.rails.evm.rpc import BATCH_CALLS_MAX, Call
from support_service.rails.evm.rpc_cache import LogSearch, RpcCache
from support_service.rails.evm.rpc_errors import NoState, Refusal
from support_service.rails.source import Holding, SourceDown, SourceLied

# A range is also a step that survives a kill; the first may span this many ranges of logs.
STRIDE_RANGES = 5
# Without tokens a long range costs nothing: equal balances at its ends prove all of it.
STRIDE_BLOCKS_NATIVE = 100_000
# Accounts with code are read block by block.
STRIDE_BLOCKS_CODED = 500


@dataclass(frozen=True, slots=True)
class Range:
    """Blocks above `low` up to `high`. at says how to name the block `high` to the node: by height or hash."""

    low: int
    high: int
    at: rpc_requests.At


class Watched:
    """The watches of one network, sorted by what they need."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self.all = {key_of(watch): watch for watch in watches}
        self.native = {watch.address: watch for watch in self.all.values() if not watch.asset.contract}
        self.tokens = [watch for watch in self.all.values() if watch.asset.contract]
        # Whether the node answered for all tokens at once; unknown is taken for yes.
        self.has_multicall = True
        # Where the node keeps no balances so old: whether blocks may be read one by one instead, and whether they are.
        self.may_scan, self.is_scanning = True, False
        self.own = frozenset(watch.address.lower() for watch in self.all.values())
        self.logs = LogSearch({watch.asset.contract for watch in self.tokens}, {watch.address for watch in self.tokens})

    def without(self, contracts: Container[str]) -> "Watched":
        """The same without some tokens, for as long as they cannot be read."""
        going = [watch for watch in self.all.values() if watch.asset.contract not in contracts]
        if len(going) == len(self.all):
            return self
        left = Watched(going)
        left.has_multicall, left.may_scan, left.own = self.has_multicall, self.may_scan, self.own
        left.logs.size = self.logs.size
        return left

    def stride(self, watch_states: Iterable[WatchState]) -> int:
        """How many blocks to read in one step."""
        if self.is_scanning:
            return without_archive.BLOCKS_MAX
        if any(item.has_code for item in watch_states):
            return STRIDE_BLOCKS_CODED
        return STRIDE_BLOCKS_NATIVE if self.logs.is_idle else STRIDE_RANGES * self.logs.size.blocks


class BaseDiffers(SourceLied):
    """A balance that we once read of a block is not what is said of that block now. Units are the asset's smallest."""

    def __init__(self, address: str, height: int, was: int, now: int) -> None:
        super().__init__(f"the balance of {address} at block {height} was read as {was} and is {now} now")
        self.address, self.height, self.was, self.now = address, height, was, now


@dataclass(slots=True)
class RangeResult:
    """What a range brought: movements, lowest block first, and how far each watch has come by it."""

    movements_by_block: list[BlockMovements]
    balances: dict[WatchKey, BalanceAt]
    coded: set[WatchKey]
    unproven: set[WatchKey] = member(default_factory=set)
    is_scanned: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a watch begins: what it held, and the block that says so; None where no block can be asked."""

    balance_at: BalanceAt
    block_movements: BlockMovements | None = None
    has_code: bool = False
    is_proven: bool = False


@dataclass(frozen=True, slots=True)
class Proven:
    """How far one watch is proven now, and the blocks that its balance brought to light."""

    key: WatchKey
    state: WatchState
    movements_by_block: Sequence[BlockMovements] = ()


def questions(watched: Watched, keys: Iterable[WatchKey], span: Range) -> Iterator[Call[object]]:
    """What reading a range asks at least, for fetching it together with other things."""
    for key in keys:
        if not watched.all[key].asset.contract:
            yield from native_coin.account_questions(key[0], span.at)
    if span.high - span.low <= watched.logs.size.blocks:
        yield from watched.logs.questions(span.low + 1, span.high)


def read_range(
    cache: RpcCache, watched: Watched, bases: Mapping[WatchKey, WatchState], span: Range, *, is_final: bool
) -> RangeResult:
    """Read a range for the watches in `bases`, whose values at span.low are known."""
    found = _read_native(cache, watched, bases, span, is_final=is_final)
    listed = [watched.all[key] for key in bases if watched.all[key].asset.contract]
    if listed:
        logs = watched.logs.read(cache, span.low + 1, span.high)
        touched = tokens.touches(logs, listed)
        found.movements_by_block += tokens.movements_by_block(cache, touched, logs, watched.own)
    for watch in listed:
        base = _base(bases[key_of(watch)], is_final=is_final)
        gained = sum(
            net(block_movements.movements)
            for block_movements in found.movements_by_block
            if block_movements.watch == watch
        )
        found.balances[key_of(watch)] = BalanceAt(span.high, base.units + gained)
    found.movements_by_block.sort(key=lambda block_movements: block_movements.header.height)
    return found


def _base(watch_state: WatchState, *, is_final: bool) -> BalanceAt:
    balance_at = watch_state.final if is_final else watch_state.base
    assert balance_at is not None, "a range is read from a proven point on"
    return balance_at


def _read_native(
    cache: RpcCache,
    watched: Watched,
    bases: Mapping[WatchKey, WatchState],
    span: Range,
    *,
    is_final: bool,
) -> RangeResult:
    keys = {key[0]: key for key in bases if not watched.all[key].asset.contract}
    if not keys:
        return RangeResult([], {}, set())
    befores = {address: _base(bases[key], is_final=is_final) for address, key in keys.items()}
    accounts = {address: AccountState(balance_at.units, balance_at.nonce) for address, balance_at in befores.items()}
    is_known = not (is_final and any(bases[key].is_unproven for key in keys.values()))
    try:
        if is_known:
            coded = {address for address, key in keys.items() if bases[key].has_code}
            return _read_changes(cache, watched, accounts, span, known_code=coded, is_final=is_final)
    except NoState:
        if not watched.may_scan:
            raise
    if is_final and span.high - span.low > without_archive.BLOCKS_MAX:
        raise NoState("eth_getBalance", 0, f"of more than {without_archive.BLOCKS_MAX} blocks")
    told = without_archive.read(cache, watched.native, accounts, low=span.low, high=span.high, at=span.at)
    balances = {keys[address]: balance_at for address, balance_at in told.balances.items()}
    unproven = {keys[address] for address in told.unproven}
    return RangeResult(told.movements_by_block, balances, set(), unproven, is_scanned=True)


def _read_changes(
    cache: RpcCache,
    watched: Watched,
    accounts: Mapping[str, AccountState],
    span: Range,
    *,
    known_code: set[str],
    is_final: bool,
) -> RangeResult:
    """Find the blocks that changed balances, and explain them; accounts are as they were at span.low."""
    cache.fetch(call for address in accounts for call in native_coin.account_questions(address, span.at))
    afters = {address: native_coin.account(cache, address, span.at) for address in accounts}
    spans = [Span(address, span.low, span.high, accounts[address], after) for address, after in afters.items()]
    moved = [span.key for span in spans if span.before != span.after]
    bases = [call for address in moved for call in native_coin.account_questions(address, span.low)]
    coded = _coded(cache, spans, known_code, span.at)
    changes = native_coin.changed_blocks(cache, spans, coded, also=bases)
    cache.fetch(bases)
    _check_bases(cache, spans)
    movements_by_block = native_coin.movements_by_block(cache, changes, watched.native, is_near_head=not is_final)
    keys = {address: key_of(watched.native[address]) for address in accounts}
    balances = {keys[address]: native_coin.balance_at(span.high, after) for address, after in afters.items()}
    return RangeResult(movements_by_block, balances, {keys[address] for address in coded})


def _check_bases(cache: RpcCache, spans: Sequence[Span[str, AccountState]]) -> None:
    """Before a difference is explained: see that it is one, and not what another node once said of a block."""
    for span in spans:
        if span.before == span.after:
            continue
        try:
            now = native_coin.account(cache, span.key, span.low)
        except Refusal:
            # State so old is seldom kept, and what is read now is held against the balance after it anyway.
            continue
        if now != span.before:
            raise BaseDiffers(span.key, span.low, span.before.wei, now.wei)


def _coded(
    cache: RpcCache, spans: Sequence[Span[str, AccountState]], known: set[str], at: rpc_requests.At
) -> frozenset[str]:
    """Name the accounts with code. It never appears without the nonce growing (EIP-161, EIP-7702)."""
    suspects = [span.key for span in spans if span.before.nonce != span.after.nonce and span.key not in known]
    codes = cache.get_all([rpc_requests.code(address, at) for address in suspects])
    return frozenset(known | {address for address, code in zip(suspects, codes, strict=True) if code})


def open_watch(cache: RpcCache, watch: Watch, start: int) -> Opening:
    """Read what lay there at the end of block `start`; also whether the account has code."""
    contract = watch.asset.contract
    header = cache.get(rpc_requests.header(start))
    if header is None:
        raise SourceDown(f"{cache.node.host}: does not know block {start}, where {watch.asset.code} begins")
    if contract:
        units = cache.get(rpc_requests.token_balance(contract, watch.address, header.block_hash))
        return Opening(BalanceAt(start, units), movements.opening(watch, header, units), is_proven=True)
    account = native_coin.account(cache, watch.address, header.block_hash)
    has_code = bool(cache.get(rpc_requests.code(watch.address, header.block_hash)))
    return Opening(native_coin.balance_at(start, account), movements.opening(watch, header, account.wei), has_code)


def holdings(cache: RpcCache, watched: Watched, watch_states: Mapping[WatchKey, WatchState]) -> list[Holding]:
    """What the chain says each watch held at its own final block; watches without one are left out."""
    balances = {key: watch_states[key].final for key in watched.all if key in watch_states}
    known = {key: balance_at.height for key, balance_at in balances.items() if balance_at is not None}
    asked = {key: _holding_question(watched.all[key], height) for key, height in known.items()}
    cache.fetch(asked.values())
    told: list[Holding] = []
    for key, height in known.items():
        try:
            told.append(Holding(watched.all[key], height, cache.get(asked[key])))
        except Refusal as error:
            told.append(Holding(watched.all[key], height, None, str(error)))
    return told


def _holding_question(watch: Watch, height: int) -> Call[int]:
    return balance_question(watch, height) if watch.asset.contract else rpc_requests.balance(watch.address, height)


def balance_question(watch: Watch, height: int) -> Call[int]:
    """A token watch's balance at the end of a block."""
    return rpc_requests.token_balance(watch.asset.contract, watch.address, height)


def multicall_question(watches: Sequence[Watch], height: int) -> Call[tuple[int | None, ...]]:
    """The balances of several token watches at the end of a block."""
    return rpc_requests.token_balances([(watch.asset.contract, watch.address) for watch in watches], height)


def learn_balances(cache: RpcCache, watched: Watched, watch_states: Mapping[Watch, WatchState], height: int) -> None:
    """Ask for all these balances at once; notes in `watched` that the node does not do that.

    Nothing where something was held is not learned: the contract may be gone, and each must say so for itself.
    """
    watches = list(watch_states)
    try:
        told = cache.get(multicall_question(watches, height))
    except Refusal:
        told = ()
    known = {watch: units for watch, units in zip(watches, told, strict=False) if units is not None}
    watched.has_multicall = bool(known)
    for watch, units in known.items():
        final = watch_states[watch].final
        if not units and final is not None and final.units:
            continue
        cache.learn(balance_question(watch, height), units)


def reconcile(cache: RpcCache, watch: Watch, watch_state: WatchState, own: frozenset[str]) -> Proven:
    """Hold a token's balance at its final point against everything booked; find what no log told.

    The movements are of blocks whose balance change was not booked.
    """
    key = key_of(watch)
    balance_at, proof = watch_state.final, watch_state.proof
    assert balance_at is not None and proof is not None
    try:
        actual = cache.get(balance_question(watch, balance_at.height))
    except NoState:
        # Held against the books at the next block whose balance the node still has.
        return Proven(key, watch_state)
    proven = replace(watch_state, final=BalanceAt(balance_at.height, actual), proof=balance_at.height, booked=())
    if actual == balance_at.units or balance_at.height == proof:
        return Proven(key, proven)

    def unbooked(height: int, units: int) -> int:
        return units - sum(booked for at, booked in watch_state.booked if at <= height)

    def ask(asked: list[Question[str]]) -> Mapping[Question[str], int]:
        told = cache.get_all([balance_question(watch, height) for _, height in asked])
        return {item: unbooked(item[1], units) for item, units in zip(asked, told, strict=True)}

    before = balance_at.units - sum(booked for _, booked in watch_state.booked)
    _check_proof(cache, watch, proof, before)
    span = Span(watch.address, proof, balance_at.height, before, unbooked(balance_at.height, actual))
    try:
        touched = [tokens.Touch(watch, change.high) for change in run(bisect([span], BATCH_CALLS_MAX), ask)]
        return Proven(key, proven, tokens.movements_by_block(cache, touched, [], own))
    except NoState:
        last = tokens.Touch(watch, balance_at.height)
        booked = sum(units for at, units in watch_state.booked if at == balance_at.height)
        return Proven(key, proven, [tokens.rest_of_block(cache, last, actual - balance_at.units + booked, own)])


def _check_proof(cache: RpcCache, watch: Watch, proof: int, before: int) -> None:
    try:
        now = cache.get(balance_question(watch, proof))
    except Refusal:
        return
    if now != before:
        raise BaseDiffers(watch.address, proof, before, now)
