"""TRON addresses: base58check of 0x41 and 20 bytes, 34 characters. Pure."""

from embit import base58

from support_service.rails import BadOption

ADDRESS_CHARACTERS = 34
_MAIN, _TEST = 0x41, 0xA0


def read_address(text: str) -> str:
    """Return a TRON main network address; BadOption says what is wrong with it."""
    to_hex(text)
    return text


def to_hex(address: str) -> str:
    """Write an address in TRON's hex form, "41" and 40 digits; BadOption for what is no address."""
    # Bounded before decoding, whose cost grows with the square of the length.
    if not 25 <= len(address) <= 40:
        raise BadOption(f"must be {ADDRESS_CHARACTERS} characters that begin with T, this has {len(address)}")
    try:
        payload: bytes = base58.decode_check(address)
    except ValueError as error:
        raise BadOption(_why_not(address)) from error
    if payload[0] == _TEST:
        raise BadOption("is of TRON's old test network (prefix A0), not of the main network")
    if payload[0] != _MAIN or len(payload) != 21 or len(address) != ADDRESS_CHARACTERS:
        raise BadOption("is an address of another chain; a TRON address begins with T and has 34 characters")
    return payload.hex()


def _why_not(address: str) -> str:
    if len(address) != ADDRESS_CHARACTERS:
        return f"must be {ADDRESS_CHARACTERS} characters that begin with T, this has {len(address)}"
    strange = "".join(sorted(set(address) - set(base58.B58_DIGITS)))
    if strange:
        return f"holds {strange!r}, which no TRON address holds (0, O, I and l are left out)"
    return "has a wrong checksum: a character may be mistyped or in the wrong case; copy it again"
