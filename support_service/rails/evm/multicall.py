"""Many token balances with one question: a program that is run by eth_call and never deployed. Pure.

eth_call without a receiver runs its data as creation code and answers with what that returns. The
program asks every token for `balanceOf` and returns, behind one zero word (creation must not return
0xEF first: EIP-3541), two words per balance: 1 + length of the token's answer, or 0 where the token
failed; then the answer. A node that does not do this refuses, and each balance is asked for itself.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from support_service.rails.evm.rpc_schema import data

WORD_BYTES = 32
# The program is some 90 bytes per balance; creation code ends at 49,152 bytes (EIP-3860).
BALANCES_MAX = 200

# (token contract, holder)
TokenHolder: TypeAlias = tuple[str, str]

_SELECTOR = "70a08231"
_CALLDATA_BYTES, _OUT = 36, 64


def program(pairs: Sequence[TokenHolder]) -> str:
    """Write the program, as data for eth_call."""
    assert len(pairs) <= BALANCES_MAX
    # mem[0:4] = selector; every holder goes to mem[4:36].
    code = f"7f{_SELECTOR}{'00' * 28}" + "600052"
    out = _OUT + WORD_BYTES
    for contract, holder in pairs:
        code += f"73{holder[2:].lower()}" + "600452"
        # staticcall(gas, contract, 0, 36, out + 32, 32), then mem[out] = success * (1 + returndatasize)
        code += f"602061{out + WORD_BYTES:04x}60{_CALLDATA_BYTES:02x}600073{contract[2:].lower()}5afa"
        code += f"3d6001010261{out:04x}52"
        out += 2 * WORD_BYTES
    return f"0x{code}61{out - _OUT:04x}60{_OUT:02x}f3"


def reader(count: int) -> Callable[[object], tuple[int | None, ...]]:
    """Read what the program returned: a balance each, None where that token must be asked for itself.

    An answer of another length is that of a node which did not run the program: None for all.
    """

    def read(value: object) -> tuple[int | None, ...]:
        raw = data(value)
        words = [int.from_bytes(raw[at : at + WORD_BYTES], "big") for at in range(0, len(raw), WORD_BYTES)]
        if len(raw) != WORD_BYTES * (1 + 2 * count) or words[0] != 0:
            return (None,) * count
        return tuple(_balance(status, units) for status, units in zip(words[1::2], words[2::2], strict=True))

    return read


def _balance(status: int, units: int) -> int | None:
    # No answer at all is a contract that does not stand there: nobody has a balance, if it did not before either.
    return units if status in (1, 1 + WORD_BYTES) else None
