"""TRON addresses: base58check of 0x41 and 20 bytes, 34 characters; those 20 bytes are the EVM form. Pure.

A node speaks of one address in three forms: T... in its own tools, 41... in its native API, 0x... in
its Ethereum-like one. Here T... is what is shown and booked; the others are only ever read or sent.
"""

import hashlib
import re

from support_service.rails.options import BadOption

ADDRESS_CHARACTERS = 34
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_MAIN, _TEST = 0x41, 0xA0
_BYTES, _CHECKSUM_BYTES = 21, 4

_HEX = re.compile(r"(?:0x)?41[0-9a-fA-F]{40}", re.ASCII)
_EVM = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def read_address(text: str) -> str:
    """Return a TRON main network address; BadOption says what is wrong with it."""
    to_hex(text)
    return text


def to_hex(address: str) -> str:
    """Write an address in TRON's hex form, "41" and 40 digits; BadOption for what is no address."""
    # Bounded before decoding, whose cost grows with the square of the length.
    if not 25 <= len(address) <= 40:
        raise BadOption(f"must be {ADDRESS_CHARACTERS} characters that begin with T, this has {len(address)}")
    payload = _decoded(address)
    if payload is None:
        raise BadOption(_why_not(address))
    if payload[0] == _TEST:
        raise BadOption("is of TRON's old test network (prefix A0), not of the main network")
    if payload[0] != _MAIN or len(payload) != _BYTES or len(address) != ADDRESS_CHARACTERS:
        raise BadOption("is an address of another chain; a TRON address begins with T and has 34 characters")
    return payload.hex()


def to_evm(address: str) -> str:
    """Write an address as the Ethereum-like interface wants it: "0x" and 40 digits in lower case."""
    return f"0x{to_hex(address)[2:]}"


def from_evm(text: str) -> str:
    """Write "0x" and 40 digits as T...; ValueError for anything else."""
    if _EVM.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is not an address of 20 bytes")
    payload = bytes([_MAIN]) + bytes.fromhex(text[2:])
    number = int.from_bytes(payload + _checksum(payload), "big")
    digits = ""
    while number:
        number, place = divmod(number, 58)
        digits = ALPHABET[place] + digits
    # The first byte is never zero here, so no leading zeros are to be written.
    return digits


def any_form(text: str) -> str:
    """Read an address in whichever form a node wrote it, T..., 41... or 0x..., as T...; ValueError if it is none."""
    if _EVM.fullmatch(text):
        return from_evm(text)
    if _HEX.fullmatch(text):
        return from_evm(f"0x{text[-40:]}")
    return read_address(text)


def _decoded(text: str) -> bytes | None:
    """Undo base58check; None where a character or the checksum is wrong."""
    number = 0
    for character in text:
        place = ALPHABET.find(character)
        if place < 0:
            return None
        number = number * 58 + place
    zeros = len(text) - len(text.lstrip(ALPHABET[0]))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    payload, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    return payload if payload and _checksum(payload) == checksum else None


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:_CHECKSUM_BYTES]


def _why_not(address: str) -> str:
    if len(address) != ADDRESS_CHARACTERS:
        return f"must be {ADDRESS_CHARACTERS} characters that begin with T, this has {len(address)}"
    strange = "".join(sorted(set(address) - set(ALPHABET)))
    if strange:
        return f"holds {strange!r}, which no TRON address holds (0, O, I and l are left out)"
    return "has a wrong checksum: a character may be mistyped or in the wrong case; copy it again"
