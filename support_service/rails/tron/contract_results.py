"""A node's own HTTP interface as a second witness: did the contract call of a transaction succeed?

The Ethereum-like receipt says 0x1 for every result code up to 1 (java-tron, TransactionReceipt), so
also for one that is not SUCCESS. Where the witness is set, nothing is booked that it does not confirm.
"""

from collections.abc import Iterable

from support_service.rails.asides import Asides
from support_service.rails.chain.http import JsonServer
from support_service.rails.evm.rpc_errors import UnreadableItem
from support_service.rails.source import SourceDown

PATH = "/wallet/gettransactioninfobyid"
# The largest honest answer is a page of 200 transfers of an account's history, some 100 kB.
ANSWER_BYTES_MAX = 2 * 1024 * 1024
BRACKETS_MAX = 20_000
# With rests of 1, 2, 4 and 8 minutes between them: a quarter of an hour.
TRIES_MAX = 5


def witness_at(url: str) -> JsonServer:
    """Give a second witness its bounds; its address may hold a key, so only the host is told."""
    return JsonServer(url, bytes_max=ANSWER_BYTES_MAX, brackets_max=BRACKETS_MAX)


class Results:
    """Asks the nodes in turn, each where the ones before it do not know.

    A transaction that none of them knows is asked for again with growing rests; after a while all else goes on
    without it, and what the balance proves of it is booked without a name.
    """

    def __init__(self, urls: Iterable[str], asides: Asides) -> None:
        self._places, self._asides = [witness_at(url) for url in urls], asides

    def __call__(self, transaction: str) -> bool:
        """Tell whether a transaction's contract call succeeded.

        SourceDown where no witness answers or knows it now, Unreadable where none has known it for long.
        """
        key = f"result of {transaction}"
        if not self._asides.rests(key):
            told = self._ask(transaction, key)
            if told is not None:
                self._asides.solve(key)
                return told
        held = next((item for item in self._asides.items if item.key == key), None)
        if held is None or held.tries < TRIES_MAX:
            why = f"does not know {transaction}" if held is None else held.reason
            raise SourceDown(f"whether a transaction succeeded cannot be told: {why}; it is asked again")
        raise UnreadableItem(PATH, 0, held.reason)

    def _ask(self, transaction: str, key: str) -> bool | None:
        """Ask every witness; None where those that answer do not know it, which is noted."""
        troubles: list[str] = []
        is_answered = False
        for place in self._places:
            try:
                told = place.get(PATH, {"value": transaction.removeprefix("0x")})
            except SourceDown as error:
                troubles.append(str(error))
                continue
            if isinstance(told, dict) and told.get("id") == transaction.removeprefix("0x"):
                receipt = told.get("receipt")
                result = receipt.get("result") if isinstance(receipt, dict) else None
                return result == "SUCCESS" and told.get("result", "SUCCESS") == "SUCCESS"
            is_answered = is_answered or (isinstance(told, dict) and "Error" not in told)
            troubles.append(f"{place.host}: does not know {transaction}")
        if is_answered:
            self._asides.note(key, "; ".join(troubles))
            return None
        raise SourceDown("whether a transaction succeeded cannot be told: " + "; ".join(troubles))
