"""Who signed a text: EIP-191's `personal_sign`, as wallets of people make it. Pure; imported late, for it takes long.

A wallet that is a contract has no key and cannot sign so (EIP-1271 asks its node instead): of such a signature
we only say that it is none of these.
"""

import re

from Crypto.Hash import keccak
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from support_service.rails.evm.address import checksummed

# What a wallet shows may be pasted whole: the signature is the one word of 65 bytes in it.
_SIGNATURE = re.compile(r"(?<![0-9A-Za-z])0x([0-9a-fA-F]{130})(?![0-9A-Za-z])", re.ASCII)
# Wallets number the two keys that a signature may be of from 27; some count from 0.
_RECOVERY = {27: 0, 28: 1, 0: 0, 1: 1}


def signer(text: str, pasted: str) -> str | None:
    """Return the address whose key signed a text, as the ledger writes it; None where this is no such signature.

    Of the two ways to write one signature the one with the lower s counts (EIP-2): wallets write no other.
    """
    found = {match[1].lower() for match in _SIGNATURE.finditer(pasted)}
    if len(found) != 1:
        return None
    told = bytes.fromhex(found.pop())
    r, s, recovery = int.from_bytes(told[:32]), int.from_bytes(told[32:64]), _RECOVERY.get(told[64])
    if recovery is None or not 0 < r < SECPK1_N or not 0 < s <= SECPK1_N // 2:
        return None
    try:
        key = Signature(vrs=(recovery, r, s)).recover_public_key_from_msg_hash(_digest(text))
    except (BadSignature, ValidationError):
        return None
    return checksummed(key.to_address())


def _digest(text: str) -> bytes:
    """Hash a text as EIP-191 does, version 0x45: nothing that moves money hashes so."""
    body = text.encode()
    return keccak.new(digest_bits=256, data=b"\x19Ethereum Signed Message:\n%d%s" % (len(body), body)).digest()
