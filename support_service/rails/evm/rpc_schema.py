"""What a node may say, read strictly: text that is not exactly the expected form raises BadAnswer.

Forms are those of the Ethereum JSON-RPC specification (execution-apis): a quantity has no leading
zeros, data has an even number of digits. Hashes are kept in lower case; addresses are compared in
lower case and shown in EIP-55 form. `null` where a value is owed is an error, never an empty value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from dataclasses import field as member
from datetime import UTC, datetime
from typing import Generic, TypeVar, cast

from eth_utils.address import to_checksum_address

from support_service.rails.chain.strict_fields import BadAnswer, Object, field, mapping, sequence

UNITS_MAX = 2**256 - 1
NO_UNITS = -1
# The block of a log that does not tell it.
NO_HEIGHT = -1
WEI_PER_GWEI = 10**9
ZERO_ADDRESS = "0x" + "0" * 40

_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})", re.ASCII)
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)
_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)

T = TypeVar("T")


class Unplaced(BadAnswer):
    """A receipt of no block: its transaction has just left one, and will be asked for anew."""


def quantity(value: object) -> int:
    """Read a JSON-RPC quantity: "0x0", "0x1a"; at most 2^256 - 1."""
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise BadAnswer(f"{str(value)[:80]!r} is not a quantity such as 0x1a")
    return int(value, 16)


def data(value: object) -> bytes:
    """Read bytes."""
    if not isinstance(value, str) or _DATA.fullmatch(value) is None:
        raise BadAnswer(f"{str(value)[:80]!r} is not data such as 0x00ff")
    return bytes.fromhex(value[2:])


def block_hash(value: object) -> str:
    """Read a 32-byte hash; kept in lower case."""
    return _matching(_HASH, value, "a 32-byte hash")


def address(value: object) -> str:
    """Read an address in any case; kept in lower case."""
    return _matching(_ADDRESS, value, "an address")


def shown_address(value: str) -> str:
    """Write an address for people, with its EIP-55 checksum."""
    return str(to_checksum_address(value))


def token_units(value: object) -> int:
    """Read what `balanceOf` returned: one 32-byte word; NO_UNITS where there was no answer at all.

    Then no contract stood there at that block: not yet, or no more. Whoever asks must tell these apart.
    """
    raw = data(value)
    if len(raw) not in (0, 32):
        raise BadAnswer(f"the contract returned {len(raw)} bytes where 32 were expected")
    return int.from_bytes(raw, "big") if raw else NO_UNITS


def _matching(pattern: re.Pattern[str], value: object, what: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise BadAnswer(f"{str(value)[:80]!r} is not {what}")
    return value.lower()


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header, as far as it concerns us."""

    height: int
    block_hash: str
    parent_hash: str
    miner: str
    base_fee_units: int
    occurred_at: datetime
    raw: Object = member(compare=False)

    @classmethod
    def read(cls, value: object) -> "Header":
        """Read eth_getBlockBy...; lists of transactions are left out of `raw`."""
        told = mapping(value)
        return cls(
            height=quantity(field(told, "number")),
            block_hash=block_hash(field(told, "hash")),
            parent_hash=block_hash(field(told, "parentHash")),
            miner=address(field(told, "miner")),
            base_fee_units=quantity(told.get("baseFeePerGas", "0x0")),
            occurred_at=_time(field(told, "timestamp")),
            raw={name: told[name] for name in _HEADER_FIELDS if name in told},
        )

    @classmethod
    def read_or_none(cls, value: object) -> "Header | None":
        """Read a header that may not exist yet: null is None here."""
        return None if value is None else cls.read(value)


_HEADER_FIELDS = ("number", "hash", "parentHash", "timestamp", "miner", "stateRoot", "receiptsRoot")


