"""A Bitcoin Core for the demo and the tests: bcoin behind a server that speaks as version 23 and newer do.

Nobody packages Bitcoin Core for such use. bcoin answers most questions as Core does, but a block tells nothing there
of the outputs that are spent in it (`getblock` with level 3). bcoin keeps them as undo data for the blocks of its
chain and tells them in a web API of its own, so they come from there. Of a block that has left the chain Core still
knows them; bcoin does not, and here that is an error. Loopback alone, and no money of anybody.
"""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

from support_service.demo.json_port import JsonPort
from support_service.demo.json_values import Json

BCOIN_SECONDS_MAX = 30
# A block with its transactions in full, each input with the output that it spends; and how bcoin is asked for less.
_WITH_SPENT_OUTPUTS, _IN_FULL = 3, (True, True)
# Bitcoin Core's codes (rpc/protocol.h) and words.
_NOT_FOUND = {"code": -5, "message": "Block not found"}
_NO_UNDO = {"code": -1, "message": "Undo data expected but can't be read."}


class BcoinAsCore:
    """Answers one question as Bitcoin Core does, from a bcoin on loopback. Whose password is right, bcoin decides."""

    def __init__(self, port: int) -> None:
        self._port = port

    def answer(self, asked: Json, authorization: str) -> Json:
        """Answer one JSON-RPC question. OSError where bcoin is gone, PermissionError where the password is wrong."""
        if asked["method"] != "getblock" or asked["params"][1:] != [_WITH_SPENT_OUTPUTS]:
            return self._ask("POST", "/", authorization, asked)
        digest = str(asked["params"][0])
        told = self._ask("POST", "/", authorization, {**asked, "params": [digest, *_IN_FULL]})
        if told["error"] is not None:
            return {**told, "error": _NOT_FOUND}
        inputs = [one for tx in told["result"]["tx"][1:] for one in tx["vin"]]
        spent = list(self._spent(digest, authorization)) if inputs else []
        if None in spent:
            return {**told, "result": None, "error": _NO_UNDO}
        for one, coin in zip(inputs, spent, strict=True):
            one["prevout"] = _prevout(coin)
        return told

    def _spent(self, digest: str, authorization: str) -> Iterator[Json]:
        """The outputs that a block's transactions spend, in its order, in bcoin's own form; None where it has none."""
        for tx in self._ask("GET", f"/block/{digest}", authorization)["txs"][1:]:
            for one in tx["inputs"]:
                yield one.get("coin")

    def _ask(self, method: str, path: str, authorization: str, asked: Json = None) -> Json:
        line = HTTPConnection("127.0.0.1", self._port, timeout=BCOIN_SECONDS_MAX)
        try:
            body = None if asked is None else json.dumps(asked)
            line.request(method, path, body, {"Authorization": authorization})
            answer = line.getresponse()
            if answer.status == 401:
                raise PermissionError("the local Bitcoin node knows no such password")
            return json.load(answer)
        finally:
            line.close()


class CorePort(JsonPort):
    """That Bitcoin Core on a port of its own, before the bcoin whose address, with its password, is given."""

    def __init__(self, bcoin_url: str) -> None:
        parts = urlsplit(bcoin_url)
        assert parts.port is not None, "the address of a local node names its port"
        core, self._login = BcoinAsCore(parts.port), parts.netloc.partition("@")[0]
        super().__init__(lambda asked: core.answer(json.loads(asked.body), asked.authorization))

    @property
    def url(self) -> str:
        """Where it answers, with the password, as the settings want it."""
        return f"http://{self._login}@127.0.0.1:{self.port}"


def _prevout(coin: Json) -> Json:
    # The nearest number to whole satoshi, of which JSON writes all eight places: no money has more than sixteen digits.
    value = coin["value"] / 100_000_000
    script = {"hex": coin["script"]}
    return {"generated": coin["coinbase"], "height": coin["height"], "value": value, "scriptPubKey": script}
