"""A TRON node as the EVM rail's readers may ask it: what it cannot know is refused here, and not sent.

`eth_call` takes `latest` alone (java-tron, TronJsonRpcImpl.getCall): a height is refused, and a block's hash is
taken and silently answered with the newest state, which would be booked as the balance of an old block.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from support_service.rails.evm.rpc import Askable, Call
from support_service.rails.evm.rpc_errors import NoState, Refusal, UnreadableItem
from support_service.rails.evm.rpc_schema import Receipt

_OF_STATE = frozenset({"eth_call", "eth_getBalance", "eth_getCode", "eth_getStorageAt"})

T = TypeVar("T")

# Tells by a second interface whether the contract call of a transaction succeeded; Unreadable where it never will.
Witness = Callable[[str], bool]


class NewestOnly:
    """Passes questions on, all but those about old state; a witness, where there is one, is asked of every receipt."""

    def __init__(self, inner: Askable, witness: Witness | None = None) -> None:
        self._inner, self._witness = inner, witness
        self.host = inner.host

    def ask_all(self, calls: Sequence[Call[T]], /) -> list[T | Refusal]:
        """Ask many questions; each answer is its value or a Refusal. SourceDown if some stay open."""
        passed = [call for call in calls if not _is_of_old_state(call)]
        told = iter(self._inner.ask_all(passed) if passed else [])
        return [_no_state(call) if _is_of_old_state(call) else self._witnessed(next(told)) for call in calls]

    def _witnessed(self, answer: T | Refusal) -> T | Refusal:
        """Take a receipt's success for true only if the witness says so, too: the node knows more than it tells."""
        if self._witness is None or not isinstance(answer, Receipt) or not answer.is_success:
            return answer
        try:
            return cast("T", replace(answer, is_success=self._witness(answer.tx)))
        except UnreadableItem as error:
            return error


def _is_of_old_state(call: Call[T]) -> bool:
    return call.method in _OF_STATE and call.params[-1] != "latest"


def _no_state(call: Call[T]) -> Refusal:
    return NoState(call.method, -32602, "a TRON node tells balances of its newest state alone")