def _time(value: object) -> datetime:
    try:
        return datetime.fromtimestamp(quantity(value), UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadAnswer(f"{str(value)[:80]!r} is not a block time") from error


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction in its block; `recipient` is None where it creates a contract."""

    hash: str
    sender: str
    recipient: str | None
    units: int
    gas_limit: int | None
    raw: Object = member(compare=False)

    @classmethod
    def read(cls, value: object) -> "Transaction":
        """Read one member of a block's list of full transactions."""
        told = mapping(value)
        recipient = told.get("to")
        return cls(
            hash=block_hash(field(told, "hash")),
            sender=address(field(told, "from")),
            recipient=None if recipient is None else address(recipient),
            units=quantity(field(told, "value")),
            gas_limit=quantity(told["gas"]) if "gas" in told else None,
            raw=told,
        )


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A validator's withdrawal (EIP-4895): a credit without a transaction. Units are wei."""

    index: int
    recipient: str
    units: int

    @classmethod
    def read(cls, value: object) -> "Withdrawal":
        """Read one member of a block's withdrawals; the chain counts them in gwei."""
        told = mapping(value)
        units = quantity(field(told, "amount")) * WEI_PER_GWEI
        return cls(quantity(field(told, "index")), address(field(told, "address")), units)


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its transactions; unread says why some of what it holds is left out."""

    header: Header
    transactions: tuple[Transaction, ...]
    withdrawals: tuple[Withdrawal, ...]
    unread: tuple[str, ...] = ()

    @classmethod
    def read(cls, value: object) -> "Block":
        """Read eth_getBlockByNumber or ...ByHash with full transactions."""
        told = mapping(value)
        transactions = tuple(Transaction.read(item) for item in sequence(field(told, "transactions")))
        withdrawals = told.get("withdrawals") or []
        return cls(Header.read(told), transactions, tuple(Withdrawal.read(item) for item in sequence(withdrawals)))

    @classmethod
    def read_in_part(cls, value: object) -> "Block":
        """Read the same without the members that nobody can read; the block itself and its lists must be there."""
        told = mapping(value)
        header = Header.read(told)
        transactions = _readable(Transaction.read, field(told, "transactions"), "a transaction")
        withdrawals = _readable(Withdrawal.read, told.get("withdrawals") or [], "a withdrawal")
        unread = tuple(f"block {header.height}: {why}" for why in (*transactions.unread, *withdrawals.unread))
        return cls(header, transactions.read, withdrawals.read, unread)

    def without(self, is_left_out: Callable[[Transaction], bool]) -> "Block":
        """The block with fewer transactions."""
        return replace(self, transactions=tuple(sent for sent in self.transactions if not is_left_out(sent)))


@dataclass(frozen=True, slots=True)
class _Readable(Generic[T]):
    """The members of a list that can be read, and of each other why it cannot."""

    read: tuple[T, ...]
    unread: tuple[str, ...]


def _readable(read: Callable[[object], T], items: object, what: str) -> _Readable[T]:
    found, unread = list[T](), list[str]()
    for place, item in enumerate(sequence(items)):
        try:
            found.append(read(item))
        except BadAnswer as error:
            unread.append(f"{what} (number {place}): {error}")
    return _Readable(tuple(found), tuple(unread))


@dataclass(frozen=True, slots=True)
class Log:
    """An event. `index` counts within the block; the ordinal within the receipt follows from its place there.

    odd says why it cannot be read; then only its block counts, and what else is "" or nothing was not told.
    """

    contract: str
    topics: tuple[str, ...]
    data: bytes
    tx: str
    block_hash: str
    height: int
    index: int
    is_removed: bool
    raw: Object = member(compare=False)
    odd: str = ""

    @classmethod
    def read(cls, value: object) -> "Log":
        """Read one member of eth_getLogs or of a receipt."""
        told = mapping(value)
        return cls(
            contract=address(field(told, "address")),
            topics=tuple(block_hash(topic) for topic in sequence(field(told, "topics"))),
            data=data(field(told, "data")),
            tx=block_hash(field(told, "transactionHash")),
            block_hash=block_hash(field(told, "blockHash")),
            height=quantity(field(told, "blockNumber")),
            index=quantity(field(told, "logIndex")),
            is_removed=told.get("removed") is True,
            raw=told,
        )


def _maybe(read: Callable[[object], T], value: object) -> T | None:
    """Read what not everybody needs; None where it is not told, or in no form that can be read."""
    try:
        return read(value)
    except BadAnswer:
        return None


def logs(value: object) -> tuple[Log, ...]:
    """Read eth_getLogs."""
    return tuple(Log.read(item) for item in sequence(value))


def logs_in_part(value: object) -> tuple[Log, ...]:
    """Read the same where some of it cannot be read: what is left of such a log says where to look."""
    return tuple(_log_in_part(item) for item in sequence(value))


def _log_in_part(value: object) -> Log:
    try:
        return Log.read(value)
    except BadAnswer as error:
        told = cast("Object", value) if isinstance(value, dict) else {}
        height = _maybe(quantity, told.get("blockNumber"))
        return Log(
            contract=_maybe(address, told.get("address")) or "",
            topics=(),
            data=b"",
            tx=_maybe(block_hash, told.get("transactionHash")) or "",
            block_hash=_maybe(block_hash, told.get("blockHash")) or "",
            height=NO_HEIGHT if height is None else height,
            index=0,
            is_removed=told.get("removed") is True,
            raw=told,
            odd=str(error),
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction. gas_units is all the sender paid beside the value, in wei.

    What only some readers need is None where it is not told, for whoever needs it to say so: gas where we are
    the sender, all logs (or one of them) where they may hold a token's transfer.
    """

    tx: str
    block_hash: str
    is_success: bool
    gas_units: int | None
    gas_used: int | None
    gas_price_units: int | None
    logs: tuple[Log | None, ...] | None
    raw: Object = member(compare=False)

    @classmethod
    def read(cls, value: object) -> "Receipt":
        """Read eth_getTransactionReceipt; blob gas (EIP-4844) and a roll-up's `l1Fee` are gas as well."""
        told = mapping(value)
        if told.get("blockHash") in ("0x", None):
            raise Unplaced(f"{str(told.get('blockHash'))!r} is not a block's hash: the transaction is in no block now")
        gas_used, gas_price = _maybe(quantity, told.get("gasUsed")), _maybe(quantity, told.get("effectiveGasPrice"))
        extras = [told.get(name) or "0x0" for name in ("blobGasUsed", "blobGasPrice", "l1Fee")]
        blob_used, blob_price, l1_fee = (_maybe(quantity, extra) for extra in extras)
        gas_units = None
        if None not in (gas_used, gas_price, blob_used, blob_price, l1_fee):
            gas_units = (gas_used or 0) * (gas_price or 0) + (blob_used or 0) * (blob_price or 0) + (l1_fee or 0)
        listed = _maybe(sequence, told.get("logs"))
        return cls(
            tx=block_hash(field(told, "transactionHash")),
            block_hash=block_hash(field(told, "blockHash")),
            is_success=quantity(field(told, "status")) == 1,
            gas_units=gas_units,
            gas_used=gas_used,
            gas_price_units=gas_price,
            logs=None if listed is None else tuple(_maybe(Log.read, item) for item in listed),
            raw={name: item for name, item in told.items() if name != "logsBloom"},
        )
