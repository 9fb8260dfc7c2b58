"""A TRON node for the demo and the tests: the local EVM node behind a server that speaks as java-tron does.

Nobody packages java-tron for such use. So every way in which its Ethereum-like JSON-RPC is known to
differ is imposed here on answers of a real local node. Sources: java-tron's code (framework,
services/jsonrpc) and the documentation of its JSON-RPC. Loopback alone, and no money of anybody.
"""

import json
from collections.abc import Callable, Mapping
from urllib.request import ProxyHandler, Request, build_opener

from support_service.demo.json_values import Json
from support_service.rails.tron.address import any_form, from_evm, to_evm

CHAIN_ID = 728126428
RANGE_BLOCKS_MAX, RESULTS_MAX, BATCH_MAX = 5_000, 10_000, 100
UPSTREAM_SECONDS_MAX = 30
_ZERO_HASH = f"0x{'0' * 64}"
_NO_TRANSACTIONS = (False,)
_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

METHODS = frozenset(
    {
        "eth_accounts", "eth_blockNumber", "eth_call", "eth_chainId", "eth_estimateGas", "eth_gasPrice",
        "eth_getBalance", "eth_getBlockByHash", "eth_getBlockByNumber", "eth_getBlockReceipts", "eth_getCode",
        "eth_getLogs", "eth_getStorageAt", "eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_syncing",
        "net_version", "web3_clientVersion",
    }
)  # fmt: skip
_OF_STATE = frozenset({"eth_call", "eth_getBalance", "eth_getCode", "eth_getStorageAt"})
# What a block has no value for (java-tron, BlockResult).
_EMPTY_IN_BLOCK = {
    "stateRoot": "0x",
    "extraData": "0x",
    "nonce": "0x0000000000000000",
    "sha3Uncles": _ZERO_HASH,
    "receiptsRoot": _ZERO_HASH,
    "mixHash": _ZERO_HASH,
    "logsBloom": f"0x{'0' * 512}",
    "difficulty": "0x0",
    "totalDifficulty": "0x0",
    "baseFeePerGas": "0x0",
}
_NOT_IN_BLOCK = (
    "withdrawals",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)


