"""Bitcoin Core's JSON-RPC: one question, one answer, read strictly. Amounts never become floats."""

import itertools
import json

from support_service.rails.bitcoin.http import BitcoinHttp, parse
from support_service.rails.chain.bounded_json import BadJson
from support_service.rails.chain.http import READ_SECONDS_MAX, HttpAnswer
from support_service.rails.source import SourceDown

# Error codes of Bitcoin Core (rpc/protocol.h).
IN_WARMUP = -28
INVALID_PARAMETER = -8
TYPE_ERROR = -3
INVALID_ADDRESS_OR_KEY = -5


class CoreRefusal(Exception):
    """The node answered with an error of its own."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: error {code}: {message[:200]}")
        self.code = code


class Rpc:
    """One node's JSON-RPC."""

    def __init__(self, url: str) -> None:
        self.http = BitcoinHttp(url)
        self._numbers = itertools.count(1)

    @property
    def host(self) -> str:
        """Host and port."""
        return self.http.host

    def ask(self, method: str, *params: object, read_seconds: float = READ_SECONDS_MAX) -> object:
        """Ask one question. Raises Refusal, and SourceDown where there is no usable answer."""
        number = next(self._numbers)
        body = json.dumps({"jsonrpc": "1.0", "id": number, "method": method, "params": params}).encode()
        answer = self.http.post(body, read_seconds=read_seconds)
        told = self._decode(answer)
        error = told.get("error")
        if error is not None:
            raise self._refusal(method, error)
        if told.get("id") != number or "result" not in told:
            raise SourceDown(f"{self.host}: {method} was not answered, or under another id")
        return told["result"]

    def _decode(self, answer: HttpAnswer) -> dict[str, object]:
        try:
            told = parse(answer.body)
        except BadJson:
            told = None
        if not isinstance(told, dict):
            what = f"HTTP {answer.status} with something that is no JSON-RPC answer; is this address a node?"
            raise SourceDown(f"{self.host}: {what}")
        if answer.status != 200 and told.get("error") is None:
            raise SourceDown(f"{self.host}: HTTP {answer.status}")
        return told

    def _refusal(self, method: str, error: object) -> Exception:
        told = error if isinstance(error, dict) else {}
        code, words = told.get("code"), told.get("message")
        message = words if isinstance(words, str) else str(error)
        if code == IN_WARMUP:
            return SourceDown(f"{self.host}: is starting: {message[:200]}")
        return CoreRefusal(method, code if isinstance(code, int) else 0, message)
