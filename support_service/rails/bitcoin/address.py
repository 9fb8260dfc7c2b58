"""Bitcoin addresses: bech32 (BIP-173), bech32m (BIP-350) and base58check. Pure.

Each way to be wrong has its own reason. embit decodes; the rules of the two BIPs are applied here,
because a decoder only says yes or no.
"""

import re
from dataclasses import dataclass

from embit import base58, bech32
from embit.networks import NETWORKS

from support_service.rails.options import BadOption

CHAINS = ("main", "test", "signet", "regtest")

_SEGWIT = re.compile(r"(bc|tb|bcrt)1", re.IGNORECASE)
# Before decoding: the longest segwit address has 90 characters, and cost grows with length.
_CHARACTERS_MAX = 90


@dataclass(frozen=True, slots=True)
class Address:
    """An address as wallets show it (bech32 in lower case) and the script that holds its coins."""

    text: str
    script: bytes
    is_segwit: bool

    @property
    def has_wallets(self) -> bool:
        """Tell whether wallets make such addresses today; anybody may take coins sent to the others."""
        version, length = self.script[0], len(self.script) - 2
        return not self.is_segwit or version == 0 or (version == 0x51 and length == 32)


def read_address(text: str, chain: str) -> Address:
    """Read an address of one chain (main, test, signet, regtest); BadOption says what is wrong."""
    if len(text) > _CHARACTERS_MAX:
        raise BadOption(f"has {len(text)} characters; no Bitcoin address has more than {_CHARACTERS_MAX}")
    network = NETWORKS[chain]
    match = _SEGWIT.match(text)
    if match is None:
        return _read_base58(text, chain)
    if match[1].lower() != network["bech32"]:
        raise BadOption(f"is of another Bitcoin network; on {chain!r} it begins with {network['bech32']}1")
    return _read_segwit(text)


def _read_segwit(text: str) -> Address:
    if text not in {text.lower(), text.upper()}:
        raise BadOption("mixes upper and lower case, which a bech32 address never does; copy it again")
    strange = "".join(sorted(set(text.lower().rpartition("1")[2]) - set(bech32.CHARSET)))
    if strange:
        raise BadOption(f"holds {strange!r}, which no bech32 address holds; copy it again")
    encoding, _, data = bech32.bech32_decode(text)
    if encoding is None or not data:
        raise BadOption("has a wrong checksum (bech32): a character may be mistyped; copy it again")
    version, program = data[0], bech32.convertbits(data[1:], 5, 8, pad=False)
    if version > 16:
        raise BadOption(f"has witness version {version}; the highest is 16")
    if version == 0 and encoding != bech32.Encoding.BECH32:
        raise BadOption("is of witness version 0 with a bech32m checksum; version 0 uses bech32 (BIP-350)")
    if version > 0 and encoding != bech32.Encoding.BECH32M:
        raise BadOption(f"is of witness version {version} with a bech32 checksum; it must be bech32m (BIP-350)")
    if program is None or not 2 <= len(program) <= 40 or (version == 0 and len(program) not in {20, 32}):
        raise BadOption("holds a witness program of a wrong length; copy it again")
    opcode = 0x50 + version if version else 0
    return Address(text.lower(), bytes([opcode, len(program), *program]), is_segwit=True)


def _read_base58(text: str, chain: str) -> Address:
    strange = "".join(sorted(set(text) - set(base58.B58_DIGITS)))
    if strange:
        raise BadOption(f"holds {strange[:10]!r}, which no Bitcoin address holds")
    try:
        payload: bytes = base58.decode_check(text)
    except ValueError as error:
        raise BadOption("has a wrong checksum (base58): a character may be mistyped; copy it again") from error
    prefix, digest = payload[:1], payload[1:]
    known = {NETWORKS[name][kind] for name in CHAINS for kind in ("p2pkh", "p2sh")}
    if len(digest) != 20 or prefix not in known:
        raise BadOption("is not a Bitcoin address, but looks like one of another coin")
    if prefix == NETWORKS[chain]["p2pkh"]:
        return Address(text, b"\x76\xa9\x14" + digest + b"\x88\xac", is_segwit=False)
    if prefix == NETWORKS[chain]["p2sh"]:
        return Address(text, b"\xa9\x14" + digest + b"\x87", is_segwit=False)
    raise BadOption(f"is of another Bitcoin network, not of {chain!r}")
