"""Bitcoin transactions for local chains, whose coins anybody may spend: there are no keys, and nothing is signed.

Enough of the format (BIP-141, BIP-144) for the demo's gifts and for tests; a real node checks all
of it. Never for a chain with money on it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from embit import bech32
from embit.hashes import hash160

# Neither final nor locked: such a transaction may be replaced by one with a higher fee (BIP-125).
SEQUENCE_REPLACEABLE = 0xFFFFFFFD
_OP_DROP, _OP_TRUE = b"\x75", b"\x51"


def sha256d(data: bytes) -> bytes:
    """Bitcoin's hash: SHA-256 twice."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def shown(digest: bytes) -> str:
    """Write a hash as people do: the last byte first."""
    return digest[::-1].hex()


def compact(number: int) -> bytes:
    """Write a count in Bitcoin's variable length."""
    if number < 0xFD:
        return bytes([number])
    size, mark = (2, b"\xfd") if number <= 0xFFFF else (4, b"\xfe")
    return mark + number.to_bytes(size, "little")


def push(data: bytes) -> bytes:
    """Write the opcodes that put up to 255 bytes on the stack."""
    return (bytes([len(data)]) if len(data) < 0x4C else bytes([0x4C, len(data)])) + data


def witness_script(text: str) -> bytes:
    """Read the script of a bech32 or bech32m address, whatever network its prefix names."""
    _, _, data = bech32.bech32_decode(text)
    program = bytes(bech32.convertbits(data[1:], 5, 8, pad=False))
    return bytes([0x50 + data[0] if data[0] else 0]) + push(program)


def with_prefix(text: str, prefix: str) -> str:
    """Write a bech32 address for another network: the same script, another prefix."""
    _, _, data = bech32.bech32_decode(text)
    program = bech32.convertbits(data[1:], 5, 8, pad=False)
    return str(bech32.encode(prefix, data[0], program))


@dataclass(frozen=True, slots=True)
class Lock:
    """A condition that everybody meets, one of many by its number: a segwit script hash, or a legacy one.

    The legacy one takes any bytes beside its script, so anybody can give a transaction another id.
    """

    number: int
    is_segwit: bool = True

    @property
    def inner(self) -> bytes:
        """The script behind the hash."""
        begin = push(self.number.to_bytes(8, "big")) + _OP_DROP
        return begin + (_OP_TRUE if self.is_segwit else _OP_DROP + _OP_TRUE)

    @property
    def script(self) -> bytes:
        """What an output says to be locked by this."""
        if self.is_segwit:
            return b"\x00" + push(hashlib.sha256(self.inner).digest())
        return b"\xa9" + push(hash160(self.inner)) + b"\x87"

    def address(self, prefix: str = "bcrt") -> str:
        """The segwit lock's address."""
        return str(bech32.encode(prefix, 0, hashlib.sha256(self.inner).digest()))


@dataclass(frozen=True, slots=True)
class UnspentOutput:
    """An unspent output: its transaction, its place there, satoshi, and what holds it."""

    txid: str
    vout: int
    units: int
    lock: Lock


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """What is spent, and the outputs as (script, satoshi). salt changes the id where a legacy lock is spent."""

    coins: tuple[UnspentOutput, ...]
    outputs: tuple[tuple[bytes, int], ...]
    salt: bytes = b"\x01"
    sequence: int = SEQUENCE_REPLACEABLE

    @property
    def fee_units(self) -> int:
        """What is left to the miner."""
        return sum(coin.units for coin in self.coins) - sum(units for _, units in self.outputs)

    @property
    def has_witness(self) -> bool:
        """Tell whether a segwit output is spent."""
        return any(coin.lock.is_segwit for coin in self.coins)

    @property
    def txid(self) -> str:
        """The id, which leaves witnesses out."""
        return shown(sha256d(self._written(with_witness=False)))

    @property
    def raw(self) -> bytes:
        """The transaction as it is sent."""
        return self._written(with_witness=self.has_witness)

    def coin(self, vout: int, lock: Lock) -> UnspentOutput:
        """One of its outputs, to be spent."""
        script, units = self.outputs[vout]
        assert script == lock.script, "the output is locked by something else"
        return UnspentOutput(self.txid, vout, units, lock)

    def _written(self, *, with_witness: bool) -> bytes:
        parts = [(2).to_bytes(4, "little"), b"\x00\x01" if with_witness else b"", compact(len(self.coins))]
        parts += [self._input(coin) for coin in self.coins]
        parts += [compact(len(self.outputs)), *(written_output(script, units) for script, units in self.outputs)]
        parts += [_witness(coin) for coin in self.coins] if with_witness else []
        return b"".join([*parts, bytes(4)])

    def _input(self, coin: UnspentOutput) -> bytes:
        opened = b"" if coin.lock.is_segwit else push(self.salt) + push(coin.lock.inner)
        place = bytes.fromhex(coin.txid)[::-1] + coin.vout.to_bytes(4, "little")
        return place + compact(len(opened)) + opened + self.sequence.to_bytes(4, "little")


def written_output(script: bytes, units: int) -> bytes:
    """Write an output."""
    return units.to_bytes(8, "little") + compact(len(script)) + script


def payment(
    coins: Sequence[UnspentOutput],
    pays: Sequence[tuple[bytes, int]],
    *,
    change: Lock,
    fee_units: int = 1_000,
    salt: bytes = b"\x01",
) -> UnsignedTransaction:
    """Spend coins: pay the outputs in their order, and what is left after the fee back to `change`, last."""
    left = sum(coin.units for coin in coins) - sum(units for _, units in pays) - fee_units
    assert left >= 0, "the coins do not suffice"
    rest = ((change.script, left),) if left else ()
    return UnsignedTransaction(tuple(coins), (*pays, *rest), salt)


def _witness(coin: UnspentOutput) -> bytes:
    if not coin.lock.is_segwit:
        return b"\x00"
    return b"\x01" + compact(len(coin.lock.inner)) + coin.lock.inner
