"""EVM addresses and their EIP-55 checksum. Pure: keccak from pycryptodome, never web3."""

import re

from Crypto.Hash import keccak

from support_service.rails.options import BadOption

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def checksummed(address: str) -> str:
    """Write an address in the mixed case of EIP-55; its own case does not matter.

    A hex letter is upper case where the keccak-256 of the lower-case hex has a nibble of 8 or more.
    """
    digits = address[2:].lower()
    nibbles = keccak.new(digest_bits=256, data=digits.encode("ascii")).hexdigest()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, nibbles, strict=False)
    )


def read_address(text: str) -> str:
    """Return an address that carries its exact EIP-55 case; BadOption says what is wrong with it."""
    if not _ADDRESS.fullmatch(text):
        raise BadOption(f"must be 0x and 40 hex digits (42 characters, this has {len(text)})")
    if not text[2:].strip("0"):
        raise BadOption("is the zero address: money sent there is lost")
    if text == checksummed(text):
        return text
    digits = text[2:]
    if digits in {digits.lower(), digits.upper()}:
        # Writing the right case here would turn a mistyped address into one that looks checked.
        raise BadOption("carries no checksum (all letters in one case); copy it from the wallet in its mixed case")
    raise BadOption("has a wrong checksum (EIP-55 upper and lower case): a letter may be mistyped; copy it again")
