"""What a node may say, read strictly: what is not exactly the expected form raises BadAnswer. Pure.

Hashes are kept in lower case, in the order people write them. `null` where a value is owed is an
error, never an empty value.
"""

import re
from collections.abc import Callable, Container
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from support_service.rails.bitcoin.movements import UNITS_MAX, Coin, Input, Transaction
from support_service.rails.chain.strict_fields import BadAnswer, Object, field, mapping, sequence

HEIGHT_MAX = 2**31 - 1
# 20999999.97690000 has 16 digits; a longer number is no amount, and arithmetic would round it.
_AMOUNT_DIGITS_MAX = 20

_HASH = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*", re.ASCII)


def block_hash(value: object) -> str:
    """Read a hash of a block or transaction."""
    if not isinstance(value, str) or _HASH.fullmatch(value) is None:
        raise BadAnswer(f"{str(value)[:80]!r} is not a 32-byte hash")
    return value.lower()


def script(value: object) -> str:
    """Read a script's bytes as hex."""
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise BadAnswer(f"{str(value)[:80]!r} is not a script")
    return value.lower()


def whole(value: object, most: int = HEIGHT_MAX) -> int:
    """Read a whole number from 0 to most: a height, an index, satoshi."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BadAnswer(f"{str(value)[:80]!r} is not a whole number from 0 to {most}")
    return value


def satoshi(value: object) -> int:
    """Read an amount in satoshi (Esplora)."""
    return whole(value, UNITS_MAX)


def amount(value: object) -> int:
    """Read an amount in BTC (Bitcoin Core), exactly: 0.1 is 10,000,000 satoshi."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadAnswer(f"{str(value)[:80]!r} is not an amount")
    told = Decimal(value)
    if not told.is_finite() or len(told.as_tuple().digits) > _AMOUNT_DIGITS_MAX or told.adjusted() > 8:
        raise BadAnswer(f"{str(value)[:80]!r} is not an amount")
    units = told.scaleb(8)
    if units != units.to_integral_value():
        raise BadAnswer(f"{str(value)[:80]!r} has more than 8 decimals")
    return satoshi(int(units))


def time(value: object) -> datetime:
    """Read a block's time, seconds since 1970."""
    return datetime.fromtimestamp(whole(value, 2**32 - 1), UTC)


# Reads one transaction; the scripts are ours, and what an output to nobody of them holds need not be told.
Reading: TypeAlias = Callable[[object, Container[str]], Transaction]


class _Everybody(Container[str]):
    """Holds every script."""

    def __contains__(self, _one: object) -> bool:
        return True


# Whoever owns an output, all of it must be readable.
EVERYBODY = _Everybody()


def transactions(values: object, read: Reading, ours: Container[str]) -> tuple[list[Transaction], list[str]]:
    """Read a list of transactions as far as it can be read; of each other one that may be ours, say why it cannot."""
    found, unread = list[Transaction](), list[str]()
    for place, value in enumerate(sequence(values)):
        try:
            found.append(read(value, ours))
        except BadAnswer as error:
            unread.append(f"{named(value, place)}: {error}")
    return found, unread


def named(value: object, place: int) -> str:
    """Name a transaction that cannot be read, by its id where that is told."""
    txid = value.get("txid") if isinstance(value, dict) else None
    is_told = isinstance(txid, str) and _HASH.fullmatch(txid) is not None
    return f"transaction {txid}" if is_told else f"a transaction (number {place})"


def tells_spends(values: object) -> bool:
    """Tell whether a node says of any input in a block what it spends; also where nobody spends anything there."""
    inputs = [
        one
        for value in sequence(values)
        if isinstance(value, dict) and isinstance(value.get("vin"), list)
        for one in value["vin"]
        if isinstance(one, dict) and "coinbase" not in one
    ]
    return not inputs or any(one.get("prevout") is not None for one in inputs)


def _output(
    told: Object, read: Callable[[Object], Coin], script_of: Callable[[Object], str], us: Container[str]
) -> Coin:
    try:
        return read(told)
    except BadAnswer:
        strange = script_of(told)
        if strange in us:
            raise
        return Coin(strange, 0)


def core_transaction(value: object, ours: Container[str] = EVERYBODY) -> Transaction:
    """Read one transaction of a block as Bitcoin Core tells it, every input with the output it spends (`prevout`)."""
    told = mapping(value)
    txid, sources = block_hash(field(told, "txid")), [mapping(one) for one in sequence(field(told, "vin"))]
    is_coinbase = any("coinbase" in one for one in sources)
    outputs = [mapping(one) for one in sequence(field(told, "vout"))]
    for place, output in enumerate(outputs):
        if whole(field(output, "n")) != place:
            raise BadAnswer(f"the outputs of {txid} are not in order")
    return Transaction(
        txid,
        is_coinbase,
        () if is_coinbase else tuple(_core_input(one) for one in sources),
        tuple(_output(output, _core_coin, _core_script, ours) for output in outputs),
    )


def _core_input(told: Object) -> Input:
    outpoint = f"{block_hash(field(told, 'txid'))}:{whole(field(told, 'vout'))}"
    return Input(outpoint, _core_coin(mapping(field(told, "prevout"))))


def _core_coin(told: Object) -> Coin:
    return Coin(_core_script(told), amount(field(told, "value")))


def _core_script(told: Object) -> str:
    return script(field(mapping(field(told, "scriptPubKey")), "hex"))


def esplora_transaction(value: object, ours: Container[str] = EVERYBODY) -> Transaction:
    """Read a transaction as Esplora tells it: amounts in satoshi, and every input with the output it spends."""
    told = mapping(value)
    sources = [mapping(one) for one in sequence(field(told, "vin"))]
    is_coinbase = any(one.get("is_coinbase") is True for one in sources)
    return Transaction(
        block_hash(field(told, "txid")),
        is_coinbase,
        () if is_coinbase else tuple(_esplora_input(one) for one in sources),
        tuple(_output(mapping(one), _esplora_coin, _esplora_script, ours) for one in sequence(field(told, "vout"))),
    )


def _esplora_input(told: Object) -> Input:
    outpoint = f"{block_hash(field(told, 'txid'))}:{whole(field(told, 'vout'))}"
    return Input(outpoint, _esplora_coin(mapping(field(told, "prevout"))))


def _esplora_coin(told: Object) -> Coin:
    return Coin(_esplora_script(told), satoshi(field(told, "value")))


def _esplora_script(told: Object) -> str:
    return script(field(told, "scriptpubkey"))