class TronRefusal(Exception):
    """What the node answers in place of a result: a JSON-RPC code and words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class TronNode:
    """Answers questions as one TRON node, from an EVM node at `upstream` (which may change).

    index_from: the first block in the log index; a search below it finds nothing and does not say so.
    failed: transactions whose contract call failed though their receipt's status is 0x1.
    values: what `value` says of a transaction that carries votes or TRC-10 units, by its hash.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.index_from, self.range_blocks_max = 0, RANGE_BLOCKS_MAX
        self.failed: set[str] = set()
        self.values: dict[str, int] = {}
        self._opener = build_opener(ProxyHandler({}))
        self._hashes: dict[str, str] = {}

    def answer(self, item: Json, *, is_solid: bool) -> Json:
        """Answer one JSON-RPC question; is_solid: on the solidified port."""
        told = {"jsonrpc": "2.0", "id": item.get("id")}
        try:
            return {**told, "result": self._result(item["method"], list(item.get("params") or []), is_solid=is_solid)}
        except TronRefusal as error:
            return {**told, "error": {"code": error.code, "message": error.text}}

    def _result(self, method: str, params: list[Json], *, is_solid: bool) -> Json:
        if method not in METHODS:
            raise TronRefusal(-32601, f"the method {method} does not exist/is not available")
        answers: dict[str, Callable[[], Json]] = {
            "eth_chainId": lambda: hex(CHAIN_ID),
            "net_version": lambda: hex(CHAIN_ID),
            "eth_blockNumber": lambda: hex(self.height(is_solid=is_solid)),
            "eth_getBlockByNumber": lambda: self._block(method, params, is_solid=is_solid),
            "eth_getBlockByHash": lambda: self._block(method, params, is_solid=is_solid),
            "eth_getLogs": lambda: self._logs(dict(params[0]), is_solid=is_solid),
            "eth_getTransactionByHash": lambda: self._transaction(self.ask(method, *params)),
            "eth_getTransactionReceipt": lambda: self._receipt(self.ask(method, *params)),
            "eth_getBlockReceipts": lambda: [self._receipt(one) for one in self.ask(method, *params) or []],
            **{name: lambda: self._state(method, params, is_solid=is_solid) for name in _OF_STATE},
        }
        return answers[method]() if method in answers else self.ask(method, *params)

    def height(self, *, is_solid: bool) -> int:
        """The head, or on the solidified port the highest final block."""
        tag = "finalized" if is_solid else "latest"
        return int(self._header(tag)["number"], 16)

    def _header(self, where: str) -> Json:
        return self.ask("eth_getBlockByNumber", where, *_NO_TRANSACTIONS)

    def _block(self, method: str, params: list[Json], *, is_solid: bool) -> Json:
        where = params[0]
        if where in {"safe", "pending"}:
            raise TronRefusal(-32602, f"TAG {where} not supported")
        if method == "eth_getBlockByHash":
            where = self._hashes.get(where, where)
        elif is_solid:
            last = self.height(is_solid=True)
            where = hex(last) if where in {"latest", "finalized"} else where
            if where.startswith("0x") and int(where, 16) > last:
                return None
        told = self.ask(method, where, *params[1:])
        return None if told is None else self._bent_block(told)

    def _bent_block(self, block: Json) -> Json:
        height = int(block["number"], 16)
        parent = self._named(height - 1, block["parentHash"]) if height else _ZERO_HASH
        rest = {name: value for name, value in block.items() if name not in _NOT_IN_BLOCK}
        sent = [one if isinstance(one, str) else self._transaction(one) for one in block["transactions"]]
        here: dict[str, Json] = {"hash": self._named(height, block["hash"]), "parentHash": parent, "transactions": sent}
        return {**rest, **_EMPTY_IN_BLOCK, **here}

    def _transaction(self, told: Json) -> Json:
        """A transaction; one that is in no block yet has a bare 0x for its height, and `value` is not always TRX."""
        if told is None:
            return None
        bent = {**self._placed(told), "type": "0x0", "nonce": "0x0000000000000000"}
        if told["hash"] in self.values:
            bent["value"] = hex(self.values[told["hash"]])
        return bent

    def _receipt(self, told: Json) -> Json:
        if told is None:
            return None
        bent = {**self._placed(told), "type": "0x0", "logsBloom": _EMPTY_IN_BLOCK["logsBloom"]}
        if told["transactionHash"] in self.failed:
            bent["status"] = "0x1"
        bent["logs"] = [self._log(log) for log in told["logs"]]
        return bent

    def _log(self, log: Json) -> Json:
        return {**self._placed(log), "removed": False}

    def _placed(self, told: Json) -> Json:
        """Write where something stands: in java-tron a block's hash begins with its height."""
        if told.get("blockNumber") is None:
            return {**told, "blockNumber": "0x", "blockHash": "0x", "transactionIndex": "0x"}
        return {**told, "blockHash": self._named(int(told["blockNumber"], 16), told["blockHash"])}

    def _named(self, height: int, block_hash: str) -> str:
        name = f"0x{height:016x}{block_hash[18:]}"
        self._hashes[name] = block_hash
        return name

    def _logs(self, wanted: dict[str, Json], *, is_solid: bool) -> list[Json]:
        head = self.height(is_solid=is_solid)
        if "blockHash" in wanted:
            if wanted["blockHash"] not in self._hashes:
                raise TronRefusal(-32602, "invalid blockHash")
            first = int(wanted["blockHash"][2:18], 16)
            wanted["blockHash"] = self._hashes[wanted["blockHash"]]
            if self.ask("eth_getBlockByHash", wanted["blockHash"], *_NO_TRANSACTIONS) is None:
                raise TronRefusal(-32602, "invalid blockHash")
        else:
            first, last = (int(wanted[name], 16) for name in ("fromBlock", "toBlock"))
            if first > last:
                raise TronRefusal(-32602, "please verify: fromBlock <= toBlock")
            # Clipped, not refused: a question beyond the head is answered for the blocks there are.
            last = min(last, head)
            if last - first > self.range_blocks_max:
                raise TronRefusal(-32602, f"exceed max block range: {self.range_blocks_max}")
            if first > last:
                return []
            wanted["toBlock"] = hex(last)
        found = self.ask("eth_getLogs", wanted)
        if wanted.get("address") or wanted.get("topics"):
            found = [log for log in found if int(log["blockNumber"], 16) >= self.index_from]
        if len(found) > RESULTS_MAX:
            raise TronRefusal(-32005, f"query returned more than {RESULTS_MAX} results")
        return [self._log(log) for log in found]

    def _state(self, method: str, params: list[Json], *, is_solid: bool) -> Json:
        where = params[-1]
        # A block named by an object (EIP-1898) is taken, and answered with the newest state all the same.
        if isinstance(where, str) and where != "latest":
            if where.startswith("0x"):
                raise TronRefusal(-32602, "QUANTITY not supported, just support TAG as latest")
            raise TronRefusal(-32602, "TAG [earliest | pending | finalized] not supported")
        if method == "eth_call" and not params[0].get("to"):
            raise TronRefusal(-32602, "invalid contract address")
        now = hex(self.height(is_solid=True)) if is_solid else "latest"
        return self.ask(method, *params[:-1], now)

    def result_of(self, tx: str) -> Json:
        """What the native interface tells of a transaction: nothing of one that is in no block."""
        receipt = self.ask("eth_getTransactionReceipt", tx)
        if receipt is None:
            return {}
        is_good = receipt["status"] == "0x1" and tx not in self.failed
        told = {"id": tx[2:], "blockNumber": int(receipt["blockNumber"], 16)}
        if is_good:
            return {**told, "receipt": {"result": "SUCCESS"}}
        return {**told, "result": "FAILED", "receipt": {"result": "OUT_OF_ENERGY" if tx in self.failed else "REVERT"}}

    def history(self, address: str, asked: Mapping[str, str]) -> Json:
        """An account's final TRC-20 transfers as TronGrid lists them, newest first."""
        word = f"0x{'0' * 24}{to_evm(address)[2:]}"
        where = {"fromBlock": "0x0", "toBlock": hex(self.height(is_solid=True))}
        if "contract_address" in asked:
            where["address"] = to_evm(any_form(asked["contract_address"]))
        found = [
            log
            for topics in ([_TRANSFER, word], [_TRANSFER, None, word])
            for log in self.ask("eth_getLogs", {**where, "topics": topics})
        ]
        logs = {(log["transactionHash"], log["logIndex"]): log for log in found}
        since = int(asked.get("min_timestamp", "0"))
        entries = [entry for log in logs.values() if (entry := self._entry(log))["block_timestamp"] >= since]
        entries.sort(key=lambda entry: -int(entry["block_timestamp"]))
        page, skipped = int(asked.get("limit", "20")), int(asked.get("fingerprint", "0"))
        shown = entries[skipped : skipped + page]
        meta: dict[str, Json] = {"page_size": len(shown)}
        if skipped + page < len(entries):
            meta["fingerprint"] = str(skipped + page)
        return {"data": shown, "success": True, "meta": meta}

    def _entry(self, log: Json) -> Json:
        block = self._header(log["blockNumber"])
        payer, payee = (from_evm(f"0x{topic[-40:]}") for topic in log["topics"][1:3])
        return {
            "transaction_id": log["transactionHash"][2:],
            "token_info": {"symbol": "USDT", "address": from_evm(log["address"]), "decimals": 6, "name": "Tether USD"},
            "block_timestamp": int(block["timestamp"], 16) * 1000,
            "from": payer,
            "to": payee,
            "type": "Transfer",
            "value": str(int(log["data"], 16)),
        }

    def ask(self, method: str, *params: Json) -> Json:
        """Ask the EVM node itself."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = Request(self.upstream, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback, ours
        with self._opener.open(request, timeout=UPSTREAM_SECONDS_MAX) as answer:
            told = json.load(answer)
        if "error" in told:
            raise TronRefusal(int(told["error"].get("code", -32000)), str(told["error"].get("message")))
        return told["result"]
