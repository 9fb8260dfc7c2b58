"""A node's own HTTP interface as a second witness: did the contract call of a transaction succeed?

The Ethereum-like receipt says 0x1 for every result code up to 1 (java-tron, TransactionReceipt), so
also for one that is not SUCCESS. Where the witness is set, nothing is booked that it does not confirm.
"""

from collections.abc import Iterable

from support_service.rails import SourceDown
from support_service.rails.chain.http import Place
from support_service.rails.evm.http import host_of

PATH = "/wallet/gettransactioninfobyid"
# The largest honest answer is a page of 200 transfers of an account's history, some 100 kB.
ANSWER_BYTES_MAX = 2 * 1024 * 1024
BRACKETS_MAX = 20_000


def witness_at(url: str) -> Place:
    """Give a second witness its bounds; its address may hold a key, so only the host is told."""
    return Place(url, host_of(url), bytes_max=ANSWER_BYTES_MAX, brackets_max=BRACKETS_MAX)


class Results:
    """Asks the nodes in turn, each where the ones before it do not know."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._places = [witness_at(url) for url in urls]

    def __call__(self, transaction: str) -> bool:
        """Tell whether a transaction's contract call succeeded; SourceDown where no witness knows it."""
        troubles: list[str] = []
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
            troubles.append(f"{place.host}: does not know {transaction}")
        raise SourceDown("whether a transaction succeeded cannot be told: " + "; ".join(troubles))
